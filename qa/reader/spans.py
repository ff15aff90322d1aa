"""What the reader's network makes of one pair → the answers that it rates highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa.reader.pairs import Pair
from qa.types import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPAN_LOGITS = 4
"""A token can begin an answer at its first or second character, and end it at its last or last
but one: XLM-R's pieces end where an answer does in 95 % of CMRC's and DRCD's answers, and within
one character in 99.7 %."""
MATCHED = 64
"""Numbers of a token as the beginning of an answer, and as its end: the product of the two, over
the root of their count, says how well they go together."""
SPAN_VALUES = SPAN_LOGITS + 2 * MATCHED
"""What the network gives for each token."""

_LONGEST = 160
"""Characters of an answer, at most."""
_LIKELY = math.log(0.03)
"""Least log-probability of a further answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A possible answer.

    Attributes:
        span: Characters of the passage.
        score: Natural logarithm of the probability that it is the answer, against every other
            stretch and against none.
    """

    span: Span
    score: float


def stretches(pair: Pair, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Log-probabilities that each stretch of the passage is the answer, and that none is.

    Args:
        pair: What was read.
        values: Of the network, shape (tokens, SPAN_VALUES).

    Returns:
        Shape (characters, characters), a row for the first character and a column for the last;
        -inf where no token allows one, and where the stretch is too long.
    """
    length = pair.places[-1][1] if pair.places else 0
    logits = np.full((2, length), -np.inf, np.float32)
    tokens = np.zeros((2, length), np.int64)
    for token, (start, end) in enumerate(pair.places, pair.first):
        places = ((0, start), (0, start + 1), (1, end - 1), (1, end - 2))
        for place, logit in zip(places, values[token, :SPAN_LOGITS], strict=True):
            # A token of one character has no second one. The mark of a space before the first
            # character has that character's place, too.
            if start <= place[1] < end and logit > logits[place]:
                logits[place], tokens[place] = logit, token
    first, last = np.split(values[:, SPAN_LOGITS:] / MATCHED**0.25, 2, axis=1)
    scores = logits[0][:, None] + logits[1] + first[tokens[0]] @ last[tokens[1]].T
    longer = np.arange(length) - np.arange(length)[:, None]
    scores[(longer < 0) | (longer >= _LONGEST)] = -np.inf
    none = values[0, 0] + values[0, 2] + first[0] @ last[0]
    highest = max(none, scores.max(initial=-np.inf))
    total = highest + np.log(np.exp(none - highest) + np.exp(scores - highest).sum())
    return scores - total, float(none - total)


def answers(scores: NDArray[np.float32], count: int, barred: Sequence[Span] = ()) -> list[Found]:
    """The best span, and up to ``count`` - 1 others that are likely too, apart from each other.

    Args:
        scores: Log-probabilities of stretches, as ``stretches`` gives them.
        count: How many answers there may be.
        barred: Stretches that no answer may touch.

    Returns:
        Best first; none where no span is allowed.
    """
    places = np.arange(len(scores))
    left = scores.copy()
    for start, end in barred:
        left[(places[:, None] < end) & (places >= start)] = -np.inf
    found: list[Found] = []
    while len(found) < count and np.isfinite(left).any():
        start, end = divmod(int(left.argmax()), len(scores))
        if found and left[start, end] < _LIKELY:
            break
        found.append(Found((start, end + 1), float(left[start, end])))
        left[(places[:, None] <= end) & (places >= start)] = -np.inf
    return found
