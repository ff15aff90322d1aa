"""Answers, hits and reports as text for a terminal, and as plain values for JSON.

Text from documents passes through ``visible``: nothing in it acts on the terminal. Lines are broken
for a terminal only: what is piped stays whole.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from qa.paint import Paint
from qa.text import UNSAFE, visible, width
from qa.types import Answer, Citation, Claim, Document, Hit, Written

NOT_FOUND = "未找到"
_LEGS = {
    "dense": "语义",
    "words": "词",
    "bigrams": "二字",
    "sentence": "句",
    "topic": "话题",
    "reader": "阅读",
}


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


def source_line(citation: Citation, paint: Paint, indent: str = "") -> str:
    """A citation: marker, title, publisher, date, place."""
    about = [f"《{citation.title}》"] if citation.title else []
    about += [part for part in (citation.publisher, citation.date) if part]
    head = f"[{citation.marker}] {' '.join(about)}".rstrip()
    return _with_place(head, citation, paint, indent)


def _with_place(head: str, cited: Citation | Hit, paint: Paint, indent: str) -> str:
    """A line about a place, which can be clicked; on a line of its own where both have no room."""
    where = paint.link(paint.dim(_typed(place(cited))), cited.path)
    if paint.columns and width(f"{indent}{_line(head)} · {_typed(place(cited))}") > paint.columns:
        return paint.block(_line(head), indent) + f"\n{indent}    {where}"
    return f"{indent}{_line(head)} · {where}"


def answer_text(answer: Answer, paint: Paint, *, explain: bool = False, opening: str = "") -> str:
    """An answer with its evidence and sources, or 未找到 with the nearest evidence.

    Args:
        answer: What to show.
        paint: Styles.
        explain: Show how each hit's score came about, too.
        opening: What to type to see the original; by default the ``qa show`` command.
    """
    lines: list[str] = []
    if answer.understood.strip() != answer.question.strip():
        lines.append(paint.dim(paint.block(f"理解为:{_line(answer.understood)}")))
    if answer.abstained:
        lines.append(paint.strong(NOT_FOUND))
        if answer.evidence:
            lines.append(paint.dim(paint.block("文章里没有找到答案。最接近的原文(不一定相关):")))
    else:
        lines.append(paint.strong(paint.block(answer.text)))
    if answer.evidence and (answer.abstained or answer.text != answer.evidence):
        marks = answer.spans if paint.terminal else ()
        lines.append(paint.block(answer.evidence, "  ", marks))
    lines += [source_line(citation, paint, "  ") for citation in answer.citations]
    if answer.citations:
        look = opening or show_command(answer.citations[0], "")
        sure = _typed(f"把握 {answer.confidence:.0%} · 看原文:{look}")
        lines.append(paint.dim(paint.block(sure, "  ")))
    if answer.written:
        lines.append(written_text(answer.written, answer.hits, paint))
    if explain:
        lines += ["", hits_text(answer.hits, paint, explain=True)]
    return "\n".join(lines)


def written_text(written: Written, hits: Sequence[Hit], paint: Paint) -> str:
    """What a language model wrote, and where it stands."""
    lines = [paint.dim(f"{_line(written.model)}:")]
    lines += [claim_text(claim, paint) for claim in written.claims]
    lines += written_end(written, hits, paint)
    return "\n".join(lines)


def claim_text(claim: Claim, paint: Paint) -> str:
    """A sentence of a language model with its markers, and what in it is not verified."""
    markers = "".join(f"[{marker}]" for marker in claim.markers)
    text = paint.block(f"{claim.text}{markers}", "  ")
    if not claim.problems:
        return text
    return (
        text + "\n" + paint.warning(paint.block(f"未经原文证实:{';'.join(claim.problems)}", "    "))
    )


def written_end(written: Written, hits: Sequence[Hit], paint: Paint) -> list[str]:
    """Below what a language model wrote: the places that it cites, what was left out, notices."""
    lines = []
    cited = {marker for claim in written.claims for marker in claim.markers}
    for marker in sorted(cited):
        hit = hits[marker - 1]
        title = hit.passage.article.title
        head = f"[{marker}] " + (f"《{title}》" if title else "")
        lines.append(_with_place(head, hit, paint, "  "))
    if written.left_out:
        lines.append(paint.dim(f"  略去未经原文证实的 {len(written.left_out)} 句。"))
    if written.notice:
        lines.append(paint.warning(paint.block(_line(written.notice), "  ")))
    return lines


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


def hits_text(hits: Sequence[Hit], paint: Paint, *, explain: bool = False) -> str:
    """Hits as a numbered list of passages with their places."""
    if not hits:
        return paint.strong(NOT_FOUND)
    blocks = []
    for hit in hits:
        passage = hit.passage
        trail = " › ".join(part for part in (passage.article.title, *passage.headings) if part)
        lines = [paint.strong(paint.block(f"{hit.rank}. {_line(trail) or '(无题)'}"))]
        where = paint.link(_typed(place(hit)), hit.path)
        lines.append("   " + paint.dim(f"{where} · {hit.score:.2f} 分"))
        if hit.also:
            lines.append(paint.dim(paint.block(_line(f"同文另见:{'、'.join(hit.also)}"), "   ")))
        text = "\n".join(line for line in passage.text.split("\n") if line not in trail)
        lines.append(paint.block(text, "   "))
        if explain:
            lines.append(paint.dim(paint.block(explanation(hit), "   ")))
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
    out.append(paint.dim(_typed(place(citation))))
    offset = 0
    for number, line in enumerate(text.split("\n")):
        if around < 0 or first - around <= number <= last + around:
            name = "" if document.record else str(number + 1)
            gutter = f"{name:>5} {'▶' if first <= number <= last else ' '} "
            quoted = [(start - offset, end - offset)]
            body = paint.block(line.rstrip("\r"), " " * len(gutter), quoted)
            out.append(paint.dim(gutter) + body[len(gutter) :])
        offset += len(line) + 1
    return "\n".join(out)


def _line(text: str) -> str:
    """Untrusted text as part of one line: it cannot begin another."""
    return visible(" ".join(text.split()))


def _typed(text: str) -> str:
    """Untrusted text as part of one line, with its spaces as they are: it may be typed again."""
    return visible(text.replace("\n", "\u240a"))


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
        **({"written": written_values(answer.written)} if answer.written else {}),
    }


def written_values(written: Written) -> dict[str, Any]:
    """What a language model wrote as plain values, for JSON."""
    return {
        "model": written.model,
        "text": "".join(claim.text for claim in written.claims),
        "claims": [_claim_values(claim) for claim in written.claims],
        "left_out": [_claim_values(claim) for claim in written.left_out],
        "notice": written.notice,
    }


def _claim_values(claim: Claim) -> dict[str, Any]:
    return {
        "text": claim.text,
        "markers": list(claim.markers),
        "verified": not claim.problems,
        "problems": list(claim.problems),
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
