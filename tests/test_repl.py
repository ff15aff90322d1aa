"""The chat, typed into as a person would."""

import io
import json
import re
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import get_cwidth

from qa import QA
from qa.kept import KeptConversation, folder
from qa.reader.endpoint import Endpoint
from qa.repl import Chat, ChatSettings, chat_in
from qa.text import UNSAFE

SEED = "seeds/000_04fbe818b094871c.txt"
QUESTION = "2024年巫溪支队受理了多少件环境投诉?"
FOLLOW_UP = "那2025年上半年呢?"
UNDERSTOOD = "理解为:2025年上半年巫溪支队受理了多少件环境投诉?"


class Screen(io.StringIO):
    """A terminal, in so far as it says that it is one."""

    def isatty(self):
        return True


@pytest.fixture(scope="module")
def qa(seeds_index):
    with QA.open(seeds_index) as opened:
        yield opened


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """The folder of the user's state, empty."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def begin(qa):
    """Gives what says a line in a new chat and returns the reply."""

    def saying(settings=None, out=None, **more):
        chat = Chat(qa, settings or ChatSettings(), out or io.StringIO(), **more)

        def reply(line):
            start = chat._out.tell()
            chat.say(line)
            return chat._out.getvalue()[start:]

        reply.chat = chat
        return reply

    saying.index = qa.generation.parent
    return saying


@pytest.fixture
def say(begin):
    return begin()


class TestAnswers:
    def test_a_question_is_answered_and_its_source_can_be_opened(self, say):
        reply = say(QUESTION)
        assert reply.startswith("129件\n")
        assert "/open 1" in reply
        assert "《巫溪县生态环境保护综合行政执法支队" in say("/sources")
        assert "⟦支队始终" in say("/open 1")
        assert " = 语义 " in say("/explain")

    def test_mistakes_are_said_and_the_chat_goes_on(self, say):
        assert "没有这个命令:/foo" in say("/foo")
        assert "没有可以查找的字词" in say("?!")
        assert "/open N" in say("/help")
        assert say(QUESTION).startswith("129件")

    def test_help_names_every_command(self, say):
        for command in say.chat.commands:
            assert command in say("/help")

    def test_an_interrupted_answer_leaves_the_chat_running(self, qa, begin, monkeypatch):
        answer = qa.answer
        failures = [KeyboardInterrupt()]

        def interrupted_once(*arguments, **settings):
            if failures:
                raise failures.pop()
            return answer(*arguments, **settings)

        monkeypatch.setattr(qa, "answer", interrupted_once)
        say = begin()
        assert "已停下" in say(QUESTION)
        assert "先提一个问题" in say("/sources")
        assert say(QUESTION).startswith("129件")

    def test_below_the_chosen_confidence_nothing_is_answered(self, begin):
        assert begin(ChatSettings(min_confidence=1.0))(QUESTION).startswith("未找到\n")

    @pytest.mark.parametrize("columns", [40, 20])
    def test_an_answer_fits_a_narrow_terminal(self, begin, monkeypatch, columns):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.delenv("NO_COLOR", raising=False)
        shown = begin(out=Screen())(QUESTION)
        assert "\x1b[1m129件\x1b[0m" in shown
        shown = re.sub(r"\x1b\[[\d;]*m|\x1b\]8;;[^\x1b]*\x1b\\\\", "", shown)
        # A path stays whole: it can be selected.
        lines = [line for line in shown.splitlines() if SEED not in line]
        assert [line for line in lines if get_cwidth(line) > columns] == []

    @pytest.mark.parametrize(
        "line",
        [
            "/没有\x1b[2J",
            "/open 甲\x1b[2J:1",
            "/open \u202e@0-1",
            "/save 没有/\x1b[2J.md",
            "/save 坏\x1b[2J.md",
            "问\x1b[2J题\u202e?",
            "?!\x1b[2J",
        ],
        ids=range(7),
    )
    def test_what_was_typed_does_not_act_on_the_terminal(self, say, line, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        say(QUESTION)
        assert UNSAFE.search(say(line)) is None


class TestFollowUps:
    def test_a_follow_up_is_understood_and_says_how(self, say):
        assert "理解为" not in say(QUESTION)
        assert say(FOLLOW_UP).splitlines()[:2] == [UNDERSTOOD, "58件"]
        assert "话题" in say("/explain")

    def test_a_follow_up_may_go_on_from_a_follow_up(self, say):
        for line in (QUESTION, FOLLOW_UP):
            say(line)
        assert say("那2024年呢?").splitlines()[:2] == [f"理解为:{QUESTION}", "129件"]

    @pytest.mark.parametrize("prefix", ["/raw ", "=", "= ", "＝"])
    def test_as_typed_a_question_is_asked_as_if_nothing_went_before(self, begin, say, prefix):
        say(QUESTION)
        assert say(prefix + FOLLOW_UP) == begin()(FOLLOW_UP)

    @pytest.mark.parametrize("line", ["/raw", "=", "＝ "])
    def test_as_typed_still_needs_a_question(self, say, line):
        assert "问题是空的" in say(line)
        assert "先提一个问题" in say("/more")

    @pytest.mark.parametrize("line", ["他是哪里人?", "它有多少?", "还有呢?", "为什么?", "那里呢?"])
    def test_a_pronoun_with_nothing_before_it_is_asked_as_it_is(self, say, line):
        reply = say(line)
        assert "理解为" not in reply
        assert "/open 1" in reply
        assert say(QUESTION).endswith("/open 1\n\n")

    def test_a_question_that_stands_alone_is_not_changed(self, say):
        say("充电桩完成了多少把的选址?")
        assert say(QUESTION).startswith("129件\n")

    def test_a_mistake_between_does_not_lose_the_thread(self, say):
        for line in (QUESTION, "?!", "/foo", "/open 9"):
            say(line)
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)

    def test_the_fiftieth_turn_is_understood_as_the_second(self, begin):
        say = begin(ChatSettings(fast=True), kept=KeptConversation.begin(begin.index))
        say(QUESTION)
        replies = [say(FOLLOW_UP if turn % 2 else "那2024年呢?") for turn in range(1, 50)]
        assert say.chat.turns == 50
        assert len(set(replies[::2])) == len(set(replies[1::2])) == 1
        assert replies[-1].startswith(UNDERSTOOD)
        assert len(KeptConversation.latest(begin.index).answers()[0]) == 50

    def test_fifty_loose_turns_do_not_pile_up(self, begin):
        say = begin(ChatSettings(fast=True))
        say(QUESTION)
        for turn in range(49):
            reply = say(("为什么?", "结果怎么样?", "怎么解决的?")[turn % 3])
        assert len(reply.splitlines()[0]) < 60


class TestOpening:
    @pytest.mark.parametrize("command", ["/sources", "/open 1", "/explain", "/more"])
    def test_commands_before_any_question_say_what_to_do(self, say, command):
        assert "先提一个问题" in say(command)

    @pytest.mark.parametrize("number", ["", "0", "2", "一", "-1", "²", "9" * 5000])
    def test_open_tells_which_numbers_there_are(self, say, number):
        say(QUESTION)
        assert "N 从 1 到 1" in say(f"/open {number}")

    def test_any_place_can_be_opened_at_any_time(self, say):
        assert "▶ ⟦进行全面细致勘察,制定了详细有效解决方案" in say(f"/open {SEED}:41")
        assert "没有这个文件" in say("/open 没有.txt:1")
        assert "看不懂的出处" in say("/open :1")

    def test_a_pager_gets_the_whole_page_with_the_quotation_marked(self, begin):
        pages = []
        say = begin(pager=pages.append)
        say(QUESTION)
        assert SEED in say("/open 1")
        assert "    1  " in pages[0]
        assert "   82 ▶ " in pages[0]

    def test_a_path_does_not_act_on_the_terminal(self, begin):
        kept = KeptConversation.begin(begin.index)
        begin(kept=kept)(QUESTION)
        line = kept.path.read_text("ascii")
        kept.path.write_text(line.replace(f'"path": "{SEED}"', '"path": "\\u001b[2J.txt"'), "ascii")
        say = begin(kept=kept, pager=lambda page: None)
        for command in ("/sources", "/open 1"):
            assert "␛[2J.txt" in say(command)
            assert UNSAFE.search(say(command)) is None


class TestMore:
    @staticmethod
    def passages(reply):
        return re.findall(r"^(\d+)\. .*\n   (\S+:[\d-]+) ", reply, re.MULTILINE)

    def test_the_next_five_passages_are_shown(self, say):
        say(QUESTION)
        answered = {place for _, place in self.passages(say("/explain"))}
        first, second = self.passages(say("/more")), self.passages(say("/more"))
        assert [rank for rank, _ in first] == ["6", "7", "8", "9", "10"]
        assert [rank for rank, _ in second] == ["11", "12", "13", "14", "15"]
        assert not {place for _, place in first} & answered

    def test_a_new_question_begins_again(self, say):
        say(QUESTION)
        before = say("/more")
        say("/more")
        say(QUESTION)
        assert say("/more") == before

    def test_after_a_follow_up_it_shows_what_was_found_for_it(self, say):
        say(QUESTION)
        before = say("/more")
        say(FOLLOW_UP)
        after = say("/more")
        assert len(self.passages(after)) == 5
        assert after != before

    def test_every_passage_comes_once_until_there_are_no_more(self, qa, say):
        say(QUESTION)
        places = [place for _, place in self.passages(say("/explain"))]
        for _ in range(30):
            reply = say("/more")
            if not (shown := self.passages(reply)):
                break
            places += [place for _, place in shown]
        assert "没有更多的段落了" in reply
        assert len(places) == len(set(places)) == qa.manifest.passages


class TestSaving:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.mark.parametrize("name", ["对话.md", "我的 对话.md", "~/对话.md"])
    def test_the_conversation_is_saved_with_its_sources(self, say, tmp_path, name):
        say(QUESTION)
        say(FOLLOW_UP)
        assert "(2 问)" in say(f"/save {name}")
        saved = (tmp_path / name.removeprefix("~/")).read_text("utf-8")
        assert saved.index("129件") < saved.index(UNDERSTOOD) < saved.index("58件")
        assert SEED.replace("_", "\\_") + ":82" in saved

    def test_nothing_is_written_over(self, say, tmp_path):
        (tmp_path / "对话.md").write_text("原有", "utf-8")
        say(QUESTION)
        assert "已经存在" in say("/save 对话.md")
        assert (tmp_path / "对话.md").read_text("utf-8") == "原有"

    def test_there_must_be_a_conversation_and_a_name(self, say, tmp_path):
        assert "还没有可以保存的对话" in say("/save 对话.md")
        say(QUESTION)
        assert "用法:/save 文件" in say("/save")
        assert not list(tmp_path.glob("*.md"))

    @pytest.mark.parametrize(
        "name", ["没有/对话.md", "~没有这个人/对话.md", "好" * 90, "甲\0.md"], ids=range(4)
    )
    def test_a_place_that_cannot_be_written_is_said(self, say, name):
        say(QUESTION)
        assert "写不了" in say(f"/save {name}")
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)


class TestKeeping:
    def test_turns_are_kept_and_taken_up_again(self, begin):
        begin(kept=KeptConversation.begin(begin.index))(QUESTION)
        say = begin(kept=KeptConversation.latest(begin.index))
        assert say.chat.turns == 1
        assert SEED in say("/sources")
        assert "⟦支队始终" in say("/open 1")
        assert len(TestMore.passages(say("/more"))) == 5
        assert say("/explain")
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)
        assert len(KeptConversation.latest(begin.index).answers()[0]) == 2

    def test_what_was_taken_up_may_be_of_articles_that_are_gone(self, begin):
        kept = KeptConversation.begin(begin.index)
        begin(kept=kept)(QUESTION)
        kept.path.write_text(kept.path.read_text("ascii").replace(SEED, "gone.txt"), "ascii")
        say = begin(kept=kept)
        assert "gone.txt" in say("/open 1")
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)

    def test_forget_deletes_what_was_kept_and_what_was_said(self, begin):
        say = begin(kept=KeptConversation.begin(begin.index))
        say(QUESTION)
        assert "已忘掉" in say("/forget")
        assert list(folder(begin.index).iterdir()) == []
        assert "先提一个问题" in say("/sources")
        assert "先提一个问题" in say("/more")
        assert "理解为" not in say(FOLLOW_UP)

    def test_a_folder_that_cannot_be_written_leaves_the_chat_running(self, begin, state):
        state.write_text("一个文件", "utf-8")
        say = begin(kept=KeptConversation.begin(begin.index))
        say(QUESTION)
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)
        assert "已忘掉" in say("/forget")

    def test_a_record_that_cannot_be_deleted_leaves_the_chat_running(self, begin):
        kept = KeptConversation.begin(begin.index)
        kept.path.mkdir(parents=True)
        say = begin(kept=kept)
        assert "已忘掉" not in say("/forget")
        assert say(QUESTION).startswith("129件")


class TestPipe:
    @pytest.fixture
    def typed(self, qa, monkeypatch, capsys):
        """Gives what a chat says to lines from a pipe."""

        def said(*lines, **more):
            monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
            chat_in(qa, ChatSettings(), **more)
            return capsys.readouterr().out

        return said

    def test_lines_are_answered_until_quit(self, typed):
        assert typed("", QUESTION, "/quit", QUESTION).count("129件\n") == 1
        assert typed(QUESTION, " /exit ", QUESTION).count("129件\n") == 1

    def test_a_pipe_has_no_welcome_and_keeps_nothing(self, typed, state):
        assert typed(QUESTION).startswith("129件\n")
        assert not state.exists()

    def test_resume_takes_up_the_conversation_that_was_kept_last(self, typed, begin):
        begin(kept=KeptConversation.begin(begin.index))("充电桩完成了多少把的选址?")
        begin(kept=KeptConversation.begin(begin.index))(QUESTION)
        out = typed(FOLLOW_UP, resume=True)
        assert out.startswith(f"接着上次的对话:已有 1 问。\n{UNDERSTOOD}\n58件\n")
        assert typed(resume=True) == "接着上次的对话:已有 2 问。\n"

    def test_resume_says_what_was_lost_of_a_file_that_was_cut_off(self, typed, begin):
        kept = KeptConversation.begin(begin.index)
        begin(kept=kept)(QUESTION)
        with kept.path.open("ab") as stream:
            stream.write(b'{"question": "\\u591a')
        out = typed(FOLLOW_UP, resume=True)
        assert out.startswith("接着上次的对话:已有 1 问。(有 1 行记录读不出,略过)\n")
        assert UNDERSTOOD in out
        assert "已有 2 问。(有 1 行" in typed(resume=True)

    def test_resume_with_nothing_kept_begins_anew(self, typed):
        out = typed(QUESTION, resume=True)
        assert out.startswith("没有可以接着的对话,从头开始。\n129件\n")


class TestTerminal:
    @pytest.fixture
    def typed(self, qa, monkeypatch):
        """Gives what a chat shows to keys typed in a terminal."""
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")

        def shown(*lines, **more):
            screen = Screen()
            with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
                monkeypatch.setattr(sys, "stdin", Screen())
                monkeypatch.setattr(sys, "stdout", screen)
                pipe.send_text("".join(f"{line}\r" for line in lines) + "\x04")
                chat_in(qa, ChatSettings(), **more)
            return screen.getvalue()

        return shown

    def test_it_welcomes_answers_and_keeps(self, qa, typed, begin):
        shown = typed(QUESTION, FOLLOW_UP)
        assert shown.startswith(f"问据:{qa.manifest.documents} 篇、{qa.manifest.passages} 段。")
        assert "129件\n" in shown
        assert f"{UNDERSTOOD}\n58件\n" in shown
        assert len(KeptConversation.latest(begin.index).answers()[0]) == 2

    def test_resume_goes_on_in_the_same_file(self, typed, begin):
        typed(QUESTION)
        assert "接着上次的对话:已有 1 问。\n" in typed(FOLLOW_UP, resume=True)
        assert len(list(folder(begin.index).iterdir())) == 1
        assert len(KeptConversation.latest(begin.index).answers()[0]) == 2

    def test_resume_with_nothing_kept_begins_anew_and_keeps(self, typed, begin):
        assert "没有可以接着的对话,从头开始。\n" in typed(QUESTION, resume=True)
        assert len(KeptConversation.latest(begin.index).answers()[0]) == 1


class Script(BaseHTTPRequestHandler):
    """A language model that says the server's ``pieces``; at None it calls ``stall``."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in self.server.pieces:
            if piece is None:
                self.server.stall()
                return
            event = {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Script) as server:
        server.daemon_threads = True
        server.status, server.pieces = 200, []
        server.stall = lambda: None
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def settings(server):
    return ChatSettings(endpoint=Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "qwen"))


class TestLanguageModel:
    CLAIM = "2024年全年共受理环境投诉129件[1]。"

    def test_what_it_writes_is_shown_below_the_answer_and_kept(self, begin, settings, server):
        server.pieces = list(self.CLAIM)
        reply = begin(settings, kept=KeptConversation.begin(begin.index))(QUESTION)
        lines = reply.splitlines()
        assert lines[0] == "129件"
        below = lines[lines.index("qwen:") + 1 :]
        assert below[0] == "  2024年全年共受理环境投诉129件。[1]"
        assert below[1].startswith("  [1] 《巫溪县")
        assert '"written"' in KeptConversation.latest(begin.index).path.read_text("ascii")

    def test_what_it_refuses_is_said_and_the_chat_goes_on(self, begin, settings, server):
        server.status = 404
        say = begin(settings)
        reply = say(QUESTION)
        assert reply.startswith("129件\n")
        assert "以原文里的答案为准" in reply
        assert say(FOLLOW_UP).startswith(UNDERSTOOD)

    def test_its_name_does_not_act_on_the_terminal(self, begin, server):
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "坏\x1b[2J")
        server.pieces = [self.CLAIM]
        assert UNSAFE.search(begin(ChatSettings(endpoint=endpoint))(QUESTION)) is None

    def test_ctrl_c_while_it_writes_leaves_the_chat_running(self, begin, settings, server):
        say = begin(settings, kept=KeptConversation.begin(begin.index))
        over = threading.Event()

        def stall():
            """Press Ctrl-C once the first sentence is shown, and say nothing more."""
            deadline = time.monotonic() + 30
            while "129件。[1]" not in say.chat._out.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            over.wait(30)

        server.stall = stall
        server.pieces = [self.CLAIM + "办结率", None]
        try:
            begun = time.monotonic()
            reply = say(QUESTION)
            assert time.monotonic() - begun < 25  # It does not wait for the rest.
        finally:
            over.set()
        assert reply.startswith("129件\n")
        assert "  2024年全年共受理环境投诉129件。[1]\n" in reply
        assert reply.endswith("已停下。\n\n")
        assert SEED in say("/sources")
        server.pieces = ["2025年上半年受理环境投诉58件[1]。"]
        reply = say(FOLLOW_UP)
        assert reply.startswith(UNDERSTOOD)
        assert "2025年上半年受理环境投诉58件。[1]" in reply
        turns, damaged = KeptConversation.latest(begin.index).answers()
        assert ([turn.text for turn in turns], damaged) == (["129件", "58件"], 0)
