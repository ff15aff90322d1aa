"""Some rows of a generation: what a search may find."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rows:
    """A set of rows in the forms that the legs take.

    Attributes:
        numbers: The rows in order, int64.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers: NDArray[np.int64] = np.unique(np.fromiter(numbers, np.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, row: int) -> bool:
        return row < len(self._mask) and bool(self._mask[row])

    @cached_property
    def _mask(self) -> NDArray[np.bool_]:
        mask = np.zeros(self.numbers[-1] + 1 if len(self) else 0, bool)
        mask[self.numbers] = True
        return mask

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """One bit for each row, the first one in the lowest bit of the first byte."""
        return np.packbits(self._mask, bitorder="little")
