"""A corpus that changes comes in; its index, brought up to date within seconds, goes out again."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from qa.corpus.load import SourceFile, is_hidden, is_known
from qa.errors import CorpusError, QAError
from qa.index.build import Built
from qa.index.store import FileRecord, IndexFolder
from qa.types import Progress
from qa.update import record_of, roots_of, unread, update

_log = logging.getLogger(__name__)
QUIET = 1.0
"""Seconds that a file must stay as it is before it is read."""
LONGEST = 10.0
"""Seconds that changes wait for other files, which are still being written."""
AGAIN = 30.0
"""Seconds after which an update that failed is tried again, where nothing changes before."""
_TICK = 500
"""Milliseconds between looks at files and folders, where nothing is reported."""
_POLL = 2000
"""Milliseconds between looks at all files, where the system reports no changes."""
_RACY = 2_000_000_000
"""Nanoseconds within which a file can change twice and look the same: FAT counts in two seconds."""

_Look = tuple[int, ...] | None
"""A file as the file system describes it; None where there is none."""
_Records = dict[SourceFile, tuple[_Look, FileRecord]]
"""What was read of files, and how each looked then; None where that is not to be relied on."""
_Opened = Callable[[], AbstractContextManager[Progress | None]]


def watch(index: str | Path, *, progress: _Opened = nullcontext) -> Iterator[Built | QAError]:
    """Bring an index up to date whenever its files change, until the caller leaves off.

    What happens within a second or so is one update; a file that is still being written is left
    as it is in the index until it is quiet. The index is held for writing only during an update,
    so that other processes can write in between. The corpus is that of the last run, be it of
    another process. Where a folder of it is gone, or empty and another one, as where a drive is
    not mounted, the index stays as it is until the folder is back.

    Args:
        index: Folder of the index, which has been made.
        progress: Opened for each update, and told how far it has come.

    Yields:
        What each update did that changed anything, and what went wrong, once: it is tried again
        at the next change, and every half minute.

    Raises:
        IndexMissing: There is no index.
        IndexDamaged: It cannot be read.
        QAError: The system cannot watch as many folders.
    """
    folder = IndexFolder(Path(index))
    watcher = _Watcher(folder, progress, roots_of(folder.current()[1]))
    while True:
        yield from watcher.updates()


@dataclass(slots=True)
class _Watcher:
    """Decides when an update is due, and what of the files is known without reading them."""

    folder: IndexFolder
    progress: _Opened
    roots: Sequence[str]
    known: _Records = field(default_factory=dict)
    pending: dict[str, tuple[_Look, float]] = field(default_factory=dict)
    places: dict[str, _Look] = field(default_factory=dict)
    again: float = 0.0
    said: str = ""

    def updates(self) -> Iterator[Built | QAError]:
        """What comes of the updates until the corpus is other paths, or other folders."""
        places = self._places()
        folders = [Path(root).resolve() for root, place in places.items() if place]
        files = {root: _look(root) for root, place in places.items() if not place}
        with closing(_reported(folders)) as reported:
            for changed in reported:
                now = time.monotonic()
                for path in filter(self._is_of(folders), changed):
                    self.pending.setdefault(path, (_look(path), now))
                for root, before in files.items():
                    if (look := _look(root)) != before:
                        files[root] = look
                        self.pending.setdefault(str(Path(root).resolve()), (look, now))
                unsettled = self._unsettled(now)
                waited = min((since for _, since in self.pending.values()), default=now)
                some = len(unsettled) < len(self.pending) or now >= self.again
                if some and (not unsettled or now - waited >= LONGEST):
                    yield from self._update(unsettled)
                if self._places() != places:
                    break
        time.sleep(_TICK / 1000)
        self.again = min(self.again, time.monotonic() + QUIET)

    def _places(self) -> dict[str, _Look]:
        """The paths of the corpus; those that are folders with what tells them from others."""
        with suppress(QAError):  # As it was then; an update will say what is wrong.
            self.roots = roots_of(self.folder.current()[1])
        return {root: _place(root) for root in self.roots}

    def _is_of(self, folders: Sequence[Path]) -> Callable[[str], bool]:
        """Tells what can be a file of the corpus, or a folder with some."""
        index = self.folder.path.resolve()

        def is_of_corpus(name: str) -> bool:
            path = Path(name)
            if path.is_relative_to(index) or not (is_known(path) or not path.is_file()):
                return False
            within = [path.relative_to(top).parts for top in folders if path.is_relative_to(top)]
            return any(not any(map(is_hidden, parts)) for parts in within)

        return is_of_corpus

    def _unsettled(self, now: float) -> set[str]:
        """Paths that changed within the last second."""
        for path, (before, _) in self.pending.items():
            if (look := _look(path)) != before:
                self.pending[path] = look, now
        return {path for path, (_, since) in self.pending.items() if now - since < QUIET}

    def _update(self, unsettled: set[str]) -> Iterator[Built | QAError]:
        _log.info("更新:%d 处改动,%d 处还在写", len(self.pending), len(unsettled))
        places = self._places()
        # At the first update nothing is known that an unsettled file could be left as.
        records = _Recorder(self.known, unsettled if self.known else set())
        self.pending = {path: self.pending[path] for path in unsettled}
        try:
            self._check(places)
            with self.progress() as tell:
                built = update(self.folder.path, self.roots, progress=tell, record=records)
        except (QAError, OSError) as error:
            self.again = time.monotonic() + AGAIN
            wrong = error if isinstance(error, QAError) else QAError(f"没有更新:{error}")
            _log.info("没有更新", exc_info=error)
            if str(wrong) != self.said:
                self.said = str(wrong)
                yield wrong
            return
        self.known, self.places, self.again = records.made, places, float("inf")
        if built.changed or self.said:
            self.said = ""
            yield built

    def _check(self, places: dict[str, _Look]) -> None:
        """Refuse to update where articles are not gone, but cannot be seen."""
        if not self.folder.exists():
            self.folder.current()  # Nor is an index made anew where its drive is not mounted.
        for root, place in places.items():
            before = self.places.get(root)
            is_other = place and before and place != before
            if not Path(root).exists() or (is_other and not any(Path(root).iterdir())):
                raise CorpusError(
                    f"文章不在了:{root}(移走了,或没有挂载)", "索引不变;回来了就接着更新。"
                )


@dataclass(slots=True)
class _Recorder:
    """Gives records of files; those that look as when they were read last are not read again.

    As git does, what was read within two seconds of its last change is not relied on: it may have
    changed once more within the same tick of the file system's clock.

    Attributes:
        before: Records of the update before.
        unsettled: Paths of files to leave as they were.
        made: The records of this update.
    """

    before: _Records
    unsettled: set[str]
    made: _Records = field(default_factory=dict)

    def __call__(self, file: SourceFile) -> FileRecord:
        name, began = str(file.absolute), time.time_ns()
        look = _look(name)
        known, record = self.before.get(file, (None, None))
        if name in self.unsettled:
            known = None  # To be read once it is quiet.
            record = record or unread(file, "还在写,写完就收入")
        elif record is None or known is None or known != look:
            record = record_of(file)
            is_sure = look and look == _look(name) and max(look[-2:]) < began - _RACY
            known = look if is_sure and not record.problem else None
        self.made[file] = known, record
        return record


def _look(path: str) -> _Look:
    try:
        status = os.stat(path)  # noqa: PTH116  # Half the time of Path's.
    except (OSError, ValueError):
        return None
    return (
        *(status.st_dev, status.st_ino, status.st_size),
        *(status.st_mtime_ns, status.st_ctime_ns),
    )


def _place(root: str) -> _Look:
    """What tells a folder from another of the same name; None where there is no folder."""
    look = _look(root)
    return look[:2] if look and Path(root).is_dir() else None


def _reported(folders: Sequence[Path]) -> Generator[set[str]]:
    """Paths in the folders that changed, at least twice a second; ends where it must begin anew."""
    from watchfiles import watch as reports

    if not folders:
        while True:
            time.sleep(_TICK / 1000)
            yield set()
    try:
        for changes in reports(
            *folders,
            watch_filter=None,
            debounce=_TICK,
            rust_timeout=_TICK,
            yield_on_timeout=True,
            poll_delay_ms=_POLL,
            ignore_permission_denied=True,
        ):
            yield {path for _, path in changes}
    except FileNotFoundError:
        return
    except (OSError, RuntimeError) as error:
        if "decode path" in str(error):  # A name that is not UTF-8.
            return
        raise QAError(
            f"系统不能留意这么多文件夹:{error}",
            "请调大 fs.inotify.max_user_watches,或设环境变量 WATCHFILES_FORCE_POLLING=1,定时查看。",
        ) from error
