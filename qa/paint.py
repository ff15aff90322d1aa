"""Styles, links and line breaks for a terminal; nothing of them where output is no terminal."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from qa.text import unspelled, visible, width
from qa.types import Span

_NO_BEGINNING = frozenset(
    "。、〉》」』】〕”’·…—,.;:!?)]}%‰\uff0c\uff1b\uff1a\uff01\uff1f\uff09\uff05"
)
"""Characters that do not begin a line of Chinese text."""
_NO_END = frozenset("〈《「『【〔“‘¥$([{\uff08\uffe5")
"""Characters that do not end one."""
_NARROWEST = 8
_JOINER = "\u200d"
_HAN = 0x2E80
"""First code point of the scripts that are written without spaces."""


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

    @property
    def terminal(self) -> bool:
        """Whether a person looks at it."""
        return self.on or self.columns > 0

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
        """A text that opens a file when it is clicked, where the terminal can do that.

        Args:
            text: What is shown.
            path: Of the file, ``spelled``.
        """
        file = Path(unspelled(path))
        try:
            if not self.on or not file.is_file():
                return text
            return f"\x1b]8;;{file.absolute().as_uri()}\x1b\\{text}\x1b]8;;\x1b\\"
        except (OSError, ValueError):  # Too long a name, a folder that may not be looked into.
            return text

    def block(self, text: str, indent: str = "", marks: Sequence[Span] = ()) -> str:
        """Untrusted text as indented lines, some of its characters marked.

        Args:
            text: As it stands in a document.
            indent: Before every line.
            marks: Ranges of ``text``, in order, that are marked.
        """
        room = max(_NARROWEST, self.columns - width(indent)) if self.columns else 0
        if marks and room and not self.on:
            room -= width("⟦⟧")
        lines = []
        for start, end in _lines(text, room):
            shown, place = "", start
            for a, b in marks:
                first, last = max(a, start), min(b, end)
                if first < last:
                    shown += self._shown(text[place:first])
                    shown += self.marked(self._shown(text[first:last]))
                    place = last
            lines.append(indent + shown + self._shown(text[place:end]))
        return "\n".join(lines)

    def _shown(self, text: str) -> str:
        return visible(text.replace("\t", " ") if self.columns else text)


def _lines(text: str, room: int) -> list[Span]:
    """Ranges of the lines that a text is broken into, each at most ``room`` columns; 0 for any."""
    found: list[Span] = []
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        last = end - paragraph.endswith("\r")
        found += wrapped(text, start, last, room) if room else [(start, last)]
        start = end + 1
    return found


def wrapped(text: str, start: int, end: int, room: int) -> list[Span]:
    """Break a paragraph between characters, but not inside words, numbers and emoji.

    A line does not begin with closing punctuation, nor end with opening punctuation.
    """
    found: list[Span] = []
    while True:
        used, place = 0, start
        while place < end and used + _columns(text[place]) <= room:
            used += _columns(text[place])
            place += 1
        if not text[place:end].strip(" "):
            return [*found, (start, place)]
        cut = place
        while cut > start and not _may_break(text, cut):
            cut -= 1
        cut = cut if cut > start else max(place, start + 1)
        found.append((start, cut))
        start = cut
        while start < end and text[start] == " ":
            start += 1


def _columns(char: str) -> int:
    """Width of a character as it is shown."""
    if char == _JOINER:
        return 0
    return 1 if char == "\t" else width(visible(char))


def _may_break(text: str, place: int) -> bool:
    """Whether a line may end before a character; never at the beginning of the text."""
    if place == 0:
        return False
    before, after = text[place - 1], text[place]
    if after in _NO_BEGINNING or before in _NO_END or _is_joined(before, after):
        return False
    if before in ".," and after.isdigit() and text[place - 2 : place - 1].isdigit():
        return False
    return not all(char.isalnum() and ord(char) < _HAN for char in (before, after))


def _is_joined(before: str, after: str) -> bool:
    """Whether two characters make one sign: accents, skin tones, families, flags."""
    if _JOINER in (before, after) or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if unicodedata.category(after).startswith("M"):
        return True
    return all("\U0001f1e6" <= char <= "\U0001f1ff" for char in (before, after))
