"""Conversations as files: kept turn by turn, taken up again, exported, and forgotten."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from qa.errors import InputError
from qa.render import answer_values, place
from qa.text import visible
from qa.types import Answer, Citation, Claim, Written

_MARKDOWN = re.compile(r"([\\`*_\[\]#|~!$@]|:(?=//))")


def folder(index: Path) -> Path:
    """Where conversations over an index are kept, among the user's data; not made here."""
    from platformdirs import user_state_path

    name = hashlib.sha256(os.fsencode(index.resolve())).hexdigest()[:12]
    return user_state_path("wenju", appauthor=False) / "conversations" / name


class KeptConversation:
    """The file of one conversation: a line of JSON a turn, for the user's eyes only.

    Attributes:
        path: The file; None where the place cannot be written, and nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    @classmethod
    def begin(cls, index: Path) -> KeptConversation:
        """A new one over an index; its file is made with the first turn."""
        now = datetime.now().astimezone()
        return cls(folder(index) / f"{now:%Y-%m-%d %H%M%S %f}.jsonl")

    @classmethod
    def latest(cls, index: Path) -> KeptConversation | None:
        """The one over an index that was kept last."""
        try:
            files = sorted(folder(index).glob("*.jsonl"))
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
            with self.path.open("rb+") as stream:
                # A line that was cut off ends here.
                cut_off = stream.seek(0, os.SEEK_END) and not self.path.read_bytes().endswith(b"\n")
                stream.write(("\n" * bool(cut_off) + line).encode("ascii"))
        except OSError:
            pass  # A chat goes on without being kept.

    def answers(self) -> tuple[list[Answer], int]:
        """The turns, and how many lines could not be read: of a file that was cut off."""
        found: list[Answer] = []
        damaged = 0
        if self.path is None:
            return found, damaged
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return found, 0
        except OSError:
            return found, 1
        for line in lines:
            if not line.strip():
                continue
            try:
                found.append(_answer(json.loads(line)))
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                damaged += 1
        return found, damaged

    def forget(self) -> None:
        """Delete the file.

        Raises:
            InputError: It cannot be deleted.
        """
        try:
            if self.path is not None:
                self.path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # It was never kept.
        except OSError as error:
            raise InputError(f"删不掉:{self.path}({error.strerror})") from error


def _answer(values: dict[str, Any]) -> Answer:
    """A turn as it was written; its hits are not kept.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: It is not one.
    """
    abstained = values["abstained"]
    if not isinstance(abstained, bool):
        raise TypeError(abstained)
    return Answer(
        question=_text(values["question"]),
        understood=_text(values["understood"]),
        text="" if abstained else _text(values["answer"]),
        spans=tuple(_span(span) for span in values["spans"]),
        evidence=_text(values["evidence"]),
        confidence=_probability(values["confidence"]),
        abstained=abstained,
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
        written=_written(values["written"]) if "written" in values else None,
    )


def _written(values: dict[str, Any]) -> Written:
    return Written(
        model=_text(values["model"]),
        claims=tuple(_claim(one) for one in values["claims"]),
        left_out=tuple(_claim(one) for one in values["left_out"]),
        notice=_text(values["notice"]),
    )


def _claim(values: dict[str, Any]) -> Claim:
    return Claim(
        text=_text(values["text"]),
        markers=tuple(int(marker) for marker in values["markers"]),
        problems=tuple(_text(problem) for problem in values["problems"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _probability(value: Any) -> float:  # noqa: ANN401 - JSON
    if not 0 <= value <= 1:  # NaN is not, either.
        raise ValueError(value)
    return float(value)


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
    except (OSError, ValueError) as error:
        raise InputError(f"写不了:{file}({error})", "请检查路径。") from error


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
            # Of white space alone, the stars would make a rule.
            parts.append(f"**{_plain(answer.text) or '(空白)'}**\n")
            parts.append("".join(f"> {_plain(line)}\n" for line in answer.evidence.split("\n")))
            parts += [_source(citation) for citation in answer.citations]
        if answer.written:
            parts.append(f"{_plain(answer.written.model)}:\n")
            for claim in answer.written.claims:
                markers = "".join(f"({number})" for number in claim.markers)
                doubt = f"(未经原文证实:{';'.join(claim.problems)})" if claim.problems else ""
                parts.append(f"- {_plain(claim.text + markers + doubt)}")
            cited = {number for claim in answer.written.claims for number in claim.markers}
            for number in sorted(cited & set(range(1, len(answer.hits) + 1))):
                hit = answer.hits[number - 1]
                title = f"《{hit.passage.article.title}》" if hit.passage.article.title else ""
                parts.append(f"- {_plain(f'({number}) {title} · {place(hit)}')}")
            if answer.written.notice:
                parts.append(f"\n{_plain(answer.written.notice)}")
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
    line = _MARKDOWN.sub(r"\\\1", line)
    # At its beginning these make headings and lists.
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", line)
