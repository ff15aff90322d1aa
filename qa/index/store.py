"""The index on disk: generations in a folder, each written aside, sealed, and swapped in whole.

    embeddings/
    ├── CURRENT           name of the generation in use; one rename of this file is the swap
    ├── generation-7/     manifest.json, catalog.sqlite, sparse/, dense.faiss, clusters.faiss
    ├── models/           prepared models, shared by the generations
    ├── vectors-….log     vectors made so far, while there are many to make
    └── .lock             held by the process that writes

A reader opens the generation that CURRENT names and keeps it, whatever is swapped in later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qa.errors import IndexBusy, IndexDamaged, IndexMissing

_Opened = TypeVar("_Opened")

FORMAT = 2
"""Version of a generation: of its files, and of how pages are read and cut. Another version is
not read but made again."""
_GENERATION = re.compile(r"generation-\d{1,9}")
_REBUILD = "请用 qa index 文件夹 重建;原文不受影响。"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the corpus as it was when indexed.

    Attributes:
        path: As the user gave it.
        absolute: Where it is.
        size: In bytes.
        sha256: Of its bytes, in hexadecimal.
        encoding: What it was read with; "" if it could not be read.
        problem: Why it is not in the index; "" if it is.
    """

    path: str
    absolute: str
    size: int
    sha256: str
    encoding: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is, and the size and SHA-256 of each of its files.

    ``roots`` are the paths of the corpus as the user gave them, in the working folder ``base``.
    ``vectors`` counts the passages that have one; ``dense`` says how they are searched
    in at most ``memory`` megabytes.
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
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT


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
        return (self.path / "CURRENT").exists()

    def current(self) -> Path:
        """Folder of the generation in use.

        Raises:
            IndexMissing: No index has been made here.
            IndexDamaged: The generation that should be in use is not there.
        """
        try:
            name = (self.path / "CURRENT").read_text("utf-8").strip()
        except FileNotFoundError as error:
            raise IndexMissing(
                f"这里还没有索引:{self.path}",
                "请先用 qa index 文件夹 建立;用了 --index 的,建立时也要写上。",
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise IndexDamaged(f"索引目录读不了:{self.path}({error})", _REBUILD) from error
        folder = self.path / name
        if not _GENERATION.fullmatch(name) or not folder.is_dir():
            raise IndexDamaged(f"索引不完整:{self.path} 里没有 {name[:60]!r}", _REBUILD)
        return folder

    def manifest(self, generation: Path) -> Manifest:
        """Read and check a generation's manifest, and that its files have the sizes it gives.

        Raises:
            IndexDamaged: Anything is missing, cut short, or of another version.
        """
        path = generation / "manifest.json"
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["format"] != FORMAT:
                raise IndexDamaged(
                    f"索引是另一版本的格式({content['format']},本程序用 {FORMAT}):{generation}",
                    _REBUILD,
                )
            content["files"] = {name: (size, sha) for name, (size, sha) in content["files"].items()}
            manifest = Manifest(**{**content, "roots": tuple(content["roots"])})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexDamaged(f"索引清单缺失或损坏:{path}", _REBUILD) from error
        for name, (size, _) in manifest.files.items():
            if _size(generation / name) != size:
                raise IndexDamaged(f"索引文件缺失或不完整:{generation / name}", _REBUILD)
        return manifest

    def is_intact(self, generation: Path, manifest: Manifest) -> bool:
        """Whether not a byte of a generation's files is wrong; reads them all."""
        try:
            return _checksums(generation, manifest.files) == dict(manifest.files)
        except OSError:
            return False

    def remove_logs(self) -> None:
        """Remove what was kept of vectors, once all of them are in a generation."""
        for log in self.path.glob("vectors-*.log"):
            log.unlink()

    def opened(self, use: Callable[[Path, Manifest], _Opened]) -> _Opened:
        """What ``use`` makes of the generation in use, again if another is swapped in meanwhile.

        Raises:
            IndexMissing: No index has been made here.
            IndexDamaged: The generation in use cannot be used.
        """
        while True:
            generation = self.current()
            try:
                return use(generation, self.manifest(generation))
            except IndexDamaged:
                if self.current() == generation:
                    raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing; made if it is not there.

        Raises:
            IndexBusy: Another process holds it, or it cannot be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise IndexBusy(
                f"另一个进程正在写这个索引:{self.path}", "请等它结束后再试。"
            ) from error
        except OSError as error:
            raise IndexBusy(
                f"索引目录不能写:{self.path}({error.strerror})",
                "请检查权限,或用 --index 另指一个目录。",
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def new_generation(self) -> Iterator[Path]:
        """An empty folder to write a generation into; removed again unless ``publish`` took it."""
        for leftover in self.path.glob("unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = self.path / f"unfinished-{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def next_number(self) -> int:
        """Number for the next generation."""
        numbers = [int(g.name.partition("-")[2]) for g in self._generations()]
        return max(numbers, default=0) + 1

    def _generations(self) -> list[Path]:
        return [g for g in self.path.glob("generation-*") if _GENERATION.fullmatch(g.name)]

    def publish(self, folder: Path, manifest: Manifest) -> Path:
        """Seal a finished generation and make it the one in use; older ones are removed."""
        sealed = asdict(manifest) | {"files": _checksums(folder, _files(folder))}
        path = folder / "manifest.json"
        path.write_text(json.dumps(sealed, ensure_ascii=False, indent=1), "utf-8")
        for file in [*folder.rglob("*"), folder]:
            _sync(file)
        generation = self.path / f"generation-{manifest.number}"
        folder.rename(generation)
        pointer = self.path / "CURRENT.new"
        pointer.write_text(generation.name + "\n", "utf-8")
        _sync(pointer)
        pointer.replace(self.path / "CURRENT")
        _sync(self.path)
        for old in self._generations():
            if old != generation:
                shutil.rmtree(old, ignore_errors=True)
        return generation


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


def _size(file: Path) -> int:
    """Bytes of a file; -1 where there is none."""
    try:
        return file.stat().st_size if file.is_file() else -1
    except OSError:
        return -1


def _files(folder: Path) -> list[str]:
    """The files of a generation but for locks, each by its path within it."""
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix != ".lock"]
    return [file.relative_to(folder).as_posix() for file in files]


def _checksums(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for name in names:
        with (folder / name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[name] = stream.tell(), digest
    return found


def _sync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def as_json(manifest: Manifest) -> dict[str, Any]:
    """A manifest as plain values, without the list of files."""
    return {name: value for name, value in asdict(manifest).items() if name != "files"}
