"""Files → their sizes and SHA-256, kept in a manifest that is sealed itself; and which are wrong.

A file is read to be checked when it is small, or when its time is not the one at which it was
last found right (``times.json``, which is only a shortcut: without it everything is read).
Damage to a disk that leaves a large file's time as it was is found by reading it whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Files = Mapping[str, tuple[int, str]]
"""Size in bytes and SHA-256, in hexadecimal, of each file, by its path in a folder."""

MANIFEST = "manifest.json"
TIMES = "times.json"
_SEAL = "seal"
_SMALL = 4 << 20
"""Bytes up to which a file is always read: 2 ms."""


def files(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Read files that have just been written, and note their times.

    Raises:
        OSError: One is not there, or the times cannot be written.
    """
    found, times = {}, {}
    for name in names:
        status = (folder / name).stat()
        found[name] = status.st_size, sha256(folder / name)
        times[name] = status.st_mtime_ns
    _note(folder, times)
    return found


def wrong(folder: Path, sealed: Files, *, whole: bool = False) -> list[str]:
    """The names of files that are missing or other than they were; none where all is well.

    Args:
        folder: Where they are.
        sealed: What they were.
        whole: Read all of them to the end, however large.
    """
    noted = _times(folder)
    known = {} if whole else noted
    times = {}
    found = []
    for name, (size, digest) in sealed.items():
        try:
            status = (folder / name).stat()
            times[name] = status.st_mtime_ns
            is_right = status.st_size == size
            if is_right and (size <= _SMALL or known.get(name) != times[name]):
                is_right = sha256(folder / name) == digest
        except OSError:
            is_right = False
        if not is_right:
            found.append(name)
    if not found and times != noted:
        with suppress(OSError):  # A folder that may only be read.
            _note(folder, times)
    return found


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(folder: Path, content: Mapping[str, Any]) -> str:
    """Write a folder's manifest, for people to read too.

    Returns:
        Its seal: the SHA-256 of what it says, in hexadecimal.

    Raises:
        OSError: It cannot be written.
    """
    seal = _seal(content)
    text = json.dumps({_SEAL: seal, **content}, ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_text(f"{text}\n", "utf-8")
    return seal


def read(folder: Path) -> tuple[dict[str, Any], str]:
    """What a folder's manifest says, and its seal.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read.
        ValueError: It is not as it was written.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    seal = content.pop(_SEAL, "") if isinstance(content, dict) else ""
    if seal != _seal(content):
        raise ValueError("the seal is wrong")
    return content, seal


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seal(content: Mapping[str, Any]) -> str:
    said = json.dumps(content, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _times(folder: Path) -> Mapping[str, int]:
    try:
        times = json.loads((folder / TIMES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return times if isinstance(times, dict) else {}


def _note(folder: Path, times: Mapping[str, int]) -> None:
    aside = folder / f".{TIMES}-{os.getpid()}"
    aside.write_text(json.dumps(times), "utf-8")
    aside.replace(folder / TIMES)
