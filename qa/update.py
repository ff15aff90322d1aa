"""Files in, an index brought up to date out: reads, repairs, cuts, and hands over to ``build``."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from qa.corpus.chunk import passages
from qa.corpus.encoding import named
from qa.corpus.load import SourceFile, find, opened, read
from qa.errors import CorpusError, FileError, ModelError
from qa.index.build import Builder, Built, Previous, Source, up_to_date
from qa.index.dense import MEMORY
from qa.index.encoder import Encoder
from qa.index.prepare import is_prepared, prepare
from qa.index.store import FileRecord, IndexFolder, Manifest
from qa.reader.prepare import prepare as prepare_reader
from qa.text import spelled, unspelled, visible
from qa.types import Document, Progress

_log = logging.getLogger(__name__)
_Item = TypeVar("_Item")
_Recording = Callable[[SourceFile], FileRecord]
_CLASH = "文章编号与别的文件重复:{}"


def unread(file: SourceFile, problem: str) -> FileRecord:
    """A file of which nothing was read, for a reason."""
    place = spelled(str(file.absolute))
    return FileRecord(file.path, place, 0, "", problem=problem, given=file.encoding)


def record_of(file: SourceFile) -> FileRecord:
    """A file with its size and checksum, for which it is read whole; or with its problem."""
    if file.problem:
        return unread(file, file.problem)
    try:
        with opened(file.absolute) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return replace(unread(file, ""), size=stream.tell(), sha256=digest)
    except FileError as error:
        return unread(file, error.message)
    except OSError as error:
        return unread(file, f"无法读取:{error.strerror}")


def update(
    index: str | Path,
    paths: Sequence[str | Path] | None = None,
    *,
    model: str | None = None,
    add: bool = False,
    memory: int | None = None,
    encoding: str | None = None,
    follow_links: bool | None = None,
    progress: Progress | None = None,
    record: _Recording = record_of,
) -> Built:
    """Bring an index up to date with the files; what was in it and is not in ``paths`` leaves it.

    Args:
        index: Folder of the index.
        paths: What the corpus is; by default what it was at the last run.
        model: A sentence-transformers model; by default the one in use, or the default one.
        add: Keep what the corpus was at the last run, and add ``paths`` to it.
        memory: Megabytes that vectors may take when the index is searched; by default as it was
            at the last run, and at the first MEMORY. What does not fit is searched by clusters.
        encoding: What the texts at ``paths`` are in, by default all texts; kept for each of them.
            "auto" for what is found out, as it is of all others.
        follow_links: Take in what links lead to outside of the paths; by default as at the last
            run, and at the first not.
        progress: Told how far the work has come.
        record: Gives the record of each file; for one that must not be read now, the record that
            it had, or one with a problem.

    Raises:
        As ``QA.build``; InputError for an encoding that is not read here; IndexMissing without
            ``paths`` where there is no index.
    """
    tell = _noted(progress or _silent)
    folder = IndexFolder(Path(index))
    given = [str(path) for path in paths or ()]
    said = "" if encoding == "auto" else encoding and named(encoding)
    if given:
        find(given)  # A path that does not exist is refused before anything is made.
    elif not folder.exists():
        folder.current()  # Says that there is none.
    with folder.writing(), closing(Previous(folder)) as previous:
        before = folder.last()
        if before is None and not given:
            folder.current()  # Says what is wrong with it.
        kept = _roots(before) if before and (add or not given) else []
        follow = follow_links if follow_links is not None else bool(before and before.follow_links)
        roots = [*kept, *(root for root in given if not _is_among(root, kept, follow=follow))]
        prepared = _prepared(folder, model, before, tell)
        encoder = Encoder.open(prepared)
        notice = _prepare_reader(folder, tell)
        own = folder.path.resolve()  # The index may stand among the articles.
        found = find(roots, follow_links=follow)
        encodings = {f.place: f.given for f in previous.files.values() if f.given}
        if said is not None:
            named_now = find(given or roots, follow_links=follow)
            encodings |= {file.absolute: said for file in named_now if file.is_text}
        files = [
            replace(file, encoding=encodings.get(file.absolute, ""))
            for file in found
            if not file.absolute.is_relative_to(own)
        ]
        records = [record(file) for file in _counted(files, "核对文件", tell)]
        budget = memory or (before.memory if before else MEMORY)
        builder = Builder(folder, previous, encoder, tell, budget, follow)
        places = [spelled(root) for root in roots]
        same = up_to_date(builder, places, records)
        pairs = list(zip(files, records, strict=True))
        if same and _same_problems(pairs, same):
            if same.manifest.vectors == same.manifest.passages:
                folder.remove_logs()
                folder.tidy()
                return _note(replace(same, notice=notice))
            made = replace(builder.complete(), problems=same.problems, doubtful=same.doubtful)
            return _note(replace(made, notice=notice))
        sources = _sources(_counted(pairs, "读取文章", tell), previous, tell)
        name = model or (before.model_name if before else "")
        models = _absolute(name), prepared.name
        cut = partial(passages, told=partial(tell, "切分长文档"))
        return _note(replace(builder.build(places, sources, cut, models), notice=notice))


def _note(built: Built) -> Built:
    """Put what a run did into the log."""
    manifest = built.manifest
    changes = dict(manifest.changes) if built.changed else "没有变化"
    _log.info(
        "第 %d 代:%d 篇、%d 段;文件 %s;编码 %d 段,沿用 %d 段",
        *(manifest.number, manifest.documents, manifest.passages, changes),
        *(built.embedded, built.kept),
    )
    for file in built.problems:
        # The number of a record is the document's own.
        problem = re.sub(r"(?<=编号 ).+(?= 与)|(?<=重复:).+", "…", file.problem, flags=re.DOTALL)
        _log.info("没有收入 %s:%s", file.path, problem)
    return built


def _noted(progress: Progress) -> Progress:
    """Progress of which the end of each stage is put into the log."""
    began: dict[str, float] = {}

    def tell(stage: str, done: int, total: int) -> None:
        began.setdefault(stage, time.monotonic())
        if done == total:
            _log.info("%s:%d,用了 %.2f 秒", stage, total, time.monotonic() - began.pop(stage))
        progress(stage, done, total)

    return tell


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


def roots_of(manifest: Manifest) -> list[str]:
    """The paths of a run; absolute where it ran in another folder."""
    base = Path(unspelled(manifest.base))
    roots = [unspelled(root) for root in manifest.roots]
    return roots if base == Path.cwd() else [str(base / root) for root in roots]


def _roots(manifest: Manifest) -> list[str]:
    """The paths of a run that are still there."""
    roots = roots_of(manifest)
    there = [root for root in roots if Path(root).exists()]
    if not there:
        raise CorpusError(
            f"上次的文章都已不在:{'、'.join(roots)}", "请用 qa index 文件夹 指明现在的位置。"
        )
    return there


def _is_among(root: str, kept: Sequence[str], *, follow: bool) -> bool:
    """Whether all that is at ``root`` is at the paths ``kept``, too."""
    there, of_kept = ({f.absolute for f in find(p, follow_links=follow)} for p in ([root], kept))
    return root in kept or (bool(there) and there <= of_kept)


def _prepared(
    folder: IndexFolder, model: str | None, before: Manifest | None, progress: Progress
) -> Path:
    """Folder of the prepared model: the one named, else the one in use, else the default."""
    if model is None and before is not None:
        if is_prepared(in_use := folder.models / before.model_folder):
            return in_use
        _log.info("用着的模型打不开,重新准备")
        return prepare(before.model_name or None, folder.models, progress)
    return prepare(model, folder.models, progress)


def _prepare_reader(folder: IndexFolder, progress: Progress) -> str:
    """Prepare the reader model; why it cannot be, "" if it can: there are answers without it."""
    try:
        prepare_reader(folder.models, progress)
    except (ModelError, OSError) as error:
        _log.info("阅读模型没有准备好", exc_info=error)
        return f"阅读模型没有准备好,将用最接近的句子作答:{error}"
    return ""


def _absolute(model: str) -> str:
    """A model's name; of a folder the whole path, which means the same from everywhere."""
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model


def _same_problems(files: Iterable[tuple[SourceFile, FileRecord]], built: Built) -> bool:
    """Whether files that could not be read cannot be read now, for the same reasons."""
    problems = {record.path: record.problem for record in built.problems}
    return all(
        _read(file, record, set())[0].problem == problems[record.path]
        for file, record in files
        if record.path in problems
    )


def _counted(items: Sequence[_Item], stage: str, progress: Progress) -> Iterator[_Item]:
    """The items, each reported once it is done with."""
    for done, item in enumerate(items):
        progress(stage, done, len(items))
        yield item
    progress(stage, len(items), len(items))


def _sources(
    files: Iterable[tuple[SourceFile, FileRecord]], previous: Previous, progress: Progress
) -> Iterator[Source]:
    """Each file with what was read from it, or with its problem; not read where it is as before."""
    seen: set[str] = set()
    for file, record in files:
        before = previous.files.get(record.path) if previous.is_full else None
        read_alike = before and (before.sha256, before.given) == (record.sha256, record.given)
        if before and read_alike and not before.problem:
            ids = previous.ids(record.path)
            if clash := seen.intersection(ids):
                yield replace(record, problem=_CLASH.format(clash.pop())), ()
            else:
                seen.update(ids)
                yield replace(before, absolute=record.absolute), None
        else:
            yield _read(file, record, seen, progress)


def _read(
    file: SourceFile, record: FileRecord, seen: set[str], progress: Progress = _silent
) -> tuple[FileRecord, Sequence[Document]]:
    """A file with its documents, whose ids are added to those ``seen``, or with its problem."""
    if record.problem:
        return record, ()

    def told(done: int, total: int) -> None:
        if total > 1:
            progress("读取长文档", done, total)

    try:
        documents, decoded = read(file, told)
    except FileError as error:
        reason = error.message.removeprefix(f"{visible(file.path)}:")
        return replace(record, problem=reason), ()
    if clash := seen.intersection(document.id for document in documents):
        return replace(record, problem=_CLASH.format(clash.pop())), ()
    seen.update(document.id for document in documents)
    record = replace(
        record,
        encoding=decoded.encoding,
        confidence=decoded.confidence,
        alternatives=decoded.alternatives,
    )
    return record, documents
