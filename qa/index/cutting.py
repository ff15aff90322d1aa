"""Texts in, the words of each out: in other processes on all cores where there are many texts.

Cutting takes two thirds of the time in which text and terms are written. The workers read and
write lines of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from queue import SimpleQueue
from typing import TypeVar

from qa.index.encoder import cores
from qa.index.tokens import Words
from qa.worker import start

_Item = TypeVar("_Item")

_AHEAD = 3
"""Batches for each worker that are given out before the first one is taken back."""
_BATCH = 50_000
"""Characters that are cut together, some two hundred passages."""
FEW = 1_000_000
"""Characters that are cut here: starting workers, which read the dictionary, would take longer."""


class Cutting:
    """Cuts texts, in order; the workers end with the ``with`` block."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cutting:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._started:
            worker.kill()
        if self._started:
            self._threads.shutdown(cancel_futures=True)
        for worker in self._started:
            worker.communicate()

    def words(
        self, items: Iterable[tuple[_Item, Sequence[str]]]
    ) -> Iterator[tuple[_Item, list[str]]]:
        """Each item with the words of each of its texts, with spaces between.

        Args:
            items: With their texts, folded; read only as far ahead as keeps the workers busy.
        """
        waiting: deque[tuple[list[_Item], Future[list[list[str]]]]] = deque()
        seen = 0
        for batch in _batches(items):
            named, texts = [item for item, _ in batch], [list(of_item) for _, of_item in batch]
            seen += sum(map(_length, batch))
            if seen <= FEW:
                yield from zip(named, _cut(self._here, texts), strict=True)
                continue
            if not self._started:
                self._start()
            waiting.append((named, self._threads.submit(self._cut_by_worker, texts)))
            if len(waiting) > _AHEAD * cores():
                named, cut = waiting.popleft()
                yield from zip(named, cut.result(), strict=True)
        for named, cut in waiting:
            yield from zip(named, cut.result(), strict=True)

    @cached_property
    def _here(self) -> Words:
        return Words.of_dictionary()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(cores())

    def _start(self) -> None:
        for _ in range(cores()):
            worker = start("qa.index.cutting")
            self._started.append(worker)
            self._idle.put(worker)

    def _cut_by_worker(self, texts: list[list[str]]) -> list[list[str]]:
        """The words of texts by a worker; here if it is gone, as where memory is short."""
        worker = self._idle.get()
        answer = b""
        if worker and worker.stdin and worker.stdout:
            with suppress(OSError):
                worker.stdin.write(json.dumps(texts).encode() + b"\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
        self._idle.put(worker if answer else None)
        cut: list[list[str]] = json.loads(answer) if answer else _cut(self._here, texts)
        return cut


def _length(item: tuple[_Item, Sequence[str]]) -> int:
    return sum(map(len, item[1]))


def _batches(
    items: Iterable[tuple[_Item, Sequence[str]]],
) -> Iterator[list[tuple[_Item, Sequence[str]]]]:
    batch: list[tuple[_Item, Sequence[str]]] = []
    length = 0
    for item in items:
        batch.append(item)
        length += _length(item)
        if length >= _BATCH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def _cut(words: Words, texts: list[list[str]]) -> list[list[str]]:
    return [[" ".join(words(text)) for text in of_item] for of_item in texts]


def _work() -> None:
    """Answer each line, a batch of texts, with a line of their words."""
    words = Words.of_dictionary()
    for line in sys.stdin.buffer:
        answer = json.dumps(_cut(words, json.loads(line))).encode() + b"\n"
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _work()
