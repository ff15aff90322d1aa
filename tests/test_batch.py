"""Many questions at once: lines in, a line of JSON out for each question."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.batch import parsed, run
from qa.conversation import checked
from qa.errors import InputError

relaxed = settings(deadline=None)
QUESTION = "2024年巫溪支队受理了多少件环境投诉?"


def begin():
    """Answers with how many questions of the line went before, as a conversation would know."""
    before = []

    def answering(question):
        before.append(checked(question))
        return {"question": question, "turn": len(before)}

    return answering


@pytest.fixture
def answered(tmp_path):
    """Gives the lines written for a file of lines, and how many could not be used."""

    def lines_of(*lines):
        source, out = tmp_path / "问题.txt", io.StringIO()
        source.write_bytes(
            b"\n".join(raw if isinstance(raw, bytes) else raw.encode() for raw in lines)
        )
        bad = run(str(source), begin, out)
        return [json.loads(line) for line in out.getvalue().splitlines()], bad

    return lines_of


def turns(*questions, **values):
    return json.dumps({**values, "turns": questions}, ensure_ascii=False)


class TestLines:
    def test_a_line_is_a_question_with_its_number(self, answered):
        assert answered("多少件?", "", "  ", "  票价?  ") == (
            [
                {"id": 1, "question": "多少件?", "turn": 1},
                {"id": 4, "question": "票价?", "turn": 1},
            ],
            0,
        )

    def test_line_ends_and_marks_of_windows_are_no_part_of_it(self, answered):
        found, bad = answered(b"\xef\xbb\xbf" + "多少件?\r".encode(), "票价?\r")
        assert [one["question"] for one in found] == ["多少件?", "票价?"]
        assert bad == 0

    @pytest.mark.parametrize("identity", ["甲", 7, 1.5, None, True, ["甲", 1], "好\ud800"])
    def test_an_id_comes_back_as_it_was(self, answered, identity):
        found, _ = answered(json.dumps({"id": identity, "question": "多少件?"}))
        assert found == [{"id": identity, "question": "多少件?", "turn": 1}]

    def test_without_an_id_a_line_is_its_number(self, answered):
        assert [one["id"] for one in answered("", '{"question": "多少件?"}')[0]] == [2]

    @pytest.mark.parametrize("line", ['["多少件?"]', '"多少件?"', "[1] 是什么?", "}{ 是什么?"])
    def test_only_a_brace_makes_a_line_json(self, answered, line):
        assert answered(line)[0][0]["question"] == line

    @pytest.mark.parametrize(
        "line",
        [
            "{",
            "{}",
            '{"id": "甲"}',
            '{"question": 5}',
            '{"question": null}',
            '{"question": ["多少件?"]}',
            '{"question": "多少件?"} 多',
            '{"id": NaN, "question": "多少件?"}',
            '{"id": 1e999, "question": "多少件?"}',
            '{"id": [-1e999], "question": "多少件?"}',
            '{"question": "?!"}',
            '{"question": "\\ud800"}',
            "?!",
            "多少件?".encode("gbk"),
            '{"question": ' + "[" * 100_000,
        ],
        ids=range(15),
    )
    def test_a_line_that_cannot_be_used_is_said_and_the_rest_answered(self, answered, line):
        found, bad = answered("票价?", line, "多少件?")
        assert bad == 1
        assert [("error" in one, one["id"]) for one in found][::2] == [(False, 1), (False, 3)]
        assert "error" in found[1]

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="打不开问题文件"):
            run(str(tmp_path / "没有.txt"), begin, io.StringIO())


class TestTurns:
    def test_each_turn_has_a_line_and_follows_on_those_before(self, answered):
        line = turns("多少件?", "那2025年呢?", "为什么?", id="甲")
        assert answered(line) == (
            [
                {"id": "甲/1", "question": "多少件?", "turn": 1},
                {"id": "甲/2", "question": "那2025年呢?", "turn": 2},
                {"id": "甲/3", "question": "为什么?", "turn": 3},
            ],
            0,
        )

    def test_a_line_knows_nothing_of_the_line_before(self, answered):
        found, _ = answered(turns("多少件?", "为什么?"), "票价?", turns("多少件?"))
        assert [(one["id"], one["turn"]) for one in found] == [
            ("1/1", 1),
            ("1/2", 2),
            (2, 1),
            ("3/1", 1),
        ]

    @pytest.mark.parametrize(
        ("identity", "name"), [("甲/乙", "甲/乙/1"), (7, "7/1"), (1.5, "1.5/1"), ("", "/1")]
    )
    def test_the_id_and_the_number_of_the_turn_make_its_name(self, answered, identity, name):
        assert answered(turns("多少件?", id=identity))[0][0]["id"] == name

    def test_an_id_of_null_is_none(self, answered):
        assert answered("", turns("多少件?", id=None))[0][0]["id"] == "2/1"

    @pytest.mark.parametrize("bad_turn", ["", "  ", "?!", "好" * 2001, "\ud800"])
    def test_a_turn_that_cannot_be_used_does_not_lose_the_others(self, answered, bad_turn):
        line = json.dumps({"id": "甲", "turns": ["多少件?", bad_turn, "为什么?"]})
        found, bad = answered(line, "票价?")
        assert bad == 1
        assert [(one["id"], "error" in one) for one in found] == [
            ("甲/1", False),
            ("甲/2", True),
            ("甲/3", False),
            (2, False),
        ]

    @pytest.mark.parametrize("bad_turn", [5, None, ["多少件?"], {"question": "多少件?"}, True])
    def test_a_turn_that_is_no_text_spoils_its_line_which_is_said_once(self, answered, bad_turn):
        found, bad = answered(turns("多少件?", bad_turn, "为什么?", id="甲"), "票价?")
        assert bad == 1
        assert [one["id"] for one in found] == [1, 2]
        assert "第 1 行" in found[0]["error"]
        assert repr(bad_turn) in found[0]["error"]

    @pytest.mark.parametrize("value", ["多少件?", [], {}, {"1": "多少件?"}, 5, None])
    def test_turns_that_are_no_list_are_said(self, answered, value):
        found, bad = answered(json.dumps({"id": "甲", "turns": value}), "票价?")
        assert bad == 1
        assert "turns" in found[0]["error"]
        assert found[1]["question"] == "票价?"

    def test_turns_go_before_a_question(self):
        line = '{"question": "票价?", "turns": ["多少件?"]}'
        assert parsed(line, 1) == (1, ["多少件?"], True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@relaxed
@given(
    st.one_of(
        st.binary(max_size=100),
        st.dictionaries(st.sampled_from(["id", "question", "turns"]), JSON).map(
            lambda values: json.dumps(values).encode()
        ),
    )
)
@example(b'{"id": 1e999, "turns": ["?"]}')
def test_any_line_gets_json_and_the_next_is_answered(raw):
    out = io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(raw.replace(b"\n", b" ") + "\n票价?\n".encode()), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        bad = run("-", begin, out)
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines()]
    assert found[-1] == {"id": 2, "question": "票价?", "turn": 1}
    assert sum("error" in one for one in found) == bad


def test_a_batch_of_follow_up_questions_is_understood(seeds_index):
    lines = [
        turns(QUESTION, "那2025年上半年呢?", "?!", "为什么?", id="甲"),
        "那2025年上半年呢?",
        json.dumps({"id": "乙", "question": QUESTION}, ensure_ascii=False),
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from qa.cli import main; main()"),
            *("ask", "--batch", "-", "--index", str(seeds_index)),
        ],
        input="\n".join(lines).encode(),
        capture_output=True,
        cwd=Path(__file__).parents[1],
        env=os.environ,
        timeout=120,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in answers] == ["甲/1", "甲/2", "甲/3", "甲/4", 2, "乙"]
    assert answers[1]["question"] == "那2025年上半年呢?"
    assert answers[1]["understood"] == "2025年上半年巫溪支队受理了多少件环境投诉?"
    assert [answers[n]["answer"] for n in (0, 1, 5)] == ["129件", "58件", "129件"]
    assert "error" in answers[2]
    assert answers[3]["understood"].startswith("为什么2025年上半年")
    assert answers[4]["understood"] == "那2025年上半年呢?"  # Nothing went before.
    assert done.returncode == 2
    assert "1 行" in done.stderr.decode()
