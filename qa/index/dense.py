"""Vectors in, nearest passages out: a FAISS index of inner products."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qa.errors import IndexDamaged
from qa.types import Vectors


def write(vectors: Vectors, path: Path) -> None:
    """Write an exact index of ``vectors``, shape (n, dimension), rows of length 1.

    Raises:
        OSError: It cannot be written.
    """
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path.name}: {error}") from error


class Dense:
    """Searches an index that ``write`` wrote."""

    def __init__(self, path: Path) -> None:
        import faiss

        try:
            self._index: Any = faiss.read_index(str(path))
        except (RuntimeError, MemoryError) as error:
            raise IndexDamaged(f"向量索引打不开:{path}", "请用 qa index 文件夹 重建。") from error

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, vector: Vectors, k: int) -> dict[int, float]:
        """Cosine of the best ``k`` passages to ``vector``, shape (dimension,), by row."""
        scores, rows = self._index.search(vector[np.newaxis], min(k, len(self)))
        return {int(r): float(s) for r, s in zip(rows[0], scores[0], strict=True) if r >= 0}

    def vectors(self) -> Vectors:
        """All vectors, shape (n, dimension), in the order of rows."""
        found: Vectors = self._index.reconstruct_n(0, len(self))
        return found

    def scores(self, vector: Vectors, rows: list[int]) -> dict[int, float]:
        """Cosine of the passages in ``rows`` to ``vector``, shape (dimension,)."""
        return {row: float(self._index.reconstruct(row) @ vector) for row in rows}
