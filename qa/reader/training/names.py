"""Questions asked of another name than they have: what their passage then does not answer."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable

from qa.text import tagger

_Name = tuple[str, str]
"""A name, and the tag that says what it is."""
_OFFICE = "office"
_OFFICES = re.compile(
    "副?(?:书记|主任|局长|县长|区长|市长|省长|镇长|乡长|村长|部长|处长|科长|所长|队长|站长|院长|校长|会长|"
    "行长|董事长|总经理|主席|总统|总理|首相|国王|皇帝|导演|编剧|教练|教授|司令|将军|创始人|发言人)"
)
_TAGS = ("nr", "ns", "nt", "nz")
"""How the tags of names begin: persons, places, bodies, others."""


class Names:
    """The names in some questions, each of which can stand for another of its sort."""

    def __init__(self, questions: Iterable[str]) -> None:
        """Find the names.

        Args:
            questions: Folded.
        """
        self._of = {question: _named(question) for question in questions}
        self._like: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in sorted({name for names in self._of.values() for name in names}):
            self._like[_sort(*name)].append(name[0])

    def other(
        self, question: str, passage: str, text: str, chance: random.Random
    ) -> tuple[str, str] | None:
        """A question with a name that a text does not have in the place of one that it has.

        Args:
            question: One of those that the names were found in.
            passage: It has the name that goes, so that a reader can see what it is about.
            text: All that the passage stands in, folded.
            chance: Draws both names.

        Returns:
            The question and the new name; None where the passage has no name of the question's, or
            the text has the one that was drawn.
        """
        names = [n for n in self._of[question] if n[0] in passage and question.count(n[0]) == 1]
        if not names:
            return None
        name, tag = chance.choice(names)
        other = chance.choice(self._like[_sort(name, tag)])
        if other in text or other in question:
            return None
        return question.replace(name, other), other


def _named(question: str) -> list[_Name]:
    names = [(match.group(), _OFFICE) for match in _OFFICES.finditer(question)]
    tagged = ((word.word, word.flag[:2]) for word in tagger().lcut(question))
    return names + [(word, tag) for word, tag in tagged if tag in _TAGS and len(word) > 1]


def _sort(name: str, tag: str) -> tuple[str, str]:
    """What names have in common that one can be taken for another: 城东 and 城西 are of a sort."""
    return tag, "" if tag in (_OFFICE, "nr") else name[-1]
