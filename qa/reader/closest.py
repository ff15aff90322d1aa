"""Hits in, an answer out, without the reader model: the closest sentence, and what in it answers.

A sentence is judged by how much of the question it covers, alone and with the lines that a
reader has in mind (the sentence before, headings, title), by whether it holds the kind of thing
asked for, and by its passage's score. Nothing is generated: every answer stands in the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qa.index.catalog import Catalog
from qa.index.sparse import Sparse
from qa.index.tokens import content_bigrams
from qa.reader.answers import abstained, answered, is_furniture
from qa.reader.kinds import Asked, Kind, asked, candidates, choose
from qa.text import coverage, fold, sentences
from qa.types import Answer, Hit, Span

# Weights of a sentence's features, fitted on CMRC 2018 train and DRCD dev as a softmax over the
# sentences of five passages.
_COVERED = 4.42
_COVERED_IN_CONTEXT = 3.99
_PASSAGE = 0.32
_OF_KIND = 1.22

# Logistic regression on the same sets: does the chosen sentence hold the answer? Cosines are
# on another scale with every model: the first holds for the default model, the second for all.
_CONFIDENCE = {"covered": 2.27, "in_context": 3.44, "of_kind": 0.13, "cosine": 34.7, "": -33.98}
_CONFIDENCE_WITHOUT_COSINE = {"covered": 1.92, "in_context": 5.47, "of_kind": 0.18, "": -4.02}
ABSTAIN_BELOW = 0.2
"""Confidence under which nothing is answered. On the sets it was fitted on, 4 and 7 % of the
questions that have an answer are refused there, and 90 and 87 % of those that have none."""
_YEAR = re.compile(r"(?:19|20)\d\d(?=年)")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence that may answer, with its features."""

    hit: Hit
    span: Span
    covered: float
    in_context: float
    of_kind: float
    score: float


class ClosestSentenceReader:
    """Finds the sentence that covers most of the question: quick, and without the reader model."""

    def __init__(self, sparse: Sparse, catalog: Catalog, *, default_model: bool) -> None:
        self._sparse = sparse
        self._catalog = catalog
        self._confidence = _CONFIDENCE if default_model else _CONFIDENCE_WITHOUT_COSINE

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
        folded = fold(question)
        things = asked(folded)
        weights = self._sparse.idf("bigrams", content_bigrams(folded))
        found = (
            one
            for one in _candidates(hits, weights, things)
            if not any(one.hit.passage.text[slice(*one.span)] in evidence for evidence in said)
        )
        best = max(found, key=lambda c: c.score, default=None)
        if best is None:
            return abstained(question, hits)
        start, end = _with_neighbour(best, things)
        document = self._catalog.document(best.hit.passage.document_id)
        evidence = best.hit.passage.text[start:end]
        contradicted = _contradicts(evidence, best.hit, folded, things)
        ranked = [best.hit, *(hit for hit in hits if hit is not best.hit)]
        return answered(
            document,
            question,
            [replace(hit, rank=rank) for rank, hit in enumerate(ranked, 1)],
            [(start + a, start + b) for a, b in _short(evidence, folded, things)],
            0.0 if contradicted else self._sure(best),
            ABSTAIN_BELOW if min_confidence is None else min_confidence,
        )

    def _sure(self, best: _Candidate) -> float:
        """Probability that the sentence holds the answer."""
        features = {
            "covered": best.covered,
            "in_context": best.in_context,
            "of_kind": best.of_kind,
            "cosine": best.hit.raw["dense"],
            "": 1.0,
        }
        logit = sum(weight * features[name] for name, weight in self._confidence.items())
        return 1 / (1 + math.exp(-logit))


def _candidates(
    hits: Sequence[Hit], weights: Mapping[str, float], things: Sequence[Asked]
) -> Iterator[_Candidate]:
    for hit in hits:
        passage = hit.passage
        above = {passage.article.title, *passage.headings}
        context = fold("\n".join(above))
        folded = fold(passage.text)
        before = ""
        for start, end in sentences(passage.text):
            sentence = folded[start:end]
            if passage.text[start:end] in above or is_furniture(sentence):
                continue
            covered = coverage(weights, sentence)
            in_context = coverage(weights, f"{context}\n{before}\n{sentence}")
            of_kind = _of_kind(things, sentence)
            score = (
                _COVERED * covered
                + _COVERED_IN_CONTEXT * in_context
                + _PASSAGE * (hit.score - hits[0].score)
                + _OF_KIND * of_kind
            )
            yield _Candidate(hit, (start, end), covered, in_context, of_kind, score)
            before = sentence


def _contradicts(evidence: str, hit: Hit, question: str, things: Sequence[Asked]) -> bool:
    """True where the evidence cannot answer: no number where one is asked for, another year."""
    folded = fold(evidence)
    for one in things:
        if one.kind in (Kind.NUMBER, Kind.DATE) and not candidates(one, folded):
            return True
    asked_years = set(_YEAR.findall(question))
    read = f"{hit.passage.article.title}\n{hit.passage.text}"
    years = set(_YEAR.findall(fold(read)))
    return bool(asked_years and years) and not asked_years & years


def _of_kind(things: Sequence[Asked], sentence: str) -> float:
    """How well the least answered of the things asked for is answered; 1 where none is known."""
    fits = (max((fit for _, fit in candidates(one, sentence)), default=0.0) for one in things)
    return min(fits, default=1.0)


def _with_neighbour(best: _Candidate, things: Sequence[Asked]) -> Span:
    """The sentence; with the next where a question of two parts needs it for one of them."""
    text = best.hit.passage.text
    spans = sentences(text)
    number = spans.index(best.span)
    if len(things) < 2 or best.of_kind >= 1 or number + 1 == len(spans):
        return best.span
    both = best.span[0], spans[number + 1][1]
    return both if _of_kind(things, fold(text[slice(*both)])) >= 1 else best.span


def _short(evidence: str, question: str, things: Sequence[Asked]) -> list[Span]:
    """The parts of the evidence that give all that is asked for, else all of it."""
    spans = choose(things, question, fold(evidence))
    return sorted(spans) if spans and len(spans) == len(things) else [(0, len(evidence))]
