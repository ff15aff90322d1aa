"""Folding finds what readers take for the same, sentences are whole, nothing unsafe is shown."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from qa.text import (
    PERSON,
    coverage,
    fold,
    segmenter,
    sentences,
    spelled,
    squeeze,
    tie,
    unspelled,
    visible,
    width,
)

SEEDS = [
    path.read_bytes().decode()
    for path in sorted((Path(__file__).parents[1] / "seeds").glob("*.txt"))
]
TRADITIONAL = SEEDS[2]

relaxed = settings(deadline=None)  # The first call loads a dictionary.


def texts(often):
    """Any text, in which the characters of ``often`` come often."""
    return st.lists(st.one_of(st.sampled_from(often), st.characters())).map("".join)


def cut(text):
    return [text[start:end] for start, end in sentences(text)]


class TestFold:
    @relaxed
    @given(st.text())
    def test_every_character_keeps_its_place(self, text):
        folded = fold(text)
        assert len(folded) == len(text)
        assert folded == "".join(fold(char) for char in text)

    @relaxed
    @given(st.text(st.sampled_from(sorted(set("".join(SEEDS)) | set("ＡｂＣ１２％（）　Éß")))))
    def test_folding_twice_changes_nothing(self, text):
        assert fold(fold(text)) == fold(text)

    def test_every_han_character_is_folded_to_the_end(self):
        ranges = (range(0x3400, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x2A6E0))
        han = "".join(chr(code) for codes in ranges for code in codes)
        folded = fold(han)
        unstable = [char for char, once in zip(han, folded, strict=True) if fold(once) != once]
        assert unstable == []

    @pytest.mark.parametrize(
        ("traditional", "simplified"),
        [
            ("鄰水縣綜合行政執法局", "邻水县综合行政执法局"),
            ("堅持黨建引領,助推城市管理邁上新臺階", "坚持党建引领,助推城市管理迈上新台阶"),
            ("來源:中國網 時間:2021-09-09", "来源:中国网 时间:2021-09-09"),
            ("轉机站建設也已提前全部完工", "转机站建设也已提前全部完工"),
            ("適應城市管理髮展新要求", "适应城市管理发展新要求"),
            ("垃圾日産日清", "垃圾日产日清"),
        ],
    )
    def test_a_simplified_question_meets_the_traditional_page(self, traditional, simplified):
        assert traditional in TRADITIONAL
        assert simplified not in TRADITIONAL
        assert fold(simplified) == simplified
        assert fold(TRADITIONAL).find(simplified) == TRADITIONAL.find(traditional)

    @pytest.mark.parametrize(
        ("written", "same"),
        [
            ("ＧＤＰ　２０２３", "gdp 2023"),
            ("增长５．２％！（上接１版）", "增长5.2%!(上接1版)"),
            ("Wi-Fi", "wi-fi"),
            ("ÉCOLE", "école"),
        ],
    )
    def test_width_and_case_make_no_difference(self, written, same):
        assert fold(written) == same

    def test_other_words_stay_apart(self):
        assert fold("石柱县县法院慕江区") == "石柱县县法院慕江区"
        assert len({fold(char) for char in "。，、“”—…·《》"}) == 10

    def test_a_command_line_that_is_not_utf8_can_be_folded(self):
        assert fold("口袋公园\udcb9Ａ") == "口袋公园\udcb9a"


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "好。坏!对?是;好；完！吗？行",
                ["好。", "坏!", "对?", "是;", "好；", "完！", "吗？", "行"],
            ),
            ("真的吗?!好……走吧。", ["真的吗?!", "好……走吧。"]),
            ("一段\n二段。\r\n\r\n三段", ["一段", "二段。", "三段"]),
            ("  一。 \t 二。\u3000", ["一。", "二。"]),
        ],
    )
    def test_end_marks_and_lines(self, text, expected):
        assert cut(text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("“行吗?”他问。好。", ["“行吗?”他问。", "好。"]),
            (
                "“少走了很多弯路。”公司总经理张文利说。据了解,企业建厂较早。",
                ["“少走了很多弯路。”公司总经理张文利说。", "据了解,企业建厂较早。"],
            ),
            ("居民说:“好!”的声音传来。", ["居民说:“好!”的声音传来。"]),
            ("“好。”,他说。", ["“好。”,他说。"]),
            ("「好。」她表示。完。", ["「好。」她表示。", "完。"]),
            (
                "“困难,就想安装个电梯。”“其实已经有了。”",
                ["“困难,就想安装个电梯。”", "“其实已经有了。”"],
            ),
            ("他说:“好。”我走了。", ["他说:“好。”", "我走了。"]),
            ("“‘大白’就像小蒸笼。’”她说。", ["“‘大白’就像小蒸笼。’”她说。"]),
        ],
    )
    def test_a_quotation_keeps_its_quotes_and_its_speaker(self, text, expected):
        assert cut(text) == expected

    def test_a_quotation_without_a_speaker_ends_its_sentence(self):
        text = "“路修好,出行就方便了。”大家都很高兴。“现在销路打开了!”"
        assert cut(text) == ["“路修好,出行就方便了。”", "大家都很高兴。", "“现在销路打开了!”"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("约为2.35公里,增长5.2%。共21.56万元。", ["约为2.35公里,增长5.2%。", "共21.56万元。"]),
            ("GDP is 3.14. It grew. 好。", ["GDP is 3.14.", "It grew.", "好。"]),
            pytest.param("Up 5%. Fine.", ["Up 5%.", "Fine."]),
            pytest.param('"Yes." No.', ['"Yes."', "No."]),
            ("见www.example.com。v1.2.3发布。", ["见www.example.com。", "v1.2.3发布。"]),
            ("省略......后面", ["省略......后面"]),
        ],
    )
    def test_a_point_ends_a_sentence_only_before_white_space(self, text, expected):
        assert cut(text) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("他来了(见图1。详见后文)又走了。完。", ["他来了(见图1。详见后文)又走了。", "完。"]),
            ("他来了（见图1；详见后文）又走了。", ["他来了（见图1；详见后文）又走了。"]),
            ("(一)加强领导。(二)完善制度。", ["(一)加强领导。", "(二)完善制度。"]),
            ("有品质。(县委组织部 供稿)", ["有品质。", "(县委组织部 供稿)"]),
            ("他走了(没有关上的括号。下一句。", ["他走了(没有关上的括号。", "下一句。"]),
        ],
    )
    def test_parentheses_are_not_torn(self, text, expected):
        assert cut(text) == expected

    def test_a_straight_quote_stays_with_what_it_opens(self):
        assert cut('他走了。"你好。"') == ["他走了。", '"你好。"']

    def test_straight_quotes_keep_their_speaker(self):
        assert cut('"你好。"她说。') == ['"你好。"她说。']

    def test_a_title_with_a_question_mark_is_not_torn(self):
        assert cut("《怎么办?》是一部小说。") == ["《怎么办?》是一部小说。"]

    @relaxed
    @given(texts("。!?;.；！？“”‘’「」『』\"'()（）《》,的说问 \n\r\t\u3000好a1"))
    def test_ranges_are_ordered_and_hold_all_but_white_space(self, text):
        found = sentences(text)
        assert all(0 <= start < end <= len(text) for start, end in found)
        assert all(before[1] <= after[0] for before, after in pairwise(found))
        assert squeeze("".join(text[start:end] for start, end in found)) == squeeze(text)
        for sentence in cut(text):
            assert sentence == sentence.strip()
            assert "\n" not in sentence

    def test_half_a_million_sentences_take_seconds(self):
        # A pattern that looks far ahead or back would take hours.
        text = "“好。(好。" * 100_000 + "(" * 100_000
        assert squeeze("".join(cut(text))) == text


UNSAFE = (
    "\x00\x07\x08\x0b\x0c\r\x1b\x7f\x85\x9b"  # Controls: a terminal obeys them.
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff"  # They reorder or hide text.
    "\ud800\udfff"  # They cannot be written.
)


class TestVisible:
    @relaxed
    @given(texts(UNSAFE))
    @example("\x1b[31m红\x1b[0m\x1b]0;标题\x07\x9b2J")
    @example("abc\u202edcba\u202c")
    def test_no_control_escape_or_direction_survives(self, text):
        shown = visible(text)
        assert shown.encode("utf-8").decode("utf-8") == shown
        for char in shown:
            assert char in "\t\n" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
            assert unicodedata.bidirectional(char) not in (
                *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
            )
            assert char not in "\u061c\u200e\u200f\ufeff"
        assert visible(shown) == shown

    @relaxed
    @given(
        st.text(
            st.characters(categories=("L", "M", "N", "P", "S", "Zs"), include_characters="\t\n")
        )
    )
    def test_ordinary_text_is_untouched(self, text):
        assert visible(text) == text

    @pytest.mark.parametrize("text", [*SEEDS, "重庆👍🏽 𠮷野家 ❤️ 🇨🇳 1️⃣ é ①②③ ␛"], ids=range(6))
    def test_articles_and_emoji_are_untouched(self, text):
        assert visible(text) == text

    @pytest.mark.parametrize("text", ["👨‍👩‍👧", "🏳️‍🌈 👩🏽‍🚒"])
    def test_joined_emoji_are_untouched(self, text):
        assert visible(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[2J清屏", "␛[2J清屏"),
            ("一\r\n二\r三", "一\n二␍三"),
            ("\x9b31m", "<U+009B>31m"),
            ("txt.\u202eexe", "txt.<U+202E>exe"),
            ("\udcff", "<U+DCFF>"),
        ],
    )
    def test_the_reader_is_told_what_stood_there(self, text, shown):
        assert visible(text) == shown


class TestSqueeze:
    @relaxed
    @given(st.lists(st.tuples(st.text(), st.sampled_from(["", " ", "\n", "\r\n", "\t", "\u3000"]))))
    def test_line_breaks_and_spaces_make_no_difference_to_a_quotation(self, parts):
        plain = "".join(text for text, _ in parts)
        spaced = "".join(space + text for text, space in parts)
        assert squeeze(spaced) == squeeze(plain)
        assert not any(char.isspace() for char in squeeze(spaced))

    @relaxed
    @given(st.text())
    def test_only_white_space_goes(self, text):
        assert squeeze(text) == re.sub(r"\s", "", text)


class TestWidth:
    @pytest.mark.parametrize(
        ("text", "columns"),
        [
            ("", 0),
            ("qa", 2),
            ("问据", 4),
            ("ＡＢ，。", 8),
            ("第1版,a", 7),
            ("“一”", 4),
            ("👍", 2),
            ("e\u0301", 1),
            ("𠮷", 2),
            ("ｱ", 1),
        ],
    )
    def test_columns_in_a_terminal(self, text, columns):
        assert width(text) == columns

    @relaxed
    @given(
        st.text(st.sampled_from("中文ＡＢabc12。,")), st.text(st.sampled_from("中文ＡＢabc12。,"))
    )
    def test_columns_add_up(self, left, right):
        assert width(left + right) == width(left) + width(right)


class TestWords:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("使用“一网通”平台对全", "县在建工程项目"),
            ("小区疫情防控工作方", "案,成立疫情防控"),
            ("1500把充电桩选址工", "作。持续推进"),
            ("更是区域可持", "续发展的根本保障"),
            ("在习近平新时", "代中国特色社会主义"),
        ],
    )
    def test_a_torn_word_ties_its_halves(self, left, right):
        assert tie(left[-6:], right[:6]) > 3

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("打下坚实基础。", "该支队牢固树立"),
            ("做好宣传组织发动", "让提问群众与解题部门"),
            ("群众冷暖挂心间", "“等把烂路修好"),
            ("市政协颁发履职贡献奖", "本报讯(记者 何春阳)"),
        ],
    )
    def test_lines_that_stand_for_themselves_do_not(self, left, right):
        assert tie(left[-6:], right[:6]) < 1

    @relaxed
    @given(
        st.text(st.sampled_from("重庆市区县委员会工作方案的了,。a1"), max_size=8),
        st.text(st.sampled_from("重庆市区县委员会工作方案的了,。a1"), max_size=8),
    )
    def test_joining_never_makes_a_text_less_likely(self, left, right):
        assert tie(left, right) > -1e-6
        assert tie(left, "") == tie("", right) == 0

    @relaxed
    @given(
        st.text(st.sampled_from("重庆市区县委员会工作方案的了,。a1"), max_size=8),
        st.text(st.sampled_from("重庆市区县委员会工作方案的了,。a1"), max_size=8),
    )
    @example("小区疫情防控工作方", "案,成立")
    def test_it_is_what_the_best_segmentation_gains(self, left, right):
        def likelihood(text):
            route = {}
            segmenter().calc(text, segmenter().get_DAG(text), route)
            return route[0][0]

        gain = likelihood(left + right) - likelihood(left) - likelihood(right)
        assert tie(left, right) == pytest.approx(gain, abs=1e-6)

    def test_how_often_it_is_right_on_real_pages(self):
        found = [fold(sentence) for text in SEEDS for sentence in cut(text) if len(sentence) > 12]
        torn = [
            tie(sentence[at - 6 : at], sentence[at : at + 6])
            for sentence in found
            for at in range(6, len(sentence) - 5, 5)
        ]
        whole = [
            tie(left[-6:], right[:6])
            for apart in (50, 100, 150)
            for left, right in zip(found, found[apart:], strict=False)
        ]
        assert 0.25 < sum(nats > 3 for nats in torn) / len(torn) < 0.5
        assert sum(nats > 3 for nats in whole) / len(whole) < 0.005


class TestPerson:
    @pytest.mark.parametrize(
        "name", ["沈远万", "王斌凯", "刘海豹", "何春阳", "陈军", "毛相林", "欧阳娜娜", "司马光"]
    )
    def test_names_of_people(self, name):
        assert re.fullmatch(PERSON, name)

    @pytest.mark.parametrize(
        "words", ["城市管理", "重庆", "区委", "Wang", "王", "王1", "记者", "陈国栋等人"]
    )
    def test_other_words(self, words):
        assert re.fullmatch(PERSON, words) is None

    def test_a_traditional_name_is_found_in_folded_text(self):
        assert re.search(PERSON, "執法局黨組書記、局長劉偉") is None
        assert re.search(PERSON, fold("局長劉偉")).group() == "刘伟"


class TestCoverage:
    def test_the_weight_that_is_found(self):
        weights = {"口袋公园": 3.0, "南岸区": 1.0, "火星": 4.0}
        assert coverage(weights, "在南岸区新建的双拥口袋公园") == pytest.approx(0.5)
        assert coverage(weights, "口袋 公园") == 0
        assert coverage({}, "口袋公园") == 0

    @relaxed
    @given(
        st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 9)),
        st.text(max_size=20),
        st.text(max_size=20),
    )
    def test_more_text_never_covers_less(self, weights, text, more):
        assume(sum(weights.values()) > 1e-6)
        assert 0 <= coverage(weights, text) <= coverage(weights, text + more) <= 1 + 1e-9


NAMES = texts(
    ["\\", "x", "u", "U", "0", "0a", "b8", "\n", "\x1b", "\x9b", "\u202e", "\udcb8", "报"]
)


class TestSpelled:
    @given(NAMES)
    @example("\\x5cxb8")
    @example("\\U00110000")
    def test_a_name_comes_back_from_its_spelling(self, name):
        assert unspelled(spelled(name)) == name

    @given(NAMES)
    def test_a_spelling_is_utf_8_and_shows_as_it_is(self, name):
        spelling = spelled(name)
        spelling.encode()
        assert visible(spelling) == spelling
        assert not {"\n", "\t"} & set(spelling)

    def test_ordinary_names_stay_as_they_are(self):
        for name in ("重庆/2024 年报(终).txt", "C:\\新闻\\a.txt", "👨‍👩‍👧.md", "50%\\x.txt"):
            assert spelled(name) == name
