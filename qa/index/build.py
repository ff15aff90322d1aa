"""Documents and passages in, a new generation out; vectors of unchanged passages are kept."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.errors import CorpusError, IndexBusy, IndexDamaged, IndexMissing
from qa.index import dense
from qa.index.catalog import Catalog, CatalogWriter
from qa.index.sparse import SparseWriter
from qa.index.store import FileRecord, IndexFolder, Manifest
from qa.index.tokens import Words, bigrams, frequencies
from qa.text import fold
from qa.types import Document, Passage, Progress, Vectors

if TYPE_CHECKING:
    from qa.index.encoder import Encoder

Source = tuple[FileRecord, Sequence[tuple[Document, Sequence[Passage]]]]
"""A file, and what was read from it; nothing where it has a problem."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a run of indexing did: counts of files, documents and passages.

    Attributes:
        manifest: Of the generation in use after the run.
        problems: Files that are not in the index, with the reason.
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


def context(passage: Passage) -> str:
    """Title and headings that a reader of the page sees above a passage, one a line."""
    lines = [passage.article.title, *passage.headings]
    return "\n".join(line for line in dict.fromkeys(lines) if line and line not in passage.text)


def searched_text(passage: Passage) -> str:
    """What both legs see of a passage: its context and its text, folded."""
    return fold(f"{context(passage)}\n{passage.text}".strip())


class _Previous:
    """The generation before, as far as it can be used again."""

    def __init__(self, folder: IndexFolder, encoder: Encoder) -> None:
        self.files: dict[str, FileRecord] = {}
        self._rows: dict[bytes, int] = {}
        self._vectors: Vectors | None = None
        self.manifest: Manifest | None = None
        try:
            generation = folder.current()
            manifest = folder.manifest(generation)
            catalog = Catalog(generation / "catalog.sqlite")
            self.files = {file.path: file for file in catalog.files()}
            if manifest.model == encoder.key:
                self._vectors = dense.Dense(generation / "dense.faiss").vectors()
                self._rows = catalog.digests()
            self.manifest = manifest
            catalog.close()
        except (IndexMissing, IndexDamaged):
            pass  # Nothing to take over: everything is made anew.

    def vector(self, digest: bytes) -> Vectors | None:
        """The vector of the text with a digest, shape (dimension,)."""
        row = self._rows.get(digest)
        return self._vectors[row] if row is not None and self._vectors is not None else None


def up_to_date(
    folder: IndexFolder, roots: Sequence[str], files: Sequence[FileRecord], model: str
) -> Built | None:
    """What to report where the generation in use is of the same files and model; else None."""
    try:
        generation = folder.current()
        manifest = folder.manifest(generation)
        catalog = Catalog(generation / "catalog.sqlite")
        before = catalog.files()
        catalog.close()
    except (IndexMissing, IndexDamaged):
        return None
    if manifest.model != model or list(manifest.roots) != list(roots):
        return None
    if {(f.path, f.absolute, f.sha256) for f in files} != {
        (f.path, f.absolute, f.sha256) for f in before
    }:
        return None
    problems = tuple(file for file in before if file.problem)
    return Built(manifest, problems, 0, manifest.passages, changed=False)


def build(
    folder: IndexFolder,
    roots: Sequence[str],
    sources: Iterable[Source],
    encoder: Encoder,
    model: tuple[str, str],
    progress: Progress,
) -> Built:
    """Write a new generation and make it the one in use.

    Args:
        folder: Held for writing by the caller.
        roots: The paths that the corpus comes from, as given; kept for the next run.
        sources: Files with their documents and passages; consumed as they come.
        encoder: Embeds what the last generation has no vector of.
        model: The name that the user gave the encoder's model, "" for the default, and the name
            of its folder in ``folder.models``.
        progress: Told of the embedding.

    Raises:
        CorpusError: No file held a document; the generation before stays in use.
        IndexBusy: The disk is full, or does not take it for another reason; likewise.
    """
    started = time.monotonic()
    previous = _Previous(folder, encoder)
    try:
        with folder.new_generation() as aside:
            files, documents, digests, texts = _write_text(aside, sources)
            if not digests:
                raise CorpusError(*_nothing_read(roots, files))
            embedded = _write_vectors(aside, digests, texts, previous, encoder, progress)
            manifest = Manifest(
                number=folder.next_number(),
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                roots=tuple(roots),
                base=str(Path.cwd()),
                model=encoder.key,
                model_name=model[0],
                model_folder=model[1],
                documents=documents,
                passages=len(digests),
                seconds=round(time.monotonic() - started, 2),
                changes=_changes(previous.files, files),
            )
            folder.publish(aside, manifest)
    except (OSError, sqlite3.Error) as error:
        raise IndexBusy(
            f"索引写不进去:{folder.path}({error})", "请检查磁盘空间和权限;原有的索引没有改动。"
        ) from error
    problems = tuple(file for file in files if file.problem)
    return Built(manifest, problems, embedded, len(digests) - embedded, changed=True)


def _write_vectors(
    aside: Path,
    digests: Sequence[bytes],
    texts: dict[bytes, str],
    previous: _Previous,
    encoder: Encoder,
    progress: Progress,
) -> int:
    """Write the vectors of all rows; how many rows have one that was computed now."""
    fresh = {d: texts[d] for d in dict.fromkeys(digests) if previous.vector(d) is None}
    new = dict(zip(fresh, encoder.encode_passages(list(fresh.values()), progress), strict=True))
    vectors = np.empty((len(digests), encoder.dimension), np.float32)
    for row, digest in enumerate(digests):
        kept = previous.vector(digest)
        vectors[row] = new[digest] if kept is None else kept
    dense.write(vectors, aside / "dense.faiss")
    return sum(digest in new for digest in digests)


def _write_text(
    aside: Path, sources: Iterable[Source]
) -> tuple[list[FileRecord], int, list[bytes], dict[bytes, str]]:
    """Write all but the vectors.

    Returns:
        The files, how many documents, each row's digest, and the text behind a digest.
    """
    files: list[FileRecord] = []
    digests: list[bytes] = []
    texts: dict[bytes, str] = {}
    words = Words.of_dictionary()
    seen: set[str] = set()
    with (
        closing(CatalogWriter(aside / "catalog.sqlite")) as catalog,
        closing(SparseWriter(aside / "sparse")) as sparse,
    ):
        for file, documents in sources:
            files.append(file)
            catalog.add_file(file)
            for document, passages in documents:
                of_document = [searched_text(passage) for passage in passages]
                for row, text in enumerate(of_document, len(digests)):
                    terms = words(text)
                    seen.update(terms)
                    sparse.add(row, terms, bigrams(text))
                    digests.append(_digest(text))
                    texts[digests[-1]] = text
                catalog.add_document(document, passages, [_digest(text) for text in of_document])
        catalog.add_words(frequencies(seen))
        catalog.commit()
        sparse.commit()
    return files, catalog.documents, digests, texts


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def _changes(before: dict[str, FileRecord], now: Sequence[FileRecord]) -> dict[str, int]:
    paths = {file.path for file in now}
    added = sum(file.path not in before for file in now)
    same = sum(file.path in before and before[file.path].sha256 == file.sha256 for file in now)
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
