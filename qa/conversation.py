"""Questions in, answers out, each understood from those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from qa.errors import InputError
from qa.types import Answer, Understood

if TYPE_CHECKING:
    from qa.query.dialogue import Dialogue

LONGEST_QUESTION = 2000
"""Characters; the encoder reads about the first 700 of them."""
HITS = 5
"""Passages that an answer is sought in, unless told otherwise."""
_REMEMBERED = 6
"""Answers that a question may refer to."""


class Answers(Protocol):
    """Answers a question that stands alone."""

    def __call__(
        self, understood: Understood, k: int, min_confidence: float | None, *, fast: bool
    ) -> Answer:
        """See ``QA.ask``."""
        ...


class Conversation:
    """Questions that may follow on one another. Not to be shared between threads.

    Attributes:
        answers: What was answered so far, in order.
    """

    def __init__(self, dialogue: Dialogue, answer: Answers, answers: Sequence[Answer] = ()) -> None:
        self._dialogue = dialogue
        self._answer = answer
        self.answers = list(answers)

    def prepare(self) -> None:
        """Read what follow-up questions are taken apart with now, not with the first of them."""
        self._dialogue.prepare()

    def understood(self, question: str) -> Understood:
        """A question as it would be asked now: a follow-up made to stand alone.

        Raises:
            InputError: A question that is empty, without any word, or too long.
        """
        question = checked(question)
        understood = self._dialogue.understood(question, self.answers[-_REMEMBERED:])
        # What was said before does not make a question too long, nor one of nothing.
        whole = understood.question.lstrip(",\uff0c ")[:LONGEST_QUESTION]
        if not any(char.isalnum() for char in whole):
            return Understood(question)
        return replace(understood, question=whole)

    def ask(
        self,
        question: str,
        k: int = HITS,
        *,
        min_confidence: float | None = None,
        fast: bool = False,
        as_typed: bool = False,
    ) -> Answer:
        """Answer a question; ``understood`` in the answer is the question that was searched for.

        Args:
            question: May leave out what was said before.
            k: How many passages to seek the answer in.
            min_confidence: See ``QA.ask``.
            fast: See ``QA.ask``.
            as_typed: Ask the question as it is, as if nothing had been said before.

        Raises:
            InputError: As ``QA.ask`` does. The conversation stays as it was.
        """
        typed = checked(question)
        understood = Understood(typed) if as_typed else self.understood(typed)
        answer = self._answer(understood, k, min_confidence, fast=fast)
        answer = replace(answer, question=question, understood=understood.question)
        self.answers.append(answer)
        return answer


def checked(question: str) -> str:
    """A question that can be searched for, without white space around it.

    Raises:
        InputError: It is empty, has no letter or digit, or is too long.
    """
    stripped = question.strip()
    if not stripped:
        raise InputError("问题是空的。", "请输入一个问题,例如:2024年受理了多少件环境投诉?")
    if not stripped.isprintable() and any("\ud800" <= char <= "\udfff" for char in stripped):
        raise InputError("问题里有不完整的字符。", "请检查它的编码。")
    if not any(char.isalnum() for char in stripped):
        raise InputError(f"问题里没有可以查找的字词:{stripped[:20]}", "请用文字提问。")
    if len(stripped) > LONGEST_QUESTION:
        raise InputError(
            f"问题太长:{len(stripped)} 字,最多 {LONGEST_QUESTION} 字。", "请只留下要问的那一两句。"
        )
    return stripped
