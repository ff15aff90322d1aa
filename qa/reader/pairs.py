"""A question beside a passage → token ids for the reader, and where each token stands.

The form is ``<s> question </s></s> 《title》 passage </s>``, everything folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qa.index.encoder import whole
from qa.types import Span

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from qa.index.pieces import Pieces

BEGIN, PAD, END, UNKNOWN = range(4)
"""Ids of the special tokens, which the reader's vocabulary keeps."""
MAX_TOKENS = 384
"""Tokens of a pair; what a passage has beyond them is not read."""
_QUESTION_TOKENS = 64
_QUESTION_CHARACTERS = 200
_HEAD_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Pair:
    """One question beside one passage.

    Attributes:
        ids: Token ids.
        first: Number of the first token of the passage.
        places: Characters of the passage that each of its tokens stands for.
    """

    ids: list[int]
    first: int
    places: list[Span]


def head(title: str) -> str:
    """What stands above a passage, as the reader sees it: its title, not its headings."""
    return f"《{title[:_HEAD_CHARACTERS]}》" if title else ""


def pair(tokenizer: Tokenizer | Pieces, question: str, above: str, passage: str) -> Pair:
    """Encode one pair of folded texts.

    Of a question that is too long its end is read: there it asks.
    """
    question, above, passage = (whole(text) for text in (question, above, passage))
    asked = tokenizer.encode(question[-_QUESTION_CHARACTERS:], add_special_tokens=False)
    ids = [BEGIN, *asked.ids[-_QUESTION_TOKENS:], END, END]
    context = f"{above}\n" if above else ""
    read = tokenizer.encode(context + passage, add_special_tokens=False)
    room = MAX_TOKENS - len(ids) - 1
    skipped = sum(end <= len(context) for _, end in read.offsets)
    first = len(ids) + skipped
    ids = [*ids, *read.ids[:room], END]
    places = [
        (max(0, start - len(context)), end - len(context))
        for start, end in read.offsets[skipped:room]
    ]
    return Pair(ids, first, places)
