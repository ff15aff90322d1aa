"""Lines that a person types in a terminal, with history, editing and completion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from qa.text import visible


class ChatCompleter(Completer):
    """Completes commands, files after /open and /save, and titles after 《."""

    def __init__(
        self, commands: Sequence[str], titles: Sequence[str], files: Sequence[str]
    ) -> None:
        self._commands = commands
        self._titles = [visible(" ".join(title.split())) for title in titles if title]
        self._files = files
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """What may stand at the cursor."""
        before = document.text_before_cursor
        if opened := re.match(r"/open\s+(.*)$", before):
            yield from _those(self._files, opened[1])
        elif saved := re.match(r"/save\s+(.*)$", before):
            path = Document(saved[1], len(saved[1]))
            yield from self._paths.get_completions(path, complete_event)
        elif before.startswith("/") and " " not in before:
            yield from _those(self._commands, before)
        elif title := re.search(r"《([^》]*)$", before):
            yield from _those([f"{one}》" for one in self._titles], title[1])


def _those(names: Sequence[str], begun: str) -> Iterator[Completion]:
    """Names that begin with what was typed; then those that hold it."""
    beginning = [name for name in names if name.startswith(begun)]
    holding = [name for name in names if begun in name and name not in beginning]
    for name in [*beginning, *holding]:
        yield Completion(name, start_position=-len(begun))


def typed(commands: Sequence[str], titles: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """Lines that a person types, until Ctrl-D.

    Args:
        commands: To complete at the beginning of a line.
        titles: Of articles, to complete after 《.
        files: Paths, to complete after /open.
    """
    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=ChatCompleter(commands, titles, files),
        complete_while_typing=False,
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

    try:
        folder = user_state_path("wenju", appauthor=False, ensure_exists=True)
        file = folder / "history"
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(file))
