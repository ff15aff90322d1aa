"""Files in, an index brought up to date out: reads, repairs, cuts, and hands over to ``build``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from qa.corpus.chunk import passages
from qa.corpus.load import SourceFile, find, load
from qa.errors import FileError, IndexDamaged, IndexMissing
from qa.index.build import Built, Source, build, up_to_date
from qa.index.encoder import Encoder
from qa.index.prepare import prepare
from qa.index.store import FileRecord, IndexFolder
from qa.types import Progress

_Item = TypeVar("_Item")


def update(
    index: str | Path,
    paths: Sequence[str | Path] | None = None,
    *,
    model: str | None = None,
    add: bool = False,
    progress: Progress | None = None,
) -> Built:
    """Bring an index up to date with the files; what was in it and is not in ``paths`` leaves it.

    Args:
        index: Folder of the index.
        paths: What the corpus is; by default what it was at the last run.
        model: A sentence-transformers model; by default the one in use, or the default one.
        add: Keep what the corpus was at the last run, and add ``paths`` to it.
        progress: Told how far the work has come.

    Raises:
        As ``QA.build``; IndexMissing without ``paths`` where there is no index; FileError where
        a folder cannot be listed.
    """
    tell = progress or _silent
    folder = IndexFolder(Path(index))
    roots = [str(path) for path in paths or ()]
    if add or not roots:
        before = _roots_in_use(folder)
        roots = [*before, *(root for root in roots if root not in before)]
    files = find(roots)
    with folder.writing():
        model = model or _model_in_use(folder)
        prepared = prepare(model, folder.models, tell)
        encoder = Encoder.open(prepared)
        records = [_record(file) for file in _counted(files, "核对文件", tell)]
        same = up_to_date(folder, roots, records, encoder.key)
        if same and not any(_reads(problem) for problem in same.problems):
            return same
        sources = _sources(_counted(list(zip(files, records, strict=True)), "读取文章", tell))
        return build(folder, roots, sources, encoder, (model or "", prepared.name), tell)


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


def _roots_in_use(folder: IndexFolder) -> list[str]:
    """The paths of the last run; absolute where it ran in another folder than this."""
    manifest = folder.manifest(folder.current())
    if manifest.base == str(Path.cwd()):
        return list(manifest.roots)
    return [str(Path(manifest.base) / root) for root in manifest.roots]


def _reads(problem: FileRecord) -> bool:
    """True where a file that could not be read can be now: a package was installed, say."""
    try:
        load(SourceFile(problem.path, Path(problem.absolute)))
    except FileError:
        return False
    return True


def _model_in_use(folder: IndexFolder) -> str | None:
    """The model that the last run named; None for the default one, or where there was none."""
    try:
        return folder.manifest(folder.current()).model_name or None
    except (IndexMissing, IndexDamaged):
        return None


def _counted(items: Sequence[_Item], stage: str, progress: Progress) -> Iterator[_Item]:
    """The items, each reported once it is done with."""
    for done, item in enumerate(items):
        progress(stage, done, len(items))
        yield item
    progress(stage, len(items), len(items))


def _record(file: SourceFile) -> FileRecord:
    # A name that is not UTF-8 cannot be stored as it is; such a file is not read either.
    path, absolute = (
        name.encode("utf-8", "backslashreplace").decode()
        for name in (file.path, str(file.absolute))
    )
    try:
        with file.absolute.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except OSError as error:
        return FileRecord(path, absolute, 0, "", problem=f"打不开({error.strerror})")
    return FileRecord(path, absolute, size, digest)


def _sources(files: Iterable[tuple[SourceFile, FileRecord]]) -> Iterator[Source]:
    """Each file with what was read from it, or with its problem."""
    seen: set[str] = set()
    for file, record in files:
        if record.problem:
            yield record, ()
            continue
        try:
            documents = load(file)
        except FileError as error:
            yield replace(record, problem=error.message.removeprefix(f"{file.path}:")), ()
            continue
        if clash := seen.intersection(document.id for document in documents):
            yield replace(record, problem=f"文章编号与别的文件重复:{clash.pop()}"), ()
            continue
        seen.update(document.id for document in documents)
        encoding = documents[0].encoding if documents else ""
        yield replace(record, encoding=encoding), [(d, passages(d)) for d in documents]
