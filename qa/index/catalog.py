"""Files, documents and passages in SQLite: written once with a generation, read at random."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from qa.errors import IndexDamaged
from qa.index.rows import Rows
from qa.index.store import FileRecord
from qa.text import fold, spelled
from qa.types import Article, Document, Passage, Within

_SCHEMA = """
CREATE TABLE files (
    path TEXT PRIMARY KEY, absolute TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    encoding TEXT NOT NULL, problem TEXT NOT NULL, given TEXT NOT NULL, confidence REAL NOT NULL,
    alternatives TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT NOT NULL UNIQUE, path TEXT NOT NULL, title TEXT NOT NULL, encoding TEXT NOT NULL,
    metadata TEXT NOT NULL, record INTEGER NOT NULL, markup INTEGER NOT NULL, text TEXT NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL, kind TEXT NOT NULL,
    title TEXT NOT NULL, publisher TEXT NOT NULL, date TEXT NOT NULL, author TEXT NOT NULL,
    headings TEXT NOT NULL, text TEXT NOT NULL, spans TEXT NOT NULL,
    path TEXT NOT NULL, first_line INTEGER NOT NULL, last_line INTEGER NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE words (word TEXT PRIMARY KEY, frequency INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX documents_path ON documents (path);
CREATE INDEX passages_document ON passages (document);
CREATE INDEX passages_source ON passages (date, publisher, path);
CREATE INDEX passages_digest ON passages (digest);
"""
_DOCUMENT = "id, path, title, text, encoding, metadata, record, markup"
_PASSAGE = "id, document, title, publisher, date, author, headings, kind, text, spans"
_PLACE = "path, first_line, last_line, row, digest"


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it stands in a database: its file, its record there, and what it says."""

    path: str
    record: int
    digest: bytes


class CatalogWriter:
    """Fills a database, a new one or a copy of one; nothing stays of what is not committed.

    Attributes:
        next_row: Row of the next passage: above all that there were when it was opened.
    """

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        if is_new:
            self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")
        self.next_row = self._count("SELECT max(row) + 1 FROM passages")

    def _count(self, sql: str) -> int:
        ((number,),) = self._connection.execute(sql).fetchall()
        return number or 0

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return self._count("SELECT count(*) FROM documents")

    @property
    def passages(self) -> int:
        """How many passages there are."""
        return self._count("SELECT count(*) FROM passages")

    def entries(self) -> dict[str, Entry]:
        """What there is of each document, by its id."""
        found = self._connection.execute("SELECT id, path, record, digest FROM documents")
        return {document_id: Entry(*values) for document_id, *values in found}

    def move(self, document_id: str, record: int) -> None:
        """Note that a record of a JSON-lines file stands in another line now."""
        sql = "UPDATE passages SET first_line = ?1, last_line = ?1 WHERE document = ?2"
        self._connection.execute(sql, (record, document_id))
        sql = "UPDATE documents SET record = ?1 WHERE id = ?2"
        self._connection.execute(sql, (record, document_id))

    def set_files(self, files: Iterable[FileRecord]) -> None:
        """Put files, read or not, in the place of those that there were."""
        self._connection.execute("DELETE FROM files")
        self._connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((*values, " ".join(close)) for *values, close in map(astuple, files)),
        )

    def remove_document(self, document_id: str) -> list[int]:
        """Remove a document with its passages; their rows."""
        sql = "DELETE FROM passages WHERE document = ? RETURNING row"
        rows = self._connection.execute(sql, (document_id,)).fetchall()
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return [row for (row,) in rows]

    def add_document(
        self, document: Document, passages: Sequence[Passage], digests: Sequence[bytes]
    ) -> None:
        """Add a document with its passages, in rows that follow on.

        Args:
            document: What the passages are of.
            passages: In order.
            digests: For each passage, the digest of what is embedded of it.
        """
        self._connection.execute(
            f"INSERT INTO documents ({_DOCUMENT}, digest) VALUES ({', '.join('?' * 9)})",  # noqa: S608
            (
                document.id,
                document.path,
                document.title,
                document.text,
                document.encoding,
                json.dumps(dict(document.metadata), ensure_ascii=False),
                document.record,
                document.markup,
                digest_of(document),
            ),
        )
        lines = _Lines(document)
        for passage, digest in zip(passages, digests, strict=True):
            article = passage.article
            self._connection.execute(
                f"INSERT INTO passages ({_PASSAGE}, {_PLACE}) VALUES ({', '.join('?' * 15)})",  # noqa: S608
                (
                    passage.id,
                    passage.document_id,
                    article.title,
                    article.publisher,
                    article.date,
                    article.author,
                    json.dumps(passage.headings, ensure_ascii=False),
                    passage.kind,
                    passage.text,
                    json.dumps(passage.spans),
                    document.path,
                    lines.number(min(start for start, _ in passage.spans)),
                    lines.number(max(end for _, end in passage.spans) - 1),
                    self.next_row,
                    digest,
                ),
            )
            self.next_row += 1

    def add_words(self, frequencies: Mapping[str, int]) -> None:
        """Add words of jieba's dictionary that stand in passages."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO words VALUES (?, ?)", sorted(frequencies.items())
        )

    def commit(self) -> None:
        """Make what was done last."""
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def digest_of(document: Document) -> bytes:
    """Of all that a document says, wherever it stands: where it is equal, so are its passages."""
    said = json.dumps(astuple(replace(document, record=bool(document.record))), sort_keys=True)
    return hashlib.sha256(said.encode()).digest()[:16]


class _Lines:
    """Line numbers of places in a document, found without counting from the start each time."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._place = 0
        self._line = 1

    def number(self, place: int) -> int:
        if self._document.record:
            return self._document.record
        if place >= self._place:
            self._line += self._document.text.count("\n", self._place, place)
        else:
            self._line -= self._document.text.count("\n", place, self._place)
        self._place = place
        return self._line


def line_range(document: Document, start: int, end: int) -> tuple[int, int]:
    """First and last line, from 1, of the characters ``start`` to ``end`` of a document."""
    lines = _Lines(document)
    return lines.number(start), lines.number(max(start, end - 1))


@dataclass(frozen=True, slots=True)
class Located:
    """A passage with its file, as the user gave it, and its lines, from 1."""

    passage: Passage
    path: str
    lines: tuple[int, int]


class Catalog:
    """Reads a database that ``CatalogWriter`` filled; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            self._connection.create_function("folded", 1, lru_cache(fold), deterministic=True)
            self._connection.execute("SELECT 1 FROM files, documents, passages LIMIT 1")
        except sqlite3.Error as error:
            raise IndexDamaged(
                f"文章库打不开:{path}({error})", "请用 qa index 文件夹 重建。"
            ) from error
        self._lock = threading.Lock()

    def _query(self, sql: str, *values: object) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.ProgrammingError:
            raise  # Used after close().
        except sqlite3.DatabaseError as error:
            raise IndexDamaged(f"文章库读不了({error})", "请用 qa index 文件夹 重建。") from error

    def passages(self, rows: Sequence[int]) -> dict[int, Located]:
        """The passages in ``rows``, by row."""
        columns = f"row, path, first_line, last_line, {_PASSAGE}"
        found = self._query(
            f"SELECT {columns} FROM passages WHERE row IN (SELECT value FROM json_each(?))",  # noqa: S608
            json.dumps(list(rows)),
        )
        return {
            row: Located(_passage(values), path, (first, last))
            for row, path, first, last, *values in found
        }

    def passages_of(self, document_id: str) -> list[Passage]:
        """The passages of a document, in order."""
        found = self._query(
            f"SELECT {_PASSAGE} FROM passages WHERE document = ? ORDER BY row",  # noqa: S608
            document_id,
        )
        return [_passage(values) for values in found]

    def rows_of(self, document_id: str) -> set[int]:
        """The rows of a document's passages."""
        found = self._query("SELECT row FROM passages WHERE document = ?", document_id)
        return {row for (row,) in found}

    def rows_within(self, within: Within) -> Rows:
        """The rows of passages that a search is narrowed to."""
        found = self._query(
            # A date as the page has it ("1天前") is none that can be compared.
            "SELECT row FROM passages WHERE (? = '' OR (date != '' AND date NOT GLOB '*[^0-9-]*'"
            " AND date >= ? AND date < ?))"
            " AND (? = '' OR instr(folded(publisher), ?) OR instr(folded(path), ?))",
            within.since + within.until,
            within.since,
            f"{within.until}~",  # After all days of a year or month; without it, after all.
            *[fold(within.source)] * 3,
        )
        return Rows(row for (row,) in found)

    def document(self, document_id: str) -> Document:
        """The document with an id.

        Raises:
            IndexDamaged: There is none, though a passage says that it is from it.
        """
        found = self.documents_with(document_id)
        if not found:
            raise IndexDamaged(f"文章库里缺少文章:{document_id}", "请用 qa index 文件夹 重建。")
        return found[0]

    def documents_with(self, document_id: str) -> list[Document]:
        """The document with an id, if there is one."""
        found = self._query(f"SELECT {_DOCUMENT} FROM documents WHERE id = ?", document_id)  # noqa: S608
        return [_document(values) for values in found]

    def documents_at(self, path: str) -> list[Document]:
        """The documents of a file, by its path as the user gave it, in order."""
        found = self._query(
            f"SELECT {_DOCUMENT} FROM documents WHERE path = ? ORDER BY record, rowid",  # noqa: S608
            path,
        )
        return [_document(values) for values in found]

    def frequencies(self, candidates: Iterable[str]) -> dict[str, int]:
        """The frequencies of those candidates that are words of the passages."""
        return dict(
            self._query(
                "SELECT word, frequency FROM words JOIN json_each(?) ON word = value",
                json.dumps(list(candidates)),
            )
        )

    def ids_at(self, path: str) -> list[str]:
        """The ids of the documents of a file, by its path as the user gave it."""
        found = self._query("SELECT id FROM documents WHERE path = ?", path)
        return [document_id for (document_id,) in found]

    def titles(self) -> list[str]:
        """The titles of all articles, in order, each once."""
        found = self._query("SELECT DISTINCT title FROM passages WHERE title != '' ORDER BY title")
        return [title for (title,) in found]

    def files(self) -> list[FileRecord]:
        """All files met when indexing, by path."""
        return [_file(values) for values in self._query("SELECT * FROM files ORDER BY path")]

    def file(self, path: str) -> FileRecord | None:
        """The file with a path as the user gave it."""
        found = self._query("SELECT * FROM files WHERE path = ?", path)
        return _file(found[0]) if found else None

    def file_at(self, absolute: Path) -> FileRecord | None:
        """The file at a place."""
        found = self._query("SELECT * FROM files WHERE absolute = ?", spelled(str(absolute)))
        return _file(found[0]) if found else None

    def digests(self) -> Iterator[tuple[int, bytes]]:
        """The rows in order, each with the digest of what is embedded of its passage."""
        with self._lock:
            yield from self._connection.execute("SELECT row, digest FROM passages ORDER BY row")

    def last_row(self) -> int:
        """The highest row; -1 where there is no passage."""
        ((row,),) = self._query("SELECT max(row) FROM passages")
        return -1 if row is None else int(row)

    def row_with(self, digest: bytes) -> int | None:
        """A row that has a digest of what is embedded, if there is one."""
        found = self._query("SELECT row FROM passages WHERE digest = ? LIMIT 1", digest)
        return found[0][0] if found else None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _file(values: Sequence[Any]) -> FileRecord:
    return replace(FileRecord(*values), alternatives=tuple(values[-1].split()))


def _document(values: Sequence[Any]) -> Document:
    document_id, path, title, text, encoding, metadata, record, markup = values
    return Document(
        document_id, path, title, text, encoding, json.loads(metadata), record, bool(markup)
    )


def _passage(values: Sequence[Any]) -> Passage:
    passage_id, document_id, *article, headings, kind, text, spans = values
    return Passage(
        id=passage_id,
        document_id=document_id,
        article=Article(*article),
        headings=tuple(json.loads(headings)),
        kind=kind,
        text=text,
        spans=tuple((start, end) for start, end in json.loads(spans)),
    )
