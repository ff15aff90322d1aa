"""The reader's logits over one pair → the answers that they rate highest."""

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

_LONGEST = 160
"""Characters of an answer, at most."""
_LIKELY = math.log(0.12)
"""Least log-probability of both ends of a further answer."""
_LENGTH_COST = 0.004
"""Nats a character."""
_ACROSS_COST = 1.0
"""Nats for an answer that runs on into another sentence, as 2.5 % of CMRC's and none of DRCD's do:
where two answers are as likely, the beginning of one and the end of the other rate as high."""


@dataclass(frozen=True, slots=True)
class Found:
    """A possible answer.

    Attributes:
        span: Characters of the passage.
        start: Natural logarithm of the probability that an answer begins there, against every
            other place and against none.
        end: The same, of its end.
    """

    span: Span
    start: float
    end: float


def boundaries(
    pair: Pair, logits: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log-probabilities that an answer begins and ends at each character.

    Args:
        pair: What was read.
        logits: Shape (tokens, SPAN_LOGITS).

    Returns:
        Beginnings and ends, shape (characters,) each, -inf where no token allows one; what is
        missing to 1 is the probability that no answer does.
    """
    length = pair.places[-1][1] if pair.places else 0
    out = np.full((2, length), -np.inf, np.float32)
    last = pair.first + len(pair.places)
    for (start, end), token in zip(pair.places, logits[pair.first : last], strict=True):
        if end <= start:
            continue
        # The mark of a space before the first character has that character's place, too.
        out[0, start] = max(out[0, start], token[0])
        out[1, end - 1] = max(out[1, end - 1], token[2])
        if end - start > 1:
            out[0, start + 1] = max(out[0, start + 1], token[1])
            out[1, end - 2] = max(out[1, end - 2], token[3])
    none = logits[0, [0, 2]]
    total = np.logaddexp.reduce(np.c_[none, out], axis=1)
    return out[0] - total[0], out[1] - total[1]


def answers(
    beginnings: NDArray[np.float32],
    ends: NDArray[np.float32],
    sentences: NDArray[np.int64],
    count: int,
    barred: Sequence[Span] = (),
) -> list[Found]:
    """The best span, and up to ``count`` - 1 others that are likely too, apart from each other.

    Args:
        beginnings: Log-probabilities, shape (characters,).
        ends: The same.
        sentences: Number of the sentence that each character is in, shape (characters,).
        count: How many answers there may be.
        barred: Stretches that no answer may touch.

    Returns:
        Best first; none where no span is allowed.
    """
    length = len(beginnings)
    # Two answers share the probability: a span from the first's beginning to the second's end
    # rates as high as each; the shorter goes first.
    places = np.arange(length)
    scores = beginnings[:, None] + ends - _LENGTH_COST * (places - places[:, None])
    scores -= _ACROSS_COST * (sentences != sentences[:, None])
    allowed = np.isfinite(scores) & (places >= places[:, None])
    allowed &= places - places[:, None] < _LONGEST
    for start, end in barred:
        allowed &= (places < start) | (places[:, None] >= end)
    found: list[Found] = []
    while len(found) < count and allowed.any():
        start, end = divmod(int(np.where(allowed, scores, -np.inf).argmax()), length)
        one = Found((start, end + 1), float(beginnings[start]), float(ends[end]))
        found.append(one)
        allowed &= (places < start) | (places[:, None] > end)
        allowed &= (beginnings > _LIKELY)[:, None] & (ends > _LIKELY)
    return found
