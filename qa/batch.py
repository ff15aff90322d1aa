"""Many questions: lines in, one line of JSON out for each, in order."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
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
    for number, raw in enumerate(_lines(source), 1):
        if not raw.strip():
            continue
        identity: Any = number
        try:
            identity, question = parsed(_decoded(raw, number), number)
            write_json({"id": identity, **answer(question)}, out)
        except InputError as error:
            bad += 1
            write_json({"id": identity, "error": str(error)}, out)
    return bad


def _lines(source: str) -> Iterator[bytes]:
    """Lines as they come, so that a pipe is answered line by line."""
    if source == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(source).open("rb") as stream:
            yield from stream
    except OSError as error:
        raise InputError(f"打不开问题文件:{source}({error.strerror})", "请检查路径。") from error


def _decoded(raw: bytes, number: int) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"第 {number} 行不是 UTF-8 编码", "请把问题另存为 UTF-8 后重试。"
        ) from error


def parsed(line: str, number: int) -> tuple[Any, str]:
    """A line's id, by default its number, and its question.

    Raises:
        InputError: It begins like JSON and is none, or has no question that is text.
    """
    if not line.lstrip().startswith("{"):
        return number, line.strip()
    try:
        content = json.loads(line, parse_constant=_refuse)
        question = content["question"]
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(
            f"第 {number} 行不是合用的 JSON({error})", '写法:{"id": 1, "question": "…"}'
        ) from error
    if not isinstance(question, str):
        raise InputError(f"第 {number} 行的 question 不是文字:{question!r}")
    return content.get("id", number), question


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
