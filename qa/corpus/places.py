"""Between a page's text and the text as read: every character keeps its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from qa.types import Span


def read(text: str, spans: Sequence[Span]) -> tuple[str, list[int]]:
    """The text of a block as one line, and the place in ``text`` of each of its characters.

    White space inside is one space; a line break leaves a space only between two words that
    are not Chinese.
    """
    characters: list[str] = []
    places: list[int] = []
    for start, end in spans:
        for match in re.finditer(r"\s+|\S+", text[start:end]):
            run = match.group()
            if not run.isspace():
                characters.extend(run)
                places.extend(range(start + match.start(), start + match.end()))
            elif characters and (
                "\n" not in run
                or (characters[-1].isascii() and text[start + match.end()].isascii())
            ):
                characters.append(" ")
                places.append(start + match.start())
    return "".join(characters), places


def stretches(text: str, places: Iterable[int]) -> Iterator[Span]:
    """The contiguous ranges of ``text`` that ``places`` make up; white space does not part them."""
    start = end = -1
    for place in places:
        if text[place].isspace():
            continue
        if start < 0 or place < end or (place > end and not text[end:place].isspace()):
            if start >= 0:
                yield start, end
            start = place
        end = place + 1
    if start >= 0:
        yield start, end
