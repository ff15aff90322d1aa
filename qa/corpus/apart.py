"""A web page, PDF or Word document comes in; its documents go out, read by a process apart.

What reads these formats can be kept busy for hours, or made to take gigabytes, by a small file. In
a process of its own it can be stopped, whatever it is doing.
"""

from __future__ import annotations

import atexit
import json
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from qa.corpus import office, webpage
from qa.errors import FileError
from qa.types import Document, Told
from qa.worker import start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from typing import IO

_READERS = {
    ".html": webpage.html,
    ".htm": webpage.html,
    ".pdf": office.pdf,
    ".docx": office.docx,
}
_PACKAGES = {".pdf": ("PDF", "pypdf"), ".docx": ("Word 文档", "docx")}
SUFFIXES = tuple(_READERS)
MEMORY = 1 << 30
"""Most bytes that reading a file may take, where the system can hold a process to it."""
SECONDS = 10.0
"""Longest that one step may take: to open a file, to read a page or a paragraph."""
_STARTING = 60.0
_SMALLER = "请拆成几个较小的文件,或另存为纯文本。"


def read(suffix: str, path: str, raw: bytes, told: Told | None = None) -> list[Document]:
    """Read a file.

    Args:
        suffix: One of SUFFIXES.
        path: Of the document.
        raw: The whole file; of a web page, its text in UTF-8.
        told: Told how many pages have been read, and how many there are.

    Raises:
        FileError: It cannot be read, not within MEMORY and SECONDS, or not without an optional
            package.
    """
    kind, package = _PACKAGES.get(suffix, ("", ""))
    if package and find_spec(package) is None:
        raise FileError(f"读取 {kind} 需要可选组件", f"请运行 pip install 'wenju[{suffix[1:]}]'。")
    with _lock:
        answer = _reader.answer(suffix, path, raw, told)
    if "problem" in answer:
        raise FileError(answer["problem"], answer["advice"])
    return [Document(**values) for values in answer["documents"]]


class _Reader:
    """The process that reads, started when it is needed, and kept for the next file."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: SimpleQueue[bytes] = SimpleQueue()

    def answer(self, suffix: str, path: str, raw: bytes, told: Told | None) -> dict[str, Any]:
        """What it says of a file in the end: its documents, or the problem."""
        try:
            if stdin := self._started().stdin:
                with suppress(OSError):  # It has ended, which shows in its answer.
                    stdin.write(json.dumps([suffix, path, len(raw)]).encode() + b"\n")
                    stdin.write(raw)
                    stdin.flush()
            while "total" in (answer := self._next(SECONDS)):
                if told:
                    told(answer["done"], answer["total"])
        except BaseException:  # Ctrl-C, too: what it goes on with is of no use.
            self.close()
            raise
        if answer.get("ends"):
            self.close()
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process, self._lines = start("qa.corpus.apart"), SimpleQueue()
            threading.Thread(
                target=_listen, args=(self._process.stdout, self._lines), daemon=True
            ).start()
            self._next(_STARTING)
        return self._process

    def _next(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except Empty:
            message = f"停住超过 {seconds:.0f} 秒,没有读完"
            return {"problem": message, "advice": _SMALLER, "ends": True}
        if not line:
            return {"problem": "读取的程序中途退出了", "advice": _SMALLER, "ends": True}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _listen(stream: IO[bytes], lines: SimpleQueue[bytes]) -> None:
    """Pass on lines; an empty one at the end."""
    with suppress(ValueError, OSError):  # Closed meanwhile.
        for line in stream:
            lines.put(line)
    lines.put(b"")


_lock = threading.Lock()
_reader = _Reader()
atexit.register(_reader.close)


def _work() -> None:
    """Read one file after the other; the first line says that all is ready."""
    with suppress(ImportError, OSError, ValueError):  # Windows and macOS have no such bound.
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Where the one who would stop it is gone, it is stopped all the same.
    alarm: Callable[[int], object] = getattr(signal, "alarm", lambda _: None)
    _say({})
    said = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal said
        alarm(2 * int(SECONDS))
        if time.monotonic() - said > SECONDS / 20:
            said = time.monotonic()
            _say({"done": done, "total": total})

    for line in sys.stdin.buffer:
        suffix, path, size = json.loads(line)
        try:
            raw = sys.stdin.buffer.read(size)
            alarm(2 * int(SECONDS))
            documents = _READERS[suffix](path, raw, tell)
            _say({"documents": [asdict(document) for document in documents]})
        except FileError as error:
            _say({"problem": error.message, "advice": error.advice})
        except MemoryError:
            problem = f"要用的内存超过 {MEMORY >> 20} MB 的上限"
            _say({"problem": problem, "advice": _SMALLER, "ends": True})
        finally:
            alarm(0)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _work()
