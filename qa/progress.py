"""Progress of long work on a terminal: a bar with rate and time left, nothing for short work."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_QUIET = 0.7
"""Seconds of work before anything is shown."""
_EVERY = 5.0
"""Seconds between lines where stderr is no terminal."""


class ProgressBar:
    """A ``qa.types.Progress`` that draws on stderr.

    Args:
        leaves: Whether what was drawn stays when the work is done.
    """

    def __init__(self, *, leaves: bool = True) -> None:
        self._leaves = leaves
        self._started = time.monotonic()
        self._spoke = self._started
        self._bar: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show ``done`` of ``total`` steps of a stage; one that is a single step is long work."""
        now = time.monotonic()
        single = total == 1 and done == 0
        if now - self._started < _QUIET and not single and self._bar is None:
            return
        if self._terminal:
            self._draw(stage, done, total)
        elif single or now - self._spoke >= _EVERY:
            self._spoke = now
            count = "…" if single else f" {done}/{total}"
            print(f"{stage}{count}(已用 {now - self._started:.0f} 秒)", file=sys.stderr)  # noqa: T201

    def _draw(self, stage: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _bar(leaves=self._leaves)
            self._bar.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total or None)
        self._bar.update(self._tasks[stage], completed=done, total=total or None)


def _bar(*, leaves: bool) -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Steps a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.0f}/秒" if speed and speed >= 1 else "")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("剩余"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=not leaves,
    )
