"""The index on disk: generations in a folder, each written aside, sealed, and swapped in whole.

    embeddings/
    ├── CURRENT           name and seal of the generation in use; its rename is the swap
    ├── generation-7/     manifest.json, catalog.sqlite, sparse/, dense.faiss, clusters.faiss
    ├── generation-6/     the one before
    ├── models/           prepared models, shared by the generations
    ├── vectors-….log     vectors made so far, while there are many to make
    ├── writer.json       says which process writes
    └── .lock             held by that process, however it ends

A reader opens the generation that CURRENT names and keeps it, whatever is swapped in later. CURRENT
seals the manifest, the manifest its files: what is damaged is noticed, and the last whole
generation is used.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qa.errors import IndexBusy, IndexDamaged, IndexMissing
from qa.index import seal
from qa.text import unspelled
from qa.types import SURE

_log = logging.getLogger(__name__)
_Opened = TypeVar("_Opened")

FORMAT = 3
"""Version of a generation: of its files, and of how pages are read and cut. Another version is
not read but made again."""
_GENERATION = re.compile(r"generation-\d{1,9}")
_CURRENT = "CURRENT"
_ASIDE = "unfinished-"
_REBUILD = "请用 qa index 文件夹 重建;原文不受影响。"
_REPAIR = "请运行 qa index 修复;原文不受影响。"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the corpus as it was when indexed.

    Attributes:
        path: As the user gave it, ``spelled``.
        absolute: Where it is, ``spelled``.
        size: In bytes.
        sha256: Of its bytes, in hexadecimal; "" if they were not read.
        encoding: What it was read with; "" if it could not be read.
        problem: Why it is not in the index; "" if it is.
        given: The encoding that the user said it is in, "" if none.
        confidence: Probability in [0, 1] that ``encoding`` is right.
        alternatives: Encodings that are nearly as likely, best first.
    """

    path: str
    absolute: str
    size: int
    sha256: str
    encoding: str = ""
    problem: str = ""
    given: str = ""
    confidence: float = 1.0
    alternatives: tuple[str, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether it was read in an encoding that may not be its own."""
        return not self.problem and self.confidence < SURE

    @property
    def place(self) -> Path:
        """Where it is, as the system knows it."""
        return Path(unspelled(self.absolute))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is, and the size and SHA-256 of each of its files.

    ``roots`` are the paths of the corpus as the user gave them, in the working folder ``base``, all
    ``spelled``; ``follow_links`` says whether links out of them were followed.
    ``vectors`` counts the passages that have one; ``dense`` says how they are searched
    in at most ``memory`` megabytes. ``seal`` is the checksum of all that the manifest says.
    """

    number: int
    created: str
    roots: tuple[str, ...]
    base: str
    model: str
    model_name: str
    model_folder: str
    documents: int
    passages: int
    seconds: float
    changes: Mapping[str, int]
    vectors: int
    dense: Mapping[str, str | int | float]
    memory: int
    follow_links: bool = False
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT
    seal: str = ""


class IndexFolder:
    """A folder that holds an index, or will."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def models(self) -> Path:
        """Folder of the prepared models."""
        return self.path / "models"

    def exists(self) -> bool:
        """True where an index has been made, be it whole or not."""
        return (self.path / _CURRENT).exists() or bool(self.generations())

    def generations(self) -> list[Path]:
        """Folders of the generations that are kept, be they whole or not, the newest first."""
        found = [g for g in self.path.glob("generation-*") if _GENERATION.fullmatch(g.name)]
        return sorted(found, key=_number, reverse=True)

    def current(self) -> tuple[Path, Manifest]:
        """Folder and manifest of the generation in use; its files may be damaged, see ``check``.

        Raises:
            IndexMissing: No index has been made here.
            IndexDamaged: It cannot be told which it is, or it is not there.
        """
        name, _, sealed = self._pointer().strip().partition(" ")
        folder = self.path / name
        if not _GENERATION.fullmatch(name) or not folder.is_dir():
            raise IndexDamaged(f"索引不完整:{self.path} 里没有 {name[:60]!r}", _REBUILD)
        manifest = self.manifest(folder)
        if manifest.seal != sealed:
            raise IndexDamaged(f"{self.path / _CURRENT} 与 {name} 的清单对不上", _REBUILD)
        return folder, manifest

    def is_in_use(self, generation: Path, manifest: Manifest) -> bool:
        """Whether a whole generation, with its manifest, is the one in use."""
        try:
            return self._pointer().split() == [generation.name, manifest.seal]
        except IndexDamaged:
            return False

    def _pointer(self) -> str:
        try:
            return (self.path / _CURRENT).read_text("utf-8")
        except FileNotFoundError as error:
            if self.generations():
                raise IndexDamaged(f"索引不完整:{self.path} 里没有 {_CURRENT}", _REBUILD) from error
            raise IndexMissing(
                f"这里还没有索引:{self.path}",
                "请先用 qa index 文件夹 建立;用了 --index 的,建立时也要写上。",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise IndexDamaged(f"索引目录读不了:{self.path}({error})", _REBUILD) from error

    def manifest(self, generation: Path) -> Manifest:
        """What a generation says of itself.

        Raises:
            IndexDamaged: It is missing, not as it was, or of another version.
        """
        path = generation / seal.MANIFEST
        try:
            content, sealed = seal.read(generation)
            if content["format"] != FORMAT:
                raise IndexDamaged(
                    f"索引是另一版本的格式({content['format']},本程序用 {FORMAT}):{generation}",
                    _REBUILD,
                )
            content["files"] = {name: (size, sha) for name, (size, sha) in content["files"].items()}
            return Manifest(**{**content, "roots": tuple(content["roots"]), "seal": sealed})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexDamaged(f"索引清单缺失或损坏:{path}", _REBUILD) from error

    def check(self, generation: Path, manifest: Manifest, *, whole: bool = False) -> None:
        """Check that the files of a generation are as they were.

        Args:
            generation: Its folder.
            manifest: What it says of itself.
            whole: Read all of its files to the end, however large.

        Raises:
            IndexDamaged: One is missing or other than it was; it is named.
        """
        if wrong := seal.wrong(generation, manifest.files, whole=whole):
            raise IndexDamaged(f"索引文件缺失或损坏:{generation / wrong[0]}", _REBUILD)

    def last(self) -> Manifest | None:
        """What the last run was told: its manifest, be its files whole or not; else one before.

        None where there is none.
        """
        with suppress(IndexMissing, IndexDamaged):
            return self.current()[1]
        for generation in self.generations():
            with suppress(IndexDamaged):
                return self.manifest(generation)
        return None

    def opened(self, use: Callable[[Path, Manifest], _Opened]) -> tuple[_Opened, str]:
        """What ``use`` makes of the generation in use; where that is damaged, of the last one.

        Returns:
            With it, what a person should know of damage, in Chinese; "" where there is none.

        Raises:
            IndexMissing: No index has been made here.
            IndexDamaged: No generation can be used.
        """
        damage: IndexDamaged | None = None
        while True:
            try:
                generation, manifest = self.current()
                self.check(generation, manifest)
                _log.info("打开索引 %s", generation)
                return use(generation, manifest), ""
            except IndexDamaged as error:
                _log.info("索引打不开", exc_info=error)
                if damage and error.message == damage.message:
                    break  # Else another was swapped in meanwhile.
                damage = error
        for generation in self.generations():
            with suppress(IndexDamaged):
                manifest = self.manifest(generation)
                self.check(generation, manifest)
                notice = f"{damage.message};改用第 {manifest.number} 代({manifest.created})。"
                _log.info("改用 %s", generation)
                return use(generation, manifest), notice + _REPAIR
        raise damage

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing; made if it is not there.

        Raises:
            IndexBusy: Another process holds it, which is named, or it cannot be written.
        """
        import platform
        from datetime import datetime

        from filelock import FileLock, Timeout

        writer = self.path / "writer.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise IndexBusy(
                f"另一个进程正在写这个索引:{self.path}{_holder(writer)}", "请等它结束后再试。"
            ) from error
        except OSError as error:
            raise IndexBusy(
                f"索引目录不能写:{self.path}({error.strerror})",
                "请检查权限,或用 --index 另指一个目录。",
            ) from error
        try:
            with suppress(OSError):
                now = datetime.now().astimezone().isoformat(timespec="seconds")
                held = {"process": os.getpid(), "host": platform.node(), "since": now}
                writer.write_text(json.dumps(held), "utf-8")
            yield
        finally:
            with suppress(OSError):
                writer.unlink(missing_ok=True)
            lock.release()

    @contextmanager
    def new_generation(self) -> Iterator[Path]:
        """An empty folder to write a generation into; removed again unless ``publish`` took it."""
        self._remove_leftovers()
        folder = self.path / f"{_ASIDE}{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def next_number(self) -> int:
        """Number for the next generation."""
        return max(map(_number, self.generations()), default=0) + 1

    def publish(self, folder: Path, manifest: Manifest) -> Path:
        """Seal a finished generation and make it the one in use.

        The last whole one that has all its vectors is kept beside it, for ``roll_back`` and for
        the day when this one is damaged; others are removed. Who reads one of those still can:
        its files go when the last process has closed them.
        """
        content = asdict(manifest) | {"files": seal.files(folder, _files(folder))}
        del content["seal"]
        sealed = seal.write(folder, content)
        for file in [*folder.rglob("*"), folder]:
            seal.sync(file)
        last = next((g for g, m in self.usable() if m.vectors == m.passages), None)
        generation = self.path / f"generation-{manifest.number}"
        folder.rename(generation)
        seal.sync(self.path)
        self._point_to(generation, sealed)
        for old in self.generations():
            if old not in (generation, last):
                self._remove(old)
        return generation

    def roll_back(self) -> tuple[Manifest, int]:
        """Put the last whole generation before the one in use in its place.

        Where there is none before, one after it: so that a second time undoes the first.

        Returns:
            The manifest of the one that is in use now, and the number of the one that was; -1
            where that cannot be told.

        Raises:
            IndexMissing: No index has been made here, or there is no other whole generation.
        """
        left = -1
        with suppress(IndexDamaged):
            left = _number(self.path / self._pointer().partition(" ")[0])
        others = [g for g in self.generations() if _number(g) != left]
        earlier = [g for g in others if _number(g) < left]
        for generation in dict.fromkeys([*earlier, *others]):
            with suppress(IndexDamaged):
                manifest = self.manifest(generation)
                self.check(generation, manifest, whole=True)
                self._point_to(generation, manifest.seal)
                return manifest, left
        raise IndexMissing(f"没有别的完好的一代可以换回:{self.path}", "请用 qa index 文件夹 重建。")

    def usable(self, *, whole: bool = False) -> Iterator[tuple[Path, Manifest]]:
        """The generations that can be used: the one in use first, then from the newest on.

        Args:
            whole: Read all of their files to the end, however large.
        """
        in_use = []
        with suppress(IndexMissing, IndexDamaged):
            in_use = [self.current()[0]]
        for generation in dict.fromkeys([*in_use, *self.generations()]):
            with suppress(IndexDamaged):
                manifest = self.manifest(generation)
                self.check(generation, manifest, whole=whole)
                yield generation, manifest

    def _point_to(self, generation: Path, sealed: str) -> None:
        """Make a generation the one in use, in one step."""
        pointer = self.path / f"{_CURRENT}.new"
        pointer.write_text(f"{generation.name} {sealed}\n", "utf-8")
        seal.sync(pointer)
        pointer.replace(self.path / _CURRENT)
        with suppress(OSError):  # It has been swapped in; without power, both are whole.
            seal.sync(self.path)

    def _remove(self, generation: Path) -> None:
        """Remove a generation; where its files cannot be removed while they are read, later."""
        with suppress(OSError):
            shutil.rmtree(generation.rename(self.path / f"{_ASIDE}{generation.name}"))

    def _remove_leftovers(self) -> None:
        for leftover in self.path.glob(f"{_ASIDE}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what a run that was stopped did not, and damaged generations, which it reads.

        As in ``publish``, the one in use, which is whole, stays, and one other.
        """
        self._remove_leftovers()
        kept = [self.current()[0]]
        for generation in self.generations():
            if generation in kept:
                continue
            with suppress(IndexDamaged):
                manifest = self.manifest(generation)
                self.check(generation, manifest, whole=True)
                if len(kept) == 1 and manifest.vectors == manifest.passages:
                    kept.append(generation)
            if generation not in kept:
                self._remove(generation)

    def remove_logs(self) -> None:
        """Remove what was kept of vectors, once all of them are in a generation."""
        for log in self.path.glob("vectors-*.log"):
            log.unlink()


def take_over(source: Path, target: Path, *, changes: bool = False) -> None:
    """Have a file or folder of one generation in the next, too, without copying where possible.

    Args:
        source: It is not there in an empty generation; then nothing is done.
        target: Where it is to be.
        changes: Whether it will be written to: a copy then.
    """
    for file in [source] if source.is_file() else sorted(source.rglob("*")):
        if file.is_dir() or file.suffix == ".lock":
            continue
        to = target / file.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        if not changes:
            with suppress(OSError):  # A file system without hard links.
                os.link(file, to)
                continue
        shutil.copyfile(file, to)


def _files(folder: Path) -> list[str]:
    """The files of a generation but for locks, each by its path within it."""
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix != ".lock"]
    return [file.relative_to(folder).as_posix() for file in files]


def _number(generation: Path) -> int:
    """The number in a generation's name; -1 where that is none."""
    digits = generation.name.partition("-")[2]
    return int(digits) if _GENERATION.fullmatch(generation.name) else -1


def _holder(writer: Path) -> str:
    """Who writes, as far as it is known; "" if it is not."""
    try:
        held = json.loads(writer.read_bytes())
        return f"({held['host']} 上的进程 {held['process']},自 {held['since']} 起)"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def as_json(manifest: Manifest) -> dict[str, Any]:
    """A manifest as plain values, without the list of files and the seal."""
    return {n: value for n, value in asdict(manifest).items() if n not in ("files", "seal")}
