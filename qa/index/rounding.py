"""A matrix → 8-bit integers with a scale a column, rounded so that its products change little.

Each row is rounded in turn, and what that did to the products is taken back, as far as the rows
that are still to be rounded can: GPTQ (Frantar et al. 2022, arXiv:2210.17323).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DAMPING = 0.2
"""Share of the mean square of all inputs added to each: few texts have been seen."""
_ROWS = 128
"""Rows whose errors are gathered before the rest of the matrix is changed: only speed."""


def plain(
    matrix: NDArray[np.float32], axis: int, limit: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Scale a matrix along an axis so that its largest values are ±limit, and round it."""
    largest = np.abs(matrix).max(axis=axis, keepdims=True)
    scales = (np.maximum(largest, 1e-12) / limit).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales


def compensated(
    matrix: NDArray[np.float32], seen: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix for the rows that it is multiplied with.

    Args:
        matrix: Shape (rows, columns).
        seen: Such rows, shape (many, rows of the matrix).
        limit: The largest integer.

    Returns:
        The integers, within ±limit, and the scale of each column, shape (1, columns).
    """
    _, scales = plain(matrix, 0, limit)
    products = (seen.T @ seen).astype(np.float64)
    squares = np.diag(products)
    # The largest first: the rows behind them can take their errors back.
    order = np.argsort(-squares, kind="stable")
    products += np.eye(len(squares)) * (_DAMPING * squares.mean() + 1e-12)
    back = np.linalg.cholesky(np.linalg.inv(products[np.ix_(order, order)])).T
    left = (matrix / scales).astype(np.float64)[order]
    integers = np.empty(left.shape, np.int8)
    for start in range(0, len(left), _ROWS):
        end = min(start + _ROWS, len(left))
        errors = np.empty((end - start, left.shape[1]))
        for row in range(start, end):
            whole = np.clip(np.rint(left[row]), -limit, limit)
            integers[order[row]] = whole
            errors[row - start] = (left[row] - whole) / back[row, row]
            left[row + 1 : end] -= np.outer(back[row, row + 1 : end], errors[row - start])
        left[end:] -= back[start:end, end:].T @ errors
    return integers, scales
