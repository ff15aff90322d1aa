"""Conversations as files: kept turn by turn, taken up again, exported, and forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from qa.errors import InputError
from qa.render import answer_values, place
from qa.text import visible
from qa.types import Answer, Citation

_MARKDOWN = re.compile(r"([\\`*_\[\]#|~!])")


def folder() -> Path:
    """Where conversations are kept, among the user's data; not made here."""
    from platformdirs import user_state_path

    return user_state_path("wenju", appauthor=False) / "conversations"


class KeptConversation:
    """The file of one conversation: a line of JSON a turn, for the user's eyes only.

    Attributes:
        path: The file; None where the place cannot be written, and nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def begin(cls) -> KeptConversation:
        """A new one; its file is made with the first turn."""
        now = datetime.now().astimezone()
        return cls(folder() / f"{now:%Y-%m-%d %H%M%S %f}.jsonl")

    @classmethod
    def latest(cls) -> KeptConversation | None:
        """The one that was kept last."""
        try:
            files = sorted(folder().glob("*.jsonl"))
        except OSError:
            return None
        return cls(files[-1]) if files else None

    def add(self, answer: Answer) -> None:
        """Write a turn at the end."""
        if self.path is None:
            return
        values = answer_values(answer)
        del values["hits"]
        line = json.dumps(values, ensure_ascii=True) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            with self.path.open("a", encoding="ascii") as stream:
                stream.write(line)
        except OSError:
            self.path = None

    def answers(self) -> tuple[list[Answer], int]:
        """The turns, and how many lines could not be read: of a file that was cut off."""
        found: list[Answer] = []
        damaged = 0
        if self.path is None:
            return found, damaged
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return found, 1
        for line in lines:
            if not line.strip():
                continue
            try:
                found.append(_answer(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
        return found, damaged

    def forget(self) -> None:
        """Delete the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _answer(values: dict[str, Any]) -> Answer:
    """A turn as it was written; its hits are not kept.

    Raises:
        ValueError, KeyError, TypeError: It is not one.
    """
    abstained = values["abstained"]
    return Answer(
        question=_text(values["question"]),
        understood=_text(values["understood"]),
        text="" if abstained else _text(values["answer"]),
        spans=tuple(_span(span) for span in values["spans"]),
        evidence=_text(values["evidence"]),
        confidence=float(values["confidence"]),
        abstained=bool(abstained),
        citations=tuple(
            Citation(
                marker=int(one["marker"]),
                document_id=_text(one["document"]),
                path=_text(one["path"]),
                title=_text(one["title"]),
                publisher=_text(one["publisher"]),
                date=_text(one["date"]),
                lines=_span(one["lines"]),
                span=_span(one["span"]),
                quote=_text(one["quote"]),
            )
            for one in values["citations"]
        ),
        hits=(),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _span(value: Sequence[object]) -> tuple[int, int]:
    start, end = value
    if not isinstance(start, int) or not isinstance(end, int):
        raise TypeError(value)
    return start, end


def export(answers: Sequence[Answer], file: Path) -> None:
    """Write a conversation as Markdown, with its citations; never over another file.

    Raises:
        InputError: There is nothing to write, or the file is there or cannot be written.
    """
    if not answers:
        raise InputError("还没有可以保存的对话。")
    try:
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(markdown(answers))
    except FileExistsError as error:
        raise InputError(f"文件已经存在:{file}", "请换一个名字。") from error
    except OSError as error:
        raise InputError(f"写不了:{file}({error.strerror})", "请检查路径。") from error


def markdown(answers: Sequence[Answer]) -> str:
    """A conversation as Markdown; text from documents cannot act in it."""
    parts = ["# 问据 对话\n"]
    for answer in answers:
        parts.append(f"## {_plain(answer.question)}\n")
        if answer.understood != answer.question:
            parts.append(f"理解为:{_plain(answer.understood)}\n")
        if answer.abstained:
            parts.append("未找到\n")
        else:
            parts.append(f"**{_plain(answer.text)}**\n")
            parts.append("".join(f"> {_plain(line)}\n" for line in answer.evidence.split("\n")))
            parts += [_source(citation) for citation in answer.citations]
        if answer.written:
            for claim in answer.written.claims:
                markers = "".join(f"[{number}]" for number in claim.markers)
                doubt = f"(未经原文证实:{';'.join(claim.problems)})" if claim.problems else ""
                parts.append(f"- {_plain(claim.text + markers + doubt)}")
            parts.append("")
    return "\n".join(parts)


def _source(citation: Citation) -> str:
    about = [f"《{citation.title}》"] if citation.title else []
    about += [part for part in (citation.publisher, citation.date) if part]
    start, end = citation.span
    where = f"{place(citation)}(第 {start}–{end} 字)"
    return f"\\[{citation.marker}\\] {_plain(' '.join(about))} · {_plain(where)}\n"


def _plain(text: str) -> str:
    """Untrusted text as one line of Markdown that shows as it is."""
    line = visible(" ".join(text.split()))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", line)
