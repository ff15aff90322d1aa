"""The README is true: its session is what the commands print."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SESSION = re.search(r"```console\n(.*?)```", README, re.DOTALL)[1]
CHAT = re.search(r"```text\n(问> .*?)```", README, re.DOTALL)[1]


@pytest.fixture(scope="module")
def index(seeds_index):
    return seeds_index


@pytest.mark.parametrize("shown", SESSION.split("$ ")[1:])
def test_the_session_is_what_the_commands_print(index, shown):
    command, _, expected = shown.partition("\n")
    _, *arguments = shlex.split(command)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from qa.cli import main; main()"),
            *(*arguments, "--index", str(index)),
        ],
        capture_output=True,
        cwd=ROOT,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    printed = done.stdout.replace(f"--index {index} ", "")
    # The confidence may differ by a per cent or so from processor to processor.
    without_confidence = re.compile(r"把握 \d+%")
    assert (
        without_confidence.sub("", printed).strip() == without_confidence.sub("", expected).strip()
    )


def test_the_chat_is_what_is_said_to_these_questions(index):
    questions = re.findall(r"^问> (.*)$", CHAT, re.MULTILINE)
    assert len(questions) == 5
    done = subprocess.run(
        [sys.executable, "-c", "from qa.cli import main; main()", "chat", "--index", str(index)],
        input="\n".join(questions),
        capture_output=True,
        cwd=ROOT,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    sure = re.compile(r"把握 \d+%")
    expected = re.sub(r"^问> .*\n", "", CHAT, flags=re.MULTILINE)
    assert sure.sub("", done.stdout).split() == sure.sub("", expected).split()


def test_every_command_of_the_readme_is_there():
    documented = set(re.findall(r"`qa (\w+)", README))
    done = subprocess.run(
        [sys.executable, "-c", "from qa.cli import main; main()", "--help"],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert {"ask", "search", "chat", "index", "status", "show"} <= documented
    for command in documented:
        assert re.search(rf"^\W*{command}\b", done.stdout, re.MULTILINE), command


def test_exit_codes_are_those_of_the_errors():
    from qa import errors

    codes = set(
        map(int, re.findall(r"(\d+) \S", README[README.index("退出码:") :].split("\n\n")[0]))
    )
    classes = [e for e in vars(errors).values() if isinstance(e, type)]
    assert {error.exit_code for error in classes if hasattr(error, "exit_code")} <= codes
