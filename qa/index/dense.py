"""Vectors in, nearest passages out: FAISS indexes of inner products.

Every generation has an exact index of 16-bit numbers, ``dense.faiss``. A large one has a second,
``clusters.faiss``: an inverted file of 8-bit numbers, of which a search reads a small part; what
it finds is scored again with the exact one. Both are memory-mapped.
"""

from __future__ import annotations

import math
import os
import struct
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.errors import IndexDamaged, InputError
from qa.index.rows import Rows
from qa.types import Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = "dense.faiss"
CLUSTERS = "clusters.faiss"
MEMORY = 32
"""Megabytes that the vectors of an index may take in memory, unless told otherwise: to compare a
question with so many takes some 3 ms."""
_FEW = 20_000
"""Rows up to which a narrowed search compares with all that it may find."""
_HEADER = struct.Struct("<4sIq21xi8x8xQQQ")
"""FAISS's IndexScalarQuantizer: kind, dimension, rows, sort of numbers, bytes a row, numbers it was
trained to, bytes in all; the other fields say nothing here."""
_SIXTEEN_BITS = 4
_BLOCK = 16_384
"""Rows that are worked on at once."""
_WANTED = 0.99
"""Share of the nearest ten that looking into clusters should find; see Chosen."""
_TRAINED_ON = 40
"""Vectors that a cluster's centre is made from."""
_AGAIN = 2
"""How many times as many are scored again as are wanted."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How vectors are searched.

    Attributes:
        kind: In FAISS's terms, "Flat" or such as "IVF1024,SQ8".
        probes: Clusters that a search looks into; 0 where it compares with all vectors.
        recall: Share of the ten nearest to questions made of passages that were found.
    """

    kind: str
    probes: int
    recall: float


def write(
    blocks: Iterator[Vectors],
    dimension: int,
    folder: Path,
    before: Path | None = None,
    memory: int = MEMORY,
    questions: Callable[[NDArray[np.int64]], Vectors] | None = None,
    same: NDArray[np.int64] | None = None,
) -> Chosen:
    """Write the indexes of vectors into a folder.

    Args:
        blocks: Vectors in the order of rows, shape (n, dimension) each, of length 1; zeros where
            a row has no vector.
        dimension: Of the vectors.
        folder: A new generation.
        before: The generation before, whose clusters may be taken over.
        memory: Megabytes for vectors when it is searched: what fits is compared with whole, of
            more only the centres of clusters are held.
        questions: Gives vectors of questions that passages in some rows may be found by; without
            it the vectors of the passages themselves are sought.
        same: Rows whose vectors stand in the same rows in ``before``.

    Raises:
        OSError: They cannot be written.
    """
    import faiss

    index = faiss.IndexScalarQuantizer(
        dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    for block in blocks:
        index.add(block)
    _save(index, folder / EXACT)
    del index
    exact = Dense(folder)
    rows = exact.rows()
    if _megabytes(len(exact), dimension) <= memory:
        return Chosen("Flat", 0, 1.0)
    clusters = _clusters(exact, rows, before, same)
    _save(clusters, folder / CLUSTERS)
    sample = np.sort(np.random.default_rng(2).permutation(rows)[:_QUESTIONS])
    probes, recall = _probes(exact, clusters, (questions or exact.vectors)(sample))
    return Chosen(f"IVF{clusters.nlist},SQ8", probes, recall)


def check(rows: int, dimension: int, memory: int) -> None:
    """Refuse a memory, in megabytes, that not even the centres of clusters would fit into.

    Raises:
        InputError: With what it takes.
    """
    needed = math.ceil(min(_megabytes(rows, dimension), _megabytes(_lists(rows), dimension)))
    if needed > memory:
        raise InputError(
            f"{rows} 段的向量至少要 {needed} MB 内存,--memory 只给了 {memory}",
            f"请写 --memory {needed} 或更大。",
        )


def _megabytes(rows: int, dimension: int) -> float:
    """What so many vectors take in memory."""
    return 4 * rows * dimension / 1e6


def _lists(rows: int) -> int:
    """Clusters for so many rows; at least one, with what it is trained on."""
    return max(1, min(round(4 * math.sqrt(rows)), rows // _TRAINED_ON))


def _save(index: Any, path: Path) -> None:  # noqa: ANN401 - FAISS has no types
    import faiss

    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(f"{path.name}: {error}") from error


def _clusters(
    exact: Dense, rows: NDArray[np.int64], before: Path | None, same: NDArray[np.int64] | None
) -> Any:  # noqa: ANN401
    """An inverted file of the vectors in ``rows``; trained anew where there are many more."""
    import faiss

    lists = _lists(len(rows))
    index: Any = None
    if before and (before / CLUSTERS).is_file():
        index = faiss.read_index(str(before / CLUSTERS))
        if not lists / 1.5 <= index.nlist <= lists * 1.5:
            index = None
    if index is None:
        # Of vectors of length 1 the nearest by Euclid's distance are those by the cosine.
        index = faiss.index_factory(exact.dimension, f"IVF{lists},SQ8", faiss.METRIC_L2)
        index.cp.seed = 1
        sample = np.random.default_rng(1).permutation(rows)[: _TRAINED_ON * lists]
        index.train(exact.vectors(np.sort(sample)))
    elif same is None:
        index.reset()
    else:
        library: Any = faiss  # Its types know only the constructors of C++.
        stays = library.IDSelectorBatch(same)
        index.remove_ids(library.IDSelectorNot(stays))
        rows = np.setdiff1d(rows, same)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        index.add_with_ids(exact.vectors(block), block)
    return index


_QUESTIONS = 400
_NEAREST = 10
_TIE = 1e-4
"""Difference of two cosines that are as good as equal."""


def _probes(exact: Dense, clusters: Any, questions: Vectors) -> tuple[int, float]:  # noqa: ANN401
    """The fewest clusters to look into that find what is wanted, and what they find."""
    least = exact.nearest(questions, _NEAREST)
    probes = 4
    while True:
        probes = min(2 * probes, clusters.nlist)
        clusters.nprobe = probes
        _, found = clusters.search(questions, _AGAIN * _NEAREST)
        near = [
            np.sum(_cosines(exact.vectors(some[some >= 0]), question) >= worst - _TIE)
            for question, some, worst in zip(questions, found, least, strict=True)
        ]
        recall = float(np.mean(np.minimum(near, _NEAREST))) / _NEAREST
        if recall >= _WANTED or probes == clusters.nlist:
            return probes, round(recall, 4)


class Dense:
    """Searches what ``write`` wrote; safe to use from several threads.

    A small index is read without FAISS, whose import takes longer than a search: after a header
    the file is the vectors, row by row.

    Attributes:
        dimension: Of the vectors.
    """

    def __init__(self, folder: Path, probes: int = 0) -> None:
        path = folder / EXACT
        try:
            with path.open("rb") as file:
                header = _HEADER.unpack(file.read(_HEADER.size))
                size = file.seek(0, os.SEEK_END) - _HEADER.size
            _, self.dimension, rows, *_ = header
            shape = rows, self.dimension
            if header != _header(*shape) or size != header[-1]:
                raise _damaged(path)
            self._stored: NDArray[np.float16] = np.memmap(
                path, np.float16, "r", offset=_HEADER.size, shape=shape
            )
            self._file = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
            self._probes = probes
            self._clusters: Any = None
            if probes:
                import faiss

                self._clusters = faiss.read_index(str(folder / CLUSTERS), faiss.IO_FLAG_MMAP)
        except (OSError, ValueError, struct.error, MemoryError, RuntimeError) as error:
            raise _damaged(path) from error

    def __len__(self) -> int:
        return len(self._stored)

    @cached_property
    def _all(self) -> Vectors:
        return self._stored.astype(np.float32)

    def rows(self) -> NDArray[np.int64]:
        """The rows that have a vector."""
        blocks = range(0, len(self), _BLOCK)
        found = [np.flatnonzero(self._stored[b : b + _BLOCK].any(axis=1)) + b for b in blocks]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def vectors(self, rows: Sequence[int] | NDArray[np.int64]) -> Vectors:
        """The vectors in ``rows``, shape (len(rows), dimension); zeros where there is none.

        A few rows are read, not mapped: the system maps 64 KB for each, and in time the whole file
        would count as this process's memory.
        """
        if len(rows) > _BLOCK or not hasattr(os, "pread"):
            return self._stored[np.asarray(rows, np.int64)].astype(np.float32)
        width = 2 * self.dimension
        content = b"".join(
            os.pread(self._file, width, _HEADER.size + int(row) * width) for row in rows
        )
        found = np.frombuffer(content, np.float16).reshape(len(rows), self.dimension)
        return found.astype(np.float32)

    def search(
        self,
        vector: Vectors,
        k: int,
        allowed: Rows | None = None,
        *,
        exact: bool = False,
    ) -> dict[int, float]:
        """Cosine of the best ``k`` passages to ``vector``, shape (dimension,), by row, best first.

        Args:
            vector: Of length 1.
            k: At least 1.
            allowed: The only rows that may be found; all if None.
            exact: Compare with all of them, however many there are.
        """
        if allowed is not None and len(allowed) <= _FEW:
            rows = allowed.numbers
        elif self._clusters is None or exact:
            return self._compared(vector, k, allowed)
        else:
            rows = self._near(vector, _AGAIN * k, allowed)
        return _best(rows, _cosines(self.vectors(rows), vector), k)

    def _near(self, vector: Vectors, k: int, allowed: Rows | None) -> NDArray[np.int64]:
        """Rows that are likely the nearest, in order; fewer allowed ones lie further apart."""
        import faiss

        library: Any = faiss  # Its types know only the constructors of C++.
        probes, selector = self._probes, None
        if allowed is not None:
            probes = 2 * probes * self._clusters.ntotal // len(allowed)
            probes = min(self._clusters.nlist, probes)
            selector = library.IDSelectorBitmap(allowed.bits)
        settings = library.SearchParametersIVF(nprobe=probes, sel=selector)
        _, found = self._clusters.search(vector[np.newaxis], k, params=settings)
        rows: NDArray[np.int64] = np.sort(found[0][found[0] >= 0])
        return rows

    def _compared(self, vector: Vectors, k: int, allowed: Rows | None) -> dict[int, float]:
        if self._clusters is None:
            scores = _cosines(self._all, vector)
        else:
            scores = np.empty(len(self), np.float32)
            for start in range(0, len(self), _BLOCK):
                block = slice(start, start + _BLOCK)
                scores[block] = _cosines(self._stored[block].astype(np.float32), vector)
        rows = np.arange(len(self)) if allowed is None else allowed.numbers
        return _best(rows, scores[rows], k)

    def nearest(self, vectors: Vectors, k: int) -> Vectors:
        """The cosine of the ``k``-th nearest to each of many vectors, shape (len(vectors),)."""
        best: Vectors = np.full((len(vectors), k), -1, np.float32)
        for start in range(0, len(self), _BLOCK):
            block = self._stored[start : start + _BLOCK].astype(np.float32)
            scores = np.concatenate([best, vectors @ block.T], axis=1)
            best = -np.partition(-scores, k - 1, axis=1)[:, :k]
        least: Vectors = best.min(axis=1)
        return least

    def scores(self, vector: Vectors, rows: Sequence[int]) -> dict[int, float]:
        """Cosine of those passages in ``rows`` that have a vector to ``vector``."""
        return _best(np.asarray(rows, np.int64), _cosines(self.vectors(rows), vector), len(rows))


def _damaged(path: Path) -> IndexDamaged:
    return IndexDamaged(f"向量索引打不开:{path}", "请用 qa index 文件夹 重建。")


def _header(rows: int, dimension: int) -> tuple[bytes, int, int, int, int, int, int]:
    """What stands in the header of an index of that shape."""
    return b"IxSQ", dimension, rows, _SIXTEEN_BITS, 2 * dimension, 0, 2 * rows * dimension


def _cosines(vectors: Vectors, vector: Vectors) -> Vectors:
    """Inner products, on one core: where others work too, BLAS waits for its threads."""
    found: Vectors = np.einsum("ij,j->i", vectors, vector)
    return found


def _best(rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> dict[int, float]:
    """The ``k`` highest scores by row; those of rows without a vector, which are 0, left out."""
    # To six digits: the order of adding, and so the last digits, hangs on a row's place.
    scores = np.round(scores, 6)
    there = np.flatnonzero(scores)
    if k < len(there):
        there = there[np.argpartition(-scores[there], k - 1)[:k]]
        there.sort()
    there = there[np.argsort(-scores[there], kind="stable")]
    return dict(zip(rows[there].tolist(), scores[there].tolist(), strict=True))
