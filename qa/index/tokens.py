"""Folded text in, search terms out: jieba's words and character bigrams.

A question is cut without jieba's dictionary of 350,000 words: only words that stand in the
index can match, so the index keeps its own dictionary of them, a few thousand lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qa.errors import IndexDamaged
from qa.text import segmenter

if TYPE_CHECKING:
    import jieba

_HAN = r"〇㐀-䶿一-鿿豈-﫿\U00020000-\U000323af"
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+")
_TERM_LENGTH = 60
"""Longest term kept, in characters; longer ones are digits and identifiers run together."""


def bigrams(folded: str) -> list[str]:
    """Pairs of neighbouring Han characters; other letters and digits as whole runs.

    >>> bigrams("邻水县 pm2")
    ['邻水', '水县', 'pm2']
    """
    terms: list[str] = []
    for match in _RUN.finditer(folded):
        run = match.group()
        if ord(run[0]) < 0x2E80 or len(run) == 1:
            terms.append(run[:_TERM_LENGTH])
        else:
            terms.extend(run[i : i + 2] for i in range(len(run) - 1))
    return terms


_ASKING = re.compile(
    r"是什么|什么|怎么样|怎么|怎样|如何|为何|哪些|哪个|哪几|哪|多少|几|是否|吗|呢|请问|的|了|是|有|谁|何"
)


def content_bigrams(folded: str) -> list[str]:
    """The distinct bigrams of a question that carry content: asking words are left out.

    >>> content_bigrams("充电桩完成了多少把的选址?")
    ['充电', '电桩', '桩完', '完成', '把', '选址']
    """
    return list(dict.fromkeys(bigrams(_ASKING.sub(" ", folded))))


class Words:
    """Cuts folded text into words, and the parts of long words, that a search may name."""

    def __init__(self, tokenizer: jieba.Tokenizer, *, remember: bool = False) -> None:
        self._tokenizer = tokenizer
        self._seen: set[str] | None = set() if remember else None

    @classmethod
    def of_dictionary(cls) -> Words:
        """With jieba's whole dictionary: for indexing."""
        return cls(segmenter(), remember=True)

    @classmethod
    def open(cls, path: Path) -> Words:
        """With the dictionary that ``save`` wrote: for questions.

        Raises:
            IndexDamaged: It is missing or not what ``save`` writes.
        """
        import jieba

        tokenizer = jieba.Tokenizer()
        frequencies: dict[str, int] = {}
        try:
            total, *lines = path.read_text("utf-8").splitlines()
            tokenizer.total = int(total)
            for line in lines:
                word, _, frequency = line.rpartition(" ")
                frequencies[word] = int(frequency)
                for end in range(1, len(word)):
                    frequencies.setdefault(word[:end], 0)
        except (OSError, ValueError) as error:
            raise IndexDamaged(
                f"词表打不开:{path}({error})", "请用 qa index 文件夹 重建。"
            ) from error
        tokenizer.FREQ = frequencies
        tokenizer.initialized = True
        return cls(tokenizer)

    def __call__(self, folded: str) -> list[str]:
        """The terms of a text, in order; words that overlap are all there.

        >>> Words.of_dictionary()("重庆市政协")
        ['重庆', '市政', '政协', '重庆市', '市政协', '重庆市政协']
        """
        terms = [term for term in self._tokenizer.cut_for_search(folded) if _RUN.match(term)]
        if self._seen is not None:
            self._seen.update(terms)
        return [term[:_TERM_LENGTH] for term in terms]

    def save(self, path: Path) -> None:
        """Write the dictionary words met so far, with their frequencies, for ``open``."""
        known = self._tokenizer.FREQ
        path.write_text("\n".join(self._dictionary(known)) + "\n", "utf-8")

    def _dictionary(self, known: dict[str, int]) -> Iterable[str]:
        yield str(self._tokenizer.total)
        for word in sorted(self._seen or ()):
            if known.get(word):
                yield f"{word} {known[word]}"
