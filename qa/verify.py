"""An index in, what is wrong with it out: checksums, counts, whether all parts say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qa.corpus.load import SourceFile, load
from qa.errors import FileError, IndexDamaged
from qa.index import seal
from qa.index.build import searched_text, text_digest
from qa.index.catalog import Catalog, digest_of
from qa.index.dense import Dense
from qa.index.encoder import Encoder
from qa.index.prepare import is_prepared
from qa.index.sparse import Sparse
from qa.index.store import FileRecord, IndexFolder, Manifest
from qa.index.tokens import bigrams
from qa.pipeline import default_index
from qa.reader.prepare import is_prepared as is_reader
from qa.reader.prepared import folder as reader_folder
from qa.status import Status
from qa.text import squeeze
from qa.types import Document, Progress

_SAMPLE = 100
"""Passages whose vectors and postings are made again."""
_SAME = 0.999
"""Least cosine of a vector to the one that the same text gets again."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes:
        folder: Of the index.
        number: Of the generation that was looked at.
        passages: How many passages were compared with their texts.
        problems: What is wrong, in Chinese; none where all is well.
        outdated: Paths of files that have changed since, are gone, or are new; no fault of the
            index.
    """

    folder: Path
    number: int
    passages: int
    problems: tuple[str, ...]
    outdated: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "index": str(self.folder),
            "number": self.number,
            "passages": self.passages,
            "problems": list(self.problems),
            "outdated": list(self.outdated),
        }

    def text(self) -> str:
        """For people."""
        lines = [f"索引:{self.folder},第 {self.number} 代,{self.passages} 段"]
        if self.problems:
            lines.append(f"有 {len(self.problems)} 处不对:")
            lines += [f"  {problem}" for problem in self.problems]
            lines.append("请运行 qa index 修复;原文不受影响。")
        else:
            lines.append("校验和、段落、词项、向量与原文逐一相符。")
        if self.outdated:
            lines.append(f"建立索引之后改动、移走或新来的文件:{len(self.outdated)} 个")
            lines += [f"  {path}" for path in self.outdated]
        return "\n".join(lines)


def verify(index: Path | None = None, progress: Progress | None = None) -> Verified:
    """Read all of an index, and the files that it was made of.

    Every byte is compared with its checksum, every passage with the text of its document, every
    document with its file where that has not changed since; vectors and postings of a sample of
    passages are made again.

    Args:
        index: Its folder; by default ``default_index()``.
        progress: Told of the stages 核对索引 and 核对原文.

    Raises:
        IndexMissing: There is none.
        IndexDamaged: There is no generation that can be looked into.
    """
    tell = progress or (lambda stage, done, total: None)
    folder = IndexFolder(index or default_index())
    (generation, manifest), _ = folder.opened(lambda *opened: opened)
    tell("核对索引", 0, 1)
    problems = list(dict.fromkeys(_damaged(folder, manifest)))
    tell("核对索引", 1, 1)
    outdated = Status.of(folder.path).outdated
    if not problems:
        with closing(Catalog(generation / "catalog.sqlite")) as catalog:
            encoder = Encoder.open(folder.models / manifest.model_folder)
            problems += _miscounted(generation, manifest, catalog)
            problems += _unlike_texts(manifest, catalog, outdated, tell)
            problems += _unlike_passages(generation, catalog, encoder)
    return Verified(folder.path, manifest.number, manifest.passages, tuple(problems), outdated)


def _damaged(folder: IndexFolder, manifest: Manifest) -> Iterator[str]:
    """What is not as it was written, in any generation and in the models."""
    try:
        folder.current()
    except IndexDamaged as error:
        yield error.message
    for generation in folder.generations():
        try:
            sealed = folder.manifest(generation)
        except IndexDamaged as error:
            yield error.message
            continue
        for name in seal.wrong(generation, sealed.files, whole=True):
            yield f"索引文件缺失或损坏:{generation / name}"
    encoder = folder.models / manifest.model_folder
    if not is_prepared(encoder):
        yield f"模型缺失或损坏:{encoder}"
    reader = reader_folder(folder.models)
    if not is_reader(reader):
        yield f"阅读模型缺失或损坏:{reader}"


def _miscounted(generation: Path, manifest: Manifest, catalog: Catalog) -> Iterator[str]:
    """Where parts of an index do not speak of the same passages."""
    rows = np.array([row for row, _ in catalog.digests()], np.int64)
    if len(rows) != manifest.passages:
        yield f"清单上有 {manifest.passages} 段,文章库里有 {len(rows)} 段"
    if not np.array_equal(Sparse(generation / "sparse").rows(), rows):
        yield "词项索引与文章库的段落不是同一些"
    vectors = Dense(generation).rows() if manifest.vectors else np.empty(0, np.int64)
    if len(vectors) != manifest.vectors or not np.isin(vectors, rows).all():
        yield "向量索引与文章库的段落不是同一些"


def _unlike_texts(
    manifest: Manifest, catalog: Catalog, outdated: Sequence[str], tell: Progress
) -> Iterator[str]:
    """Documents that are not what their files say, and passages that are not in their documents."""
    digests = Counter(digest for _, digest in catalog.digests())
    files, changed = catalog.files(), set(outdated)
    documents = 0
    for done, file in enumerate(files):
        tell("核对原文", done, len(files))
        kept = catalog.documents_at(file.path)
        documents += len(kept)
        if kept and file.path not in changed:
            read = {document.id: digest_of(document) for document in _read(file)}
            if read != {document.id: digest_of(document) for document in kept}:
                yield f"索引里的文字与文件的不同:{file.path}"
        for document in kept:
            for passage in catalog.passages_of(document.id):
                digests[text_digest(searched_text(passage))] -= 1
                told = "".join(document.text[start:end] for start, end in passage.spans)
                if squeeze(told) != squeeze(passage.text):
                    yield f"段落与它所指的原文不同:{passage.id}"
    tell("核对原文", len(files), len(files))
    if documents != manifest.documents:
        yield f"清单上有 {manifest.documents} 篇,文章库里有 {documents} 篇"
    if any(digests.values()):
        yield "段落与建立时的校验和不符"


def _read(file: FileRecord) -> list[Document]:
    try:
        return load(SourceFile(file.path, file.place, file.given))
    except FileError:
        return []


def _unlike_passages(generation: Path, catalog: Catalog, encoder: Encoder) -> Iterator[str]:
    """Passages of a sample whose vectors or postings are not those of their texts."""
    dense, sparse = Dense(generation), Sparse(generation / "sparse")
    rows = dense.rows()
    located = catalog.passages(rows[:: max(1, len(rows) // _SAMPLE)].tolist())
    texts = [searched_text(found.passage) for found in located.values()]
    cosines = np.sum(encoder.encode_passages(texts) * dense.vectors(list(located)), axis=1)
    for row, text, cosine in zip(located, texts, cosines, strict=True):
        if cosine < _SAME:
            yield f"向量与段落不符:{located[row].passage.id}(余弦 {cosine:.4f})"
        if not sparse.holds(row, "bigrams", bigrams(text)):
            yield f"词项与段落不符:{located[row].passage.id}"
