"""The chat: questions in, answers out, until the person leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from qa.errors import QAError
from qa.pipeline import QA
from qa.render import Paint, answer_text, hits_text, page_text, source_line
from qa.types import Answer

if TYPE_CHECKING:
    from prompt_toolkit.history import History

_WELCOME = "问据:{documents} 篇、{passages} 段。直接提问;/help 看命令,Ctrl-D 离开。"
_HELP = """直接输入问题即可,简体、繁体都可以。
  /sources      刚才那个回答的出处
  /open N       打开第 N 条出处前后的原文
  /explain      刚才那些段落的得分从哪里来
  /help         这份说明
  /quit         离开(也可以按 Ctrl-D)
Ctrl-C 停下正在进行的回答,或清空这一行。"""


class Chat:
    """One conversation over an index."""

    def __init__(self, qa: QA, ask: Callable[[str], Answer], out: TextIO) -> None:
        self._qa = qa
        self._ask = ask
        self._out = out
        self._paint = Paint.for_stream(out)
        self._last: Answer | None = None
        self._commands: dict[str, Callable[[str], str]] = {
            "/sources": self._sources,
            "/open": self._open,
            "/explain": self._explain,
            "/help": lambda _: _HELP,
        }

    def say(self, line: str) -> None:
        """Answer a line, a question or a command; errors are said, not raised."""
        try:
            self._out.write(self._reply(line.strip()) + "\n\n")
        except QAError as error:
            self._out.write(self._paint.warning(str(error)) + "\n\n")
        except KeyboardInterrupt:
            self._out.write(self._paint.dim("已停下。") + "\n\n")
        self._out.flush()

    def _reply(self, line: str) -> str:
        if line.startswith("/"):
            name, _, rest = line.partition(" ")
            command = self._commands.get(name)
            return command(rest.strip()) if command else f"没有这个命令:{name}。/help 看命令。"
        self._last = self._ask(line)
        return answer_text(self._last, self._paint, opening="/open 1")

    def _sources(self, _: str) -> str:
        if self._last is None or not self._last.citations:
            return "还没有出处:先提一个问题。"
        return "\n".join(source_line(citation, self._paint) for citation in self._last.citations)

    def _open(self, number: str) -> str:
        if self._last is None or not self._last.citations:
            return "还没有出处:先提一个问题。"
        count = len(self._last.citations)
        if not number.isdecimal() or not 1 <= int(number) <= count:
            return f"用法:/open N,N 从 1 到 {count}。"
        citation = self._last.citations[int(number) - 1]
        document = self._qa.catalog.document(citation.document_id)
        return page_text(citation, document, 6, self._paint)

    def _explain(self, _: str) -> str:
        if self._last is None:
            return "还没有回答:先提一个问题。"
        return hits_text(self._last.hits, self._paint, explain=True)


def chat_in(qa: QA, ask: Callable[[str], Answer]) -> None:
    """Chat on standard input and output; line by line where input is no terminal.

    Args:
        qa: The index.
        ask: Answers a question over it.
    """
    chat = Chat(qa, ask, sys.stdout)
    if reconfigure := getattr(sys.stdin, "reconfigure", None):
        reconfigure(errors="replace")
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if interactive:
        manifest = qa.manifest
        sys.stdout.write(
            _WELCOME.format(documents=manifest.documents, passages=manifest.passages) + "\n\n"
        )
    for line in _typed() if interactive else sys.stdin:
        if line.strip() in ("/quit", "/exit"):
            return
        if line.strip():
            chat.say(line)


def _typed() -> Iterator[str]:
    """Lines that a person types, with history and editing, until Ctrl-D."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.formatted_text import FormattedText

    commands = WordCompleter(["/sources", "/open", "/explain", "/help", "/quit"], sentence=True)
    session: PromptSession[str] = PromptSession(
        history=_history(), completer=commands, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt(FormattedText([("bold", "问> ")]))
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _history() -> History:
    """Kept among the user's data; for this chat only where that cannot be written."""
    from platformdirs import user_state_path
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        folder = user_state_path("wenju", appauthor=False, ensure_exists=True)
        file = folder / "history"
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
