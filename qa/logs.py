"""What the program does, told in a log: on stderr, in a file that only its owner reads, or nowhere.

Records of level INFO and above name files, counts and seconds; only those of DEBUG hold text of
documents, questions or answers, and ``--log-text`` asks for them.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from typer.core import TyperCommand, TyperOption

from qa import __version__
from qa.errors import InputError

_log = logging.getLogger(__name__)
_OPTIONS = {
    "verbose": "把经过写到标准错误:用了哪个索引和模型,每一步用时。",
    "log_file": "把经过接着写进文件,新建的只有自己能读。",
    "log_text": "日志里也写问题、回答和文章的文字;平时没有。",
}


def _option(name: str) -> TyperOption:
    names = [f"--{name.replace('_', '-')}", *(["-v"] if name == "verbose" else ())]
    if name == "log_file":
        return TyperOption(param_decls=names, metavar="文件", help=_OPTIONS[name])
    return TyperOption(param_decls=names, is_flag=True, default=False, help=_OPTIONS[name])


class LoggedCommand(TyperCommand):
    """A command that takes the options of the log beside its own."""

    def __init__(self, name: str | None, params: list[Any], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(name, params=[*params, *map(_option, _OPTIONS)], **settings)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Begin the log, then do as any command does."""
        begin(**{name: ctx.params.pop(name) for name in _OPTIONS})
        _log.info(
            "问据 %s,Python %s,%s:qa %s",
            *(__version__, sys.version.partition(" ")[0], sys.platform, self.name),
        )
        return super().invoke(ctx)


def begin(*, verbose: bool, log_file: str | None, log_text: bool) -> None:
    """Have the package's log written.

    Args:
        verbose: To stderr.
        log_file: To the end of a file, made with rights for its owner alone.
        log_text: With text of documents, questions and answers.

    Raises:
        InputError: The file cannot be written, or no log is asked for that could hold text.
    """
    streams: list[TextIO] = [sys.stderr] if verbose else []
    if log_file is not None:
        try:
            handle = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "不是合用的路径"
            raise InputError(
                f"日志文件写不了:{log_file}({reason})", "请检查路径和权限。"
            ) from error
        streams.append(os.fdopen(handle, "w", encoding="utf-8"))
    if log_text and not streams:
        raise InputError("--log-text 要和 -v 或 --log-file 一起用。")
    package = logging.getLogger("qa")
    for stream in streams:
        handler = _Handler(stream)
        handler.setFormatter(_Line())
        package.addHandler(handler)
        package.setLevel(logging.DEBUG if log_text else logging.INFO)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to a stream until it takes no more; then the work goes on without."""

    def handleError(self, record: logging.LogRecord) -> None:
        logging.getLogger("qa").removeHandler(self)
        if self.stream is not sys.stderr:
            sys.stderr.write("注意:日志写不下去了,往后的没有记。\n")


class _Line(logging.Formatter):
    """A record as one line, errors with their traces."""

    def format(self, record: logging.LogRecord) -> str:
        from qa.text import visible

        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        told = record.getMessage()
        if record.exc_info and (error := record.exc_info[1]):
            told += ":" + trace(error, text=logging.getLogger("qa").isEnabledFor(logging.DEBUG))
        line = f"{at}.{record.msecs:03.0f} {record.process} {record.levelname} {record.name} {told}"
        return visible(line).replace("\n", "␊")


def trace(error: BaseException | None, *, text: bool) -> str:
    """Where an error was raised, and what it came from; messages may quote text, and only then."""
    told = []
    while error:
        calls = traceback.walk_tb(error.__traceback__)
        codes = ((frame.f_code, line) for frame, line in calls)
        where = " › ".join(f"{_short(c.co_filename)}:{line} {c.co_name}" for c, line in codes)
        number = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
        said = f"({error})" if text else f"({number})" if number else ""
        told.append(f"{type(error).__qualname__}{said} [{where}]")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ← ".join(told)


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])
