"""Between a page's text and the text as read: every character keeps its place."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence

from qa.types import Span

_RUNS = re.compile(r"\s+|\S+")
_WORDS = re.compile(r"[A-Za-z][,.;:!?)]?\n[A-Za-z0-9(]|[0-9][,.;:!?)]?\n[A-Za-z(]")
"""A line break between two words that are not Chinese; "15" + "00把" is 1500把."""


def read(text: str, spans: Sequence[Span]) -> tuple[str, array[int]]:
    """The text of a block as one line, and the place in ``text`` of each of its characters.

    White space inside is one space; a line break leaves a space only between two words that
    are not Chinese.
    """
    runs: list[str] = []
    places = array("q")
    for start, end in spans:
        if runs and _WORDS.search(runs[-1][-2:] + "\n" + text[start]):
            runs.append(" ")
            places.append(places[-1] + 1)
        for match in _RUNS.finditer(text, start, end):
            run = match.group()
            if not run.isspace():
                runs.append(run)
                places.extend(range(match.start(), match.end()))
            elif runs and (
                "\n" not in run or _WORDS.search(runs[-1][-2:] + "\n" + text[match.end()])
            ):
                runs.append(" ")
                places.append(match.start())
    return "".join(runs), places


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
