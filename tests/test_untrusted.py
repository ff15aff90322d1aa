"""Nothing in a document acts: what it brings is shown by name in a terminal, and is plain in JSON.

Every command is run over articles that carry escape sequences, links, reordering marks and other
controls in every field.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest

from qa.pipeline import QA
from qa.repl import Chat, ChatSettings
from qa.update import update

EVIL = "\x1b[2J\x1b]8;;http://x\x07坏\x9b31m\u202e\u2066\r\x08\x85\u2028\u200f\x7f"
NAME = EVIL.replace("/", "_")
MAY_NOT_ACT = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"} | set(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
ORDINARY = "\n\n石桥镇去年修路五十六公里,今年又修了一条。" * 200
"""So much of it that the rest of a page is not taken for a program."""
QUESTION = "沙湖镇有几座水厂?"


@pytest.fixture(scope="module")
def nasty(prepared, tmp_path_factory):
    """A folder with an index over such articles, files that cannot be read, and questions."""
    folder = tmp_path_factory.mktemp("nasty")
    articles = folder / "文\x1b[31m\u202e\n"
    articles.mkdir()
    (folder / "index").mkdir()
    (folder / "index" / "models").symlink_to(prepared.parent)
    records = [
        {
            "id": f"甲{EVIL}{number}",
            "title": f"水厂{EVIL}",
            "text": f"沙湖镇有四座水厂{EVIL},都在河边。\n白马镇有五座{EVIL}。",
            "date": f"2023年8月{EVIL}",
            "publisher": f"日报{EVIL}",
            "author": f"记者{EVIL}",
        }
        for number in (1, 2)
    ]
    lines = "\n".join(json.dumps(record) for record in records)
    (articles / f"a{NAME}.jsonl").write_text(lines, "utf-8")
    (articles / "twice.jsonl").write_text(f"{lines}\n{lines}", "utf-8")
    (articles / f"b{NAME}.md").write_text(
        f"---\ntitle: 水厂{EVIL}\nauthor: {EVIL}\ndate: {EVIL}\nsource: {EVIL}\n---\n"
        f"# 标题{EVIL}\n\n## 小标题{EVIL}\n\n青龙镇有六座水厂{EVIL}。{ORDINARY}\n",
        "utf-8",
        newline="",
    )
    (articles / f"c{NAME}.html").write_text(
        f"<title>{EVIL}</title><h1>水厂{EVIL}</h1><h2>{EVIL}</h2><p>月牙镇有七座水厂{EVIL}。<p>{ORDINARY}",
        "utf-8",
        newline="",
    )
    (articles / f"d{NAME}.txt").write_bytes(b"MZ\x00\x03" * 9)
    (articles / f"e{NAME}.txt").write_bytes("付工程材料".encode("gbk"))
    (articles / f"f{NAME}.txt").symlink_to(folder)
    questions = folder / f"问{NAME}.jsonl"
    asked = {"question": QUESTION, "answers": [f"四{EVIL}座"], "evidence": f"没有{EVIL}"}
    questions.write_text(json.dumps(asked), "utf-8")
    update(folder / "index", [articles])
    return folder, articles, questions


def run(folder, *arguments, stdin=""):
    done = subprocess.run(
        [sys.executable, "-c", "from qa.cli import main; main()", *map(os.fsdecode, arguments)],
        input=stdin.encode(),
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONUTF8": "1", "XDG_STATE_HOME": str(folder)},
        timeout=120,
    )
    return done.stdout.decode(), done.stderr.decode()


def harmless(text):
    assert not MAY_NOT_ACT & set(text), sorted(MAY_NOT_ACT & set(text))
    assert text.strip()
    return text


def test_no_command_lets_a_document_act(nasty):
    folder, articles, questions = nasty
    index = ("--index", "index")
    assert "␛" in harmless(run(folder, "search", QUESTION, *index, "--explain")[0])
    for question, number in (
        (QUESTION, "四"),
        ("青龙镇有几座水厂?", "六"),
        ("月牙镇有几座水厂?", "七"),
    ):
        answer = harmless(run(folder, "ask", question, *index, "--explain")[0])
        assert f"{number}座" in answer
    chat = f"{QUESTION}\n/sources\n/open 1\n/more\n/explain\n/open {EVIL}:1\n/{EVIL}\n"
    assert "␛" in harmless(run(folder, "chat", *index, stdin=chat)[0])
    files = harmless(run(folder, "status", "--files", *index)[0])
    assert "\\x1b[2J" in files
    assert "编码拿不准" in files
    (articles / f"g{NAME}.txt").write_bytes(b"MZ\x00\x03" * 9)
    report, _ = run(folder, "index", *index)
    assert "重复" in harmless(report)
    assert "␛" in harmless(run(folder, "eval", questions, *index)[0])
    _, error = run(folder, "show", f"没有{EVIL}:1", *index)
    assert "␛" in harmless(error)
    harmless(run(folder, "index", f"没有{EVIL}", *index)[1])


def test_all_json_is_utf_8_that_parses_and_names_what_can_be_opened(nasty):
    folder, _, questions = nasty
    index = ("--index", "index")
    answer = json.loads(harmless(run(folder, "ask", QUESTION, *index, "--json")[0]))
    citation = answer["citations"][0]
    start, end = citation["span"]
    place = f"{citation['document']}@{start}-{end}"
    page = harmless(run(folder, "show", "--all", place, *index)[0])
    assert "␛[2J" in page
    shown = json.loads(harmless(run(folder, "show", place, *index, "--json")[0]))
    assert (shown["quote"], shown["standing"]) == (citation["quote"], "holds")
    for command in (
        ("search", QUESTION),
        ("status", "--files"),
        ("index",),
        ("eval", questions),
        ("ask", "--batch", questions),
    ):
        for line in harmless(run(folder, *command, *index, "--json")[0]).splitlines():
            assert json.loads(line)


def test_in_colour_only_styles_and_links_to_files_are_written(nasty):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    folder, _, _ = nasty
    out = Terminal()
    with QA.open(folder / "index") as qa:
        chat = Chat(qa, ChatSettings(), out)
        for line in (QUESTION, "/sources", "/open 1", "/more", "/explain"):
            chat.say(line)
    written = re.sub(r"\x1b\[[\d;]*m|\x1b\]8;;(?:file://[!-~]+)?\x1b\\", "", out.getvalue())
    assert "\x1b[" in out.getvalue()
    harmless(written)
