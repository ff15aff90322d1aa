"""Many questions: lines in, one line of JSON out for each, in order."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from qa.errors import InputError
from qa.render import write_json


def run(source: str, answer: Callable[[str], dict[str, Any]], out: TextIO) -> int:
    """Answer each line of a source; a line that cannot be used gets a line with ``error``.

    Args:
        source: A file, or "-" for standard input.
        answer: Gives the values to write for a question.
        out: Written line by line.

    Returns:
        How many lines could not be used.

    Raises:
        InputError: The file cannot be opened.
    """
    bad = 0
    with _lines(source) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            identity: Any = number
            try:
                identity, question = parsed(line, number)
                write_json({"id": identity, **answer(question)}, out)
            except InputError as error:
                bad += 1
                write_json({"id": identity, "error": str(error)}, out)
    return bad


@contextmanager
def _lines(source: str) -> Iterator[TextIO]:
    if source == "-":
        if reconfigure := getattr(sys.stdin, "reconfigure", None):
            reconfigure(encoding="utf-8-sig", errors="replace")
        yield sys.stdin
        return
    try:
        stream = Path(source).open(encoding="utf-8-sig", errors="replace")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"打不开问题文件:{source}({error.strerror})", "请检查路径。") from error
    with stream:
        yield stream


def parsed(line: str, number: int) -> tuple[Any, str]:
    """A line's id, by default its number, and its question.

    Raises:
        InputError: It begins like JSON and is none, or has no question that is text.
    """
    if not line.lstrip().startswith("{"):
        return number, line.strip()
    try:
        content = json.loads(line)
        question = content["question"]
    except (ValueError, KeyError) as error:
        raise InputError(
            f"第 {number} 行不是合用的 JSON({error})", '写法:{"id": 1, "question": "…"}'
        ) from error
    if not isinstance(question, str):
        raise InputError(f"第 {number} 行的 question 不是文字:{question!r}")
    return content.get("id", number), question
