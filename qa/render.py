"""Answers, hits and reports as text for a terminal, and as plain values for JSON.

Text from documents passes through ``visible``: nothing in it acts on the terminal. Lines are
not wrapped here: terminals do that right for wide characters, and copies stay whole.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from qa.text import UNSAFE, visible
from qa.types import Answer, Citation, Document, Hit, Span

NOT_FOUND = "未找到"
_LEGS = {"dense": "语义", "words": "词", "bigrams": "二字", "sentence": "句", "reader": "阅读"}


@dataclass(frozen=True, slots=True)
class Paint:
    """Styles for a terminal; plain text where colour is off."""

    on: bool

    @classmethod
    def for_stream(cls, stream: TextIO) -> Paint:
        """On for a terminal that has not asked for NO_COLOR and is not dumb."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(stream.isatty() and not plain)

    def _style(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def strong(self, text: str) -> str:
        """The answer."""
        return self._style("1", text)

    def marked(self, text: str) -> str:
        """A quotation within its surroundings; in ⟦ ⟧ where there is no colour."""
        return self._style("1;33", text) if self.on else f"⟦{text}⟧"

    def dim(self, text: str) -> str:
        """What is there for those who look for it."""
        return self._style("2", text)

    def warning(self, text: str) -> str:
        """What should be noticed."""
        return self._style("33", text)


def write_json(value: Any, stream: TextIO) -> None:  # noqa: ANN401
    """Write a value as one line of JSON; escaped to ASCII where the stream is not UTF-8."""
    utf8 = (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig")
    text = json.dumps(value, ensure_ascii=not utf8, allow_nan=False)
    # Valid JSON either way; but what a terminal would obey, or UTF-8 cannot hold, is escaped.
    stream.write(UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n")
    stream.flush()


def place(citation: Citation | Hit) -> str:
    """``path:line`` or ``path:first-last``."""
    first, last = citation.lines
    lines = f"{first}" if first == last else f"{first}-{last}"
    return f"{citation.path}:{lines}"


def source_line(citation: Citation, paint: Paint) -> str:
    """A citation as one line: marker, title, publisher, date, place."""
    about = [f"《{citation.title}》"] if citation.title else []
    about += [part for part in (citation.publisher, citation.date) if part]
    head = f"[{citation.marker}] {' '.join(about)}".rstrip()
    return _line(head) + " · " + paint.dim(_line(place(citation)))


def answer_text(answer: Answer, paint: Paint, *, explain: bool = False, opening: str = "") -> str:
    """An answer with its evidence and sources, or 未找到 with the nearest evidence.

    Args:
        answer: What to show.
        paint: Styles.
        explain: Show how each hit's score came about, too.
        opening: What to type to see the original; by default the ``qa show`` command.
    """
    lines: list[str] = []
    if answer.abstained:
        lines.append(paint.strong(NOT_FOUND))
        if answer.evidence:
            lines.append(paint.dim("文章里没有找到答案。最接近的原文(不一定相关):"))
    else:
        lines.append(paint.strong(visible(answer.text)))
    if answer.evidence and (answer.abstained or answer.text != answer.evidence):
        marked = _with_marks(answer.evidence, answer.spans, paint)
        lines.append("  " + marked.replace("\n", "\n  "))
    lines += ["  " + source_line(citation, paint) for citation in answer.citations]
    if answer.citations:
        look = opening or show_command(answer.citations[0], "")
        lines.append("  " + paint.dim(_line(f"把握 {answer.confidence:.0%} · 看原文:{look}")))
    if explain:
        lines += ["", hits_text(answer.hits, paint, explain=True)]
    return "\n".join(lines)


def show_command(citation: Citation, index: str) -> str:
    """What to type in a shell to see a citation in its article.

    Args:
        citation: What to see.
        index: The index as the user named it, "" for the default one.
    """
    named = ["--index", index] if index else []
    start, end = citation.span
    where = f"{citation.document_id}@{start}-{end}"
    return shlex.join(["qa", "show", *named, *(["--"] if where.startswith("-") else []), where])


def _with_marks(evidence: str, spans: Sequence[Span], paint: Paint) -> str:
    """The evidence with the parts of the answer marked; plain where there is no colour."""
    if not paint.on:
        return visible(evidence)
    out, last = "", 0
    for start, end in spans:
        out += visible(evidence[last:start]) + paint.marked(visible(evidence[start:end]))
        last = end
    return out + visible(evidence[last:])


def hits_text(hits: Sequence[Hit], paint: Paint, *, explain: bool = False) -> str:
    """Hits as a numbered list of passages with their places."""
    if not hits:
        return paint.strong(NOT_FOUND)
    blocks = []
    for hit in hits:
        passage = hit.passage
        trail = " › ".join(part for part in (passage.article.title, *passage.headings) if part)
        lines = [f"{hit.rank}. {paint.strong(_line(trail) or '(无题)')}"]
        lines.append("   " + paint.dim(_line(place(hit)) + f" · {hit.score:.2f} 分"))
        if hit.also:
            lines.append("   " + paint.dim(_line(f"同文另见:{'、'.join(hit.also)}")))
        lines += ["   " + visible(line) for line in passage.text.split("\n") if line not in trail]
        if explain:
            lines.append("   " + paint.dim(explanation(hit)))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def explanation(hit: Hit) -> str:
    """A hit's score as the sum of what each leg gave, with the leg's own measure."""
    parts = []
    for leg, share in hit.shares.items():
        raw = f"({hit.raw[leg]:.3f})" if leg in hit.raw else ""
        parts.append(f"{_LEGS.get(leg, leg)} {share:+.2f}{raw}")
    return f"{hit.score:.2f} = " + " ".join(parts)


def page_text(citation: Citation, document: Document, around: int, paint: Paint) -> str:
    """The lines about a quotation, numbered, with the quotation marked.

    Args:
        citation: Where the quotation stands.
        document: Its document. Lines of a record are not numbered: it is one line of its file.
        around: Lines before and after; negative for all.
        paint: Styles.
    """
    text, (start, end) = document.text, citation.span
    first, last = text.count("\n", 0, start), text.count("\n", 0, end)
    out = [paint.strong(_line(f"《{citation.title}》" if citation.title else citation.path))]
    out.append(paint.dim(_line(place(citation))))
    offset = 0
    for number, line in enumerate(text.split("\n")):
        if around < 0 or first - around <= number <= last + around:
            name = "" if document.record else str(number + 1)
            gutter = f"{name:>5} {'▶' if first <= number <= last else ' '} "
            quoted = max(0, start - offset), max(0, end - offset)
            out.append(paint.dim(gutter) + _marked(line.rstrip("\r"), quoted, paint))
        offset += len(line) + 1
    return "\n".join(out)


def _marked(line: str, quoted: Span, paint: Paint) -> str:
    """A line with the characters of a range marked, as far as it has them."""
    before, quote, after = line[: quoted[0]], line[slice(*quoted)], line[quoted[1] :]
    return visible(before) + (paint.marked(visible(quote)) if quote else "") + visible(after)


def _line(text: str) -> str:
    """Untrusted text as part of one line: it cannot begin another."""
    return visible(" ".join(text.split()))


def answer_values(answer: Answer) -> dict[str, Any]:
    """An answer as plain values, for JSON."""
    return {
        "question": answer.question,
        "understood": answer.understood,
        "answer": answer.text or NOT_FOUND,
        "spans": [list(span) for span in answer.spans],
        "evidence": answer.evidence,
        "confidence": round(answer.confidence, 4),
        "abstained": answer.abstained,
        "citations": [citation_values(citation) for citation in answer.citations],
        "hits": [hit_values(hit) for hit in answer.hits],
    }


def citation_values(citation: Citation) -> dict[str, Any]:
    """A citation as plain values, for JSON."""
    return {
        "marker": citation.marker,
        "path": citation.path,
        "document": citation.document_id,
        "title": citation.title,
        "publisher": citation.publisher,
        "date": citation.date,
        "lines": list(citation.lines),
        "span": list(citation.span),
        "quote": citation.quote,
    }


def hit_values(hit: Hit) -> dict[str, Any]:
    """A hit as plain values, for JSON."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 4),
        "path": hit.path,
        "document": hit.passage.document_id,
        "title": hit.passage.article.title,
        "headings": list(hit.passage.headings),
        "lines": list(hit.lines),
        "passage": hit.passage.text,
        "also": list(hit.also),
        "scores": _rounded(hit.shares),
        "raw": _rounded(hit.raw),
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
