"""Quotations and their places: made from a passage, and checked again in the file."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from qa.corpus.places import read, stretches
from qa.index.catalog import line_range
from qa.text import squeeze
from qa.types import Citation, Document, Hit, Passage, Span


class Standing(StrEnum):
    """What became of a quotation in its file."""

    HOLDS = "holds"
    CHANGED = "changed"
    GONE = "gone"


def places(document: Document, passage: Passage, start: int, end: int) -> list[Span]:
    """Where the characters ``start`` to ``end`` of a passage's text stand in the document.

    One range for each contiguous piece: a sentence that a caption tore has two.
    """
    skipped = len(squeeze(passage.text[:start]))
    taken = len(squeeze(passage.text[start:end]))
    inked = (
        place
        for piece_start, piece_end in passage.spans
        for place in range(piece_start, piece_end)
        if not document.text[place].isspace()
    )
    chosen = [place for index, place in enumerate(inked) if skipped <= index < skipped + taken]
    return list(stretches(document.text, chosen))


def cite(document: Document, hit: Hit, ranges: Sequence[Span]) -> list[Citation]:
    """Citations of ranges of a hit's text, each piece with its own marker, from 1.

    Args:
        document: The document of the hit.
        hit: The passage that is quoted.
        ranges: Characters of the passage's text.
    """
    found = [span for start, end in ranges for span in places(document, hit.passage, start, end)]
    article = hit.passage.article
    return [
        Citation(
            marker=marker,
            document_id=document.id,
            path=hit.path,
            title=article.title,
            publisher=article.publisher,
            date=article.date,
            lines=line_range(document, *span),
            span=span,
            quote=read(document.text, [span])[0],
        )
        for marker, span in enumerate(found, 1)
    ]


def standing(citation: Citation, documents: Sequence[Document]) -> Standing:
    """Whether the quotation still stands where the citation says.

    Args:
        citation: What is checked.
        documents: The documents of the file as it is now; none if it cannot be read.
    """
    for document in documents:
        if document.id == citation.document_id:
            start, end = citation.span
            same = squeeze(document.text[start:end]) == squeeze(citation.quote)
            return Standing.HOLDS if same else Standing.CHANGED
    return Standing.CHANGED if documents else Standing.GONE
