"""Scores of several legs in, one ranking out, in which each leg's share can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Fused:
    """A row with its score, which is the sum of its shares."""

    row: int
    score: float
    shares: Mapping[str, float]


def fuse(legs: Mapping[str, Mapping[int, float]], weights: Mapping[str, float]) -> list[Fused]:
    """Rank rows by the weighted sum of each leg's standard scores, best first.

    A leg's scores are shifted by their mean and divided by their standard deviation, so that
    cosine and BM25 can be added. A row that a leg did not find gets that leg's lowest score:
    all that is known is that it is no better. A leg that found nothing says nothing.

    Args:
        legs: For each leg, its scores by row.
        weights: For each leg, how much it counts.

    Returns:
        All rows that any leg found; of rows with one score the lowest first.
    """
    shares: dict[int, dict[str, float]] = {row: {} for found in legs.values() for row in found}
    for leg, found in legs.items():
        if not found:
            continue
        scores = np.fromiter(found.values(), np.float64, len(found))
        spread = float(scores.std()) if scores.min() < scores.max() else 1.0
        mean = float(scores.mean()) if scores.min() < scores.max() else float(scores.min())
        floor = float(scores.min())
        for row, of_row in shares.items():
            of_row[leg] = weights[leg] * (found.get(row, floor) - mean) / spread
    fused = [Fused(row, sum(of_row.values()), of_row) for row, of_row in shares.items()]
    return sorted(fused, key=lambda item: (-item.score, item.row))
