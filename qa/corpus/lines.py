"""The lines of a page, and the paragraphs that a hard wrap cut into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qa.text import width


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, without the white space around it, or a paragraph of such lines.

    Attributes:
        start: First character.
        end: Behind the last character.
        gap: Blank lines before it.
        indent: Characters of white space before it.
    """

    start: int
    end: int
    gap: int
    indent: int = 0


def lines_of(text: str) -> Iterator[Line]:
    """Lines that are not blank, without the white space around them."""
    gap = 0
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        stripped = line.strip()
        if stripped:
            first = start + len(line) - len(line.lstrip())
            yield Line(first, first + len(stripped), gap, first - start)
            gap = 0
        else:
            gap += 1
        start = end + 1


def _lengths(text: str, lines: list[Line]) -> tuple[list[int], int]:
    """How long each line is, and from where on it is full; 0 for a page that is not wrapped.

    Lines are cut at a number of columns or at a number of characters: what fits better counts.
    """
    best: tuple[int, list[int], int] = (0, [], 0)
    for measure, tolerance, shortest in ((width, 3, 20), (len, 2, 10)):
        lengths = [measure(text[line.start - line.indent : line.end]) for line in lines]
        counts = Counter(
            length
            for length, line in zip(lengths, lines, strict=True)
            if line.end - line.start < 80
        )
        if sum(counts.values()) < max(6, 0.7 * len(lines)):
            continue
        near = {length: sum(counts[length - d] for d in range(tolerance)) for length in counts}
        top = max(near, key=lambda length: (near[length], length))
        longer = sum(count for length, count in counts.items() if length > top)
        if top >= shortest and near[top] >= 0.4 * len(lines) and longer <= 0.05 * len(lines):
            best = max(best, (near[top], lengths, top - tolerance + 1), key=lambda found: found[0])
    return best[1:]


def unwrapped(text: str, lines: list[Line]) -> list[Line]:
    """Paragraphs: the lines themselves, or what a hard wrap made of them."""
    lengths, full = _lengths(text, lines)
    if not full:
        return lines
    fills = [length >= full for length in lengths]
    ends = [text[line.end - 1] for line, fill in zip(lines, fills, strict=True) if fill]
    if sum(end in "。!?！？" for end in ends) > 0.5 * len(ends):  # Verses: each line is finished.
        return lines
    margin = Counter(line.indent for line in lines).most_common(1)[0][0]
    paragraphs: list[Line] = []
    goes_on = False
    for line, fill in zip(lines, fills, strict=True):
        if goes_on and not line.gap and line.indent <= margin:
            paragraphs[-1] = replace(paragraphs[-1], end=line.end)
        else:
            paragraphs.append(line)
        goes_on = fill
    return paragraphs
