"""Paths come in; the files among them that can be read, and the documents in each, go out."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qa.corpus import formats, office, webpage
from qa.errors import FileError, InputError
from qa.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qa.types import Document

MAX_BYTES = 200 * 1024 * 1024
"""Largest file that is read; a book of a million characters has 3 MB."""

_READERS: dict[str, Callable[[str, bytes], list[Document]]] = {
    ".txt": formats.text,
    ".md": formats.markdown,
    ".markdown": formats.markdown,
    ".html": webpage.html,
    ".htm": webpage.html,
    ".pdf": office.pdf,
    ".docx": office.docx,
    ".jsonl": formats.json_lines,
}
_BLANK = re.compile(r"[\s\ufeff\u200b-\u200d\u2060\0]*")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: As the user gave it, or found below the folder that the user gave, with ``/``.
        absolute: Where it is, links resolved.
    """

    path: str
    absolute: Path


def find(paths: Sequence[str | Path]) -> list[SourceFile]:
    """List the files at ``paths`` and in the folders among them, at any depth.

    In folders, only known suffixes count; hidden files and folders, Word's lock files (``~$``),
    links that lead out of the folder and anything that is no regular file are passed over.

    Args:
        paths: Files and folders. A file may be hidden or a link when it is named here.

    Returns:
        Each real file once, sorted by path.

    Raises:
        InputError: A path that does not exist, or a file of a kind that is not read here.
        FileError: A folder that cannot be listed.
    """
    found: dict[tuple[int, int], SourceFile] = {}
    for given in paths:
        path = Path(given)
        status = _status(path, str(given))
        if stat.S_ISDIR(status.st_mode):
            files = list(_inside(path))
        else:
            _check_named(path, status)
            files = [path]
        # A link comes after the file that it leads to.
        for file in sorted(files, key=lambda file: (file.is_symlink(), file)):
            there = file.stat()
            source = SourceFile(file.as_posix(), file.resolve())
            found.setdefault((there.st_dev, there.st_ino), source)
    return sorted(found.values(), key=lambda file: file.path)


def is_known(path: Path) -> bool:
    """True for a file of a kind that is read here, by its suffix."""
    return path.suffix.lower() in _READERS


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
    known = " ".join(_READERS)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{visible(str(path))} 不是普通文件", f"能读的文件:{known}")
    if not is_known(path):
        suffix = f"扩展名 {path.suffix}" if path.suffix else "没有扩展名的文件"
        message = f"{visible(str(path))}:不认识{visible(suffix)}"
        raise InputError(message, f"能读的扩展名:{known}")


def _inside(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            entries = list(os.scandir(current))
        except OSError as error:
            if current == folder:
                message = f"{visible(current.as_posix())}:文件夹无法读取:{_reason(error)}"
                raise FileError(message, "请检查它的权限,或换一个文件夹。") from error
            yield current  # Reported as a file that cannot be opened.
            continue
        for entry in entries:
            path = current / entry.name
            if is_hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif is_known(path) and _belongs(entry, root):
                yield path


def _belongs(entry: os.DirEntry[str], root: Path) -> bool:
    """True for a regular file, and for a link to one inside ``root``.

    Linked folders never count: inside ``root``, they are found by their own name.
    """
    if not entry.is_symlink():
        return entry.is_file()
    try:
        target = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):  # It leads nowhere, or to itself.
        return False
    return target.is_file() and target.is_relative_to(root)


def load(file: SourceFile) -> list[Document]:
    """Read a file: one document, or for JSON lines one for each record.

    Returns:
        Documents that are not blank. Their text is exactly as decoded for plain text, Markdown
        and JSON lines; for the others it is what a reader of the page would see.

    Raises:
        FileError: Unreadable, empty, binary, damaged, too large, or in need of an optional
            package. The message begins with the path.
    """
    try:
        documents = _reader(file)(file.path, _read(file))
        _refuse_blank(documents)
    except FileError as error:
        shown = visible(file.path)
        raise FileError(f"{shown}:{error.message}", error.advice) from error
    return documents


def _reader(file: SourceFile) -> Callable[[str, bytes], list[Document]]:
    suffix = Path(file.path).suffix.lower()
    if suffix not in _READERS:
        raise FileError(f"不认识扩展名 {visible(suffix)!r}", f"能读的扩展名:{' '.join(_READERS)}")
    return _READERS[suffix]


def _read(file: SourceFile) -> bytes:
    try:
        file.path.encode()
    except UnicodeEncodeError as error:
        message = "文件名不是 UTF-8 编码(多半是在别的系统上打包的)"
        raise FileError(message, "请改名后重试,例如用 convmv -f gbk -t utf8。") from error
    try:
        with file.absolute.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(
            f"无法读取:{_reason(error)}", "请检查文件是否还在、权限是否允许。"
        ) from error
    if len(raw) > MAX_BYTES:
        raise FileError(f"文件超过 {MAX_BYTES >> 20} MB 的上限", "请拆成几个较小的文件。")
    return raw


def _refuse_blank(documents: list[Document]) -> None:
    if all(_BLANK.fullmatch(document.text) for document in documents):
        raise FileError("文件是空的,没有可读的文字", "请检查文件内容,或从列表中去掉它。")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "不存在"
    if isinstance(error, PermissionError):
        return "没有权限"
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return "不是文件,或路径中间有一段不是文件夹"
    return str(error.strerror or error) if isinstance(error, OSError) else "路径含有非法字符"
