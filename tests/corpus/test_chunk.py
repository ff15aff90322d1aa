"""Passages are a partition of their document, cut between sentences, and know where they stand."""

from __future__ import annotations

import re
import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.corpus.chunk import SIZE, passages
from qa.corpus.layout import blocks
from qa.corpus.places import read
from qa.text import sentences, squeeze
from qa.types import Document

SEEDS = {
    path.name[:3]: path.read_bytes().decode()
    for path in sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
}
LONGEST_SENTENCE = 600
PARK = "重庆市南岸区新建了一座口袋公园,占地三千平方米,周边居民散步、锻炼都方便了。"
SCHOOL = "即墨区新建公办幼儿园十所,新增学位两千七百个,入园难的问题得到缓解。"


def document(text, *, markup=False):
    return Document("报纸/页.txt", "报纸/页.txt", "", text, "utf-8", markup=markup)


def cut(text, size=SIZE, *, markup=False):
    return passages(document(text, markup=markup), size)


@cache
def seed(number):
    return cut(SEEDS[number])


def body(found):
    return [passage for passage in found if passage.kind == "body"]


def one(number, words):
    """The only passage of a seed that holds ``words``."""
    (passage,) = [passage for passage in seed(number) if words in passage.text]
    return passage


def held(text, found):
    """Places of the characters in the passages' spans, white space apart, in their order."""
    return [
        place
        for passage in found
        for start, end in passage.spans
        for place in range(start, end)
        if not text[place].isspace()
    ]


def printed(text):
    return [place for place, char in enumerate(text) if not char.isspace()]


class TestPartition:
    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("size", [80, 150, SIZE, 1000])
    def test_every_character_of_a_seed_stands_in_one_passage(self, number, size):
        found = cut(SEEDS[number], size)
        assert sorted(held(SEEDS[number], found)) == printed(SEEDS[number])

    @pytest.mark.parametrize("number", SEEDS)
    def test_the_spans_of_a_passage_are_its_text(self, number):
        for passage in seed(number):
            pieces = "".join(SEEDS[number][start:end] for start, end in passage.spans)
            assert squeeze(pieces) == squeeze(passage.text)

    @pytest.mark.parametrize("number", SEEDS)
    def test_spans_begin_and_end_with_text_and_do_not_touch(self, number):
        text = SEEDS[number]
        for passage in seed(number):
            for start, end in passage.spans:
                assert text[start:end] == text[start:end].strip()
            for (_, end), (start, _) in pairwise(passage.spans):
                assert start < end or text[end:start].strip()

    def test_a_torn_sentence_has_a_span_on_each_side_of_the_picture(self):
        passage = one("000", "实事实求是提出来……”在“双融行动”的初期走访宣传中")
        left, right = (SEEDS["000"][start:end] for start, end in passage.spans)
        assert left.endswith("大家都可以积极地实事实求是提")
        assert right.startswith("出来……”在“双融行动”的初期")

    @pytest.mark.parametrize("number", SEEDS)
    def test_passages_stand_in_reading_order_and_are_numbered(self, number):
        found = seed(number)
        assert [passage.id for passage in found] == [f"报纸/页.txt@{n}" for n in range(len(found))]
        assert {passage.document_id for passage in found} == {"报纸/页.txt"}
        starts = [passage.spans[0][0] for passage in body(found)]
        assert starts == sorted(starts)


class TestWhereItIsCut:
    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("size", [80, 150, SIZE])
    def test_no_sentence_is_cut(self, number, size):
        text = SEEDS[number]
        ends = set()
        for block in blocks(document(text)):
            content, places = read(text, block.spans)
            ends |= {places[end - 1] for _, end in sentences(content)}
        for passage in cut(text, size):
            assert passage.spans[-1][1] - 1 in ends

    @pytest.mark.parametrize("number", SEEDS)
    def test_a_passage_begins_and_ends_like_a_text(self, number):
        for passage in body(seed(number)):
            last = passage.text.split("\n")[-1]
            signed = re.fullmatch(r"\(.*\)|.*(?:通讯员 陈军 龚涵|协办|供稿\))", last)
            assert signed or re.search(r"[。!?;…:][”’)]*$", last), last
            assert passage.text[0] not in ",。、;:!?)”’"

    @pytest.mark.parametrize("number", SEEDS)
    @pytest.mark.parametrize("size", [80, SIZE, 1000])
    def test_paragraphs_are_the_lines_of_a_passage(self, number, size):
        text = SEEDS[number]
        paragraph = {
            place: n
            for n, block in enumerate(blocks(document(text)))
            for place in read(text, block.spans)[1]
        }
        for passage in cut(text, size):
            touched = {paragraph[place] for place in held(text, [passage])}
            assert len(passage.text.split("\n")) == len(touched)

    def test_a_heading_stands_with_what_it_heads(self):
        headings = {
            number: {
                read(text, block.spans)[0]
                for block in blocks(document(text))
                if block.kind == "heading"
            }
            for number, text in SEEDS.items()
        }
        for number in SEEDS:
            for passage in body(seed(number)):
                last = passage.text.split("\n")[-1]
                assert last not in headings[number] or last == "巫溪县委政法委协办"

    def test_an_article_begins_a_passage(self):
        assert one("000", "巫溪县生态环境保护综合行政执法支队打好").text.startswith(
            "巫溪县生态环境"
        )
        assert one("001", "青岛市生态环境局即墨分局:").text.startswith("青岛市生态环境局即墨分局:")
        assert one("003", "市政协颁发履职贡献奖").text.startswith("市政协颁发履职贡献奖")


class TestSize:
    @pytest.mark.parametrize("number", SEEDS)
    def test_passages_of_the_seeds_are_near_the_aim(self, number):
        lengths = [len(passage.text) for passage in body(seed(number))]
        assert max(lengths) <= 1.5 * SIZE
        assert 0.75 * SIZE <= mean(lengths) <= 1.25 * SIZE
        assert sum(length >= 0.5 * SIZE for length in lengths) >= 0.9 * len(lengths)

    @pytest.mark.parametrize("size", [150, 300, 600])
    def test_another_size_can_be_aimed_at(self, size):
        page = "标题\n\n" + "\n\n".join([PARK * 9, SCHOOL * 4, PARK * 2 + SCHOOL, SCHOOL * 21] * 3)
        lengths = [len(passage.text) for passage in cut(page, size)]
        assert all(0.5 * size <= length <= 1.5 * size for length in lengths[:-1])
        assert 0.8 * size <= mean(lengths) <= 1.2 * size

    def test_a_short_page_is_one_passage(self):
        (passage,) = cut(f"口袋公园惠及居民\n\n{PARK}\n\n{SCHOOL}\n")
        assert passage.text == f"口袋公园惠及居民\n{PARK}\n{SCHOOL}"

    @pytest.mark.parametrize("text", ["", "\n \u3000\n"])
    def test_a_blank_page_has_no_passages(self, text):
        assert cut(text) == []

    def test_a_sentence_of_usual_length_is_never_cut(self):
        sentence = "因为" + "道路很长," * 115 + "走了很久。"
        assert len(sentence) < LONGEST_SENTENCE
        assert sentence in [
            line for p in cut(f"{PARK}\n\n{sentence}\n\n{SCHOOL}") for line in p.text.split("\n")
        ]

    def test_a_longer_one_is_cut_after_commas(self):
        found = cut("道路很长,走了很久,还没有到" * 300)
        assert len(found) > 5
        assert max(len(passage.text) for passage in found) <= LONGEST_SENTENCE
        assert all(passage.text.endswith(",") for passage in found[:-1])

    @pytest.mark.parametrize("text", ["很" * 5000, "很长 " * 2000, "x" * 5000])
    def test_one_without_any_is_cut_all_the_same(self, text):
        found = cut(text)
        assert max(len(passage.text) for passage in found) <= LONGEST_SENTENCE
        assert squeeze("".join(passage.text for passage in found)) == squeeze(text)

    def test_a_line_of_two_megabytes_takes_seconds(self):
        start = time.perf_counter()
        found = cut(PARK * 50_000)
        assert time.perf_counter() - start < 10
        assert max(len(passage.text) for passage in found) <= 1.5 * SIZE
        assert sum(len(passage.text) for passage in found) == len(PARK) * 50_000

    @pytest.mark.parametrize(
        ("unit", "markup"),
        [("# 好\n", True), ("## 好\n", True), ("(记者 张三)\n标题\n", False), ("好,\n", False)],
    )
    def test_pages_of_one_kind_of_line_are_cut_without_looking_back_each_time(self, unit, markup):
        text = unit * 8_000  # Minutes, where each line looks at all before it.
        found = cut(f"开头。\n{text}", markup=markup)
        assert sorted(held(f"开头。\n{text}", found)) == printed(f"开头。\n{text}")

    def test_a_heading_is_no_passage_of_its_own(self):
        sentence = "因为" + "道路很长," * 115 + "走了很久。"
        found = cut(f"标题\n\n{PARK}\n\n群众冷暖挂心间\n\n{sentence}")
        assert "群众冷暖挂心间" not in [passage.text for passage in found]


class TestCaptions:
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
    def test_are_passages_of_their_own(self, number, captions):
        assert [p.text for p in seed(number) if p.kind == "caption"] == captions
        for passage in body(seed(number)):
            assert not any(caption in passage.text for caption in captions)

    def test_follow_the_section_that_they_stand_in(self):
        found = seed("000")
        (at,) = [n for n, p in enumerate(found) if "老旧小区存在的问题(资料图)" in p.text]
        assert found[at].headings == found[at - 1].headings
        assert found[at].headings[-1] == "让提问群众与解题部门“面对面”"
        assert found[at].article == found[at - 1].article


class TestWhereAPassageStands:
    @pytest.mark.parametrize(
        ("number", "words", "title", "headings"),
        [
            (
                "000",
                "9月8日,丹兴路81号污水管网整改工程如期完工",
                "黔江区城东街道以“三个做好”推进“双融行动”",
                (
                    "党建引领激活基层治理“新动能”",
                    "做好协调跟进落实",
                    "让解题思路与治理成效“实打实”",
                ),
            ),
            (
                "000",
                "协同云阳排查湾滩河流域工矿养殖点位",
                "巫溪县生态环境保护综合行政执法支队打好“执法+服务”组合拳——"
                "用法治绘就高质量发展生态底色",
                ("执法亮剑严守底线 跨区联动共治污染",),
            ),
            (
                "001",
                "目前已完成1500把充电桩选址工作",
                "通济:织密民生网 筑牢服务桥",
                ("解决民思民忧,构建和美家园",),
            ),
            (
                "002",
                "2021年6月底,鄰水縣垃圾環保發電廠已點火並正式運作",
                "鄰水縣綜合行政執法局:堅持黨建引領,助推城市管理邁上新臺階",
                ("黨建+業務,助推城市管理更加精細化",),
            ),
            ("003", "9月21日,市政协五届二十九次常委会会议举行", "市政协颁发履职贡献奖", ()),
            (
                "003",
                "16公里长的花溪河生态绿道",
                "",
                ("推进城市绿道建设,串联沿线山水资源",),
            ),
            (
                "004",
                "大足区三驱镇月池村妇女杨应苹领到了10万元",
                "“真刀真枪”抓整改 全心全意解民忧",
                ("打好基础管长远",),
            ),
        ],
    )
    def test_on_a_real_page(self, number, words, title, headings):
        passage = one(number, words)
        assert passage.article.title == title
        assert passage.headings == headings

    def test_publisher_and_date_are_known_to_every_passage(self):
        assert {(p.article.publisher, p.article.date) for p in seed("002")} == {
            ("中國網", "2021-09-09")
        }

    def test_under_headings_of_markdown(self):
        text = (
            f"# 口袋公园\n\n{PARK}\n\n## 建设\n\n{PARK}\n\n### 资金\n\n{SCHOOL}\n\n"
            f"## 下一步\n\n{SCHOOL}\n\n# 幼儿园\n\n{SCHOOL}\n"
        )
        assert [(p.article.title, p.headings) for p in cut(text, markup=True)] == [
            ("口袋公园", ()),
            ("口袋公园", ("建设",)),
            ("口袋公园", ("建设", "资金")),
            ("口袋公园", ("下一步",)),
            ("幼儿园", ()),
        ]

    def test_headings_with_nothing_under_them_end_the_section_before(self):
        found = cut(f"标题\n\n{PARK}\n\n主办单位\n")
        assert [(p.text, p.headings) for p in found] == [(f"标题\n{PARK}\n主办单位", ())]


LINES = st.one_of(
    st.sampled_from(
        [
            PARK,
            PARK[:20],
            PARK[20:],
            SCHOOL * 12,
            "群众冷暖挂心间",
            "# 一级标题",
            "## 二级 标题",
            "(上接一版)",
            "(王富星)",
            "来源:新华网 时间:2023-08-02",
            "居民在散步(资料图)",
            "- 甲项",
            "machine learning",
            "It is so. And so on. " * 30,
            "很" * 700,
            "道路很长," * 130 + "走了很久。",
        ]
    ),
    st.text(max_size=12),
)


class TestAnyPage:
    @settings(deadline=None, max_examples=300)
    @given(
        st.lists(st.tuples(LINES, st.sampled_from(["\n", "\n\n", "\n\n\n\n", "\r\n", " ", ""]))),
        st.booleans(),
        st.sampled_from([40, SIZE, 1000]),
    )
    @example([("(上接一版)", ""), ("好。", "\n")], False, SIZE)
    def test_is_partitioned(self, lines, markup, size):
        text = "".join(line + end for line, end in lines)
        found = cut(text, size, markup=markup)
        assert sorted(held(text, found)) == printed(text)
        for number, passage in enumerate(found):
            assert passage.id == f"报纸/页.txt@{number}"
            assert passage.text == passage.text.strip() != ""
            pieces = "".join(text[start:end] for start, end in passage.spans)
            assert squeeze(pieces) == squeeze(passage.text)
            assert all(text[start:end] == text[start:end].strip() for start, end in passage.spans)
            # The aim and half as much again, and the longest piece of a sentence.
            assert len(squeeze(passage.text)) <= 1.5 * size + LONGEST_SENTENCE

    @settings(deadline=None)
    @given(st.lists(LINES, max_size=12), st.booleans())
    def test_is_cut_the_same_each_time_and_with_windows_line_ends(self, lines, markup):
        text = "\n\n".join(lines).replace("\r", "")
        unix, dos = cut(text, markup=markup), cut(text.replace("\n", "\r\n"), markup=markup)
        assert cut(text, markup=markup) == unix
        assert [(p.text, p.kind, p.headings, p.article) for p in unix] == [
            (p.text, p.kind, p.headings, p.article) for p in dos
        ]
