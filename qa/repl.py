"""The chat: questions in, answers out, until the person leaves."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from qa.conversation import HITS, Conversation
from qa.errors import InputError, QAError
from qa.kept import KeptConversation, export
from qa.paint import Paint
from qa.pipeline import QA
from qa.query.dialogue import topic_of
from qa.reader.endpoint import Endpoint
from qa.render import answer_text, claim_text, hits_text, page_text, source_line, written_end
from qa.text import squeeze, visible
from qa.types import Answer, Citation, Claim, Understood

_log = logging.getLogger(__name__)
_WELCOME = "问据:{documents} 篇、{passages} 段。直接提问;/help 看命令,Ctrl-D 离开。"
_HELP = """直接输入问题即可,简体、繁体都可以;可以接着上一问追问,例如“那2025年呢?”“他是哪里人?”。
  /sources      刚才那个回答的出处
  /open N       打开第 N 条出处,标出所引的话;也可以写 /open 文件:行
  /more         看后面的几段
  /explain      刚才那些段落的得分从哪里来
  /raw 问题     照原样问,不接上文;也可以在问题前加 =
  /save 文件    把对话存成 Markdown,带出处
  /forget       忘掉这次对话,删去存下的记录(输入过的字句还在输入历史里)
  /help         这份说明
  /quit         离开(也可以按 Ctrl-D)
Ctrl-C 停下正在进行的回答,或清空这一行。"""
_NOTHING = "还没有回答:先提一个问题。"
_SHOWN = 5
"""Passages that /more shows at a time."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How questions are answered in a chat.

    Attributes:
        min_confidence: See ``QA.ask``.
        fast: See ``QA.ask``.
        endpoint: The language model that writes fuller answers; None for none.
        strict: See ``QA.write``.
    """

    min_confidence: float | None = None
    fast: bool = False
    endpoint: Endpoint | None = None
    strict: bool = False


class Chat:
    """One conversation over an index."""

    def __init__(
        self,
        qa: QA,
        settings: ChatSettings,
        out: TextIO,
        *,
        kept: KeptConversation | None = None,
        pager: Callable[[str], None] | None = None,
    ) -> None:
        self._qa = qa
        self._settings = settings
        self._out = out
        self._paint = Paint.for_stream(out)
        self._pager = pager
        self._kept = kept or KeptConversation(None)
        answers, self.damaged = self._kept.answers()
        self._conversation: Conversation = qa.conversation(answers)
        self._seen: set[str] = set()
        self._commands: dict[str, Callable[[str], str]] = {
            "/sources": self._sources,
            "/open": self._open,
            "/more": self._more,
            "/explain": self._explain,
            "/raw": lambda question: self._answered(question, as_typed=True),
            "/save": self._save,
            "/forget": self._forget,
            "/help": lambda _: self._paint.block(_HELP),
        }

    @property
    def turns(self) -> int:
        """How many questions were answered, those taken up again included."""
        return len(self._conversation.answers)

    @property
    def commands(self) -> list[str]:
        """What may be typed instead of a question."""
        return [*self._commands, "/quit"]

    def say(self, line: str) -> None:
        """Answer a line, a question or a command; errors are said, not raised."""
        try:
            self._out.write(self._reply(line.strip()) + "\n\n")
        except QAError as error:
            _log.info("没有答上", exc_info=error)
            self._out.write(self._paint.warning(self._paint.block(str(error))) + "\n\n")
        except KeyboardInterrupt:
            self._out.write(self._paint.dim("已停下。") + "\n\n")
        self._out.flush()

    def _reply(self, line: str) -> str:
        if line.startswith("/"):
            name, *rest = line.split(maxsplit=1)
            command = self._commands.get(name)
            return (
                command("".join(rest).strip())
                if command
                else f"没有这个命令:{visible(name)}。/help 看命令。"
            )
        if line.startswith(("=", "\uff1d")):
            return self._answered(line[1:], as_typed=True)
        return self._answered(line)

    def _answered(self, question: str, *, as_typed: bool = False) -> str:
        settings = self._settings
        answer = self._conversation.ask(
            question,
            min_confidence=settings.min_confidence,
            fast=settings.fast,
            as_typed=as_typed,
        )
        self._seen.clear()
        text = answer_text(answer, self._paint, opening="/open 1")
        if settings.endpoint is None:
            self._kept.add(answer)
            return text
        self._out.write(f"{text}\n{self._paint.dim(visible(settings.endpoint.model) + ':')}\n")
        self._out.flush()
        try:
            answer = self._qa.write(
                answer, settings.endpoint, strict=settings.strict, on_claim=self._tell
            )
        finally:
            self._conversation.answers[-1] = answer
            self._kept.add(answer)
        written = answer.written
        return "\n".join(written_end(written, answer.hits, self._paint)) if written else ""

    def _tell(self, claim: Claim) -> None:
        self._out.write(claim_text(claim, self._paint) + "\n")
        self._out.flush()

    def _last(self) -> Answer | None:
        return self._conversation.answers[-1] if self._conversation.answers else None

    def _sources(self, _: str) -> str:
        last = self._last()
        if last is None or not last.citations:
            return "还没有出处:先提一个问题。"
        return "\n".join(source_line(citation, self._paint) for citation in last.citations)

    def _open(self, which: str) -> str:
        if which and not which.isdecimal() and any(char in which for char in ":@"):
            return self._page(self._qa.locate(which))
        last = self._last()
        if last is None or not last.citations:
            return "还没有出处:先提一个问题。"
        count = len(last.citations)
        if not which.isdecimal() or len(which) > 9 or not 1 <= int(which) <= count:
            return f"用法:/open N,N 从 1 到 {count};或 /open 文件:行。"
        return self._page(last.citations[int(which) - 1])

    def _page(self, citation: Citation) -> str:
        found = self._qa.catalog.documents_with(citation.document_id)
        if not found:
            return f"这篇文章已经不在索引里:{visible(citation.path)}"
        document = found[0]
        start, end = citation.span
        if squeeze(document.text[start:end]) != squeeze(citation.quote):
            # Kept from before the index was brought up to date.
            start = document.text.find(citation.quote)
            if start < 0:
                return f"引的话已经不在 {visible(citation.path)} 里了:\n{visible(citation.quote)}"
            citation = self._qa.locate(f"{document.id}@{start}-{start + len(citation.quote)}")
        if self._pager is None:
            return page_text(citation, document, 6, self._paint)
        self._pager(page_text(citation, document, -1, self._paint))
        return self._paint.dim(f"看过了 {visible(citation.path)}。")

    def _more(self, _: str) -> str:
        last = self._last()
        if last is None:
            return _NOTHING
        found = Understood(last.understood, topic_of(last) if self._follows(last) else None)
        if not self._seen:
            self._seen = {hit.passage.id for hit in last.hits or self._qa.found(found, HITS)}
        further = self._qa.found(found, len(self._seen) + _SHOWN)
        hits = [hit for hit in further if hit.passage.id not in self._seen][:_SHOWN]
        self._seen |= {hit.passage.id for hit in hits}
        return hits_text(hits, self._paint) if hits else "没有更多的段落了。"

    @staticmethod
    def _follows(answer: Answer) -> bool:
        return any("topic" in hit.shares for hit in answer.hits)

    def _explain(self, _: str) -> str:
        last = self._last()
        if last is None:
            return _NOTHING
        if not last.hits:
            return "接着的对话没有存下得分:再问一次就有。"
        return hits_text(last.hits, self._paint, explain=True)

    def _save(self, name: str) -> str:
        if not name:
            return "用法:/save 文件,例如 /save 对话.md"
        try:
            file = Path(name).expanduser()
        except RuntimeError as error:
            raise InputError(f"写不了:{name}(没有这个用户)", "请检查路径。") from error
        export(self._conversation.answers, file)
        return f"已存:{visible(name)}({self.turns} 问)"

    def _forget(self, _: str) -> str:
        self._kept.forget()
        self._conversation.answers.clear()
        return "已忘掉这次对话。"


def chat_in(qa: QA, settings: ChatSettings, *, resume: bool = False) -> None:
    """Chat on standard input and output; line by line where input is no terminal.

    Args:
        qa: The index.
        settings: How questions are answered.
        resume: Take up the conversation that was kept last.
    """
    if reconfigure := getattr(sys.stdin, "reconfigure", None):
        reconfigure(errors="replace")
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    index = qa.generation.parent
    kept = KeptConversation.latest(index) if resume else None
    if kept is None and interactive:
        kept = KeptConversation.begin(index)
    chat = Chat(qa, settings, sys.stdout, kept=kept, pager=_page if interactive else None)
    # What takes parts of speech apart is read while the first question is typed.
    threading.Thread(target=qa.conversation().prepare, daemon=True).start()
    if interactive:
        manifest = qa.manifest
        sys.stdout.write(
            _WELCOME.format(documents=manifest.documents, passages=manifest.passages) + "\n"
        )
    if resume:
        sys.stdout.write(_resumed(chat) + "\n")
    if interactive:
        from qa.prompt import typed

        titles = qa.catalog.titles()
        sys.stdout.write("\n")
        lines = typed(chat.commands, titles, [file.path for file in qa.catalog.files()])
    else:
        lines = iter(sys.stdin)
    for line in lines:
        if line.strip() in ("/quit", "/exit"):
            return
        if line.strip():
            chat.say(line)


def _resumed(chat: Chat) -> str:
    told = (
        f"接着上次的对话:已有 {chat.turns} 问。" if chat.turns else "没有可以接着的对话,从头开始。"
    )
    return told + (f"(有 {chat.damaged} 行记录读不出,略过)" if chat.damaged else "")


def _page(text: str) -> None:
    """Show a long text in the user's pager, at the quotation."""
    import click

    lines = enumerate(text.split("\n"), 1)
    marked = next((n for n, line in lines if re.match(r"(?:\x1b\[2m)?[ \d]{5} ▶ ", line)), 1)
    before = os.environ.get("LESS")
    os.environ["LESS"] = f"-R +{max(1, marked - 5)}g"
    try:
        click.echo_via_pager(text)
    finally:
        if before is None:
            del os.environ["LESS"]
        else:
            os.environ["LESS"] = before
