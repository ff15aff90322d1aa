"""Folded text in, search terms out: jieba's words and character bigrams.

A question is cut without jieba's dictionary of 350,000 words: only words that stand in the
index can match, so the index keeps a table of them, of which a question needs a few rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from qa.text import segmenter

if TYPE_CHECKING:
    import jieba

_HAN = r"〇㐀-䶿一-鿿豈-﫿\U00020000-\U000323af"
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+")
_TERM_LENGTH = 60
"""Longest term kept, in characters; longer ones are digits and identifiers run together."""
_WORD_LENGTH = 16
"""Longest word of jieba's dictionary, in characters."""


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


Frequencies = Callable[[Iterable[str]], Mapping[str, int]]
"""Candidates in, the frequencies of those that are words out."""


def frequencies(candidates: Iterable[str]) -> dict[str, int]:
    """Those of the candidates that are words of jieba's dictionary, with their frequencies.

    And, as that of "", the sum of the frequencies of all its words.
    """
    known = segmenter().FREQ
    return {"": segmenter().total} | {word: known[word] for word in candidates if known.get(word)}


class Words:
    """Cuts folded text into words, and the parts of long words, that a search may name."""

    def __init__(self, tokenizer: Callable[[str], jieba.Tokenizer]) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def of_dictionary(cls) -> Words:
        """With jieba's whole dictionary: for indexing."""
        return cls(lambda _: segmenter())

    @classmethod
    def of_index(cls, known: Frequencies) -> Words:
        """With the words that stand in an index: for questions.

        Args:
            known: Gives what ``frequencies`` gave of the words that stand there.
        """
        import jieba

        def tokenizer(folded: str) -> jieba.Tokenizer:
            found = dict(known({"", *_parts(folded)}))
            made = jieba.Tokenizer()
            made.FREQ, made.total, made.initialized = {}, found.pop(""), True
            for word, frequency in found.items():
                made.FREQ[word] = frequency
                for end in range(1, len(word)):
                    made.FREQ.setdefault(word[:end], 0)
            return made

        return cls(tokenizer)

    def __call__(self, folded: str) -> list[str]:
        """The terms of a text, in order; words that overlap are all there.

        >>> Words.of_dictionary()("重庆市政协")
        ['重庆', '市政', '政协', '重庆市', '市政协', '重庆市政协']
        """
        terms = self._tokenizer(folded).cut_for_search(folded)
        return [term[:_TERM_LENGTH] for term in terms if _RUN.match(term)]


def _parts(folded: str) -> set[str]:
    """All that may be a word in a text."""
    return {
        run[start : start + length]
        for run in folded.split()
        for start in range(len(run))
        for length in range(1, _WORD_LENGTH + 1)
    }
