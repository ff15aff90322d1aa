"""The nouns: what flows from files to an answer, as frozen dataclasses and Protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Span: TypeAlias = tuple[int, int]
"""A half-open range of characters, ``(start, end)``, in a document's text."""

SURE = 0.97
"""Confidence from which an encoding is taken as certain; of files below it, people are told."""

Vectors: TypeAlias = NDArray[np.float32]
"""Embeddings, shape (n, dimension), each row of length 1."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text as decoded: a file, or one record of a JSON-lines file.

    Attributes:
        id: The path, for a record ``path#record id``. Unique in an index.
        path: The file's path as the user gave it, with ``/`` between parts.
        title: Title that the format itself carries (HTML, DOCX, JSON lines); else "".
        text: Exactly as decoded; every span of this document counts its characters.
        encoding: Codec that the text was read with, such as "gb18030".
        metadata: What the format carries of ``date``, ``publisher``, ``author``.
        record: Line of the record in a JSON-lines file, from 1; 0 for a file of its own.
        markup: True where headings are marked with ``#`` (Markdown, HTML, DOCX).
    """

    id: str
    path: str
    title: str
    text: str
    encoding: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    record: int = 0
    markup: bool = False


@dataclass(frozen=True, slots=True)
class Article:
    """What a page says of one article in it; a part that the page does not give is ""."""

    title: str = ""
    publisher: str = ""
    date: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one article, of whole sentences, small enough to embed.

    Attributes:
        id: ``document id@number``, the number from 0 in the order of reading.
        document_id: The document it comes from.
        article: The article it belongs to.
        headings: Section headings above it, outermost first.
        kind: "body" or "caption".
        text: As read after repair; paragraphs are separated by a line feed.
        spans: Pieces of the document's text, in order of reading. Joined, they are
            ``text`` but for white space.
    """

    id: str
    document_id: str
    article: Article
    headings: tuple[str, ...]
    kind: str
    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """What a search is narrowed to; "" where it is not.

    Attributes:
        since: First day, as YYYY, YYYY-MM or YYYY-MM-DD; texts without a date are left out then.
        until: Last day, in the same form: 2024 is all of 2024.
        source: Part of the publisher's name or of the file's path, in either script.
    """

    since: str = ""
    until: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """The article that a conversation is about: one of those in a document."""

    document_id: str
    title: str

    def holds(self, passage: Passage) -> bool:
        """Whether a passage is of this article."""
        return (passage.document_id, passage.article.title) == (self.document_id, self.title)


@dataclass(frozen=True, slots=True)
class Understood:
    """A question as it is asked of the index.

    Attributes:
        question: Stands alone.
        topic: The article that the conversation is about, where the question follows on.
        said: Evidence given before, where more is asked for.
    """

    question: str
    topic: Topic | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question.

    Attributes:
        passage: What was found.
        path: File of its document, as the user gave it.
        lines: First and last line in the file, from 1.
        score: Sum of ``shares``; higher is better. Comparable within one question only.
        rank: From 1.
        shares: What each leg ("dense", "words", "bigrams", …) adds to ``score``.
        raw: Each leg's own measure: cosine, BM25. A leg that did not find it is absent.
        also: Where the same text stands, too, as ``path:line``.
    """

    passage: Passage
    path: str
    lines: tuple[int, int]
    score: float
    rank: int
    shares: Mapping[str, float]
    raw: Mapping[str, float]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A contiguous quotation and the place where anyone can check it.

    Attributes:
        marker: Number that the answer refers to it by, from 1.
        document_id: Document of the quotation.
        path: The file, as the user gave it.
        title: Title of the article.
        publisher: Publisher of the article, or "".
        date: Date of the article, or "".
        lines: First and last line in the file, from 1.
        span: Characters of the document's text.
        quote: The quoted text; equal to the text at ``span`` but for white space.
    """

    marker: int
    document_id: str
    path: str
    title: str
    publisher: str
    date: str
    lines: tuple[int, int]
    span: Span
    quote: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that a language model wrote.

    Attributes:
        text: Without its markers.
        markers: The passages it cites, as ranks of ``Answer.hits``.
        problems: What the passages do not say, in Chinese; none where it is verified.
    """

    text: str
    markers: tuple[int, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What a language model wrote from the passages, checked.

    Attributes:
        model: Its name.
        claims: Its sentences, in order; none where it found no answer.
        left_out: Sentences that were not verified, where only verified ones are wanted.
        notice: Why there is nothing of it, or not all, in Chinese; "" if nothing is amiss.
    """

    model: str
    claims: tuple[Claim, ...]
    left_out: tuple[Claim, ...] = ()
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a question; "not found" is an answer too.

    Attributes:
        question: As asked.
        understood: The question that was searched for.
        text: The short answer; "" if abstained. Where several things are asked for, its parts
            in the order of the text, with ； between them.
        spans: Characters of ``evidence`` that ``text`` is made of, one range a part.
        evidence: The sentences that the answer stands on; the nearest if abstained.
        confidence: Probability in [0, 1] that the evidence answers the question.
        abstained: True where nothing in the corpus answers.
        citations: Where ``evidence`` stands.
        hits: The passages found, best first.
        written: The fuller answer of a language model; None where none was asked.
    """

    question: str
    understood: str
    text: str
    spans: tuple[Span, ...]
    evidence: str
    confidence: float
    abstained: bool
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    written: Written | None = None


Told: TypeAlias = Callable[[int, int], None]
"""Told how much of one piece of work has been done, and how much there is."""


class Progress(Protocol):
    """Told how far a long piece of work has come."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report ``done`` of ``total`` steps of ``stage``; ``total`` is 0 where unknown."""
        ...


class Embedder(Protocol):
    """Turns text into vectors of one length."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed questions."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Embed passages."""
        ...


class Reader(Protocol):
    """Finds the answer in what was retrieved."""

    def read(
        self,
        question: str,
        hits: Sequence[Hit],
        min_confidence: float | None,
        said: Sequence[str] = (),
    ) -> Answer:
        """The best answer in ``hits`` outside of ``said``, which was given as evidence before.

        Abstains below ``min_confidence``, None for its own.
        """
        ...
