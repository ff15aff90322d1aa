"""Vectors in, nearest passages out: a FAISS index of inner products."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from qa.errors import IndexDamaged
from qa.types import Vectors

_HEADER = struct.Struct("<4sIq16x5xQ")
"""FAISS's IndexFlatIP: kind, dimension, rows, (two fields unused, trained, metric), numbers."""


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
    """Searches an index that ``write`` wrote.

    It is read without FAISS, whose import takes longer than a search: after a header the file is
    the vectors, row by row.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                kind, dimension, rows, *_, size = _HEADER.unpack(file.read(_HEADER.size))
                self._vectors = np.fromfile(file, np.float32)
        except (OSError, struct.error, MemoryError) as error:
            raise _damaged(path) from error
        if kind != b"IxFI" or not size == rows * dimension == self._vectors.size:
            raise _damaged(path)
        self._vectors.shape = rows, dimension

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, vector: Vectors, k: int) -> dict[int, float]:
        """Cosine of the best ``k`` passages to ``vector``, shape (dimension,), by row."""
        # To six digits: the order of adding, and so the last digits, hangs on a row's place.
        scores = np.round(self._vectors @ vector, 6)
        rows = np.argpartition(-scores, k - 1)[:k] if k < len(self) else np.arange(len(self))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        return dict(zip(rows.tolist(), scores[rows].tolist(), strict=True))

    def vectors(self) -> Vectors:
        """All vectors, shape (n, dimension), in the order of rows."""
        return self._vectors

    def scores(self, vector: Vectors, rows: list[int]) -> dict[int, float]:
        """Cosine of the passages in ``rows`` to ``vector``, shape (dimension,)."""
        return dict(zip(rows, (self._vectors[rows] @ vector).tolist(), strict=True))


def _damaged(path: Path) -> IndexDamaged:
    return IndexDamaged(f"向量索引打不开:{path}", "请用 qa index 文件夹 重建。")
