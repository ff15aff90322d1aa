"""Vectors made so far: an append-only file, so that a long run can go on where it was stopped."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa.types import Vectors

_DIGEST = 16
_CHECK = 4
"""Bytes of a record's CRC-32."""


class VectorLog:
    """Vectors by the digest of their text. A record that was cut off or damaged does not count.

    Attributes:
        path: Of the file; it is there once something was added.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._record = np.dtype(
            [("digest", f"V{_DIGEST}"), ("vector", "<f2", dimension), ("check", "<u4")]
        )
        self._rows: dict[bytes, int] = {}
        size = path.stat().st_size if path.is_file() else 0
        whole = size - size % self._record.itemsize
        if whole != size:
            os.truncate(path, whole)
        self._records = whole // self._record.itemsize
        if whole:
            written = np.memmap(path, np.uint8, "r").data
            for row in range(self._records):
                record = written[row * self._record.itemsize :][: self._record.itemsize]
                if zlib.crc32(record[:-_CHECK]) == int.from_bytes(record[-_CHECK:], "little"):
                    self._rows[bytes(record[:_DIGEST])] = row

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def add(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Add vectors, shape (len(digests), dimension), and have them written to the disk."""
        records = np.empty(len(digests), self._record)
        records["digest"] = [np.void(digest) for digest in digests]
        records["vector"] = vectors
        records["check"] = [zlib.crc32(record.tobytes()[:-_CHECK]) for record in records]
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
