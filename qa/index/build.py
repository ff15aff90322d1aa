"""Documents and passages in, a new generation out; what has not changed is taken over.

A run writes text and terms first, then vectors. Where there are many vectors to make, a generation
that is searched by its words is put in use before, and each vector made is kept in a log, so that
a run that is stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.errors import CorpusError, IndexBusy, IndexDamaged
from qa.index import dense
from qa.index.catalog import Catalog, CatalogWriter, Entry, digest_of
from qa.index.cutting import Cutting
from qa.index.dense import Chosen, Dense
from qa.index.gpu import card_encoder
from qa.index.log import VectorLog
from qa.index.sparse import SparseWriter
from qa.index.store import FileRecord, IndexFolder, Manifest, take_over
from qa.index.tokens import bigrams, frequencies
from qa.text import fold, sentences, spelled
from qa.types import Document, Passage, Progress, Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qa.index.encoder import Encoder

_log = logging.getLogger(__name__)
Source = tuple[FileRecord, Sequence[Document] | None]
"""A file, and what was read from it: nothing where it has a problem; None where it is as before."""
Cut = Callable[[Document], Sequence[Passage]]

SOON = 2000
"""Vectors to make, up to which a run makes them before it puts anything in use: half a minute."""
_BLOCK = 1024
"""Rows that are worked on at once."""
_PART = 200
"""Passages of a document whose words are cut at once."""
_QUESTION = 30
"""Characters of what is taken for a question."""
_HOLES = 0.2
"""Share of rows without a passage from which all is written anew."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a run of indexing did: counts of files, documents and passages.

    Attributes:
        manifest: Of the generation in use after the run.
        problems: Files that are not in the index, with the reason.
        doubtful: Files that are, but may have been read in a wrong encoding.
        embedded: Passages whose vectors were computed.
        kept: Passages whose vectors were taken over.
        changed: False where the index was up to date already.
        notice: What a person should know besides, in Chinese; "" if nothing.
    """

    manifest: Manifest
    problems: tuple[FileRecord, ...]
    embedded: int
    kept: int
    changed: bool
    notice: str = ""
    doubtful: tuple[FileRecord, ...] = ()


def context(passage: Passage) -> str:
    """Title and headings that a reader of the page sees above a passage, one a line."""
    lines = [passage.article.title, *passage.headings]
    return "\n".join(line for line in dict.fromkeys(lines) if line and line not in passage.text)


def searched_text(passage: Passage) -> str:
    """What both legs see of a passage: its context and its text, folded."""
    return fold(f"{context(passage)}\n{passage.text}".strip())


class Previous:
    """The last whole generation, as far as it can be used again; every byte of it is checked.

    Attributes:
        folder: Of the generation; None where there is none that can be used.
        manifest: Of that generation.
        in_use: Whether it is the one in use; it is not where that one is damaged.
        files: Its files, by path.
        is_full: Whether most of its rows still hold a passage, so that it can be gone on with.
    """

    def __init__(self, index: IndexFolder) -> None:
        self.folder: Path | None = None
        self.manifest: Manifest | None = None
        self.in_use = False
        self.files: dict[str, FileRecord] = {}
        self.is_full = False
        self._catalog: Catalog | None = None
        if usable := next(index.usable(whole=True), None):
            self.folder, self.manifest = folder, manifest = usable
            self.in_use = index.is_in_use(folder, manifest)
            self._catalog = catalog = Catalog(folder / "catalog.sqlite")
            self.files = {file.path: file for file in catalog.files()}
            self.is_full = manifest.passages >= (1 - _HOLES) * (catalog.last_row() + 1)

    def dense(self, model: str) -> Dense | None:
        """Its vectors; None where they are of another model, or there are none."""
        if self.folder and self.manifest and self.manifest.vectors and self.manifest.model == model:
            return Dense(self.folder)
        return None

    def ids(self, path: str) -> list[str]:
        """Ids of the documents of a file."""
        return self._catalog.ids_at(path) if self._catalog else []

    def row(self, digest: bytes) -> int | None:
        """A row with the text of a digest."""
        return self._catalog.row_with(digest) if self._catalog else None

    def close(self) -> None:
        """Let go of its files."""
        if self._catalog:
            self._catalog.close()


def up_to_date(builder: Builder, roots: Sequence[str], files: Sequence[FileRecord]) -> Built | None:
    """What to report where the generation in use is what would be built; else None."""
    manifest, before = builder.previous.manifest, builder.previous.files.values()
    if not builder.previous.in_use or manifest is None or list(manifest.roots) != list(roots):
        return None
    made = manifest.model, manifest.memory, manifest.follow_links
    if made != (builder.encoder.key, builder.memory, builder.follow_links):
        return None
    if {(f.path, f.absolute, f.sha256, f.given) for f in files} != {
        (f.path, f.absolute, f.sha256, f.given) for f in before
    }:
        return None
    built = Built(manifest, (), 0, manifest.passages, changed=False)
    return _with_files(built, before)


def _with_files(built: Built, files: Iterable[FileRecord]) -> Built:
    """What was done, with the files of which people should know."""
    problems, doubtful = [], []
    for file in files:
        problems += [file] if file.problem else []
        doubtful += [file] if file.is_doubtful else []
    return replace(built, problems=tuple(problems), doubtful=tuple(doubtful))


@dataclass(frozen=True, slots=True)
class Builder:
    """Writes generations into a folder that the caller holds for writing.

    Attributes:
        index: The folder.
        previous: Its generation in use.
        encoder: Embeds what that has no vector of.
        progress: Told of the embedding, and of long documents.
        memory: Megabytes that vectors may take when the index is searched.
        follow_links: Whether links that lead out of the paths are followed.
    """

    index: IndexFolder
    previous: Previous
    encoder: Encoder
    progress: Progress
    memory: int
    follow_links: bool = False

    def build(
        self, roots: Sequence[str], sources: Iterable[Source], cut: Cut, model: tuple[str, str]
    ) -> Built:
        """Write a new generation and make it the one in use.

        Args:
            roots: The paths that the corpus comes from, ``spelled``; kept for the next run.
            sources: Files with their documents; consumed as they come.
            cut: Makes passages of a document.
            model: The name that the user gave the encoder's model, "" for the default, and the
                name of its folder in ``index.models``.

        Raises:
            CorpusError: No file held a document; the generation before stays in use.
            InputError: The memory is too small.
            IndexBusy: The disk is full, or does not take it for another reason; likewise.
        """
        started = time.monotonic()
        with self._writing() as aside:
            text = _Text(aside, self.previous, self.progress)
            text.write(sources, cut)
            if not text.passages:
                raise CorpusError(*_nothing_read(roots, text.files))
            dense.check(text.passages, self.encoder.dimension, self.memory)
            manifest = Manifest(
                number=self.index.next_number(),
                created=_now(),
                roots=tuple(roots),
                base=spelled(str(Path.cwd())),
                model=self.encoder.key,
                model_name=model[0],
                model_folder=model[1],
                documents=text.documents,
                passages=text.passages,
                seconds=0.0,
                changes=_changes(self.previous.files, text.files),
                vectors=0,
                dense={},
                memory=self.memory,
                follow_links=self.follow_links,
            )
            with closing(_Vectors(aside, self, same_rows=text.same_rows)) as vectors:
                made = vectors.make("编码") if len(vectors.missing) <= SOON else 0
                built = self._publish(aside, manifest, vectors, made, started)
        if vectors.missing:
            built = self.complete()
        return _with_files(built, text.files)

    def complete(self) -> Built:
        """Make the vectors that the generation in use lacks; a run that is stopped is gone on with.

        Raises:
            IndexBusy: As ``build``.
        """
        started = time.monotonic()
        builder = replace(self, previous=Previous(self.index))
        before, manifest = builder.previous.folder, builder.previous.manifest
        if before is None or manifest is None:
            raise IndexDamaged(f"索引不完整:{self.index.path}", "请用 qa index 文件夹 重建。")
        with self._writing() as aside, closing(builder.previous):
            for name in ("catalog.sqlite", "sparse"):
                take_over(before / name, aside / name)
            manifest = replace(manifest, number=self.index.next_number(), created=_now())
            with closing(_Vectors(aside, builder, same_rows=True)) as vectors:
                made = vectors.make("编码(已可按词提问)")
                return self._publish(aside, manifest, vectors, made, started)

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        try:
            with self.index.new_generation() as aside:
                yield aside
        except (OSError, sqlite3.Error) as error:
            raise IndexBusy(
                f"索引写不进去:{self.index.path}({error})",
                "请检查磁盘空间和权限;原有的索引没有改动。",
            ) from error

    def _publish(
        self, aside: Path, manifest: Manifest, vectors: _Vectors, made: int, started: float
    ) -> Built:
        chosen = vectors.write()
        manifest = replace(
            manifest,
            vectors=manifest.passages - vectors.lacking,
            dense=asdict(chosen) if chosen else {},
            seconds=round(time.monotonic() - started, 2),
        )
        self.index.publish(aside, manifest)
        if not vectors.missing:
            self.index.remove_logs()
        return Built(manifest, (), made, manifest.vectors - made, changed=True)


class _Vectors:
    """The vectors of a generation that is being written: taken over, out of the log, or made.

    Attributes:
        missing: Digests that there is no vector of, each with a row that has it.
    """

    def __init__(self, aside: Path, builder: Builder, *, same_rows: bool) -> None:
        self._aside = aside
        self._previous = builder.previous
        self._dense = builder.previous.dense(builder.encoder.key)
        self._memory = builder.memory
        self._encoder = builder.encoder
        self._model = builder.encoder.name
        self._progress = builder.progress
        self._catalog = Catalog(aside / "catalog.sqlite")
        path = builder.index.path / f"vectors-{builder.encoder.key}.log"
        self._log = VectorLog(path, builder.encoder.dimension)
        self._digests = dict(self._catalog.digests())
        self._taken = self._taken_over(same_rows=same_rows)
        self._same = (
            np.array([row for row, before in self._taken.items() if row == before], np.int64)
            if same_rows
            else None
        )
        self.missing = {
            digest: row
            for row, digest in self._digests.items()
            if row not in self._taken and digest not in self._log
        }
        if kept := len(self._log):
            _log.info("接着上次中断的:已算好 %d 个向量", kept)

    @property
    def lacking(self) -> int:
        """How many passages have no vector."""
        return sum(digest in self.missing for digest in self._digests.values())

    def _taken_over(self, *, same_rows: bool) -> dict[int, int]:
        """For rows, the row of the generation before that has their vector."""
        if self._dense is None:
            return {}
        there = np.zeros(len(self._dense), bool)
        there[self._dense.rows()] = True
        found = {}
        for row, digest in self._digests.items():
            is_same = same_rows and row < len(there) and there[row]
            before = row if is_same else self._previous.row(digest)
            if before is not None and there[before]:
                found[row] = before
        return found

    def make(self, stage: str) -> int:
        """Make the missing vectors; for how many passages.

        Args:
            stage: What progress calls it.
        """
        digests, total = list(self.missing), len(self.missing)
        encoder = (card_encoder(self._model) if total > SOON else None) or self._encoder
        for start in range(0, total, _BLOCK):
            block = digests[start : start + _BLOCK]
            rows = [self.missing[digest] for digest in block]
            located = self._catalog.passages(rows)
            texts = [searched_text(located[row].passage) for row in rows]
            told = partial(self._tell, stage, start, total)
            self._log.add(block, encoder.encode_passages(texts, told))
        made = self.lacking
        self.missing = {}
        return made

    def _tell(self, stage: str, start: int, total: int, _: str, done: int, __: int) -> None:
        self._progress(stage, start + done, total)

    def write(self) -> Chosen | None:
        """Write what there is; None where there is nothing yet."""
        if len(self.missing) == len(set(self._digests.values())):
            return None
        return dense.write(
            self._blocks(),
            self._encoder.dimension,
            self._aside,
            self._previous.folder if self._dense else None,
            self._memory,
            self._questions,
            self._same,
        )

    def _questions(self, rows: NDArray[np.int64]) -> Vectors:
        """Vectors of a sentence of each passage, cut to the length of a question."""
        located = self._catalog.passages(rows.tolist())
        texts = [located[row].passage.text for row in rows.tolist()]
        asked = [text[a:b][:_QUESTION] for text in texts for a, b in sentences(text)[-1:]]
        return self._encoder.encode_queries([fold(text) for text in asked])

    def _blocks(self) -> Iterator[Vectors]:
        for start in range(0, max(self._digests) + 1, _BLOCK):
            rows = range(start, min(start + _BLOCK, max(self._digests) + 1))
            block = np.zeros((len(rows), self._encoder.dimension), np.float32)
            taken = [row for row in rows if row in self._taken]
            if taken and self._dense:
                before = [self._taken[row] for row in taken]
                block[[row - start for row in taken]] = self._dense.vectors(before)
            made = [
                r for r in rows if r not in self._taken and self._digests.get(r, b"") in self._log
            ]
            if made:
                found = self._log.vectors([self._digests[row] for row in made])
                block[[row - start for row in made]] = found
            yield block

    def close(self) -> None:
        """Let go of the files."""
        self._catalog.close()


@dataclass(frozen=True, slots=True)
class _New:
    """A document to be written, with what is searched of each of its passages."""

    document: Document
    passages: Sequence[Passage]
    texts: Sequence[str]


class _Text:
    """Writes all of a generation but the vectors: what changed, into copies of what there was.

    Attributes:
        same_rows: Whether passages that were there before are in the rows where they were.
        files: All that were met, after ``write``.
        documents: How many there are, after ``write``.
        passages: The same.
    """

    def __init__(self, aside: Path, previous: Previous, progress: Progress) -> None:
        self._aside = aside
        self._progress = progress
        self._before: dict[str, Entry] = {}
        self._there: set[str] = set()
        self.files: list[FileRecord] = []
        self.documents = self.passages = 0
        self.same_rows = previous.is_full
        if self.same_rows and previous.folder:
            take_over(previous.folder / "catalog.sqlite", aside / "catalog.sqlite", changes=True)
            take_over(previous.folder / "sparse", aside / "sparse")

    def write(self, sources: Iterable[Source], cut: Cut) -> None:
        """Write what is new, and remove what is gone."""
        seen: set[str] = set()
        with (
            closing(CatalogWriter(self._aside / "catalog.sqlite")) as catalog,
            closing(SparseWriter(self._aside / "sparse")) as sparse,
            Cutting() as cutting,
        ):
            self._before = catalog.entries()
            for (new, first), words in cutting.words(self._new(sources, cut, catalog)):
                if not first and new.document.id in self._before:
                    sparse.remove(catalog.remove_document(new.document.id))
                done = first + len(words)
                pairs = zip(new.texts[first:done], words, strict=True)
                for row, (text, terms) in enumerate(pairs, catalog.next_row + first):
                    seen.update(terms.split(" "))
                    sparse.add(row, terms, " ".join(bigrams(text)))
                if len(new.texts) > _PART:
                    self._progress("收入长文档", done, len(new.texts))
                if done == len(new.texts):
                    digests = list(map(text_digest, new.texts))
                    catalog.add_document(new.document, new.passages, digests)
            for document_id in self._before.keys() - self._there:
                sparse.remove(catalog.remove_document(document_id))
            catalog.set_files(self.files)
            catalog.add_words(frequencies(seen))
            self.documents, self.passages = catalog.documents, catalog.passages
            catalog.commit()
            sparse.commit()

    def _new(
        self, sources: Iterable[Source], cut: Cut, catalog: CatalogWriter
    ) -> Iterator[tuple[tuple[_New, int], Sequence[str]]]:
        """What is new, or other than before, with the texts from a number on; notes all files."""
        same: set[str] = set()
        for file, documents in sources:
            self.files.append(file)
            if documents is None:
                same.add(file.path)
            for document in self._counted(documents or ()):
                self._there.add(document.id)
                before = self._before.get(document.id)
                if before and before.digest == digest_of(document):
                    if before.record != document.record:
                        catalog.move(document.id, document.record)
                    continue
                passages = cut(document)
                _log.debug("收入 %s《%s》%s", document.id, document.title, document.text)
                texts = [searched_text(passage) for passage in passages]
                new = _New(document, passages, texts)
                for first in range(0, max(1, len(texts)), _PART):
                    yield (new, first), texts[first : first + _PART]
        self._there |= {id_ for id_, entry in self._before.items() if entry.path in same}

    def _counted(self, documents: Sequence[Document]) -> Iterator[Document]:
        """The documents of a file; where they are many, it is told how many are done."""
        for done, document in enumerate(documents, 1):
            yield document
            if len(documents) > _PART and (done % _PART == 0 or done == len(documents)):
                self._progress("收入记录", done, len(documents))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def text_digest(text: str) -> bytes:
    """Of what is embedded: where it is equal, so is the vector."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def _changes(before: dict[str, FileRecord], now: Sequence[FileRecord]) -> dict[str, int]:
    paths = {file.path for file in now}
    added = sum(file.path not in before for file in now)
    known = {(file.path, file.sha256, file.given) for file in before.values()}
    same = sum((file.path, file.sha256, file.given) in known for file in now)
    removed = sum(path not in paths for path in before)
    return {"added": added, "changed": len(now) - added - same, "removed": removed, "same": same}


def _nothing_read(roots: Sequence[str], files: Sequence[FileRecord]) -> tuple[str, str]:
    places = "、".join(roots)
    if not files:
        return (
            f"没有找到可以读的文件:{places}",
            "支持 .txt .md .html .pdf .docx .jsonl;请检查路径。",
        )
    reasons = "\n".join(f"  {file.path}:{file.problem}" for file in files[:5])
    return f"{places} 里的 {len(files)} 个文件都没有读出文字:\n{reasons}", "原有的索引没有改动。"
