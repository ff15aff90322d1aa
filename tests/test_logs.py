"""The log as its owner reads it: what it tells, and what it must not."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qa.cli import app
from qa.errors import IndexMissing, InputError
from tests.reader.scripted import ScriptedServer, says

ROOT = Path(__file__).parents[1]
SECRET = "麒麟甲密"  # noqa: S105
"""What stands only in documents, and in what is asked and answered."""
QUESTION = f"{SECRET}镇有几座水厂?"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} \d+ [A-Z]+ qa[.\w]* \S.*")


@pytest.fixture(scope="module")
def folder(prepared, tmp_path_factory):
    """Articles that hold a secret, two of them unreadable, and questions."""
    folder = tmp_path_factory.mktemp("logs")
    articles = folder / "文章"
    articles.mkdir()
    text = f"{SECRET}镇年鉴\n\n{SECRET}镇有四座水厂。\n"
    (articles / "甲\n\x1b.txt").write_text(text, "utf-8")
    record = json.dumps({"id": SECRET, "title": SECRET, "text": text}, ensure_ascii=False)
    (articles / "重.jsonl").write_text(f"{record}\n{record}\n", "utf-8")
    (articles / "坏.txt").write_bytes(text.encode() + b"\xff\xfe\x80")
    own = {"question": QUESTION, "answers": [f"{SECRET}四座"], "evidence": f"{SECRET}镇有四座水厂"}
    (folder / "问题.jsonl").write_text(json.dumps(own, ensure_ascii=False), "utf-8")
    (folder / "索引").mkdir()
    (folder / "索引" / "models").symlink_to(prepared.parent)
    return folder


def run(*arguments, stdin=""):
    """A command in this process, and what it did to the process taken back."""
    package = logging.getLogger("qa")
    before = list(package.handlers)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    for handler in set(package.handlers) - set(before):
        handler.stream.close()
    package.handlers[:] = before
    package.setLevel(logging.NOTSET)
    return done


def commands(folder):
    turns = json.dumps({"id": 1, "turns": [QUESTION, "为什么?"]}, ensure_ascii=False)
    (folder / "批.jsonl").write_text(turns + "\n{坏" + SECRET, "utf-8")
    return {
        "index": [folder / "文章"],
        "ask": [QUESTION],
        "ask 2": ["--fast", "--json", QUESTION],
        "ask 3": ["--batch", folder / "批.jsonl"],
        "search": ["--explain", QUESTION],
        "chat": [],
        "status": ["--files"],
        "show": [f"{folder}/文章/甲\n\x1b.txt:3"],
        "eval": ["--questions", folder / "问题.jsonl"],
    }


@pytest.mark.parametrize("asked_for", [False, True])
def test_text_is_in_the_log_only_where_it_is_asked_for(folder, tmp_path, asked_for):
    for command, arguments in commands(folder).items():
        file = tmp_path / f"{command}.log"
        options = ["-v", "--log-file", file, *(["--log-text"] if asked_for else [])]
        name = command.partition(" ")[0]
        if name == "index":
            # Anew, so that all is read.
            for place in folder.glob("索引/generation-*"):
                shutil.rmtree(place)
            (folder / "索引" / "CURRENT").unlink(missing_ok=True)
        stdin = f"{QUESTION}\n/open 9:{SECRET}\n/quit\n"
        done = run(name, *arguments, "--index", folder / "索引", *options, stdin=stdin)
        told = file.read_text("utf-8")
        assert done.exit_code in ({2} if command == "ask 3" else {0, 1}), done.output
        assert f"qa {name}" in told
        assert len(told.splitlines()) > 1 - (name == "status")
        for line in told.splitlines():
            assert LINE.fullmatch(line)
            assert line in done.stderr
        assert (SECRET in told) == (asked_for and name != "status"), command
        assert SECRET not in str(file)
        assert "\x1b" not in told


def test_it_tells_what_was_opened_refused_and_how_long_all_took(folder, tmp_path):
    file, index = tmp_path / "日志", folder / "索引"
    options = ("--index", index, "--log-file", file)
    run("index", folder / "文章", *options)
    told = file.read_text("utf-8")
    assert re.search(r"核对文件:3,用了 \d+\.\d\d 秒", told)
    assert re.search(r"没有收入 .*坏\.txt:.*不是合法的 UTF-8", told)
    assert "重.jsonl:第 2 行的编号 … 与第 1 行重复" in told
    assert "甲␊␛.txt" not in told  # It has no problem.
    run("search", QUESTION, *options)
    told = file.read_text("utf-8").removeprefix(told)  # It was added to.
    assert re.search(r"打开索引 \S*generation-\d+", told)
    assert re.search(r"1 篇、\d+ 段.*模型 multilingual-e5-small-.*打开用了 \d", told)
    assert re.search(r"检索:语义 \d 段、词 \d 段、二字 \d 段,取 \d 段;编码问题 \d\.\d+", told)


def test_the_file_is_its_owners_and_is_added_to(tmp_path):
    file = tmp_path / "日志"
    before = os.umask(0)
    try:
        for lines in (1, 2):
            assert isinstance(
                run("status", "--index", tmp_path, "--log-file", file).exception, IndexMissing
            )
            assert len(file.read_text("utf-8").splitlines()) == lines
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--log-file", "{tmp}"], "日志文件写不了"),
        (["--log-file", "{tmp}/无/日志"], "日志文件写不了"),
        (["--log-text"], "--log-text 要和"),
    ],
)
def test_a_log_that_cannot_be_ends_the_command_before_it_begins(folder, tmp_path, options, said):
    options = [option.format(tmp=tmp_path) for option in options]
    done = run("index", folder / "文章", "--index", tmp_path / "新", *options)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)
    assert not (tmp_path / "新").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is a Linux thing")
def test_a_log_that_is_full_is_told_once_and_ends_nothing(folder):
    run("index", folder / "文章", "--index", folder / "索引")
    program = "from qa.cli import main; main()"
    options = ("--index", str(folder / "索引"), "--log-file", "/dev/full")
    done = subprocess.run(
        [sys.executable, "-c", program, "search", QUESTION, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0
    assert SECRET in done.stdout
    assert done.stderr == "注意:日志写不下去了,往后的没有记。\n"


def test_a_language_model_is_told_by_its_address_without_the_key(folder, tmp_path, monkeypatch):
    run("index", folder / "文章", "--index", folder / "索引")
    monkeypatch.setenv("WENJU_LLM_KEY", "key-of-mine")
    file = tmp_path / "日志"
    with ScriptedServer() as server:
        server.replies(says(f"{SECRET}镇有四座水厂[1]。"))
        options = ("--llm", f"{server.address}/v1", "--llm-model", "小模型", "--log-file", file)
        done = run("ask", QUESTION, "--index", folder / "索引", *options)
    assert "小模型:" in done.stdout
    told = file.read_text("utf-8")
    assert re.search(rf"语言模型 {server.address}/v1\(小模型\):HTTP 200,\d", told)
    assert "key-of-mine" not in told
    assert SECRET not in told


@pytest.mark.parametrize("asked_for", [False, True])
def test_an_error_of_the_program_leaves_its_trace_in_the_log(folder, tmp_path, asked_for):
    program = f"""
import qa.status

def broken(index):
    try:
        raise OSError(28, "{SECRET}")
    except OSError as error:
        raise ValueError("{SECRET}") from error

qa.status.Status.of = broken
from qa.cli import main
main()
"""
    file = tmp_path / "日志"
    options = ["status", "--log-file", str(file), *(["--log-text"] if asked_for else [])]
    done = subprocess.run(
        [sys.executable, "-c", program, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 3
    assert "程序出错了" in done.stderr
    assert "Traceback" not in done.stderr
    told = file.read_text("utf-8")
    assert re.search(r"程序出错:ValueError.* broken\] ← OSError.*broken\]", told)
    assert ("ENOSPC" in told) != asked_for
    assert (SECRET in told) == asked_for
    assert re.search(r"结束:退出码 3,用了 \d", told)


def test_without_being_asked_the_library_is_silent():
    assert [type(handler) for handler in logging.getLogger("qa").handlers] == [logging.NullHandler]
    assert logging.getLogger("qa").level == logging.NOTSET
