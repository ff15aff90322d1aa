"""Ranges of a passage → an Answer: what is quoted, what is said in short, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.reader.citations import cite
from qa.text import fold, sentences
from qa.types import Answer, Document, Hit, Span

BETWEEN = "；"
"""Between the parts of a short answer."""
_FURNITURE = re.compile(r"[(（【]?(?:上接|下转|下轉).*|.{0,5}")


def is_furniture(sentence: str) -> bool:
    """True for jump lines and scraps, which answer nothing."""
    return _FURNITURE.fullmatch(sentence) is not None


def answered(
    document: Document,
    question: str,
    hits: Sequence[Hit],
    spans: Sequence[Span],
    confidence: float,
    min_confidence: float,
) -> Answer:
    """The answer that ``spans`` of the first hit's text give; abstains below ``min_confidence``.

    The evidence is the sentences that they stand in.
    """
    text = hits[0].passage.text
    spans = _apart(text, spans)
    ranges = _sentences_of(text, spans)
    evidence, placed = "", []
    for start, end in ranges:
        offset = len(evidence) - start
        placed += [(a + offset, b + offset) for a, b in spans if start <= a and b <= end]
        evidence += text[start:end]
    refused = confidence < min_confidence
    return Answer(
        question=question,
        understood=question,
        text="" if refused else BETWEEN.join(evidence[a:b] for a, b in placed),
        spans=() if refused else tuple(placed),
        evidence=evidence,
        confidence=confidence,
        abstained=refused,
        citations=tuple(cite(document, hits[0], ranges)),
        hits=tuple(hits),
    )


def _apart(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans in the order of the text, those that overlap as one, nothing said twice."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return list({fold(text[start:end]): (start, end) for start, end in reversed(joined)}.values())[
        ::-1
    ]


def _sentences_of(text: str, spans: Sequence[Span]) -> list[Span]:
    """The sentences that the spans stand in; of a span over several, all as one range."""
    cut = sentences(text)
    ranges: list[Span] = []
    for first, last in spans:
        inside = [(a, b) for a, b in cut if a < last and first < b]
        start, end = min(first, inside[0][0]), max(last, inside[-1][1])
        if ranges and start < ranges[-1][1]:
            start, end = ranges[-1][0], max(end, ranges[-1][1])
            ranges.pop()
        ranges.append((start, end))
    return ranges


def abstained(question: str, hits: Sequence[Hit]) -> Answer:
    """Not found, with nothing near."""
    return Answer(question, question, "", (), "", 0.0, True, (), tuple(hits))
