"""What a person types in a terminal: completion, editing, history."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from qa.prompt import ChatCompleter, typed
from qa.text import UNSAFE

relaxed = settings(deadline=None)
COMMANDS = ["/sources", "/open", "/more", "/explain", "/raw", "/save", "/forget", "/help", "/quit"]
TITLES = ["用法治绘就高质量发展生态底色", "黔江区城东街道推进“双融行动”", ""]
FILES = ["seeds/000.txt", "seeds/001.txt", "我的 文章/甲.txt", "坏\x1b[2J.txt"]


def completed(before, titles=TITLES):
    """The lines that completion makes of what stands before the cursor."""
    completer = ChatCompleter(COMMANDS, titles, FILES)
    offered = completer.get_completions(Document(before, len(before)), CompleteEvent())
    return [before[: len(before) + one.start_position] + one.text for one in offered]


class TestCommands:
    def test_a_slash_offers_them_all(self):
        assert completed("/") == COMMANDS

    @pytest.mark.parametrize(
        ("begun", "commands"),
        [
            ("/o", ["/open"]),
            ("/s", ["/sources", "/save"]),
            ("/help", ["/help"]),
            ("/没有", []),
            ("/more 5", []),
        ],
    )
    def test_what_was_begun_is_gone_on_with(self, begun, commands):
        assert completed(begun) == commands

    @pytest.mark.parametrize("line", ["", "多少件?", "1/2", "他说 /open", " "])
    def test_a_question_offers_nothing(self, line):
        assert completed(line) == []


class TestFiles:
    def test_open_offers_every_file(self):
        assert completed("/open ") == [f"/open {file}" for file in FILES]

    @pytest.mark.parametrize("begun", ["seeds/00", "seeds/"])
    def test_files_that_begin_so(self, begun):
        assert completed(f"/open {begun}") == ["/open seeds/000.txt", "/open seeds/001.txt"]

    def test_part_of_a_name_is_enough_and_beginnings_go_first(self):
        completer = ChatCompleter(COMMANDS, [], ["库/甲.txt", "甲/乙.txt"])
        document = Document("/open 甲", 7)
        offered = completer.get_completions(document, CompleteEvent())
        assert [one.text for one in offered] == ["甲/乙.txt", "库/甲.txt"]

    @pytest.mark.parametrize("begun", ["我的", "我的 ", "我的 文章/"])
    def test_a_name_may_have_spaces(self, begun):
        assert completed(f"/open {begun}") == ["/open 我的 文章/甲.txt"]

    def test_a_number_that_no_file_has_offers_nothing(self):
        assert completed("/open 9") == []


class TestPaths:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        (tmp_path / "文件夹").mkdir()
        (tmp_path / "文件夹" / "我的 对话.md").touch()
        (tmp_path / "对话.md").touch()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))

    def test_save_offers_what_is_in_the_folder(self):
        assert sorted(completed("/save ")) == ["/save 对话.md", "/save 文件夹"]

    @pytest.mark.parametrize(
        ("begun", "whole"),
        [
            ("文", "文件夹"),
            ("文件夹/", "文件夹/我的 对话.md"),
            ("文件夹/我的 对", "文件夹/我的 对话.md"),
            ("~/对", "~/对话.md"),
        ],
    )
    def test_a_path_is_gone_on_with(self, begun, whole):
        assert completed(f"/save {begun}") == [f"/save {whole}"]

    @pytest.mark.parametrize(
        "path", ["没有/这里", "/root/没有/", "~没有这个人/", "甲\0乙/", "好" * 300]
    )
    def test_a_path_that_leads_nowhere_offers_nothing(self, path):
        assert completed(f"/save {path}") == []


class TestTitles:
    @pytest.mark.parametrize("line", ["《", "是谁写了《", "=《", "/raw 《"])
    def test_a_title_mark_offers_every_title(self, line):
        assert completed(line) == [f"{line}{title}》" for title in TITLES if title]

    @pytest.mark.parametrize("begun", ["用法治", "生态底色", "发展"])
    def test_any_part_of_a_title_finds_it(self, begun):
        assert completed(f"谁写了《{begun}") == [f"谁写了《{TITLES[0]}》"]

    def test_titles_that_begin_so_go_first(self):
        titles = ["法治与环境", "环境法治"]
        assert completed("《环境", titles) == ["《环境法治》", "《法治与环境》"]

    def test_a_title_that_was_closed_is_done_with(self):
        assert completed("《用法治绘就高质量发展生态底色》") == []
        assert completed("《甲》和《黔江") == [f"《甲》和《{TITLES[1]}》"]

    def test_control_characters_in_a_title_do_not_reach_the_line(self):
        assert completed("《", ["坏\x1b[2J\x07\n标\u202e题\r\x9b"]) == [
            "《坏␛[2J␇ 标<U+202E>题 <U+009B>》"
        ]

    @relaxed
    @given(st.lists(st.text()))
    def test_no_title_acts_on_the_terminal_or_breaks_the_line(self, titles):
        for line in completed("《", titles):
            assert UNSAFE.search(line) is None
            assert "\n" not in line


def lines(keys):
    """The lines that a person's keys make, each with Enter, until Ctrl-D."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_bytes(keys if isinstance(keys, bytes) else keys.encode())
        return list(typed(COMMANDS, TITLES, FILES))


class TestTyping:
    @pytest.fixture(autouse=True)
    def state(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return tmp_path / "state"

    def test_lines_until_ctrl_d(self):
        assert lines("多少件?\r/open 1\r\x04没问到\r") == ["多少件?", "/open 1"]

    def test_ctrl_c_clears_the_line_and_goes_on(self):
        assert lines("写错了\x03多少件?\r\x04") == ["多少件?"]

    def test_what_was_typed_is_there_in_the_next_chat_for_its_user_only(self, state):
        lines("多少件?\r\x04")
        lines("/open 1\r\x04")
        [history] = [path for path in state.rglob("*") if path.is_file()]
        assert list(FileHistory(history).load_history_strings()) == ["/open 1", "多少件?"]
        assert stat.S_IMODE(history.stat().st_mode) == 0o600

    def test_where_nothing_can_be_kept_lines_are_read_all_the_same(self, state):
        state.write_text("一个文件", "utf-8")
        assert lines("多少件?\r/open 1\r\x04") == ["多少件?", "/open 1"]

    def test_text_that_is_not_utf_8_does_not_end_the_chat(self):
        assert lines("多少件?".encode("gbk") + b"\r" + "多少件?\r\x04".encode())[1:] == ["多少件?"]
