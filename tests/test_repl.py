"""The chat, typed into as a person would."""

import io
import sys
from pathlib import Path

import pytest

from qa import QA
from qa.repl import Chat, chat_in

SEEDS = Path(__file__).parents[1] / "seeds"
QUESTION = "2024年巫溪支队受理了多少件环境投诉?"


@pytest.fixture(scope="module")
def qa(prepared, tmp_path_factory):
    index = tmp_path_factory.mktemp("index")
    (index / "models").symlink_to(prepared.parent)
    return QA.build([SEEDS / "000_04fbe818b094871c.txt"], index=index)


@pytest.fixture
def say(qa):
    chat = Chat(qa, lambda line: qa.ask(line), io.StringIO())

    def reply(line):
        start = chat._out.tell()
        chat.say(line)
        return chat._out.getvalue()[start:]

    return reply


def test_a_question_is_answered_and_its_source_can_be_opened(say):
    reply = say(QUESTION)
    assert reply.startswith("129件\n")
    assert "/open 1" in reply
    assert "《巫溪县生态环境保护综合行政执法支队" in say("/sources")
    assert "⟦支队始终" in say("/open 1")
    assert " = 语义 " in say("/explain")


@pytest.mark.parametrize("command", ["/sources", "/open 1", "/explain"])
def test_commands_before_any_question_say_what_to_do(say, command):
    assert "先提一个问题" in say(command)


@pytest.mark.parametrize("number", ["", "0", "2", "一", "-1"])
def test_open_tells_which_numbers_there_are(say, number):
    say(QUESTION)
    assert "N 从 1 到 1" in say(f"/open {number}")


def test_mistakes_are_said_and_the_chat_goes_on(say):
    assert "没有这个命令:/foo" in say("/foo")
    assert "没有可以查找的字词" in say("?!")
    assert "/open N" in say("/help")
    assert say(QUESTION).startswith("129件")


def test_an_interrupted_answer_leaves_the_chat_running(qa, say, monkeypatch):
    def interrupted(question):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(qa, "ask", interrupted)
        assert "已停下" in say(QUESTION)
    assert say(QUESTION).startswith("129件")


def test_lines_from_a_pipe_are_answered_until_quit(qa, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"\n{QUESTION}\n/quit\n{QUESTION}\n"))
    chat_in(qa, qa.ask)
    assert capsys.readouterr().out.count("129件\n") == 1
