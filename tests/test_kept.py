"""Conversations in files: kept, read back, exported and forgotten."""

import json
import re
import stat
from html import unescape
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qa.errors import InputError, QAError
from qa.kept import KeptConversation, export, folder, markdown
from qa.text import UNSAFE, visible
from qa.types import Answer, Article, Citation, Claim, Hit, Passage, Written

relaxed = settings(deadline=None)
EVIDENCE = "2024年全年共受理环境投诉129件,\n办结率和处理率均达100%。"
SPANS = st.tuples(st.integers(0, 999), st.integers(0, 999))
# A path that is not UTF-8 has halves of surrogate pairs.
TEXTS = st.text(st.characters() | st.sampled_from("\udc80\udcff"))
CITATIONS = st.builds(Citation, st.integers(1, 9), *[TEXTS] * 5, SPANS, SPANS, TEXTS)

CLAIMS = st.lists(
    st.builds(
        Claim,
        TEXTS,
        st.lists(st.integers(1, 9), max_size=2).map(tuple),
        st.lists(TEXTS, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
WRITTEN = st.none() | st.builds(Written, TEXTS, CLAIMS, CLAIMS, TEXTS)


def citation(**changes):
    fields = {
        "marker": 1,
        "document_id": "a.txt",
        "path": "a.txt",
        "title": "用法治绘就底色",
        "publisher": "中国网",
        "date": "2021-09-09",
        "lines": (82, 83),
        "span": (2810, 2845),
        "quote": EVIDENCE,
    }
    return Citation(**(fields | changes))


def answer(**changes):
    fields = {
        "question": "多少件?",
        "understood": "2024年受理了多少件投诉?",
        "text": "129件",
        "spans": ((14, 18),),
        "evidence": EVIDENCE,
        "confidence": 0.77,
        "abstained": False,
        "citations": (citation(),),
        "hits": (),
    }
    return Answer(**(fields | changes))


def not_found(**changes):
    return answer(text="", spans=(), abstained=True, confidence=0.1, **changes)


ANSWERS = st.one_of(
    st.builds(
        answer,
        question=TEXTS,
        understood=TEXTS,
        text=TEXTS.filter(bool),
        spans=st.lists(SPANS, max_size=3).map(tuple),
        evidence=TEXTS,
        confidence=st.integers(0, 10_000).map(lambda n: n / 10_000),
        citations=st.lists(CITATIONS, max_size=3).map(tuple),
        written=WRITTEN,
    ),
    st.builds(not_found, question=TEXTS, evidence=TEXTS, written=WRITTEN),
)


INDEX = Path("我的索引")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """The folder of the user's state, empty."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def kept():
    return KeptConversation.begin(INDEX)


class TestKeeping:
    def test_turns_come_back_in_order(self, kept):
        turns = [answer(), not_found(question="票价?"), answer(question="那2025年呢?")]
        for turn in turns:
            kept.add(turn)
        assert KeptConversation.latest(INDEX).answers() == (turns, 0)

    @relaxed
    @given(turns=st.lists(ANSWERS, min_size=1, max_size=4))
    def test_whatever_an_answer_holds_comes_back_but_for_its_hits(self, tmp_path_factory, turns):
        kept = KeptConversation(tmp_path_factory.mktemp("kept") / "a.jsonl")
        for turn in turns:
            kept.add(turn)
        assert KeptConversation(kept.path).answers() == (turns, 0)

    def test_hits_are_not_kept(self, kept):
        passage = Passage("a@0", "a.txt", Article("题"), (), "body", "很长的一段。", ((0, 6),))
        kept.add(answer(hits=(Hit(passage, "a.txt", (1, 1), 1.0, 1, {}, {}),)))
        assert "很长的一段" not in json.loads(kept.path.read_text("ascii"))
        assert kept.answers() == ([answer()], 0)

    def test_what_a_language_model_wrote_comes_back(self, kept):
        written = Written("qwen", (Claim("受理129件。", (1,), ("没有提到“129”",)),), (), "说明")
        kept.add(answer(written=written))
        assert kept.answers()[0][0].written == written

    def test_the_file_is_for_its_user_only_and_made_with_the_first_turn(self, kept, state):
        assert not state.exists()
        kept.add(answer())
        assert kept.path.is_relative_to(state)
        assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600

    def test_before_the_first_turn_nothing_is_there_and_nothing_damaged(self, kept):
        assert kept.answers() == ([], 0)

    def test_there_is_no_latest_before_the_first(self, state):
        assert KeptConversation.latest(INDEX) is None
        folder(INDEX).mkdir(parents=True)
        (folder(INDEX) / "说明.txt").touch()
        assert KeptConversation.latest(INDEX) is None

    def test_the_latest_is_the_one_begun_last(self):
        begun = [KeptConversation.begin(INDEX) for _ in range(3)]
        for number, kept in enumerate(begun):
            kept.add(answer(question=f"第{number}问?"))
        assert len({kept.path for kept in begun}) == 3
        assert KeptConversation.latest(INDEX).answers()[0][0].question == "第2问?"

    def test_a_conversation_without_a_place_keeps_nothing(self, state):
        kept = KeptConversation(None)
        kept.add(answer())
        kept.forget()
        assert kept.answers() == ([], 0)
        assert not state.exists()

    def test_a_folder_that_cannot_be_written_keeps_nothing(self, kept, state):
        state.write_text("一个文件", "utf-8")
        kept.add(answer())
        assert state.read_text("utf-8") == "一个文件"
        assert KeptConversation.latest(INDEX) is None
        assert state.read_text("utf-8") == "一个文件"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is a Linux thing")
    def test_a_full_disk_does_not_end_the_chat(self):
        kept = KeptConversation(Path("/dev/full"))
        kept.add(answer())  # Not kept, and no error.


class TestForgetting:
    def test_the_file_is_deleted(self, kept):
        kept.add(answer())
        kept.forget()
        assert list(folder(INDEX).iterdir()) == []
        assert KeptConversation.latest(INDEX) is None

    def test_what_was_never_written_or_is_gone_is_forgotten_too(self, kept):
        kept.forget()
        kept.add(answer())
        kept.path.unlink()
        kept.forget()
        assert not kept.path.exists()

    def test_others_stay(self, kept):
        kept.add(answer(question="早先的?"))
        later = KeptConversation.begin(INDEX)
        later.add(answer())
        later.forget()
        assert KeptConversation.latest(INDEX).answers()[0][0].question == "早先的?"

    def test_a_file_that_cannot_be_deleted_is_an_error_that_the_chat_can_say(self, kept):
        kept.path.mkdir(parents=True)
        with pytest.raises(QAError):
            kept.forget()


class TestDamage:
    @pytest.fixture
    def line(self, kept):
        kept.add(answer())
        return kept.path.read_bytes()

    @pytest.mark.parametrize("left", [1, 10, 100, -2])
    def test_a_file_that_was_cut_off_gives_the_turns_before(self, kept, line, left):
        kept.path.write_bytes(line + line[:left])
        assert kept.answers() == ([answer()], 1)

    def test_a_file_without_its_last_line_end_is_whole(self, kept, line):
        kept.path.write_bytes(line[:-1])
        assert kept.answers() == ([answer()], 0)

    @pytest.mark.parametrize("left", [1, 100, -2, -1])
    def test_a_turn_after_a_file_was_cut_off_is_kept(self, kept, line, left):
        kept.path.write_bytes(line + line[:left])
        after = answer(question="之后的?")
        kept.add(after)
        assert kept.answers()[0][-1] == after

    @pytest.mark.parametrize("garbage", [b"\x00", b"\xff\xfe\x00", b"\x89PNG", b"[" * 100_000])
    def test_a_line_of_garbage_is_skipped_and_counted(self, kept, line, garbage):
        kept.path.write_bytes(line + garbage + b"\n" + line)
        assert kept.answers() == ([answer(), answer()], 1)

    @relaxed
    @given(raw=st.binary(max_size=300))
    @example(raw=b"\xff\xfe{\x00}\x00")
    @example(raw=b"[]\n{}\nnull\n1e999\nNaN\n" + b"9" * 5000)
    def test_any_bytes_can_be_read(self, tmp_path_factory, raw):
        path = tmp_path_factory.mktemp("kept") / "a.jsonl"
        path.write_bytes(raw)
        found, damaged = KeptConversation(path).answers()
        assert found == []
        assert damaged == sum(1 for line in raw.split(b"\n") if line.strip())

    @pytest.mark.parametrize(
        "change",
        [
            {"question": None},
            {"understood": 5},
            {"answer": ["129件"]},
            {"evidence": {}},
            {"spans": None},
            {"spans": [[1]]},
            {"spans": [[1, 2, 3]]},
            {"spans": [["1", "2"]]},
            {"spans": "ab"},
            {"confidence": "很高"},
            {"confidence": None},
            {"confidence": 10**400},
            {"confidence": float("nan")},
            {"confidence": 1.5},
            {"abstained": "false"},
            {"abstained": None},
            {"citations": None},
            {"citations": {"marker": 1}},
            {"citations": [None]},
            {"citations": [{"marker": 1}]},
        ],
        ids="-".join,
    )
    def test_a_value_of_the_wrong_type_damages_its_line_only(self, kept, line, change):
        self.damage(kept, line, {**json.loads(line), **change})

    @pytest.mark.parametrize(
        "change",
        [
            {"marker": float("inf")},
            {"marker": "一"},
            {"path": None},
            {"title": 5},
            {"lines": [1]},
            {"lines": 82},
            {"span": [0.5, 1.5]},
            {"quote": []},
        ],
        ids="-".join,
    )
    def test_so_does_one_in_a_citation(self, kept, line, change):
        values = json.loads(line)
        self.damage(kept, line, {**values, "citations": [{**values["citations"][0], **change}]})

    @staticmethod
    def damage(kept, line, values):
        kept.path.write_bytes(json.dumps(values).encode() + b"\n" + line)
        assert kept.answers() == ([answer()], 1)

    @relaxed
    @given(st.data())
    def test_any_json_in_any_place_can_be_read(self, tmp_path_factory, data):
        anything = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=5,
        )
        kept = KeptConversation(tmp_path_factory.mktemp("kept") / "a.jsonl")
        kept.add(answer())
        values = json.loads(kept.path.read_bytes())
        inside = data.draw(st.sampled_from([values, values["citations"][0]]))
        inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(anything)
        kept.path.write_text(json.dumps(values), "utf-8")
        found, damaged = kept.answers()
        assert len(found) + damaged == 1
        markdown(found)  # What was read can be used.

    def test_a_folder_in_the_place_of_the_file(self, kept):
        kept.path.mkdir(parents=True)
        assert KeptConversation.latest(INDEX).answers() == ([], 1)
        kept.add(answer())
        assert kept.path.is_dir()


def page(answers):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown(answers))


def tags(html):
    return set(re.findall(r"<(\w+)", html))


def text_of(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", "\n", html)).split())


EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- 注",
    "&lt;b&gt; &amp; &#x5b;",
    "[x](javascript:alert(1))",
    "![x](http://x.example/y.png)",
    "[x]: http://x.example",
    "<http://x.example>",
    "# x",
    "x #",
    "===",
    "---",
    "***",
    "- x",
    "+ x",
    "* x",
    "1. x",
    "2) x",
    "> x",
    "```",
    "~~~",
    "`x`",
    "**x** __x__ *x* _x_ ~~x~~",
    "| a | b |",
    "|---|---|",
    "\\<b\\> \\",
    "x\\",
    "甲  \n乙",
]


class TestExport:
    def test_it_reads_as_the_conversation_was(self):
        doubtful = Claim("受理一百件。", (1,), ("没有提到“一百”",))
        written = Written("qwen", (Claim("受理129件。", (1,)), doubtful))
        shown = text_of(page([answer(written=written), not_found(question="票价?")]))
        for part in (
            "多少件?",
            "理解为:2024年受理了多少件投诉?",
            "129件",
            "2024年全年共受理环境投诉129件, 办结率和处理率均达100%。",
            "[1] 《用法治绘就底色》 中国网 2021-09-09 · a.txt:82-83(第 2810–2845 字)",
            "受理129件。(1)",
            "受理一百件。(1)(未经原文证实:没有提到“一百”)",
            "票价?",
            "未找到",
        ):
            assert part in shown
        assert shown.index("多少件?") < shown.index("票价?")

    def test_what_stands_alone_is_not_said_twice(self):
        assert "理解为" not in markdown([answer(understood="多少件?")])

    def test_each_passage_that_a_language_model_cites_is_named(self):
        texts = enumerate(["甲县修路56公里。", "乙县修路7公里。"])
        passages = [
            Passage(f"{n}@0", f"{n}.txt", Article(f"第{n}篇"), (), "body", text, ((0, 9),))
            for n, text in texts
        ]
        hits = tuple(
            Hit(passage, f"{n}.txt", (3, 3), 1.0, n + 1, {}, {})
            for n, passage in enumerate(passages)
        )
        written = Written("qwen", (Claim("乙县修路7公里。", (2,)),))
        shown = text_of(page([answer(hits=hits, written=written)]))
        assert re.search(r"\(2\) 《第1篇》.* · 1\.txt:3", shown)

    @pytest.mark.parametrize("evil", EVIL)
    def test_text_from_documents_shows_as_it_is(self, evil):
        cited = citation(title=evil, publisher=evil, date=evil, path=evil)
        written = Written("qwen", (Claim(evil, (), (evil,)),), (), evil)
        html = page(
            [
                answer(
                    question=evil,
                    understood=evil + "?",
                    text=evil,
                    evidence=evil,
                    citations=(cited,),
                    written=written,
                )
            ]
        )
        assert tags(html) <= {"h1", "h2", "p", "strong", "blockquote", "ul", "li"}
        assert html.count("<h1") == html.count("<h2") == html.count("<ul") == 1
        assert html.count("<blockquote") == 1
        plain = " ".join(evil.split())
        assert text_of(html).count(plain) >= 8

    @pytest.mark.parametrize("evil", EVIL)
    def test_a_second_line_of_evidence_shows_as_it_is(self, evil):
        html = page([answer(evidence=f"全年受理129件\n{evil}\n办结100%。")])
        quoted = re.search(r"<blockquote>(.*)</blockquote>", html, re.DOTALL)[1]
        assert tags(quoted) <= {"p"}
        assert text_of(quoted) == " ".join(f"全年受理129件 {evil} 办结100%。".split())

    @relaxed
    @given(turns=st.lists(ANSWERS, max_size=3))
    def test_no_text_acts_in_it_or_on_a_terminal(self, turns):
        assert UNSAFE.search(markdown(turns)) is None
        assert tags(page(turns)) <= {"h1", "h2", "p", "strong", "blockquote", "ul", "li"}

    @relaxed
    @given(evidence=st.text(st.sampled_from("好a1 \n-+=*_#>`~|[]()!<&;.\\:")))
    def test_evidence_is_shown_whole(self, evidence):
        html = page([answer(evidence=evidence)])
        quoted = re.search(r"<blockquote>(.*)</blockquote>", html, re.DOTALL)[1]
        assert text_of(quoted) == " ".join(evidence.split())

    def test_control_characters_are_shown(self):
        evil = "坏\x1b[2J\x07\u202e\ud800"
        written = Written("qwen", (Claim(evil, (), (evil,)),))
        shown = markdown(
            [
                answer(
                    question=evil,
                    understood="",
                    text=evil,
                    evidence=evil,
                    written=written,
                    citations=(citation(title=evil, path=evil),),
                )
            ]
        )
        assert UNSAFE.search(shown) is None
        assert (
            shown.replace("\\", "").count(visible(evil).replace("<", "&lt;").replace(">", "&gt;"))
            >= 7
        )

    def test_a_file_holds_what_was_said(self, tmp_path):
        file = tmp_path / "我的 对话.md"
        export([answer()], file)
        assert file.read_text("utf-8") == markdown([answer()])
        assert b"\r" not in file.read_bytes()

    @pytest.mark.parametrize("kind", ["file", "empty", "link", "dangling", "folder"])
    def test_nothing_is_written_over(self, tmp_path, kind):
        place, other = tmp_path / "对话.md", tmp_path / "别的.md"
        if kind in ("file", "empty"):
            place.write_text("原有" if kind == "file" else "", "utf-8")
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to(other)
            if kind == "link":
                other.write_text("原有", "utf-8")
        before = {path: path.is_file() and path.read_text("utf-8") for path in tmp_path.iterdir()}
        with pytest.raises(InputError, match=r"已经存在:.*对话\.md"):
            export([answer()], place)
        assert before == {
            path: path.is_file() and path.read_text("utf-8") for path in tmp_path.iterdir()
        }

    def test_an_empty_conversation_makes_no_file(self, tmp_path):
        with pytest.raises(InputError, match="还没有"):
            export([], tmp_path / "对话.md")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "name",
        ["没有/对话.md", "好" * 90, "甲\0.md", "\ud800.md"],
        ids=["gone", "long", "nul", "half"],
    )
    def test_a_place_that_cannot_be_written_is_said(self, tmp_path, name):
        with pytest.raises(InputError, match="写不了"):
            export([answer()], tmp_path / name)
