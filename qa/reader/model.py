"""A question and passages in, what the prepared reader makes of each out, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.index.encoder import open_session
from qa.index.pieces import Pieces
from qa.index.prepared import INPUT, MODEL_FILE, PIECES_FILE
from qa.index.tokens import content_bigrams
from qa.reader.pairs import Pair, head, pair
from qa.reader.prepared import OUTPUTS, Manifest
from qa.reader.spans import Found, answers, boundaries
from qa.text import fold, sentences
from qa.types import Passage, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

_WINDOW = 600
"""Characters of a passage that are tokenised at once, more than can be read at once."""
_OVERLAP = 120
"""Characters that two pieces of a long passage have in common, at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader makes of a passage.

    Attributes:
        answers: Log-odds that the passage answers.
        found: Answers, best first, as characters of the passage; several where several are
            likely, none where the passage has no place for one.
    """

    answers: float
    found: tuple[Found, ...]

    @property
    def span(self) -> float:
        """Logarithm of the probability that an answer begins and ends as one of ``found``."""
        sides = ([one.start for one in self.found], [one.end for one in self.found])
        return sum(math.log(min(1.0, sum(map(math.exp, side)))) for side in sides)


class ReaderModel:
    """A prepared reader; safe to use from several threads."""

    def __init__(self, pieces: Pieces, session: InferenceSession) -> None:
        self._tokenizer = pieces
        self._session = session

    @classmethod
    def open(cls, folder: Path, *, once: bool = False) -> ReaderModel:
        """Open a folder that qa.reader.prepare wrote.

        Args:
            folder: Of the prepared reader.
            once: See ``open_session``.

        Raises:
            ModelError: There is no prepared reader, or it is damaged or of another version.
        """
        Manifest.read(folder)
        with ThreadPoolExecutor(1) as background:
            session = background.submit(open_session, folder / MODEL_FILE, once=once)
            return cls(Pieces(folder / PIECES_FILE), session.result())

    def read(
        self, question: str, passage: Passage, count: int, barred: Sequence[Span] = ()
    ) -> Reading:
        """Read one passage; of a long one, the piece that answers best.

        Args:
            question: As asked.
            passage: What is read; with its title where that has words of the question that the
                text has not: whose figure it is. Elsewhere a title only makes answers fewer.
            count: How many answers there may be.
            barred: Characters of the passage that no answer may touch.
        """
        folded, title = fold(passage.text), fold(passage.article.title)
        names = [term for term in content_bigrams(fold(question)) if term not in folded]
        above = head(title) if any(term in title for term in names) else ""
        stops = [end for _, end in sentences(folded)]
        readings = []
        for offset, read in self._pieces(fold(question), above, folded):
            span, verdict = self.logits(read)
            beginnings, ends = boundaries(read, span)
            blank = [i for i in range(len(beginnings)) if folded[offset + i].isspace()]
            beginnings[blank], ends[blank] = -np.inf, -np.inf
            here = [(start - offset, end - offset) for start, end in barred]
            numbers = np.searchsorted(stops, offset + np.arange(len(beginnings)), side="right")
            found = tuple(
                Found((one.span[0] + offset, one.span[1] + offset), one.start, one.end)
                for one in answers(beginnings, ends, numbers, count, here)
            )
            readings.append(Reading(float(verdict[1]), found))
        return max(readings, key=lambda reading: (bool(reading.found), reading.answers))

    def _pieces(self, question: str, above: str, text: str) -> Iterator[tuple[int, Pair]]:
        """A passage as far as it can be read at once, and of a long one the rest, overlapping."""
        starts = [start for start, _ in sentences(text)]
        start = 0
        while True:
            read = pair(self._tokenizer, question, above, text[start : start + _WINDOW])
            yield start, read
            reached = start + (read.places[-1][1] if read.places else _WINDOW)
            if not text[reached:].strip():
                return
            overlap = max(start + 1, reached - _OVERLAP)
            start = next((place for place in starts if overlap <= place < reached), overlap)

    def logits(self, read: Pair) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The network's logits of one pair: (tokens, SPAN_LOGITS) and (VERDICT_LOGITS,)."""
        ids = np.array([read.ids], np.int64)
        outputs: list[Any] = self._session.run(list(OUTPUTS), {INPUT: ids})
        return outputs[0][0], outputs[1][0]
