"""Vectors made so far: an append-only file, so that a long run can go on where it was stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa.types import Vectors

_DIGEST = 16


class VectorLog:
    """Vectors by the digest of their text. A record that was cut off at the end does not count.

    Attributes:
        path: Of the file; it is there once something was added.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._record = np.dtype([("digest", f"V{_DIGEST}"), ("vector", "<f2", dimension)])
        self._rows: dict[bytes, int] = {}
        size = path.stat().st_size if path.is_file() else 0
        whole = size - size % self._record.itemsize
        if whole != size:
            os.truncate(path, whole)
        self._records = whole // self._record.itemsize
        if whole:
            digests = np.memmap(path, self._record, "r")["digest"]
            self._rows = {digest.tobytes(): row for row, digest in enumerate(digests)}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def add(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Add vectors, shape (len(digests), dimension), and have them written to the disk."""
        records = np.empty(len(digests), self._record)
        records["digest"] = [np.void(digest) for digest in digests]
        records["vector"] = vectors
        with self.path.open("ab") as file:
            file.write(records.tobytes())
            file.flush()
            os.fsync(file.fileno())
        for digest in digests:
            self._rows[digest] = self._records
            self._records += 1

    def vectors(self, digests: Sequence[bytes]) -> Vectors:
        """The vectors of texts that are all there, shape (len(digests), dimension)."""
        rows = [self._rows[digest] for digest in digests]
        stored = np.memmap(self.path, self._record, "r")["vector"]
        return stored[rows].astype(np.float32)

    def remove(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
