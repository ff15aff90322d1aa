"""Hits in, an answer out: the reader model reads the best passages, and its spans are the answer.

A passage's score and what the model makes of it are joined into one sum, so that it is read no
further than any passage could still win. Nothing is generated: every answer stands in the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from qa.index.catalog import Catalog
from qa.index.encoder import cores
from qa.index.sparse import Sparse
from qa.index.tokens import content_bigrams
from qa.reader.answers import abstained, answered, is_furniture
from qa.reader.kinds import (
    FITS,
    Asked,
    Kind,
    asked,
    asks_several,
    candidates,
    choose,
    clauses,
    parts,
)
from qa.reader.model import ReaderModel, Reading
from qa.reader.widen import whole_list, widened
from qa.text import coverage, fold, sentences
from qa.types import Answer, Hit, Passage, Span

# How much the logarithm of the probability that an answer begins and ends where it does counts
# beside a passage's score. Fitted by tests/bench/calibrate.py, with --limit 350.
READING_WEIGHT = 1.094

# Logistic regression, by the same script: does the evidence hold the answer? Of the questions, four
# in five can be answered.
_CONFIDENCE = {
    "answers": 0.232,
    "alone": 0.349,
    "sentence": 0.38,
    "numbers": 1.347,
    "lead": 0.185,
    "disputed": -1.26,
    "": -2.142,
}
ABSTAIN_BELOW = 0.35
"""Confidence under which nothing is answered, unless told otherwise: on the held-out sets about 3 %
of the questions whose evidence would have been right are refused there, and some three quarters of
the others. A wrong answer costs more than none: what was found is shown all the same."""

MOST_READ = 20
"""Passages that are read for one question, at most."""
_LEAD = 6.0
"""Points beyond which being ahead says no more."""
_ALIKE = 0.02
"""Share of a question that makes no difference."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Read:
    """A hit with what the model makes of it; ``hit.score`` is the sum of both."""

    hit: Hit
    reading: Reading


class ExtractiveReader:
    """Finds the answer in the passages, without a language model."""

    def __init__(self, model: ReaderModel, sparse: Sparse, catalog: Catalog) -> None:
        self._model = model
        self._sparse = sparse
        self._catalog = catalog

    def read(
        self,
        question: str,
        hits: Sequence[Hit],
        min_confidence: float | None,
        said: Sequence[str] = (),
    ) -> Answer:
        """The best answer in ``hits``; abstains where none is likely to be one.

        Args:
            question: As asked, in either script.
            hits: Passages, best first.
            min_confidence: Below it nothing is answered; ABSTAIN_BELOW if None.
            said: Evidence that was given before, and is not given again.
        """
        read = self._read_while_open(question, hits, said)
        if not read:
            return abstained(question, hits)
        best = read[0]
        passage = best.hit.passage
        text = fold(passage.text)
        widen = whole_list if asks_several(fold(question)) else widened
        scored = {hit.passage.id: hit for hit in (*hits, *(one.hit for one in read))}
        del scored[passage.id]
        others = sorted(scored.values(), key=lambda hit: -hit.score)
        ranked = [replace(hit, rank=rank) for rank, hit in enumerate((best.hit, *others), 1)]
        return answered(
            self._catalog.document(passage.document_id),
            question,
            ranked,
            [widen(text, span) for span in self._spans(question, best, said)],
            self._confidence(question, read, hits),
            ABSTAIN_BELOW if min_confidence is None else min_confidence,
        )

    def _read_while_open(
        self, question: str, hits: Sequence[Hit], said: Sequence[str]
    ) -> list[_Read]:
        """Read hits, best first, until no other can win; by the sum of scores, highest first.

        The first, which mostly wins, is read alone, the others on all cores.
        """
        count = parts(fold(question))

        def reading(hit: Hit) -> Reading:
            return self._model.read(question, hit.passage, count, barred(hit.passage, said))

        read: list[_Read] = []
        waiting = list(hits[:MOST_READ])
        with ThreadPoolExecutor(cores()) as workers:
            together = 1
            while waiting:
                # What reading adds is at most 0.
                best = max((one.hit.score for one in read), default=-math.inf)
                now = [hit for hit in waiting[:together] if hit.score > best]
                if not now:
                    break
                read += filter(None, map(_read, now, workers.map(reading, now)))
                waiting, together = waiting[len(now) :], cores()
        return sorted(read, key=lambda one: -one.hit.score)

    def _spans(self, question: str, best: _Read, said: Sequence[str]) -> list[Span]:
        """The answers in the best passage; where clauses ask one each, the passage is read anew.

        The model gives one answer to a question of two parts where it is surer of one of them.
        """
        passage = best.hit.passage
        folded, text = fold(question), fold(passage.text)
        spans = [one.span for one in best.reading.found]
        if len(spans) == 1:
            spans = [_of_unit(folded, text, spans[0])]
        asking = clauses(folded)
        if len(spans) >= len(asking):
            return spans
        home = _sentence(text, best.reading)
        for clause in asking:
            reading = self._model.read(clause, passage, 1, barred(passage, said))
            for one in reading.found[:1]:
                # A clause names less of what is asked about than the question does.
                suits = all(_suits(thing, text[slice(*one.span)]) for thing in asked(clause)[:1])
                near = suits and _overlap(one.span, home)
                new = not any(_overlap(one.span, span) for span in spans)
                if new and (near or reading.answers > 0):
                    spans.append(one.span)
        return spans

    def _confidence(self, question: str, read: Sequence[_Read], hits: Sequence[Hit]) -> float:
        """Probability that the evidence of the first that was read answers the question."""
        sums, reading = [one.hit for one in read], read[0].reading
        alone = read_alone(self._model, question, sums[0].passage, reading)
        features = confidence_features(self._sparse, question, reading, alone, sums, hits)
        logit = sum(weight * features[name] for name, weight in _CONFIDENCE.items())
        return 1 / (1 + math.exp(-logit))


def _read(hit: Hit, reading: Reading) -> _Read | None:
    """A hit with what reading adds to its score; None where the passage has no place for it."""
    if not reading.found:
        return None
    shares = {**hit.shares, "reader": _share(reading)}
    raw = {**hit.raw, "reader": 1 / (1 + math.exp(-reading.answers))}
    score = hit.score + shares["reader"]
    return _Read(replace(hit, score=score, shares=shares, raw=raw), reading)


def _of_unit(question: str, text: str, span: Span) -> Span:
    """The number with the unit asked for (多少起), where the span has it not and its sentence does.

    Args:
        question: Folded.
        text: Of the passage, folded.
        span: What the model takes for the answer.
    """
    things = asked(question)
    if len(things) != 1 or things[0].kind is not Kind.NUMBER or not things[0].unit:
        return span
    if _suits(things[0], text[slice(*span)]):
        return span
    for start, end in sentences(text):
        if start <= span[0] < end:
            sentence = text[start:end]
            fitting = {one for one, fit in candidates(things[0], sentence) if fit == FITS}
            chosen = [one for one in choose(things, question, sentence) if one in fitting]
            return (start + chosen[0][0], start + chosen[0][1]) if chosen else span
    return span


def _suits(one: Asked, answer: str) -> bool:
    """Whether a folded answer is of the kind asked for, and of its unit; no number without one."""
    if one.kind is Kind.NUMBER and not one.unit:
        return False
    least = FITS if one.unit else 1.0
    return any(fit >= least for _, fit in candidates(one, answer))


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _share(reading: Reading) -> float:
    """What reading adds to a passage's score: at most 0."""
    return READING_WEIGHT * reading.span


def read_alone(model: ReaderModel, question: str, passage: Passage, reading: Reading) -> float:
    """Log-odds that the sentence of the best answer answers, read alone: what is cited must.

    What stands around a sentence on the same subject makes it look more like an answer.
    """
    start, end = _sentence(fold(passage.text), reading)
    alone = replace(passage, text=passage.text[start:end])
    return model.read(question, alone, 1).answers


def _sentence(text: str, reading: Reading) -> Span:
    """The sentence of the best answer, or all of those that it stands in."""
    start, end = reading.found[0].span
    within = [(a, b) for a, b in sentences(text) if a < end and start < b]
    return within[0][0], within[-1][1]


def confidence_features(
    sparse: Sparse,
    question: str,
    reading: Reading,
    alone: float,
    read: Sequence[Hit],
    hits: Sequence[Hit],
) -> Mapping[str, float]:
    """What the confidence is made of, by the names of its weights.

    Beside what the model makes of the passage, and of the sentence alone: how much of the question
    stands in that sentence, with what stands above; whether all its numbers stand in the best
    passage; how far that is ahead of the others; and whether another document has as much of the
    question, and not the answer.

    Args:
        sparse: Knows how rare the question's words are.
        question: As asked.
        reading: Of the best passage.
        alone: See ``read_alone``.
        read: All that were read, with the sums of their scores, the best first.
        hits: All that were found.
    """
    best = read[0].passage
    folded, text = fold(question), fold(best.text)
    weights = sparse.idf("bigrams", content_bigrams(folded))
    above = _above(best)
    sentence = text[slice(*_sentence(text, reading))]
    numbers = set(_NUMBER.findall(folded))
    covered = coverage(weights, f"{above}\n{text}")
    answer = text[slice(*reading.found[0].span)]
    others = [hit.passage for hit in hits if hit.passage.document_id != best.document_id]
    texts = [f"{_above(passage)}\n{fold(passage.text)}" for passage in others]
    disputed = any(
        coverage(weights, other) > covered - _ALIKE for other in texts if answer not in other
    )
    return {
        "answers": reading.answers,
        "alone": alone,
        "sentence": coverage(weights, f"{above}\n{sentence}"),
        "numbers": float(numbers <= set(_NUMBER.findall(f"{above}\n{text}"))),
        "lead": _lead(read, hits),
        "disputed": float(disputed),
        "": 1.0,
    }


def _above(passage: Passage) -> str:
    """Title and headings, folded."""
    return fold("\n".join((passage.article.title, *passage.headings)))


def _lead(read: Sequence[Hit], hits: Sequence[Hit]) -> float:
    """Points that the best passage has more than the others, within 0 and _LEAD; half without any.

    Theirs are the points that they were found with; of those that were found with more than the
    best has in all, what reading left of them. So it does not matter how many others were read.
    """
    best, *others = read
    sums = {hit.passage.id: hit.score for hit in others}
    points = [
        hit.score if hit.score <= best.score else sums[hit.passage.id]
        for hit in hits
        if hit.passage.id != best.passage.id and (hit.score <= best.score or hit.passage.id in sums)
    ]
    return min(_LEAD, max(0.0, best.score - max(points))) if points else _LEAD / 2


def barred(passage: Passage, said: Sequence[str] = ()) -> list[Span]:
    """Stretches of a passage that are no evidence: its title and headings, jump lines, scraps.

    Nor are sentences of what was ``said`` before.
    """
    above = {passage.article.title, *passage.headings}
    text = passage.text
    return [
        (start, end)
        for start, end in sentences(text)
        if text[start:end] in above
        or is_furniture(text[start:end])
        or any(text[start:end] in evidence for evidence in said)
    ]
