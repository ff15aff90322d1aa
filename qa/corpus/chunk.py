"""Cuts articles into passages along headings, paragraphs and sentences.

The passages of a document are a partition of it: every character but white space stands in
exactly one, so that anything on the page can be found and cited.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from qa.corpus.articles import Story, stories, title_line
from qa.corpus.layout import LONG, Block, silent
from qa.corpus.places import read, stretches
from qa.text import sentences
from qa.types import Article, Document, Passage, Told

SIZE = 300
"""Characters that a passage aims at; measured in tests/bench/quality.py."""
_LONGEST_SENTENCE = 600
"""From here on a "sentence" is cut at commas, or anywhere: it would not fit an encoder."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters ``start`` to ``end`` of one paragraph, as read."""

    paragraph: int
    text: str
    places: array[int]


@dataclass(slots=True)
class _Section:
    headings: tuple[str, ...]
    pieces: list[_Piece] = field(default_factory=list)
    captions: list[_Piece] = field(default_factory=list)
    has_body: bool = False


def passages(document: Document, size: int = SIZE, told: Told = silent) -> list[Passage]:
    """The passages of a document, in order of reading; captions follow their section.

    Args:
        document: What to cut.
        size: Characters that a passage aims at. A passage is longer where one sentence is.
        told: Told of a long document how far the work has come.
    """
    found: list[Passage] = []
    parts = stories(document, told)
    total = sum(len(story.blocks) for story in parts)
    done = 0
    for story in parts:
        for section in _sections(document, story):
            for group in _groups(section.pieces, size):
                found.append(_passage(document, story.article, section, "body", group, len(found)))
            for caption in section.captions:
                found.append(
                    _passage(document, story.article, section, "caption", [caption], len(found))
                )
        before, done = done, done + len(story.blocks)
        if total >= LONG and (done // LONG > before // LONG or done == total):
            told(2 * total + done, 3 * total)
    return found


def _sections(document: Document, story: Story) -> list[_Section]:
    """What stands under each run of headings; headings with nothing under them join the last."""
    found = [_Section(story.subtitles)]
    titles = set(story.titles)
    trail: list[tuple[int, str]] = []
    last_kind = ""
    for number, block in enumerate(story.blocks):
        text, places = read(document.text, block.spans)
        piece = _Piece(number, text, places)
        if block.kind == "caption":
            found[-1].captions.append(piece)
            continue
        if block.kind == "heading" and block not in titles:
            trail = _trail(
                trail, block, title_line(document.text, block), follows=last_kind == "heading"
            )
            if found[-1].has_body:
                found.append(_Section(()))
            found[-1].headings = story.subtitles + tuple(line for _, line in trail)
        found[-1].pieces.append(piece)
        found[-1].has_body |= block.kind == "body"
        last_kind = block.kind
    if len(found) > 1 and not found[-1].has_body:
        bare = found.pop()
        found[-1].pieces += bare.pieces
        found[-1].captions += bare.captions
    return found


def _trail(
    trail: list[tuple[int, str]], block: Block, text: str, *, follows: bool
) -> list[tuple[int, str]]:
    """The headings above what comes next: by level where marked, else the lines of one run."""
    line = (block.level, text)
    if block.level:
        return [entry for entry in trail if entry[0] < block.level] + [line]
    return [*trail, line] if follows else [line]


def _groups(pieces: list[_Piece], size: int) -> Iterator[list[_Piece]]:
    """Pieces that stand together in a passage of about ``size`` characters."""
    cut = [part for piece in pieces for part in _cut(piece, size)]
    total = sum(len(piece.text) for piece in cut)
    aim = total / max(1, round(total / size))
    group: list[_Piece] = []
    length = 0
    for piece in cut:
        if length > aim / 5 and length + len(piece.text) / 2 > aim:
            yield group
            group, length = [], 0
        group.append(piece)
        length += len(piece.text)
    if group:
        yield group


def _cut(piece: _Piece, size: int) -> Iterator[_Piece]:
    """A paragraph as parts of whole sentences, about equally long, near ``size`` or under it."""
    if len(piece.text) <= size:
        yield piece
        return
    aim = len(piece.text) / round(len(piece.text) / size + 0.25)
    start = 0
    for end in _sentence_ends(piece.text):
        if end - start >= aim * 0.8 or end == len(piece.text):
            yield _Piece(piece.paragraph, piece.text[start:end], piece.places[start:end])
            start = end


def _sentence_ends(text: str) -> Iterator[int]:
    position = 0
    for _, end in sentences(text):
        while end - position > _LONGEST_SENTENCE:
            window = text[position : position + _LONGEST_SENTENCE]
            commas = [match.end() for match in re.finditer("[,，、 ]", window)]
            position += commas[-1] if commas else _LONGEST_SENTENCE
            yield position
        position = end
        yield end


def _passage(
    document: Document,
    article: Article,
    section: _Section,
    kind: str,
    group: list[_Piece],
    number: int,
) -> Passage:
    text = group[0].text
    for before, piece in pairwise(group):
        text += piece.text if piece.paragraph == before.paragraph else "\n" + piece.text
    places = [place for piece in group for place in piece.places]
    return Passage(
        id=f"{document.id}@{number}",
        document_id=document.id,
        article=article,
        headings=section.headings,
        kind=kind,
        text=text.strip(),
        spans=tuple(stretches(document.text, places)),
    )
