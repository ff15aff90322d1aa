"""Many questions: lines in, one line of JSON out for each question, in order."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from qa.errors import InputError
from qa.render import write_json

Answering = Callable[[str], dict[str, Any]]
"""Gives the values to write for a question."""


def run(source: str, begin: Callable[[], Answering], out: TextIO, *, follows: bool = True) -> int:
    """Answer each line of a source; what cannot be used gets a line with ``error``.

    A line is a question, or several that follow on one another: ``turns``. Of these, each gets
    a line with the id ``<id>/<n>``, n from 1.

    Args:
        source: A file, or "-" for standard input.
        begin: Gives what answers the questions of one line, in order.
        out: Written line by line.
        follows: Whether the questions of a line may follow on one another.

    Returns:
        How many lines or turns could not be used.

    Raises:
        InputError: The file cannot be opened.
    """
    bad = 0
    for number, raw in enumerate(_lines(source), 1):
        if not raw.strip():
            continue
        try:
            line = _decoded(raw, number)
            identity, questions, several = parsed(line, number, follows=follows)
        except InputError as error:
            bad += 1
            write_json({"id": number, "error": str(error)}, out)
            continue
        answer = begin()
        for turn, question in enumerate(questions, 1):
            name = f"{identity}/{turn}" if several else identity
            try:
                write_json({"id": name, **answer(question)}, out)
            except InputError as error:
                bad += 1
                write_json({"id": name, "error": str(error)}, out)
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


def parsed(line: str, number: int, *, follows: bool = True) -> tuple[Any, Sequence[str], bool]:
    """A line's id, by default its number, its questions, and whether they are ``turns``.

    Raises:
        InputError: It begins like JSON and is none, or has no question that is text.
    """
    if not line.lstrip().startswith("{"):
        return number, [line.strip()], False
    try:
        content = json.loads(line, parse_constant=_refuse, parse_float=_finite)
        several = "turns" in content
        questions = content["turns"] if several else [content["question"]]
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(
            f"第 {number} 行不是合用的 JSON({error})",
            '写法:{"id": 1, "question": "…"} 或 {"id": 1, "turns": ["…", "…"]}',
        ) from error
    if several and not follows:
        raise InputError(f"第 {number} 行:只检索时不接上文", "请每行写一个 question。")
    if not isinstance(questions, list) or not questions:
        raise InputError(f"第 {number} 行的 turns 不是一列问题:{questions!r}")
    for question in questions:
        if not isinstance(question, str):
            raise InputError(f"第 {number} 行的问题不是文字:{question!r}")
    identity = content.get("id", number)
    return number if several and identity is None else identity, questions, several


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        _refuse(number)
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
