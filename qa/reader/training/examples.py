"""Questions and texts → the pairs of one epoch: passages that answer, and passages that do not.

Passages that do not answer are of five kinds: of another text, with the question's bigrams (what
retrieval really returns); the one that answers, less the sentences that hold the answer (same
topic, same unit, other number); the one that answers, asked of another year, or of another place,
body, person or office; and those of the sets themselves.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qa.index.tokens import bigrams, content_bigrams
from qa.reader.pairs import head
from qa.reader.training.names import Names
from qa.reader.training.sets import Asked, QuestionSet, Text
from qa.reader.training.settings import Settings
from qa.text import sentences, squeeze
from qa.types import Span

_YEAR = re.compile(r"(?:19|20)\d\d(?=年)")
_COMMON = 0.02
"""Bigrams of more than this share of the passages say too little to find one by."""
_NEAREST = 12
"""Passages, of those with the question's bigrams, that one is drawn from."""


@dataclass(frozen=True, slots=True)
class Example:
    """One pair to learn from.

    Attributes:
        question: Folded.
        above: What stands above the passage, as ``pairs.head`` gives it.
        passage: Folded.
        spans: Characters of the passage that answer; none where it does not.
        relevant: True where the passage is about what is asked; None where that is not known.
        bounds: Whether it teaches where an answer begins and ends.
    """

    question: str
    above: str
    passage: str
    spans: tuple[Span, ...]
    relevant: bool | None
    bounds: bool = True


class Examples:
    """Makes the pairs of each epoch, the same for the same seed."""

    def __init__(self, sets: Sequence[QuestionSet], settings: Settings) -> None:
        self._settings = settings
        self._texts: list[Text] = []
        self._asked: list[tuple[Asked, QuestionSet]] = []
        self._unrelated: list[tuple[str, str]] = []
        for one in sets:
            first = len(self._texts)
            self._texts.extend(one.texts)
            self._asked.extend((Asked(a.question, a.text + first, a.spans), one) for a in one.asked)
            self._unrelated.extend(one.unrelated)
        self._sentences = [sentences(text.body) for text in self._texts]
        self._of_text: dict[int, list[Asked]] = defaultdict(list)
        for asked, _ in self._asked:
            self._of_text[asked.text].append(asked)
        self._passages = [
            (number, span)
            for number, cut in enumerate(self._sentences)
            for span in _cut(cut, settings.longest)
        ]
        self._index = self._indexed()
        self._names = Names(asked.question for asked, _ in self._asked)
        self._near: dict[str, list[int]] = {}

    def epoch(self, number: int) -> list[Example]:
        """The pairs of one epoch, in order of making."""
        chance = random.Random(f"{self._settings.seed} {number}")  # noqa: S311
        made: list[Example] = []
        for asked, source in self._asked:
            if source.terse and chance.random() >= self._settings.terse_share:
                continue
            for example in self._of(asked, chance):
                silent = source.terse and len(example.spans) == 1
                made.append(replace(example, bounds=not silent))
        for question, passage in self._unrelated:
            if chance.random() < 0.5:
                made.append(Example(question, "", passage, (), None))
        return made

    def _of(self, asked: Asked, chance: random.Random) -> Iterator[Example]:
        settings = self._settings
        if not asked.spans:
            yield self._unanswered(asked, chance)
            return
        window = self._window(asked, chance)
        if window is None:
            return
        others = [
            other
            for other in self._of_text[asked.text]
            if other is not asked and _apart(asked.spans, other.spans) and _inside(other, window)
        ]
        question, spans = asked.question, asked.spans
        if others and len(spans) == 1 and chance.random() < settings.joined:
            other = chance.choice(others)
            question = question.rstrip("?。 ") + "," + other.question
            spans = (*spans, *other.spans)
        yield self._example(question, asked.text, window, spans, chance, relevant=True)
        if chance.random() < settings.retrieved and (found := self._retrieved(asked, chance)):
            number, span = found
            same = number == asked.text
            yield self._example(asked.question, number, span, (), chance, relevant=same)
        if chance.random() < settings.removed:
            yield from self._removed(asked, window, chance)
        body = self._texts[asked.text].body
        if chance.random() < settings.other_year:
            yield from self._other_year(asked, body, window, chance)
        if chance.random() < settings.other_name:
            yield from self._other_name(asked, window, chance)

    def _example(
        self,
        question: str,
        number: int,
        window: Span,
        spans: Sequence[Span],
        chance: random.Random,
        *,
        relevant: bool,
    ) -> Example:
        start, end = window
        moved = tuple((a - start, b - start) for a, b in spans)
        above = self._above(number, chance)
        return Example(question, above, self._texts[number].body[start:end], moved, relevant)

    def _above(self, number: int, chance: random.Random) -> str:
        title = self._texts[number].title
        return head(title) if chance.random() < self._settings.titled else ""

    def _window(self, asked: Asked, chance: random.Random) -> Span | None:
        """A stretch of whole sentences, of random length, that holds all that answers."""
        cut = self._sentences[asked.text]
        first, last = min(a for a, _ in asked.spans), max(b for _, b in asked.spans)
        inside = [i for i, (start, end) in enumerate(cut) if end > first and start < last]
        if not inside:
            return None
        low, high = inside[0], inside[-1]
        shortest, longest = self._settings.shortest, self._settings.longest
        most = 0 if self._single(chance) else chance.randint(shortest, longest)
        if cut[high][1] - cut[low][0] > 2 * longest:
            return None
        while True:
            grown = [
                (a, b)
                for a, b in ((low - 1, high), (low, high + 1))
                if a >= 0 and b < len(cut) and cut[b][1] - cut[a][0] <= most
            ]
            if not grown:
                return cut[low][0], cut[high][1]
            low, high = chance.choice(grown)

    def _unanswered(self, asked: Asked, chance: random.Random) -> Example:
        """A question that its text does not answer, beside the passage that looks nearest."""
        passages = list(_cut(self._sentences[asked.text], self._settings.longest))
        best = self._nearest(asked.question, asked.text, passages)
        span = best if chance.random() < 0.7 else chance.choice(passages)
        if self._single(chance):
            span = self._nearest_sentence(asked.question, asked.text, span)
        return self._example(asked.question, asked.text, span, (), chance, relevant=True)

    def _removed(self, asked: Asked, window: Span, chance: random.Random) -> Iterator[Example]:
        """The window less the sentences that hold an answer."""
        body = self._texts[asked.text].body
        answers = [squeeze(body[start:end]) for start, end in asked.spans]
        around = [s for s in self._sentences[asked.text] if s[0] >= window[0] and s[1] <= window[1]]
        kept = [
            (start, end)
            for start, end in around
            if _apart([(start, end)], asked.spans)
            and not any(answer in squeeze(body[start:end]) for answer in answers)
        ]
        if kept and self._single(chance):
            kept = [self._nearest(asked.question, asked.text, kept)]
        if kept:
            above, passage = self._above(asked.text, chance), "".join(body[a:b] for a, b in kept)
            yield Example(asked.question, above, passage, (), relevant=True)

    def _other_year(
        self, asked: Asked, body: str, window: Span, chance: random.Random
    ) -> Iterator[Example]:
        """The same passage, asked of a year that it does not name."""
        named = _YEAR.findall(asked.question)
        answers = "".join(body[start:end] for start, end in asked.spans)
        if len(named) != 1 or named[0] not in body[slice(*window)] or named[0] in answers:
            return
        year = str(int(named[0]) + chance.choice((-3, -2, -1, 1, 2)))
        if year not in body:
            question = asked.question.replace(named[0], year)
            yield self._example(question, asked.text, window, (), chance, relevant=True)

    def _other_name(self, asked: Asked, window: Span, chance: random.Random) -> Iterator[Example]:
        """The same passage, asked of a name of the same sort that its text does not have."""
        text = self._texts[asked.text]
        passage = text.body[slice(*window)]
        whole = f"{text.title}\n{text.body}"
        if other := self._names.other(asked.question, passage, whole, chance):
            yield Example(other[0], self._above(asked.text, chance), passage, (), None)

    def _indexed(self) -> dict[str, list[int]]:
        index: dict[str, list[int]] = defaultdict(list)
        for row, (number, (start, end)) in enumerate(self._passages):
            for term in set(bigrams(self._texts[number].body[start:end])):
                index[term].append(row)
        most = max(50, int(_COMMON * len(self._passages)))
        return {term: rows for term, rows in index.items() if len(rows) <= most}

    def _retrieved(self, asked: Asked, chance: random.Random) -> tuple[int, Span] | None:
        """A passage that shares bigrams with the question and holds no answer."""
        if asked.question not in self._near:
            scores: Counter[int] = Counter()
            for term in content_bigrams(asked.question):
                rows = self._index.get(term, ())
                for row in rows:
                    scores[row] += math.log(len(self._passages) / len(rows))  # type: ignore[assignment]
            self._near[asked.question] = [row for row, _ in scores.most_common(2 * _NEAREST)]
        body = self._texts[asked.text].body
        answers = [body[start:end] for start, end in asked.spans]
        near = []
        for row in self._near[asked.question]:
            number, (start, end) = self._passages[row]
            passage = self._texts[number].body[start:end]
            apart = number != asked.text or _apart([(start, end)], asked.spans)
            if apart and not any(answer in passage for answer in answers):
                near.append((number, (start, end)))
        if not near:
            return None
        number, span = chance.choice(near[:_NEAREST])
        if self._single(chance):
            span = self._nearest_sentence(asked.question, number, span)
        return number, span

    def _single(self, chance: random.Random) -> bool:
        return chance.random() < self._settings.single

    def _nearest_sentence(self, question: str, number: int, within: Span) -> Span:
        start, end = within
        inside = [(a, b) for a, b in self._sentences[number] if start <= a and b <= end]
        return self._nearest(question, number, inside)

    def _nearest(self, question: str, number: int, stretches: Sequence[Span]) -> Span:
        """The stretch of a text that has most of the question's bigrams."""
        body, terms = self._texts[number].body, content_bigrams(question)
        return max(stretches, key=lambda span: sum(t in body[slice(*span)] for t in terms))


def _cut(cut: Sequence[Span], longest: int) -> Iterator[Span]:
    """Sentences → passages of whole sentences, one after another."""
    first = 0
    for number in range(len(cut)):
        if number + 1 == len(cut) or cut[number + 1][1] - cut[first][0] > longest:
            yield cut[first][0], cut[number][1]
            first = number + 1


def _apart(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    return bool(others) and all(b <= c or d <= a for a, b in spans for c, d in others)


def _inside(asked: Asked, window: Span) -> bool:
    return all(window[0] <= start and end <= window[1] for start, end in asked.spans)
