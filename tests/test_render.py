"""What people see, and what JSON holds."""

import io
import json
import re

import pytest

from qa.render import (
    Paint,
    answer_text,
    explanation,
    hits_text,
    page_text,
    place,
    show_command,
    source_line,
    write_json,
)
from qa.types import Answer, Article, Citation, Document, Hit, Passage

PLAIN, COLOUR = Paint(on=False), Paint(on=True)
EVIDENCE = "全年受理投诉129件,办结率100%。"


def citation(**changes):
    fields = {
        "marker": 1,
        "document_id": "a.txt",
        "path": "a.txt",
        "title": "用法治绘就底色",
        "publisher": "中国网",
        "date": "2021-09-09",
        "lines": (3, 3),
        "span": (10, 26),
        "quote": EVIDENCE,
    }
    return Citation(**(fields | changes))


def hit(text=EVIDENCE, **shares):
    passage = Passage(
        "a.txt@0", "a.txt", Article("用法治绘就底色"), ("成效",), "body", text, ((0, 1),)
    )
    shares = shares or {"dense": 1.5, "words": -0.25}
    return Hit(passage, "a.txt", (3, 5), sum(shares.values()), 1, shares, {"dense": 0.9})


def answer(**changes):
    fields = {
        "question": "多少件?",
        "understood": "多少件?",
        "text": "129件",
        "spans": ((6, 10),),
        "evidence": EVIDENCE,
        "confidence": 0.77,
        "abstained": False,
        "citations": (citation(),),
        "hits": (hit(),),
    }
    return Answer(**(fields | changes))


def test_an_answer_reads_from_short_to_source():
    lines = answer_text(answer(), PLAIN).splitlines()
    assert lines[:3] == [
        "129件",
        "  " + EVIDENCE,
        "  [1] 《用法治绘就底色》 中国网 2021-09-09 · a.txt:3",
    ]
    assert "77%" in lines[3]
    assert "qa show a.txt@10-26" in lines[3]


def test_colour_marks_the_answer_in_its_sentence_and_changes_no_text():
    coloured = answer_text(answer(), COLOUR)
    assert "受理投诉\x1b[1;33m129件\x1b[0m,办结率" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == answer_text(answer(), PLAIN)


def test_an_answer_that_is_its_evidence_is_said_once():
    assert answer_text(answer(text=EVIDENCE), PLAIN).count(EVIDENCE) == 1


def test_not_found_shows_the_nearest_as_such():
    shown = answer_text(answer(text="", abstained=True), PLAIN)
    assert shown.startswith("未找到\n")
    assert "最接近" in shown
    assert EVIDENCE in shown


def test_escapes_in_titles_paths_and_text_are_shown_not_sent():
    evil = "坏\x1b[2J\u202e"
    shown = answer_text(
        answer(text=evil, evidence=evil + "。", citations=(citation(path=evil, title=evil),)), PLAIN
    ) + hits_text([hit(evil)], PLAIN)
    assert not {"\x1b", "\u202e"} & set(shown)


def test_an_explanation_adds_up():
    numbers = [float(n) for n in re.findall(r"[-+]\d+\.\d+", explanation(hit()))]
    assert sum(numbers) == pytest.approx(1.25)
    assert explanation(hit()).startswith("1.25 = ")


def test_a_place_is_one_line_or_a_range():
    assert place(citation()) == "a.txt:3"
    assert place(hit()) == "a.txt:3-5"


def page(text, **changes):
    return Document("a.txt", "a.txt", "", text, "utf-8", **changes)


def test_a_page_shows_lines_around_the_quotation_with_their_numbers():
    text = "\n".join(f"第{n}行。" for n in range(1, 21))
    start = text.index("第10行")
    cited = citation(span=(start, text.index("行。\n第12行") + 2), lines=(10, 11))
    shown = page_text(cited, page(text), 1, PLAIN).splitlines()
    assert shown[2:] == [
        "    9   第9行。",
        "   10 ▶ ⟦第10行。⟧",
        "   11 ▶ ⟦第11行。⟧",
        "   12   第12行。",
    ]
    assert len(page_text(cited, page(text), -1, PLAIN).splitlines()) == 22


def test_a_page_with_carriage_returns_and_controls_is_marked_where_the_quotation_is():
    text = "第一行。\r\n他说\x02话\x03。完了。\r\n"
    start = text.index("他说")
    cited = citation(span=(start, text.index("完了")), lines=(2, 2))
    assert page_text(cited, page(text), 0, PLAIN).splitlines()[2:] == ["    2 ▶ ⟦他说␂话␃。⟧完了。"]


def test_lines_of_a_record_have_no_numbers():
    cited = citation(span=(0, 4), lines=(7, 7))
    shown = page_text(cited, page("第一行。\n第二行。", record=7), 1, PLAIN)
    assert shown.splitlines()[2:] == ["      ▶ ⟦第一行。⟧", "        第二行。"]


def test_a_title_cannot_forge_a_line():
    forged = citation(title="好\n  [2] 《伪造》 · /etc/passwd:1", path="a\nb.txt")
    assert "\n" not in source_line(forged, PLAIN)


@pytest.mark.parametrize(
    ("path", "index", "command"),
    [
        ("a.txt", "", "qa show a.txt@10-26"),
        ("a b.txt", "我 的", "qa show --index '我 的' 'a b.txt@10-26'"),
        ("-e.txt", "", "qa show -- -e.txt@10-26"),
    ],
)
def test_the_command_that_opens_a_citation_can_be_pasted(path, index, command):
    assert show_command(citation(document_id=path), index) == command


def test_json_is_ascii_where_the_stream_is_not_utf_8():
    for encoding in ("utf-8", "cp950", "ascii"):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding)
        write_json({"答": "邻\ud800\x9b2J\u202e"}, stream)
        line = raw.getvalue().decode(encoding)
        assert json.loads(line)["答"] == "邻\ud800\x9b2J\u202e"
        assert not {"\x9b", "\u202e"} & set(line)
        assert line.endswith("\n")


def test_no_colour_is_honoured(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Paint.for_stream(Terminal()).on
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Paint.for_stream(Terminal()).on
