"""How text is broken, marked and linked for a terminal, and left alone for a pipe."""

import io
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from qa.paint import Paint, wrapped
from qa.text import UNSAFE, squeeze, visible

WIDTHS = (40, 20)
CLOSING = "。、〉》」』】〕”’…—,.;:!?)]}%，；：！？）％"
OPENING = "〈《「『【〔“‘¥$([{（￥"
NEWS = (
    "2024年,支队以专项执法与跨区协作为突破口,全面强化环境违法打击力度和区域协同治理能力。"
    "全年共出动执法人员1400余人次,检查企业700家次,实施行政处罚28起,真正实现“事事有回音、"
    "件件有着落”(见《用法治绘就高质量发展生态底色》)。\n\n"
    "“前些天我刚反映了小区污水管网堵塞的事,没想到相关部门很快就来现场勘察了……”居民感慨道。"
)
FAMILY = "👨‍👩‍👧"
relaxed = settings(deadline=None)

HAN = st.text(st.sampled_from("巫溪县共受理环境投诉"), min_size=2, max_size=5)
LATIN = st.text(st.sampled_from("abcXYZ0189"), min_size=1, max_size=20)
QUOTED = st.builds(
    "{}{}{}".format,
    st.sampled_from(["“", "《", "（", "(", "「", "‘"]),
    HAN,
    st.sampled_from(["”", "》", "）", ")。", "」,", "’"]),
)
CLAUSE = st.one_of(HAN, QUOTED, st.builds("{}{}".format, HAN, st.sampled_from("。,!?:;、…%")))
PROSE = st.lists(st.one_of(CLAUSE, st.just("\n"), st.just(" ")), max_size=30).map("".join)
ANY_LINE = st.text(st.sampled_from("好的。,“”《》（）abc19 \ne\u0301\u0300👍❤"), max_size=120)


def plain(shown):
    """What a terminal shows: styles and links left out."""
    return re.sub(r"\x1b\[[\d;]*m|\x1b\]8;;[^\x1b]*\x1b\\", "", shown)


def columns(line):
    """Columns that a line takes in a terminal, measured by what prompt_toolkit measures with."""
    taken = 0
    for char in plain(line):
        taken += 8 - taken % 8 if char == "\t" else get_cwidth(char)
    return taken


def broken(text, room, **settings):
    return Paint(on=False, columns=room).block(text, **settings).split("\n")


def cut(word):
    """How many characters stand before a word where it is cut at the end of a line."""
    lines = {before: broken("一" * before + word + "一" * 6, 20) for before in range(11)}
    return [before for before in lines if not any(word in line for line in lines[before])]


def too_wide(lines, room):
    return [line for line in lines if columns(line) > room]


class TestLineBreaks:
    @pytest.mark.parametrize("room", WIDTHS)
    def test_news_fits_and_reads_on(self, room):
        lines = broken(NEWS, room)
        assert too_wide(lines, room) == []
        assert "".join(lines) == NEWS.replace("\n", "")
        assert len(lines) > len(NEWS) // room

    @pytest.mark.parametrize("room", WIDTHS)
    @pytest.mark.parametrize("indent", ["  ", "   ", "    "])
    def test_an_indent_is_part_of_the_line(self, room, indent):
        lines = broken(NEWS, room, indent=indent)
        assert all(line.startswith(indent) for line in lines)
        assert too_wide(lines, room) == []

    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(text=ANY_LINE)
    def test_no_line_is_wider_than_the_terminal(self, room, text):
        assert too_wide(broken(text, room), room) == []

    @pytest.mark.parametrize(
        "text",
        ["\u202e" * 30, "\x1b[31m红\x9b2J" * 10, "甲县\t修路\t56公里\t" * 5, "\ud800" * 30],
        ids=["directions", "escapes", "tabs", "surrogates"],
    )
    @pytest.mark.parametrize("room", WIDTHS)
    def test_what_is_shown_by_name_takes_the_columns_of_its_name(self, room, text):
        assert too_wide(broken(text, room), room) == []

    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(text=ANY_LINE)
    def test_the_lines_joined_are_the_text_but_for_spaces_at_the_breaks(self, room, text):
        assert squeeze("".join(broken(text, room))) == squeeze(text)

    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(text=ANY_LINE)
    def test_only_spaces_are_left_out_and_only_at_a_break(self, room, text):
        text = text.replace("\n", "")
        spans = wrapped(text, 0, len(text), room)
        assert spans[0][0] == 0
        assert text[spans[-1][1] :].strip(" ") == ""
        for before, after in pairwise(spans):
            assert text[before[1] : after[0]].strip(" ") == ""

    @relaxed
    @given(text=ANY_LINE)
    def test_paragraphs_stay_apart(self, text):
        assert broken(text, 10_000) == text.split("\n")

    @pytest.mark.parametrize("text", ["a" * 20 + " ", "一" * 10 + "   ", "一" * 10 + " \n乙"])
    def test_a_space_past_the_end_makes_no_empty_line(self, text):
        assert "" not in broken(text, 20)

    def test_blank_text_is_one_blank_line(self):
        assert broken("", 20) == [""]

    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(text=PROSE)
    @example(text=NEWS)
    def test_no_line_begins_with_closing_or_ends_with_opening_punctuation(self, room, text):
        for paragraph in text.split("\n"):
            lines = broken(paragraph, room)
            assert [line for line in lines[1:] if line[:1] and line[0] in CLOSING] == []
            assert [line for line in lines[:-1] if line[-1:] and line[-1] in OPENING] == []

    @pytest.mark.parametrize("mark", CLOSING)
    def test_closing_punctuation_that_has_no_room_takes_its_character_along(self, mark):
        assert broken("一二三四五六七八九十" + mark, 20) == ["一二三四五六七八九", "十" + mark]

    @pytest.mark.parametrize("mark", OPENING)
    def test_opening_punctuation_at_the_end_goes_to_the_next_line(self, mark):
        text = "一二三四五六七八九" + mark + "十一"
        assert broken(text, 20) == ["一二三四五六七八九", mark + "十一"]

    @pytest.mark.parametrize("text", ["。" * 50, "“" * 50, "a" * 50, "e" + "\u0301" * 50])
    def test_what_has_no_place_to_break_is_broken_all_the_same(self, text):
        lines = broken(text, 20)
        assert "".join(lines) == text
        assert too_wide(lines, 20) == []

    def test_a_million_characters_that_cannot_break_take_seconds(self):
        text = "a" * 500_000 + "。" * 500_000
        assert "".join(broken(text, 40)) == text


class TestWords:
    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(st.lists(st.tuples(HAN, LATIN), max_size=8))
    def test_words_and_numbers_that_fit_a_line_are_not_cut(self, room, pairs):
        lines = broken("".join(han + latin for han, latin in pairs), room)
        for _, latin in pairs:
            assert any(latin in line for line in lines)

    def test_a_line_may_break_after_its_first_character(self):
        assert broken("在internationalization中", 20) == ["在", "internationalization", "中"]

    @pytest.mark.parametrize("word", ["1985", "35.8", "12,345.67", "100%", "3.5%", "COVID"])
    def test_a_number_stays_whole_wherever_it_stands(self, word):
        assert not cut(word)

    @pytest.mark.parametrize("word", ["Beyoncé", "Müller", "Ñuñoa"])
    def test_letters_beyond_ascii_make_words_too(self, word):
        assert not cut(word)

    def test_latin_text_breaks_at_spaces_which_begin_no_line(self):
        lines = broken("Retrieval augmented question answering over articles", 20)
        assert [line.rstrip(" ") for line in lines] == [
            "Retrieval augmented",
            "question answering",
            "over articles",
        ]


class TestCharactersOfSeveralCodePoints:
    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(text=ANY_LINE.filter(lambda text: not re.search(r"(?:^|[\n ])[\u0300\u0301]", text)))
    @example(text="一" * 9 + "e\u0301。")
    def test_an_accent_stays_with_its_letter(self, room, text):
        assert [line for line in broken(text, room) if line[:1] in ("\u0300", "\u0301")] == []

    @pytest.mark.parametrize("emoji", [FAMILY, "👩🏽‍🚒", "👍🏽", "❤️", "🇨🇳", "1️⃣"])
    def test_an_emoji_is_not_taken_apart(self, emoji):
        assert not cut(emoji)

    @pytest.mark.parametrize("emoji", [FAMILY, "👩🏽‍🚒", "👍🏽", "❤️", "🇨🇳", "1️⃣"])
    def test_an_emoji_takes_at_least_its_two_columns(self, emoji):
        lines = broken(emoji * 30, 20)
        assert max(line.count(emoji) for line in lines) <= 10

    def test_characters_outside_the_basic_plane_are_wide(self):
        assert broken("𠮷" * 11, 20) == ["𠮷" * 10, "𠮷"]


class TestUntrustedText:
    @relaxed
    @given(st.text(), st.sampled_from([0, 20, 40]))
    @example(f"一二三四五六七八九{FAMILY}", 20)
    def test_nothing_in_a_text_acts_on_the_terminal(self, text, room):
        assert UNSAFE.search(Paint(on=False, columns=room).block(text)) is None

    @relaxed
    @given(st.text())
    @example("\r")
    @example("一\r\n二\r三\r")
    def test_a_pipe_gets_it_whole_but_for_the_carriage_return_of_a_line_end(self, text):
        lines = Paint(on=False).block(text, "  ").split("\n")
        assert lines == ["  " + visible(line.removesuffix("\r")) for line in text.split("\n")]

    @pytest.mark.parametrize("room", [0, 20])
    def test_the_carriage_return_of_a_line_end_is_no_character_of_the_line(self, room):
        assert broken("第一行。\r\n第二行。", room) == ["第一行。", "第二行。"]


class TestMarks:
    TEXT = "支队始终将群众环境诉求作为重要工作导向,2024年全年共受理环境投诉129件,办结率达100%。"

    def test_a_mark_goes_on_after_a_line_break(self):
        shown = Paint(on=True, columns=22).block("一二三四五六七八九十甲乙丙", "  ", [(6, 12)])
        assert plain(shown) == "  一二三四五六七八九十\n  甲乙丙"
        assert re.findall(r"\x1b\[1;33m(.*?)\x1b\[0m", shown) == ["七八九十", "甲乙"]

    @pytest.mark.parametrize("room", WIDTHS)
    @relaxed
    @given(st.lists(st.integers(0, len(TEXT)), max_size=8))
    def test_what_is_marked_is_what_was_to_be_marked(self, room, ends):
        ends = sorted(ends)
        marks = list(zip(ends[::2], ends[1::2], strict=False))
        shown = Paint(on=True, columns=room).block(self.TEXT, marks=marks)
        assert plain(shown).split("\n") == broken(self.TEXT, room)
        assert "".join(re.findall(r"\x1b\[1;33m(.*?)\x1b\[0m", shown)) == "".join(
            self.TEXT[start:end] for start, end in marks
        )

    def test_no_style_runs_over_the_end_of_a_line(self):
        shown = Paint(on=True, columns=20).block(self.TEXT, "  ", [(0, len(self.TEXT))])
        for line in shown.split("\n"):
            assert line.startswith("  \x1b[1;33m")
            assert line.endswith("\x1b[0m")

    def test_control_characters_in_and_about_a_mark_are_shown(self):
        shown = Paint(on=True, columns=40).block("好\x1b[2J坏\x07了", marks=[(2, 6)])
        assert plain(shown) == "好␛[2J坏␇了"

    @pytest.mark.parametrize("room", WIDTHS)
    def test_marks_without_colour_leave_the_lines_in_the_terminal(self, room):
        lines = broken(self.TEXT, room, indent="  ", marks=[(0, 12), (28, 33)])
        assert "".join(lines).count("⟦") >= 2
        assert too_wide(lines, room) == []

    def test_without_colour_brackets_mark(self):
        shown = Paint(on=False).block(self.TEXT, "  ", [(0, 2), (34, 38)])
        assert shown == "  " + self.TEXT.replace("支队", "⟦支队⟧").replace("129件", "⟦129件⟧")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestForStream:
    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.delenv("NO_COLOR", raising=False)

    def test_a_terminal_has_styles_and_a_width(self):
        assert Paint.for_stream(Terminal()) == Paint(on=True, columns=40)
        assert Paint.for_stream(Terminal()).terminal

    def test_a_pipe_has_neither(self):
        assert Paint.for_stream(io.StringIO()) == Paint(on=False, columns=0)
        assert not Paint.for_stream(io.StringIO()).terminal

    @pytest.mark.parametrize(
        ("name", "value"), [("NO_COLOR", "1"), ("NO_COLOR", "0"), ("TERM", "dumb")]
    )
    def test_without_colour_lines_are_still_broken(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        assert Paint.for_stream(Terminal()) == Paint(on=False, columns=40)
        assert Paint.for_stream(Terminal()).terminal

    def test_an_empty_no_color_is_none(self, monkeypatch):
        monkeypatch.setenv("NO_COLOR", "")
        assert Paint.for_stream(Terminal()).on

    def test_without_colour_nothing_but_text_is_written(self, tmp_path):
        file = tmp_path / "甲.txt"
        file.write_text("好", "utf-8")
        paint = Paint(on=False, columns=40)
        styled = [style("好") for style in (paint.strong, paint.dim, paint.warning)]
        assert [*styled, paint.link("好", str(file))] == ["好"] * 4
        assert paint.marked("好") == "⟦好⟧"

    @pytest.mark.parametrize("style", ["strong", "dim", "warning", "marked"])
    def test_a_style_ends_where_its_text_does(self, style):
        shown = getattr(Paint(on=True), style)("好")
        assert re.fullmatch(r"\x1b\[[\d;]+m好\x1b\[0m", shown)
        assert getattr(Paint(on=True), style)("") == ""


class TestLinks:
    LINK = re.compile(r"\x1b\]8;;(file://[!-~]+)\x1b\\甲\.txt:3\x1b\]8;;\x1b\\")

    @pytest.mark.parametrize(
        "name", ["甲.txt", "我的 文章.txt", "坏\x1b]8;;x\x07\n.txt", "%0a#?.txt", "\udce4.txt"]
    )
    def test_a_file_that_is_there_can_be_clicked(self, tmp_path, name):
        file = tmp_path / name
        file.touch()
        link = self.LINK.fullmatch(Paint(on=True).link("甲.txt:3", str(file)))
        assert link
        assert unquote(urlsplit(link[1]).path, errors="surrogateescape") == str(file)
        assert (urlsplit(link[1]).query, urlsplit(link[1]).fragment) == ("", "")

    def test_a_path_from_here_opens_from_anywhere(self, tmp_path, monkeypatch):
        (tmp_path / "甲.txt").touch()
        monkeypatch.chdir(tmp_path)
        link = self.LINK.fullmatch(Paint(on=True).link("甲.txt:3", "甲.txt"))
        assert Path(unquote(urlsplit(link[1]).path)) == tmp_path / "甲.txt"

    @pytest.mark.parametrize(
        "path",
        ["没有.txt", ".", "", "\x1b]8;;http://x\x07", "甲\0.txt", "\ud800", "好" * 90, "a/" * 2100],
        ids=range(8),
    )
    def test_what_is_no_file_is_plain_text(self, path, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert Paint(on=True).link("甲.txt:3", path) == "甲.txt:3"

    def test_a_file_that_may_not_be_looked_at_is_plain_text(self, monkeypatch):
        def refused(path, **settings):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "stat", refused)
        assert Paint(on=True).link("甲.txt:3", "甲.txt") == "甲.txt:3"
