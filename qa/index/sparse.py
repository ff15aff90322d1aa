"""BM25 over words and over bigrams: one Tantivy index with two fields."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from qa.errors import IndexDamaged
from qa.index.rows import Rows

if TYPE_CHECKING:
    import tantivy
    from numpy.typing import NDArray

Leg = Literal["words", "bigrams"]
_NAMED = 2000
"""Allowed rows up to which they are named in the query; of more, what is found is sifted."""
_HEAP = 128_000_000
"""Bytes that Tantivy gathers before it writes a segment."""


def _schema() -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("row", stored=False, indexed=True, fast=True)
    for leg in ("words", "bigrams"):
        builder.add_text_field(leg, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


@contextmanager
def _writing() -> Iterator[None]:
    """Tantivy tells of a disk that fails, or is full, with a ValueError, wherever it meets it."""
    try:
        yield
    except ValueError as error:
        raise OSError(str(error)) from error


class SparseWriter:
    """Writes into a folder: a new index, or one that is there already.

    Each of its methods raises OSError where that cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        import tantivy

        folder.mkdir(parents=True, exist_ok=True)
        with _writing():
            self._index = tantivy.Index(_schema(), str(folder), reuse=True)
            self._writer = self._index.writer(_HEAP, num_threads=1)

    def add(self, row: int, words: str, bigrams: str) -> None:
        """Add the terms of the passage in ``row``, with spaces between."""
        import tantivy

        document = tantivy.Document()
        document.add_unsigned("row", row)
        document.add_text("words", words)
        document.add_text("bigrams", bigrams)
        with _writing():
            self._writer.add_document(document)

    def remove(self, rows: Iterable[int]) -> None:
        """Remove the passages in ``rows``."""
        import tantivy

        for row in rows:
            query = tantivy.Query.term_query(self._index.schema, "row", row)
            with _writing():
                self._writer.delete_documents_by_query(query)

    def commit(self) -> None:
        """Make what was done last."""
        with _writing():
            self._writer.commit()

    def close(self) -> None:
        """Drop what was not committed, and wait until nothing writes to the folder."""
        with _writing():
            try:
                self._writer.rollback()
            finally:
                self._writer.wait_merging_threads()


def _open(folder: Path) -> tuple[tantivy.Schema, tantivy.Searcher]:
    """Open an index, also where it cannot be written.

    Tantivy makes a lock file to open an index; in a read-only folder it is opened through links
    in a temporary one, which can go as soon as its files are mapped. Tantivy may look at that
    folder once more, with a lock file, just while it goes: then it is removed again, at most
    ten times.
    """
    import tantivy

    try:
        index = tantivy.Index.open(str(folder))
    except ValueError as error:
        if "Lockfile" not in str(error):
            raise
        writable = Path(mkdtemp())
        try:
            for file in folder.resolve().iterdir():
                if file.suffix != ".lock":
                    (writable / file.name).symlink_to(file)
            index = tantivy.Index.open(str(writable))
            return index.schema, index.searcher()
        finally:
            for _ in range(10):
                shutil.rmtree(writable, ignore_errors=True)
                if not writable.exists():
                    break
    return index.schema, index.searcher()


class Sparse:
    """Searches an index that ``SparseWriter`` wrote."""

    def __init__(self, folder: Path) -> None:
        try:
            self._schema, self._searcher = _open(folder)
        except ValueError as error:
            raise IndexDamaged(
                f"词项索引打不开:{folder}({error})", "请用 qa index 文件夹 重建。"
            ) from error

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def rows(self) -> NDArray[np.int64]:
        """The rows of all passages, in order."""
        import tantivy

        return np.sort(list(self._found(tantivy.Query.all_query(), max(1, len(self)))))

    def holds(self, row: int, leg: Leg, terms: Iterable[str]) -> bool:
        """Whether the passage in ``row`` has all of the terms."""
        import tantivy

        queries = [tantivy.Query.term_query(self._schema, "row", row)]
        queries += [tantivy.Query.term_query(self._schema, leg, term) for term in set(terms)]
        must = [(tantivy.Occur.Must, query) for query in queries]
        return row in self._found(tantivy.Query.boolean_query(must), 1)

    def search(
        self, leg: Leg, terms: Iterable[str], k: int, allowed: Rows | None = None
    ) -> dict[int, float]:
        """BM25 of the best ``k`` passages, by row, best first; none without a known term.

        Tantivy's constants: k1 = 1.2, b = 0.75 (Robertson and Zaragoza, FnTIR 2009).

        Args:
            leg: Which terms they are.
            terms: Of the question.
            k: At least 1.
            allowed: The only rows that may be found; all if None.
        """
        import tantivy

        clauses = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, leg, term))
            for term in dict.fromkeys(terms)
        ]
        if not clauses or (allowed is not None and not len(allowed)):
            return {}
        query = tantivy.Query.boolean_query(clauses)
        if allowed is None:
            return self._found(query, k)
        if len(allowed) <= _NAMED:
            numbers = allowed.numbers.tolist()
            named = tantivy.Query.term_set_query(self._schema, "row", numbers)
            filtered = tantivy.Query.const_score_query(named, 0.0)
            must = [(tantivy.Occur.Must, query), (tantivy.Occur.Must, filtered)]
            return self._found(tantivy.Query.boolean_query(must), k)
        reach = 2 * k * len(self) // len(allowed)
        while True:
            found = self._found(query, reach)
            inside = {row: score for row, score in found.items() if row in allowed}
            if len(inside) >= k or len(found) < reach:
                return dict(islice(inside.items(), k))
            reach *= 4

    def _found(self, query: tantivy.Query, k: int) -> dict[int, float]:
        found: list[tuple[Any, Any]] = self._searcher.search(query, k, count=False).hits
        rows: list[Any] = self._searcher.fast_field_values("row", [address for _, address in found])
        return {int(row): float(score) for row, (score, _) in zip(rows, found, strict=True)}

    def idf(self, leg: Leg, terms: Iterable[str]) -> dict[str, float]:
        """How much each term tells: ln(1 + (N - n + 0.5) / (n + 0.5)), as in BM25."""
        total = len(self)
        counts = {term: self._searcher.doc_freq(leg, term) for term in terms}
        # Removed passages are counted in n until Tantivy merges segments, but not in N.
        return {t: math.log(1 + (max(0, total - n) + 0.5) / (n + 0.5)) for t, n in counts.items()}
