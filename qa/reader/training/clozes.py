"""Texts → questions that nobody wrote: a sentence with a gap, which another sentence fills.

What stands twice in a text, and in few other texts, is what the text is about: a name, a date, a
term. One sentence that has it becomes the question, with an asking word in its place; the answer
is where it stands in the rest of the text. After recurring span selection (Ram et al. 2021,
arXiv:2101.00438).
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qa.text import segmenter, sentences
from qa.types import Span

_WORDS = 3
"""Words of an answer, at most."""
_SHORTEST, _LONGEST = 2, 14
"""Characters of an answer."""
_KNOWN = 0.004
"""What stands in more than this share of the texts is not what one of them is about."""
_QUESTION = 60
"""Characters of a question; a longer sentence is cut down to the clauses around the gap."""
_CONTEXT = 6
"""Characters that a question has beside the gap, at least."""
_NUMBER = re.compile(r"[\d一二三四五六七八九十百千万亿零〇两]+")
_ASKING = ("什么", "什么", "什么", "哪里", "哪个", "谁", "何")
_LOOSE = re.compile(r"^[的了是在和与及等为而也就都]|[的了是在和与及等为而也就都]$")
_CLAUSE = re.compile(r"[^,;:]+[,;:]?")
_END = re.compile(r"[\s。!?;,:、]+$")


@dataclass(frozen=True, slots=True)
class Cloze:
    """One such question.

    Attributes:
        question: With its asking word.
        text: Number of the text.
        asked: Characters of the text that the question was made of; they are not to be read.
        answer: As it stands in the question's sentence and elsewhere.
    """

    question: str
    text: int
    asked: Span
    answer: str


class Clozes:
    """Finds what recurs in each text, once; draws other questions each time."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._sentences = [sentences(text) for text in texts]
        recurring = [
            _recurring(text, cut) for text, cut in zip(texts, self._sentences, strict=True)
        ]
        met = Counter(span for found in recurring for span in found)
        most = max(1, int(_KNOWN * len(texts)))
        self._recurring = [
            {span: places for span, places in found.items() if met[span] <= most}
            for found in recurring
        ]

    def draw(self, count: int, chance: random.Random) -> Iterator[Cloze]:
        """Some ``count`` questions a text, fewer where little recurs."""
        for number, found in enumerate(self._recurring):
            for answer in chance.sample(sorted(found), min(count, len(found))):
                asked = self._sentences[number][chance.choice(found[answer])]
                question = _question(self._texts[number][slice(*asked)], answer, chance)
                if question:
                    yield Cloze(question, number, asked, answer)


def _recurring(text: str, cut: Sequence[Span]) -> dict[str, list[int]]:
    """What stands in two sentences or more, as whole words: in which."""
    places: dict[str, set[int]] = defaultdict(set)
    for number, (start, end) in enumerate(cut):
        words = list(segmenter().cut(text[start:end]))
        for first in range(len(words)):
            for last in range(first + 1, min(first + _WORDS, len(words)) + 1):
                span = "".join(words[first:last])
                if not all(character.isalnum() for character in span):
                    break
                if _SHORTEST <= len(span) <= _LONGEST and not _LOOSE.search(span):
                    places[span].add(number)
    found = {span: sorted(numbers) for span, numbers in places.items() if len(numbers) > 1}
    # A part of what recurs as often as the whole is no answer of its own.
    return {
        span: numbers
        for span, numbers in found.items()
        if not any(span != o and span in o and len(found[o]) == len(numbers) for o in found)
    }


def _question(sentence: str, answer: str, chance: random.Random) -> str:
    """A sentence, or its clauses around the gap, that asks for what it leaves out."""
    clauses = _CLAUSE.findall(sentence)
    first = last = chance.choice([i for i, one in enumerate(clauses) if answer in one])
    while True:
        grown = [
            (a, b)
            for a, b in ((first - 1, last), (first, last + 1))
            if a >= 0 and b < len(clauses) and len("".join(clauses[a : b + 1])) <= _QUESTION
        ]
        if not grown:
            break
        first, last = chance.choice(grown)
    shown = _END.sub("", "".join(clauses[first : last + 1]).strip())
    if not _CONTEXT <= len(shown) - len(answer) <= 2 * _QUESTION:
        return ""
    asking = "多少" if _NUMBER.match(answer) else chance.choice(_ASKING)
    return shown.replace(answer, asking) + "?"
