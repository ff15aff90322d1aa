"""Styles, links and line breaks for a terminal; nothing of them where output is no terminal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from qa.text import visible, width
from qa.types import Span

_NO_BEGINNING = frozenset(
    "。、〉》」』】〕”’·…—,.;:!?)]}%‰\uff0c\uff1b\uff1a\uff01\uff1f\uff09\uff05"
)
"""Characters that do not begin a line of Chinese text."""
_NO_END = frozenset("〈《「『【〔“‘¥$([{\uff08\uffe5")
"""Characters that do not end one."""
_NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Paint:
    """How output looks.

    Attributes:
        on: Whether styles and links are used.
        columns: Width that lines are broken at; 0 where they are left whole.
    """

    on: bool
    columns: int = 0

    @classmethod
    def for_stream(cls, stream: TextIO) -> Paint:
        """For a terminal its width, and styles unless NO_COLOR is set or it is dumb."""
        if not stream.isatty():
            return cls(on=False)
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(not plain, shutil.get_terminal_size().columns)

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

    def link(self, text: str, path: str) -> str:
        """A text that opens a file when it is clicked, where the terminal can do that."""
        if not self.on or not Path(path).is_file():
            return text
        return f"\x1b]8;;{Path(path).absolute().as_uri()}\x1b\\{text}\x1b]8;;\x1b\\"

    def block(self, text: str, indent: str = "", marks: Sequence[Span] = ()) -> str:
        """Untrusted text as indented lines, some of its characters marked.

        Args:
            text: As it stands in a document.
            indent: Before every line.
            marks: Ranges of ``text``, in order; marked for a terminal only.
        """
        room = max(_NARROWEST, self.columns - width(indent)) if self.columns else 0
        lines = []
        for start, end in _lines(text, room):
            shown, place = "", start
            for a, b in marks if self.on or self.columns else ():
                first, last = max(a, start), min(b, end)
                if first < last:
                    shown += visible(text[place:first]) + self.marked(visible(text[first:last]))
                    place = last
            lines.append(indent + shown + visible(text[place:end]))
        return "\n".join(lines)


def _lines(text: str, room: int) -> list[Span]:
    """Ranges of the lines that a text is broken into, each at most ``room`` columns; 0 for any."""
    found: list[Span] = []
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        found += wrapped(text, start, end, room) if room else [(start, end)]
        start = end + 1
    return found


def wrapped(text: str, start: int, end: int, room: int) -> list[Span]:
    """Break a paragraph between characters, but not inside words of letters and digits.

    A line does not begin with closing punctuation, nor end with opening punctuation.
    """
    found: list[Span] = []
    while True:
        used, place = 0, start
        while place < end and used + width(text[place]) <= room:
            used += width(text[place])
            place += 1
        if place == end:
            return [*found, (start, end)]
        cut = place
        while cut > start + 1 and not _may_break(text[cut - 1], text[cut]):
            cut -= 1
        cut = cut if cut > start + 1 else max(place, start + 1)
        found.append((start, cut))
        start = cut
        while start < end and text[start] == " ":
            start += 1


def _may_break(before: str, after: str) -> bool:
    if after in _NO_BEGINNING or before in _NO_END:
        return False
    return not (before.isascii() and after.isascii() and before.isalnum() and after.isalnum())
