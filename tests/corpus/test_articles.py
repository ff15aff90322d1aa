"""A page with several articles comes apart where a reader would part it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.corpus.articles import stories
from qa.corpus.layout import blocks
from qa.corpus.places import read
from qa.types import Article, Document

SEEDS = {
    path.name[:3]: path.read_bytes().decode()
    for path in sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
}
PARK = "重庆市南岸区新建了一座口袋公园,占地三千平方米,周边居民散步、锻炼都方便了。"
SCHOOL = "即墨区新建公办幼儿园十所,新增学位两千七百个,入园难的问题得到缓解。"


def document(text, *, title="", markup=False, **metadata):
    return Document("页.txt", "页.txt", title, text, "utf-8", metadata, markup=markup)


def found(text, **given):
    """The articles of a page: what is known of each, and its lines as read."""
    page = document(text, **given)
    return [
        (story.article, [read(text, block.spans)[0] for block in story.blocks])
        for story in stories(page)
    ]


def titles(text, **given):
    return [article.title for article, _ in found(text, **given)]


@cache
def seed(number):
    return found(SEEDS[number])


class TestSeeds:
    @pytest.mark.parametrize(
        ("number", "articles"),
        [
            (
                "000",
                [
                    Article("黔江区城东街道以“三个做好”推进“双融行动”", author="孙洪波 陈军 龚涵"),
                    Article(
                        "巫溪县生态环境保护综合行政执法支队打好“执法+服务”组合拳——"
                        "用法治绘就高质量发展生态底色",
                        author="沈远万",
                    ),
                ],
            ),
            (
                "001",
                [
                    Article("村庄清洁行动“秋冬季战役”见成效", author="王富星"),
                    Article("青岛市生态环境局即墨分局:靠前帮扶 助力企业发展", author="刘海豹"),
                    Article("通济:织密民生网 筑牢服务桥", author="王斌凯 高青苗"),
                ],
            ),
            (
                "002",
                [
                    Article(
                        "鄰水縣綜合行政執法局:堅持黨建引領,助推城市管理邁上新臺階",
                        publisher="中國網",
                        date="2021-09-09",
                    )
                ],
            ),
            (
                "003",
                [
                    Article(
                        "以党建为引领 以人民为中心 重庆加快完善基层社会治理体制机制",
                        author="陈国栋",
                    ),
                    Article("市政协颁发履职贡献奖", author="何春阳"),
                    Article(),
                    Article(),
                ],
            ),
            ("004", [Article("“真刀真枪”抓整改 全心全意解民忧")]),
        ],
    )
    def test_title_publisher_date_and_author(self, number, articles):
        assert [article for article, _ in seed(number)] == articles

    @pytest.mark.parametrize(
        ("number", "subtitles"),
        [
            ("000", [("党建引领激活基层治理“新动能”",), ()]),
            (
                "001",
                [
                    (
                        "在习近平新时代中国特色社会主义思想指引下",
                        "大省挑大梁·青岛走在前——民生保障",
                    ),
                    (),
                    (),
                ],
            ),
            ("002", [()]),
            ("003", [("奋进新征程 建功新时代 将改革进行到底·聚焦重庆基层探索 4",), (), (), ()]),
            ("004", [()]),
        ],
    )
    def test_subtitles(self, number, subtitles):
        page = document(SEEDS[number])
        assert [story.subtitles for story in stories(page)] == subtitles

    @pytest.mark.parametrize(
        ("number", "index", "first", "last"),
        [
            ("000", 0, "黔江区城东街道以", "孙洪波 通讯员 陈军 龚涵"),
            ("000", 1, "巫溪县生态环境保护", "巫溪县委政法委协办"),
            ("001", 0, "在习近平新时代", "(王富星)"),
            ("001", 1, "青岛市生态环境局即墨分局:", "(刘海豹)"),
            ("001", 2, "曼谷阳光社区开展技能培训活动。", "(王斌凯 高青苗)"),
            ("003", 1, "市政协颁发履职贡献奖", "万州区政协办公室等10个优秀政协组织"),
            ("003", 2, "(上接1版)", "记者了解到,江北区已推进全区97个"),
            ("003", 3, "(上接1版)", "十九大以来,重庆针对公交港湾"),
        ],
    )
    def test_where_an_article_begins_and_ends(self, number, index, first, last):
        _, lines = seed(number)[index]
        assert lines[0].startswith(first)
        assert lines[-1].startswith(last)

    def test_a_jumped_article_is_given_the_title_at_the_top_of_the_page(self):
        jumped, lines = seed("001")[2]
        assert lines[1] == "(上接一版)"
        assert "通济街道" in lines[2]
        assert jumped.title == "通济:织密民生网 筑牢服务桥"
        assert jumped.title in seed("001")[0][1]  # There it is printed.

    @pytest.mark.parametrize("number", SEEDS)
    def test_windows_line_ends_make_no_difference(self, number):
        assert found(SEEDS[number].replace("\n", "\r\n")) == seed(number)


class TestWhereAnArticleBegins:
    @pytest.mark.parametrize(
        "opening", ["本报讯(记者 李明)", "本报重庆8月2日讯 ", "新华社北京8月4日电 ", "据新华社电 "]
    )
    def test_at_a_heading_before_a_dateline(self, opening):
        text = f"口袋公园惠及居民\n\n{PARK}\n\n即墨新建幼儿园\n\n{opening}{SCHOOL}\n"
        assert titles(text) == ["口袋公园惠及居民", "即墨新建幼儿园"]

    def test_at_the_heading_after_a_byline(self):
        text = f"口袋公园惠及居民\n{PARK}\n{PARK}\n(李明)\n即墨新建幼儿园\n{SCHOOL}\n(王芳)\n"
        assert [(article.title, article.author) for article, _ in found(text)] == [
            ("口袋公园惠及居民", "李明"),
            ("即墨新建幼儿园", "王芳"),
        ]

    def test_at_a_heading_before_a_source_line(self):
        text = (
            f"口袋公园惠及居民\n来源:新华网 时间:2023-08-02\n{PARK}\n\n"
            f"即墨新建幼儿园\n来源:青岛日报 时间:2024年1月5日 作者:王芳\n{SCHOOL}\n"
        )
        assert [article for article, _ in found(text)] == [
            Article("口袋公园惠及居民", "新华网", "2023-08-02"),
            Article("即墨新建幼儿园", "青岛日报", "2024-01-05", "王芳"),
        ]

    def test_a_subheading_begins_no_article(self):
        text = (
            f"口袋公园惠及居民\n\n{PARK}\n\n串联沿线山水资源\n\n{PARK}\n\n让城市赏心悦目\n\n{PARK}"
        )
        assert titles(text) == ["口袋公园惠及居民"]

    def test_numbered_subheadings_begin_no_article(self):
        text = (
            f"口袋公园惠及居民\n\n{PARK}\n\n任务一\n\n抓好落实\n\n{PARK}\n\n"
            f"任务二\n\n抓好检查\n\n{PARK}"
        )
        assert titles(text) == ["口袋公园惠及居民"]

    def test_an_agenda_begins_no_article(self):
        text = f"关于召开会议的通知\n\n{PARK}\n\n会议安排\n\n时间:9月1日上午九点\n\n{PARK}"
        assert titles(text) == ["关于召开会议的通知"]

    def test_what_is_carried_on_elsewhere_ends_and_the_next_begins(self):
        text = f"口袋公园惠及居民\n\n{PARK}\n(下转4版)\n\n即墨新建幼儿园\n\n本报讯 {SCHOOL}\n"
        (_, first), (_, second) = found(text)
        assert first == ["口袋公园惠及居民", PARK, "(下转4版)"]
        assert second == ["即墨新建幼儿园", f"本报讯 {SCHOOL}"]

    def test_a_picture_after_the_byline_goes_with_the_next_article(self):
        text = (
            f"口袋公园惠及居民\n\n{PARK}\n\n(李明)\n\n\n\n孩子们在幼儿园里做游戏。\n\n"
            f"即墨新建幼儿园\n\n{SCHOOL}\n\n(王芳)\n"
        )
        assert found(text)[1][1][0] == "孩子们在幼儿园里做游戏。"

    def test_each_title_at_the_top_finds_its_jumped_article(self):
        text = (
            "即墨新建公办幼儿园\n口袋公园方便周边居民\n通济街道织密民生网\n\n"
            f"通济街道织密民生网,通济街道筑牢服务桥。\n\n"
            f"(上接一版)\n\n{PARK}\n\n(上接二版)\n\n{SCHOOL}\n"
        )
        assert titles(text) == ["通济街道织密民生网", "口袋公园方便周边居民", "即墨新建公办幼儿园"]

    def test_markdown_begins_one_at_each_first_level_heading(self):
        text = (
            f"# 口袋公园\n\n## 建设\n\n{PARK}\n\n## 下一步\n\n{PARK}\n\n"
            f"# 幼儿园\n\n{SCHOOL}\n\n### 学位\n\n{SCHOOL}\n"
        )
        assert titles(text, markup=True) == ["口袋公园", "幼儿园"]

    def test_markdown_without_a_first_level_heading_is_one_article(self):
        text = f"## 建设\n\n{PARK}\n\n## 下一步\n\n{PARK}\n"
        assert len(found(text, markup=True)) == 1


class TestWhatAPageSays:
    @pytest.mark.parametrize(
        ("line", "article"),
        [
            (
                "来源:新华网 时间:2023-08-02 10:30 编辑:李明",
                Article("标题", "新华网", "2023-08-02"),
            ),
            ("2023年8月2日 10:30 来源:新华网", Article("标题", "新华网", "2023-08-02")),
            ("發布時間:2021/9/9 來源:中國網", Article("标题", "中國網", "2021-09-09")),
            ("作者:王芳 来源:青岛日报", Article("标题", "青岛日报", "", "王芳")),
            ("来源: 点击:", Article("标题")),
            ("来源:新华网 时间:2023-02-30", Article("标题", "新华网")),
            pytest.param(
                "来源：新华网　时间：2023年8月2日　作者：王芳",
                Article("标题", "新华网", "2023-08-02", "王芳"),
            ),
        ],
    )
    def test_source_lines(self, line, article):
        assert [article for article, _ in found(f"标题\n{line}\n{PARK}\n")] == [article]

    def test_what_the_file_says_holds_where_the_page_is_silent(self):
        page = document(
            f"{PARK}\n", title="文件的标题", publisher="新华网", date="2023-08-02", author="王芳"
        )
        (story,) = stories(page)
        assert story.article == Article("文件的标题", "新华网", "2023-08-02", "王芳")

    def test_the_title_of_the_file_is_not_that_of_an_article_carried_on_from_elsewhere(self):
        text = f"{PARK}\n\n(上接一版)\n\n{SCHOOL}"
        assert titles(text, title="文件的标题") == ["文件的标题", ""]

    def test_the_page_itself_is_believed_first(self):
        text = f"页上的标题\n来源:青岛日报 时间:2024-01-05\n{PARK}\n(李明)\n"
        page = document(
            text, title="文件的标题", publisher="新华网", date="2023-08-02", author="王芳"
        )
        (story,) = stories(page)
        assert (story.article.title, story.article.publisher, story.article.date) == (
            "页上的标题",
            "青岛日报",
            "2024-01-05",
        )

    def test_the_byline_on_the_page_is_believed_first_too(self):
        page = document(f"页上的标题\n{PARK}\n(李明)\n", author="网站编辑部")
        (story,) = stories(page)
        assert story.article.author == "李明"

    def test_a_title_that_goes_on_in_the_next_line_is_one(self):
        text = f"巫溪县打好组合拳——\n\n用法治绘就生态底色\n\n{PARK}"
        assert titles(text) == ["巫溪县打好组合拳——用法治绘就生态底色"]

    def test_the_line_that_the_text_speaks_of_is_the_title(self):
        text = f"深入学习贯彻会议精神\n口袋公园方便南岸区周边居民\n\n{PARK}"
        (story,) = stories(document(text))
        assert story.article.title == "口袋公园方便南岸区周边居民"
        assert story.subtitles == ("深入学习贯彻会议精神",)

    def test_closing_marks_are_no_part_of_a_title(self):
        assert titles(f"# 口袋公园 #\n\n{PARK}", markup=True) == ["口袋公园"]

    def test_a_hashtag_in_plain_text_keeps_its_mark(self):
        assert titles(f"#重庆发布#\n\n{PARK}") == ["#重庆发布#"]

    @pytest.mark.parametrize("text", ["", "\n\u3000\n"])
    def test_a_blank_page_has_no_article(self, text):
        assert found(text) == []

    def test_a_page_without_a_title_is_an_article_without_one(self):
        assert found(PARK) == [(Article(), [PARK])]


LINES = st.sampled_from(
    [
        PARK,
        SCHOOL,
        f"本报讯 {SCHOOL}",
        "群众冷暖挂心间",
        "口袋公园惠及居民",
        "# 一级标题",
        "## 二级标题",
        "(上接一版)",
        "(下转4版)",
        "(王富星)",
        "本报记者 李明",
        "来源:新华网 时间:2023-08-02",
        "居民在散步(资料图)",
        "",
        "\n\n\n",
    ]
)


class TestEveryBlockHasOneArticle:
    @settings(deadline=None, max_examples=200)
    @given(st.lists(LINES, max_size=20), st.booleans())
    def test_on_any_page(self, lines, markup):
        page = document("\n\n".join(lines), markup=markup)
        spans = [block.spans for story in stories(page) for block in story.blocks]
        assert sorted(spans) == sorted(block.spans for block in blocks(page))
        assert all(story.blocks for story in stories(page))


def test_a_long_title_of_a_government_notice_is_a_title():
    title = (
        "重庆市人民政府办公厅关于印发重庆市城市园林绿化高质量发展"
        "三年行动计划实施方案和任务分工表的通知"
    )
    assert len(title) > 45
    assert titles(f"{title}\n\n各区县人民政府要按照本方案认真组织实施,确保按期完成。\n") == [title]


def test_a_note_without_full_stops_is_text_and_no_title():
    assert found("甲县2023年修路56公里\n投资7亿元") == [
        (Article(), ["甲县2023年修路56公里", "投资7亿元"])
    ]
