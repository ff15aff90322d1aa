"""A page comes back as its writer wrote it: whole paragraphs, and every character once."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.corpus.layout import HEADING_LENGTH, blocks
from qa.corpus.places import read, stretches
from qa.text import squeeze, width
from qa.types import Document

SEEDS = {
    path.name[:3]: path.read_bytes().decode()
    for path in sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
}
CAPTION = "社区干部与居民交流老旧小区存在的问题(资料图)"
PARK = "重庆市南岸区新建了一座口袋公园,占地三千平方米,周边居民散步、锻炼都方便了。"
SCHOOL = "即墨区新建公办幼儿园十所,新增学位两千七百个,入园难的问题得到缓解。"


def page(text, *, markup=False):
    """The blocks of a page as (kind, text as read)."""
    document = Document("页.txt", "页.txt", "", text, "utf-8", markup=markup)
    return [(block.kind, read(text, block.spans)[0]) for block in blocks(document)]


def of_kind(kind, text, *, markup=False):
    return [content for found, content in page(text, markup=markup) if found == kind]


@cache
def seed(number):
    return page(SEEDS[number])


@cache
def paragraphs():
    """Paragraphs of the five real pages, as printed before they were torn."""
    return [text for number in SEEDS for kind, text in seed(number) if kind == "body"]


class TestSeeds:
    @pytest.mark.parametrize(
        ("number", "whole"),
        [
            ("000", "大家都可以积极地实事实求是提出来……”在“双融行动”的初期走访宣传中,"),
            ("000", "从街道党工委书记到网格员均积极筑起连心桥,"),
            ("000", "情况、走向、外部环境等进行全面细致勘察,"),
            ("000", "该支队从群众诉求出发,"),
            ("000", "更是区域可持续发展的根本保障。"),
            ("000", "为实现全域生态环境风险可控打下坚实基础。"),
            ("001", "目前已完成1500把充电桩选址工作。持续推进老旧小区改造方面,"),
            ("001", "开展辖区内小区业委会选举工作,"),
            ("003", "鼓励首创精神,发挥党建引领、榜样示范、社会推动作用,"),
            ("003", "讨论制定小区疫情防控工作方案,成立疫情防控工作小组,"),
            ("003", "使用“一网通”平台对全县在建工程项目进行日常监督时,"),
            ("003", "应为孩子营造良好的成长氛围。”7月13日上午,"),
            ("003", "这也是江北区送给一年级新生的特别礼物。"),
            ("003", "绿道串联起滨江公园、滨江广场和滨江观景平台,"),
            ("003", "巫山的红叶,城口和南川的彩林,万州的中山杉……"),
        ],
    )
    def test_a_sentence_torn_by_a_picture_or_a_column_is_whole_again(self, number, whole):
        assert whole not in SEEDS[number]
        assert [kind for kind, text in seed(number) if whole in text] == ["body"]

    @pytest.mark.parametrize(
        ("number", "captions"),
        [
            (
                "000",
                [
                    "黔江区人大常委会机关和城东街道办事处党员干部在文汇社区与群众开展联谊活动(资料图)",
                    "黔江区城东街道居民积极与下沉到网格的区委组织部党员干部交流老旧小区存在的问题(资料图)",
                    "巫溪县生态环境保护综合行政执法支队执法人员排查河道周围环境隐患(资料图)",
                ],
            ),
            ("001", ["曼谷阳光社区开展技能培训活动。"]),
            ("002", []),
            (
                "003",
                [
                    "大讲堂上为群众以案说法。摄于七月十三日。"
                    "巴南区法院副院长刘秀荣在李家沱街道西流沱社区“德法有约”",
                    "云阳县纪委监委干部下村调查教育医疗补助落实情况。(云阳县纪委监委供图)",
                ],
            ),
            ("004", []),
        ],
    )
    def test_captions(self, number, captions):
        assert [text for kind, text in seed(number) if kind == "caption"] == captions

    @pytest.mark.parametrize(
        ("number", "headings"),
        [
            (
                "000",
                [
                    "黔江区城东街道以“三个做好”推进“双融行动”",
                    "党建引领激活基层治理“新动能”",
                    "做好宣传组织发动",
                    "让提问群众与解题部门“面对面”",
                    "做好协调跟进落实",
                    "让解题思路与治理成效“实打实”",
                    "做好联动多方共解",
                    "让各组下沉力量同下“一盘棋”",
                    "巫溪县生态环境保护综合行政执法支队打好“执法+服务”组合拳——",
                    "用法治绘就高质量发展生态底色",
                    "执法亮剑严守底线 跨区联动共治污染",
                    "推行环境信用评价 引导企业主动守法",
                    "隐患排查全域覆盖 应急演练强化实战",
                    "廉政建设淬炼铁军 法治素养奠定根基",
                    "持续深化执法服务 现场指导助企纾困",
                    "平安巫溪建设 系列报道",
                    "巫溪县委政法委协办",
                ],
            ),
            (
                "001",
                [
                    "在习近平新时代中国特色社会主义思想指引下",
                    "大省挑大梁·青岛走在前——民生保障",
                    "通济:织密民生网 筑牢服务桥",
                    "村庄清洁行动“秋冬季战役”见成效",
                    "青岛市生态环境局即墨分局:",
                    "靠前帮扶 助力企业发展",
                    "解决民思民忧,构建和美家园",
                    "健全民事民议,社区多元共治",
                ],
            ),
            (
                "002",
                [
                    "鄰水縣綜合行政執法局:堅持黨建引領,助推城市管理邁上新臺階",
                    "黨建+隊建,塑造綜合執法 “三軍”新形象",
                    "黨建+業務,助推城市管理更加精細化",
                    "黨建+服務,構建共治共建共用新格局",
                ],
            ),
            (
                "003",
                [
                    "以党建为引领 以人民为中心 重庆加快完善基层社会治理体制机制",
                    "奋进新征程 建功新时代 将改革进行到底·聚焦重庆基层探索 4",
                    "党员干部在基层治理中干在先、走在前",
                    "延伸监督触角防范化解风险",
                    "自治、法治、德治相结合,激发基层社会治理新活力",
                    "市政协颁发履职贡献奖",
                    "推进城市绿道建设,串联沿线山水资源",
                    "实施园林绿化品质提升,美化、彩化、香化让城市赏心悦目",
                ],
            ),
            (
                "004",
                [
                    "“真刀真枪”抓整改 全心全意解民忧",
                    "群众冷暖挂心间",
                    "发现问题立即改",
                    "打好基础管长远",
                ],
            ),
        ],
    )
    def test_headings(self, number, headings):
        assert [text for kind, text in seed(number) if kind == "heading"] == headings

    @pytest.mark.parametrize(
        ("number", "lines"),
        [
            ("000", [("byline", "孙洪波 通讯员 陈军 龚涵"), ("byline", "沈远万")]),
            (
                "001",
                [
                    ("byline", "(王富星)"),
                    ("byline", "(刘海豹)"),
                    ("jump", "(上接一版)"),
                    ("byline", "(王斌凯 高青苗)"),
                ],
            ),
            ("002", [("source", "來源:中國網 時間:2021-09-09 08:45:58 編輯:陳蓉 點擊:")]),
            ("003", [("byline", "本报记者 陈国栋"), ("jump", "(上接1版)"), ("jump", "(上接1版)")]),
            ("004", []),
        ],
    )
    def test_bylines_source_lines_and_jump_lines(self, number, lines):
        marks = ("byline", "source", "jump")
        assert [(kind, text) for kind, text in seed(number) if kind in marks] == lines

    def test_text_on_the_line_of_a_jump_is_body(self):
        after = [
            text
            for (kind, _), (_, text) in zip(seed("003"), seed("003")[1:], strict=False)
            if kind == "jump"
        ]
        assert after[0].startswith("“我是江北小交警”亲子志愿服务活动")
        assert after[1].startswith("在南岸区兰花路美雅城外新建的双拥口袋公园,")

    @pytest.mark.parametrize(
        ("number", "printed", "times"),
        [
            ("000", "实事实求是", 1),
            ("000", "各部門力量正陆续", 1),
            ("002", "城市管理髮展新要求", 1),
            ("002", "轉机站", 2),
            ("003", "慕江区委", 2),
            ("003", "石柱县县法院法官所", 1),
        ],
    )
    def test_misprints_stay_as_printed(self, number, printed, times):
        assert "\n".join(text for _, text in seed(number)).count(printed) == times

    @pytest.mark.parametrize("number", SEEDS)
    def test_every_body_paragraph_ends_like_one(self, number):
        # 贫困户…… and 顽疾: are paragraphs too; a torn one ends anywhere.
        for text in (text for kind, text in seed(number) if kind == "body"):
            assert text.rstrip("”)")[-1] in "。?!…;:" or text.endswith("供稿)"), text

    @pytest.mark.parametrize("number", SEEDS)
    def test_windows_line_ends_make_no_difference(self, number):
        assert page(SEEDS[number].replace("\n", "\r\n")) == seed(number)

    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("apart", ["\n", "\n\n"])
    def test_a_repaired_page_is_repaired_to_itself(self, number, apart):
        repaired = [(kind, text) for kind, text in seed(number) if kind != "caption"]
        assert page(apart.join(text for _, text in repaired)) == repaired


def lines_of(paragraph, length, measure):
    """Cut a paragraph into lines of at most ``length``, wherever it falls."""
    lines = [""]
    for char in paragraph:
        if measure(lines[-1] + char) > length:
            lines.append("")
        lines[-1] += char
    return lines


def wrapped(number, length, measure, indent, apart="\n\n"):
    """A seed's repaired text, hard-wrapped, and the paragraphs that it had."""
    original = [text for kind, text in seed(number) if kind != "caption"]
    cut = [
        "\n".join(lines_of(indent * (len(text) > HEADING_LENGTH) + text, length, measure))
        for text in original
    ]
    return apart.join(cut), [squeeze(text) for text in original]


class TestHardWraps:
    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("characters", [20, 28, 36])
    def test_a_column_as_wide_as_so_many_characters(self, number, characters):
        text, original = wrapped(number, 2 * characters, width, "")
        assert [squeeze(paragraph) for _, paragraph in page(text)] == original

    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("characters", [20, 28, 36])
    def test_paragraphs_indented_by_two_characters(self, number, characters):
        text, original = wrapped(number, 2 * characters, width, "\u3000\u3000")
        assert [squeeze(paragraph) for _, paragraph in page(text)] == original

    @pytest.mark.parametrize("number", ["000", "001", "004"])
    @pytest.mark.parametrize("characters", [20, 28, 36])
    def test_lines_of_so_many_characters(self, number, characters):
        text, original = wrapped(number, characters, len, "")
        assert [squeeze(paragraph) for _, paragraph in page(text)] == original

    def test_paragraphs_without_blank_lines_between_them(self):
        paragraphs = [PARK * 3 + "又", SCHOOL * 2, PARK + SCHOOL, SCHOOL * 3]
        lines = [line for text in paragraphs for line in lines_of(text + "完。", 40, width)]
        assert page("\n".join(lines)) == [("body", text + "完。") for text in paragraphs]

    def test_no_space_enters_chinese_and_none_leaves_english(self):
        text = "今年引进机器学习\n技术,学习 machine\nlearning 课程。"
        (body,) = of_kind("body", text, markup=True)
        assert body == "今年引进机器学习技术,学习 machine learning 课程。"

    def test_a_number_that_a_line_break_cuts_is_one_number(self):
        text = (
            "该街道一期计划建设电动汽车充电桩,目前已完成15\n00把充电桩选址工作,共投资2\n1.5亿元。"
        )
        (body,) = of_kind("body", text, markup=True)
        assert body == text.replace("\n", "")

    def test_no_space_comes_after_a_comma_of_half_width(self):
        text = "共抽查企业44家,\n2起案件被评为典型案例,\nGDP增长5%。"
        (body,) = of_kind("body", text, markup=True)
        assert body == text.replace("\n", "")

    def test_a_page_with_one_paragraph_a_line_is_left_alone(self):
        text = "\n".join([PARK, SCHOOL, PARK + SCHOOL, SCHOOL, PARK, SCHOOL + PARK, PARK])
        assert page(text) == [("body", line) for line in text.split("\n")]

    def test_verses_stay_lines(self):
        lines = [
            "床前明月光,疑是地上霜。",
            "举头望明月,低头思故乡。",
            "春眠不觉晓,处处闻啼鸟。",
            "夜来风雨声,花落知多少。",
            "白日依山尽,黄河入海流。",
            "欲穷千里目,更上一层楼。",
        ]
        assert page("\n".join(lines)) == [("body", line) for line in lines]


@st.composite
def torn(draw):
    """A real paragraph and a place in a sentence, after its first comma, not behind a bracket."""
    paragraph = draw(st.sampled_from([text for text in paragraphs() if len(text) > 60]))
    places = [
        at
        for at in range(HEADING_LENGTH + 1, len(paragraph))
        if paragraph[at - 1] not in "。!?;:…”)( "
        and paragraph[at] != " "
        and any(mark in paragraph[:at] for mark in ",。、")
    ]
    at = draw(st.sampled_from(places or [0]))
    return paragraph, at


class TestTornParagraphs:
    @settings(deadline=None, max_examples=300)
    @given(torn(), st.sampled_from(["\n", "\n\n", f"\n\n\n\n{CAPTION}\n\n", f"\n{CAPTION}\n"]))
    def test_a_real_paragraph_torn_in_a_sentence_is_whole_again(self, cut, gap):
        paragraph, at = cut
        found = page(
            f"标题在此\n\n{PARK}\n\n{paragraph[:at]}{gap * (at > 0)}{paragraph[at:]}\n\n{SCHOOL}\n"
        )
        captions = [("caption", CAPTION)] * (CAPTION in gap and at > 0)
        assert found == [
            ("heading", "标题在此"),
            ("body", PARK),
            ("body", paragraph),
            *captions,
            ("body", SCHOOL),
        ]

    def test_two_pictures_in_one_sentence(self):
        paragraph = SCHOOL + PARK
        text = (
            f"{paragraph[:-5]}\n\n\n\n{CAPTION}\n\n\n\n孩子们在做游戏。\n\n"
            f"{paragraph[-5:]}\n\n{SCHOOL}"
        )
        assert page(text) == [
            ("body", paragraph),
            ("caption", CAPTION),
            ("caption", "孩子们在做游戏。"),
            ("body", SCHOOL),
        ]

    def test_a_word_torn_in_a_short_line_is_no_heading(self):
        text = f"{PARK}\n\n县纪委监委在使用平台对全\n\n县在建工程项目进行监督时发现预警。"
        assert page(text)[1:] == [
            ("body", "县纪委监委在使用平台对全县在建工程项目进行监督时发现预警。")
        ]

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("区委书记沈远万在会上说", ",要把好事办好。"),
            ("他对大家说“把好事办", "好”,大家都很高兴。"),
            ("村(社区)党组织(含", "下属支部)都参加了。"),
            ("会议通过了关于幼儿园的", "十项办法,即日起施行。"),
        ],
    )
    def test_a_short_line_that_cannot_stand_alone_is_no_heading(self, left, right):
        assert page(f"{PARK}\n\n{left}\n\n{right}")[1:] == [("body", left + right)]

    def test_a_name_in_the_middle_of_a_sentence_is_no_byline(self):
        text = f"{PARK}\n\n{SCHOOL[:-1]},到场的有区委书记、\n\n沈远万\n\n和居民代表。"
        assert {kind for kind, _ in page(text)} == {"body"}

    def test_a_sentence_torn_twice_is_whole_again(self):
        pieces = [f"{SCHOOL[:-1]},到场的有区委书记、", "沈远万", "和居民代表。"]
        assert page("\n\n".join([PARK, *pieces]))[1:] == [("body", "".join(pieces))]

    def test_nor_where_a_caption_stands_between(self):
        text = (
            f"{PARK}\n\n县纪委监委在使用平台对全\n\n\n\n{CAPTION}\n\n"
            "县在建工程项目进行监督时发现预警。"
        )
        assert of_kind("body", text)[1:] == [
            "县纪委监委在使用平台对全县在建工程项目进行监督时发现预警。"
        ]

    def test_a_long_line_without_a_comma_goes_on_too(self):
        paragraph = (
            "“我是江北小交警”亲子志愿服务活动主要的策划和执行机构——"
            "江北区郭大姐志愿者服务中心负责人郭红英说,家长积极性都非常高。"
        )
        at = paragraph.index(",")
        assert of_kind("body", f"{PARK}\n\n{paragraph[:at]}\n\n{paragraph[at:]}") == [
            PARK,
            paragraph,
        ]

    def test_a_finished_paragraph_and_a_heading_stay_apart(self):
        text = f"{PARK}\n\n群众冷暖挂心间\n\n{SCHOOL}\n\n发现问题立即改\n\n{PARK}"
        kinds = ["body", "heading", "body", "heading", "body"]
        assert [kind for kind, _ in page(text)] == kinds


class TestLines:
    @pytest.mark.parametrize(
        "line",
        [
            "(王富星)",
            "（王斌凯　高青苗）",
            "本报记者 陈国栋",
            "记者李明 通讯员张三丰",
            "新华社记者 李明、王芳",
            "孙洪波 通讯员 陈军 龚涵",
            "文/图 李明",
            "沈远万",
            "刘海豹",
            "本報記者 劉偉",
            pytest.param("见习记者 佘小莉"),
            *(pytest.param(name) for name in ("张伟", "孙洪波")),
        ],
    )
    def test_bylines(self, line):
        kind, text = page(f"标题在此\n\n{PARK}\n\n{line}\n\n另一个标题\n\n{SCHOOL}")[2]
        assert (kind, squeeze(text)) == ("byline", squeeze(line))

    @pytest.mark.parametrize(
        "line",
        [
            "江苏省",
            "王府井",
            "金融业",
            "高等教育",
            "群众冷暖挂心间",
            *(
                pytest.param(words)
                for words in ("任务一", "方案一", "文化节", "文旅", "李家沱", "蓝图")
            ),
        ],
    )
    def test_short_headings_are_no_bylines(self, line):
        assert page(f"标题在此\n\n{PARK}\n\n{line}\n\n{SCHOOL}")[2] == ("heading", line)

    @pytest.mark.parametrize(
        "line", ["(上接一版)", "（下转第四版）", "(上接A1版)", "【上接第2版】", "(緊接第一版)"]
    )
    def test_jump_lines(self, line):
        assert page(f"{PARK}\n\n{line}\n\n{SCHOOL}")[1] == ("jump", line)
        assert page(f"{PARK}\n\n{line}{SCHOOL}")[1:] == [("jump", line), ("body", SCHOOL)]

    @pytest.mark.parametrize(
        "line",
        [
            "来源:中国网 时间:2021-09-09 编辑:陈蓉",
            "来源：新华网　2023年8月2日 10:30",
            "2023年8月2日 10:30 来源:新华网",
            "發布時間：2021-09-09",
            "责任编辑:李明",
        ],
    )
    def test_source_lines(self, line):
        assert page(f"标题在此\n{line}\n{PARK}")[1][0] == "source"

    def test_an_agenda_is_no_source_line(self):
        assert page(f"会议安排\n\n时间:9月1日上午九点\n\n{PARK}")[1][0] != "source"

    @pytest.mark.parametrize(
        "line",
        [
            "图为即墨区新建的幼儿园。",
            "居民在口袋公园里散步。(新华社记者 李明 摄)",
            "居民在口袋公园里散步（资料照片）",
            "居民在口袋公园里散步。本报记者 李明 摄",
            "口袋公园一角。摄于八月二日。",
        ],
    )
    def test_captions(self, line):
        assert page(f"{PARK}\n\n{line}\n\n{SCHOOL}")[1] == ("caption", line)

    @pytest.mark.parametrize("gap", [1, 2, pytest.param(4)])
    def test_a_page_set_wide_is_not_all_captions(self, gap):
        bodies = [PARK, "居民们都说好。", SCHOOL, "孩子们很高兴。", PARK]
        assert page(("\n" * gap).join(bodies)) == [("body", text) for text in bodies]

    def test_short_lines_of_a_list_are_not_headings(self):
        cities = ["重庆", "成都", "北京", "上海", "广州", "深圳", "武汉", "南京"]
        offices = ["市发展改革委", "市教育委员会", "市科技局", "市公安局", "市民政局", "市司法局"]
        for entries in (cities, offices):
            text = "\n".join(["名单如下。", *entries, "名单到此为止。"])
            assert page(text) == [("body", line) for line in text.split("\n")]


class TestMarkdown:
    def test_headings_have_levels_and_soft_wraps_are_no_breaks(self):
        text = (
            f"# 口袋公园\n\n{PARK[:9]}\n{PARK[9:]}\n## 建设 情况\n{SCHOOL}\n#没有空格\n"
        ).replace("\n", "\r\n")
        document = Document("页.md", "页.md", "", text, "utf-8", markup=True)
        found = blocks(document)
        assert [(block.kind, block.level) for block in found] == [
            ("heading", 1),
            ("body", 0),
            ("heading", 2),
            ("body", 0),
        ]
        assert page(text, markup=True) == [
            ("heading", "# 口袋公园"),
            ("body", PARK),
            ("heading", "## 建设 情况"),
            ("body", SCHOOL + "#没有空格"),
        ]

    def test_items_and_rows_are_paragraphs_of_their_own(self):
        lines = ["- 甲项", "- 乙项", "1. 第一", "2. 第二", "| 区 | 数 |", "| 甲 | 2 |"]
        assert page("\n".join(lines), markup=True) == [("body", line) for line in lines]

    def test_short_lines_without_a_mark_are_no_headings(self):
        assert page("群众冷暖挂心间\n\n好。", markup=True)[0] == ("body", "群众冷暖挂心间")

    def test_code_has_no_headings(self):
        assert of_kind("heading", "# 安装\n\n```sh\n# 先更新\napt update\n```\n", markup=True) == [
            "# 安装"
        ]


class TestSmallAndLarge:
    @pytest.mark.parametrize("text", ["", "\n", " \t\r\n\u3000\n\x0c\n"])
    @pytest.mark.parametrize("markup", [False, True])
    def test_a_blank_page_has_no_blocks(self, text, markup):
        assert page(text, markup=markup) == []

    @pytest.mark.parametrize("text", [PARK, f"\ufeff{PARK}", f"  {PARK}\n", f"\n\n\n\n\n{PARK}"])
    def test_a_page_of_one_line(self, text):
        assert page(text) == [("body", text.strip())]

    @pytest.mark.parametrize(
        "text",
        ["好" * 2_000_000, PARK * 50_000, "(“" * 500_000, "文 " * 1_000_000, "好\n" * 20_000],
        ids=["one word", "sentences", "brackets", "names", "short lines"],
    )
    def test_a_page_of_megabytes_takes_seconds(self, text):
        start = time.perf_counter()
        found = page(text)
        assert time.perf_counter() - start < 8
        assert squeeze("".join(content for _, content in found)) == squeeze(text)


WORDS = (
    "今天 天气 很好 王小明 记者 本报记者 通讯员 重庆 使用 平台 全县 在建 工程 群众冷暖挂心间"
    " (资料图) (上接一版) (下转4版) 摄于七月十三日 来源:中国网 时间:2021-09-09 本报讯 图为 一、总则"
    " 鄰水縣 綜合 ＡＢＣ ％ 3.14 2021年 1500把 hello world U.S. # ## - * 1. | 的 和"
)
PAGES = st.lists(
    st.one_of(
        st.sampled_from(WORDS.split()),
        st.sampled_from(WORDS.split()),
        st.sampled_from("。。,，、;；:：!！?？…—“”‘’「」()（）【】《》%.\"'~·"),
        st.sampled_from(
            ["\n", "\n\n", "\n\n\n\n", "\r\n", "\r", " ", "\t", "\u3000\u3000", "\x0c", "\x85"]
        ),
    ),
    max_size=80,
).map("".join)


class TestNothingIsLostOrInvented:
    @settings(deadline=None, max_examples=400)
    @given(st.one_of(PAGES, st.text()), st.booleans())
    @example("(上接一版)  \n\n(上接一版)好", False)
    @example("# #\n#", True)
    def test_blocks_hold_every_character_once(self, text, markup):
        document = Document("页.txt", "页.txt", "", text, "utf-8", markup=markup)
        held = []
        for block in blocks(document):
            assert block.spans
            for start, end in block.spans:
                assert 0 <= start < end <= len(text)
                held += [at for at in range(start, end) if not text[at].isspace()]
        assert sorted(held) == [at for at, char in enumerate(text) if not char.isspace()]

    @settings(deadline=None, max_examples=400)
    @given(st.one_of(PAGES, st.text()), st.booleans())
    def test_each_character_as_read_knows_its_place(self, text, markup):
        for block in blocks(Document("页.txt", "页.txt", "", text, "utf-8", markup=markup)):
            content, places = read(text, block.spans)
            assert content == content.strip()
            assert "\n" not in content.replace("\r", "")
            assert len(places) == len(content)
            for char, place in zip(content, places, strict=True):
                assert text[place] == char or (char == " " and text[place].isspace())
            pieces = list(stretches(text, places))
            assert squeeze("".join(text[start:end] for start, end in pieces)) == squeeze(content)
            assert len(pieces) <= len(block.spans)

    @settings(deadline=None)
    @given(PAGES)
    def test_line_ends_make_no_difference(self, text):
        unix = text.replace("\r\n", "\n").replace("\r", "")
        assert page(unix.replace("\n", "\r\n")) == page(unix)

    @settings(deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), min_size=1, max_size=12))
    def test_a_page_of_real_paragraphs_is_read_and_repaired_to_itself(self, plan):
        headings = [
            text
            for number in SEEDS
            for kind, text in seed(number)
            if kind == "heading" and text[-1] not in "—:"
        ]
        bodies = paragraphs()
        expected = []
        for headed, number in plan:
            if headed:
                expected.append(("heading", headings[number % len(headings)]))
            expected.append(("body", bodies[number % len(bodies)]))
        text = "\n\n".join(content for _, content in expected)
        assert page(text) == expected
