"""Paths come in; the files among them that can be read, and the documents in each, go out."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qa.corpus import apart, formats, webpage
from qa.corpus.encoding import Decoded, decode
from qa.errors import FileError, InputError
from qa.text import spelled, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader

    from qa.types import Document, Told

MAX_BYTES = 200 * 1024 * 1024
"""Largest file that is read; a book of a million characters has 3 MB."""

MAX_LINES = 1_000_000
"""Most lines of a document: while a page is repaired, each takes 600 bytes of memory."""

_READERS: dict[str, Callable[[str, Decoded], list[Document]]] = {
    ".txt": formats.text,
    ".md": formats.markdown,
    ".markdown": formats.markdown,
    ".jsonl": formats.json_lines,
}
_PAGES = (".html", ".htm")
_SUFFIXES = (*_READERS, *apart.SUFFIXES)
_BLANK = re.compile(r"[\s\ufeff\u200b-\u200d\u2060\0]*")

_LEADS_OUT = "链接指向文件夹之外,没有跟随;要收入请加 --follow-links"
_LEADS_NOWHERE = "链接指向的文件不存在"
_NO_FILE = "不是普通文件(是文件夹、管道、设备或套接字),没有打开"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: As the user gave it, or found below the folder that the user gave, with ``/``, and
            ``spelled``.
        absolute: Where it is, links resolved but for one that is not followed.
        encoding: What the user says it is in; "" to find out.
        problem: Why it is not to be opened; "" if it is.
    """

    path: str
    absolute: Path
    encoding: str = ""
    problem: str = ""

    @property
    def is_text(self) -> bool:
        """Whether its format is one that an encoding can be given for."""
        return Path(self.path).suffix.lower() in (*_READERS, *_PAGES)


def find(paths: Sequence[str | Path], *, follow_links: bool = False) -> list[SourceFile]:
    """List the files at ``paths`` and in the folders among them, at any depth.

    In folders, only known suffixes count; hidden files and folders and Word's lock files (``~$``)
    are passed over. Links that lead out of the folder or nowhere, and what is no regular file, are
    listed with the problem.

    Args:
        paths: Files and folders, as the system knows them. A file may be hidden or a link when it
            is named here.
        follow_links: Take in what links lead to outside of the folder.

    Returns:
        Each real file once, sorted by path.

    Raises:
        InputError: A path that does not exist, or a file of a kind that is not read here.
        FileError: A folder that cannot be listed.
    """
    found: dict[tuple[int, int] | str, SourceFile] = {}
    for given in paths:
        path = Path(given)
        status = _status(path, str(given))
        if stat.S_ISDIR(status.st_mode):
            files = list(_inside(path, follow_links=follow_links))
        else:
            _check_named(path, status)
            files = [(path, "")]
        # A link comes after the file that it leads to.
        for file, problem in sorted(files, key=lambda one: (one[0].is_symlink(), one)):
            name = spelled(file.as_posix())
            try:
                there = file.lstat() if problem else file.stat()
            except OSError as error:  # It has just gone.
                found[name] = SourceFile(
                    name, file.absolute(), problem=f"无法读取:{_reason(error)}"
                )
                continue
            # Of a link that is not followed, its own place.
            place = file.parent.resolve() / file.name if problem else file.resolve()
            found.setdefault((there.st_dev, there.st_ino), SourceFile(name, place, problem=problem))
    return sorted(found.values(), key=lambda file: file.path)


def is_known(path: Path) -> bool:
    """True for a file of a kind that is read here, by its suffix."""
    return path.suffix.lower() in _SUFFIXES


def is_hidden(name: str) -> bool:
    """True for a file or folder that is passed over inside of folders."""
    return name.startswith((".", "~$"))


def _status(path: Path, given: str) -> os.stat_result:
    try:
        if given:
            return path.stat()
    except (OSError, ValueError) as error:
        reason = _reason(error)
    else:
        reason = "空的路径"
    raise InputError(f"无法使用路径 {visible(given)!r}:{reason}", "请检查路径是否写对、能否访问。")


def _check_named(path: Path, status: os.stat_result) -> None:
    known = " ".join(_SUFFIXES)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{visible(str(path))} 不是普通文件", f"能读的文件:{known}")
    if not is_known(path):
        suffix = f"扩展名 {path.suffix}" if path.suffix else "没有扩展名的文件"
        message = f"{visible(str(path))}:不认识{visible(suffix)}"
        raise InputError(message, f"能读的扩展名:{known}")


def _inside(folder: Path, *, follow_links: bool) -> Iterator[tuple[Path, str]]:
    """Files in a folder, each with the problem that it has; each folder is gone into once."""
    root = folder.resolve()
    seen: set[tuple[int, int]] = set()
    waiting, linked = [folder], list[Path]()
    while waiting or linked:
        # Linked folders come last: what is inside ``root`` is found by its own name.
        current = waiting.pop() if waiting else linked.pop()
        try:
            entries = _entries(current, seen)
        except OSError as error:
            if current == folder:
                message = f"{visible(current.as_posix())}:文件夹无法读取:{_reason(error)}"
                raise FileError(message, "请检查它的权限,或换一个文件夹。") from error
            yield current, f"文件夹无法读取:{_reason(error)}"
            continue
        for entry in entries:
            path = current / entry.name
            mode, problem = _mode(path), ""
            if entry.is_symlink():
                problem = _problem_of_link(path, mode, root, follow_links=follow_links)
            elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                problem = _NO_FILE
            if stat.S_ISDIR(mode) and not problem:
                (linked if entry.is_symlink() else waiting).append(path)
            elif stat.S_ISDIR(mode) or is_known(path):
                yield path, problem


def _problem_of_link(link: Path, mode: int, root: Path, *, follow_links: bool) -> str:
    if not mode:
        return _LEADS_NOWHERE
    if not follow_links and not _is_inside(link, root):
        return _LEADS_OUT
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _NO_FILE


def _entries(folder: Path, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What is in a folder but for hidden files; nothing where it has been ``seen``."""
    status = folder.stat()
    place = status.st_dev, status.st_ino
    if place in seen:
        return []
    seen.add(place)
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not is_hidden(entry.name)]


def _mode(path: Path) -> int:
    """What is at a path, links followed; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _is_inside(link: Path, root: Path) -> bool:
    """Whether a link leads to something inside ``root``."""
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # It leads nowhere, or to itself.
        return False


def load(file: SourceFile) -> list[Document]:
    """Read a file: one document, or for JSON lines one for each record.

    Returns:
        Documents that are not blank. Their text is exactly as decoded for plain text, Markdown
        and JSON lines; for the others it is what a reader of the page would see.

    Raises:
        FileError: Unreadable, empty, binary, damaged, too large, or in need of an optional
            package. The message begins with the path.
    """
    return read(file)[0]


def read(file: SourceFile, told: Told | None = None) -> tuple[list[Document], Decoded]:
    """Read a file as ``load`` does; its documents, and how its text was decoded.

    Args:
        file: What to read. Of a PDF or a Word document, the text is not decoded but extracted.
        told: Told how many of a document's pages have been read, and how many there are.
    """
    suffix = Path(file.path).suffix.lower()
    try:
        raw = _bytes(file, suffix)
        if reader := _READERS.get(suffix):
            decoded = decode(raw, given=file.encoding)
            documents = reader(file.path, decoded)
        elif suffix in _PAGES:
            decoded = decode(raw, webpage.charset(raw), file.encoding)
            documents = [
                replace(document, encoding=decoded.encoding)
                for document in apart.read(suffix, file.path, decoded.text.encode(), told)
            ]
        else:
            decoded = Decoded("", suffix[1:])
            documents = apart.read(suffix, file.path, raw, told)
        _refuse_blank(documents)
        _refuse_lines(documents)
    except FileError as error:
        shown = visible(file.path)
        raise FileError(f"{shown}:{error.message}", error.advice) from error
    return documents, decoded


def opened(path: Path) -> BufferedReader:
    """Open a file to read it; one that has become a pipe or a device meanwhile is not waited for.

    Raises:
        FileError: It cannot be opened, is no regular file, or is larger than MAX_BYTES.
    """

    def without_waiting(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        _refuse_other(path.stat())
        stream = open(path, "rb", opener=without_waiting)  # noqa: SIM115
    except OSError as error:
        message = f"无法读取:{_reason(error)}"
        raise FileError(message, "请检查文件是否还在、权限是否允许。") from error
    try:
        _refuse_other(os.fstat(stream.fileno()))
    except FileError:
        stream.close()
        raise
    return stream


def _refuse_other(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileError(_NO_FILE, "请换成普通文件。")
    _refuse_large(status.st_size)


def _refuse_large(size: int) -> None:
    if size > MAX_BYTES:
        raise FileError(f"文件超过 {MAX_BYTES >> 20} MB 的上限", "请拆成几个较小的文件。")


def _bytes(file: SourceFile, suffix: str) -> bytes:
    if suffix not in _SUFFIXES:
        raise FileError(f"不认识扩展名 {visible(suffix)!r}", f"能读的扩展名:{' '.join(_SUFFIXES)}")
    with opened(file.absolute) as stream:
        try:
            raw = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise FileError(f"无法读取:{_reason(error)}", "请检查文件所在的磁盘。") from error
    _refuse_large(len(raw))
    return raw


def _refuse_blank(documents: list[Document]) -> None:
    if all(_BLANK.fullmatch(document.text) for document in documents):
        raise FileError("文件是空的,没有可读的文字", "请检查文件内容,或从列表中去掉它。")


def _refuse_lines(documents: list[Document]) -> None:
    lines = max(document.text.count("\n") for document in documents)
    if lines > MAX_LINES:
        message = f"文件有 {lines:,} 行,超过 {MAX_LINES:,} 行的上限"
        raise FileError(message, "请拆成几个较小的文件。")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "不存在"
    if isinstance(error, PermissionError):
        return "没有权限"
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return "不是文件,或路径中间有一段不是文件夹"
    return str(error.strerror or error) if isinstance(error, OSError) else "路径含有非法字符"
