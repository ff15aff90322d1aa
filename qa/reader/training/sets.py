"""Files of questions → texts, and questions with the spans that answer them, all folded."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qa.text import fold
from qa.types import Span

WRITTEN = Path(__file__).with_name("questions.jsonl")
"""Questions over articles of the news set, written for this reader: see the model card."""
ENCYCLOPEDIA = Path(__file__).with_name("encyclopedia.jsonl")
"""Questions over the passages of NoMIRACL, written for this reader."""
MORE = Path(__file__).with_name("drcd.jsonl")
"""Questions over contexts of DRCD dev, beside its own, written for this reader."""
INVENTED = Path(__file__).with_name("invented.jsonl")
"""Texts invented for this reader, with questions of which many are near misses."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is asked about, folded."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, folded.

    Attributes:
        question: As asked.
        text: Number of its text.
        spans: Characters of the text that answer, in the order of asking; none where it does not.
    """

    question: str
    text: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One set.

    Attributes:
        texts: What is asked about, and what is not, too: passages that do not answer.
        asked: Questions over the texts.
        unrelated: Questions beside passages that are near them and do not answer.
        terse: True where answers are as short as can be, shorter than the public sets' are.
    """

    texts: list[Text] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    unrelated: list[tuple[str, str]] = field(default_factory=list)
    terse: bool = False


def squad(path: Path, *, skip: int = 0, more: Path | None = None) -> QuestionSet:
    """Read a SQuAD file.

    Args:
        path: JSON, or JSON in gzip.
        skip: Leave one in so many contexts out, from the first on.
        more: JSON lines of questions over its contexts. A context's name is that of its questions,
            less their number.
    """
    found = QuestionSet()
    written: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in _lines(more) if more else ():
        written[line["context"]].append(line)
    number = 0
    for article in _json(path)["data"]:
        for paragraph in article["paragraphs"]:
            number += 1
            if skip and number % skip == 1:
                continue
            context = paragraph["context"]
            found.texts.append(Text(fold(article.get("title") or ""), fold(context)))
            for asked in paragraph["qas"]:
                if spans := _spans(context, asked["answers"][:1]):
                    question = fold(asked["question"].strip())
                    found.asked.append(Asked(question, len(found.texts) - 1, spans))
            name = next((asked["id"] for asked in paragraph["qas"] if "id" in asked), "")
            for line in written.get(name.rpartition("-")[0], ()):
                spans = tuple((start, end) for start, end in line["answers"])
                found.asked.append(Asked(fold(line["question"]), len(found.texts) - 1, spans))
    return found


def _spans(context: str, answers: list[dict[str, Any]]) -> tuple[Span, ...]:
    spans = []
    for answer in answers:
        text, start = answer["text"], answer["answer_start"]
        if not context.startswith(text, start):
            start = context.find(text)
        if text and start >= 0:
            spans.append((start, start + len(text)))
    return tuple(spans)


def news(path: Path, *, skip: int = 0) -> QuestionSet:
    """Read the news set, with the questions written over it.

    Args:
        path: JSON lines, as they are or in gzip.
        skip: Leave one in so many of the articles that are asked about out, from the first on.
    """
    articles = {article["id"]: article["text"].strip() for article in _lines(path)}
    found = QuestionSet(terse=True)
    numbers: dict[str, int] = {}
    titled = 0
    for line in _lines(WRITTEN):
        name = line["article"]
        if "title" in line:
            titled += 1
            body = fold(articles.pop(name))
            if not skip or titled % skip != 1:
                numbers[name] = len(found.texts)
                found.texts.append(Text(fold(line["title"]), body))
        elif name in numbers:
            spans = tuple((start, end) for start, end in line["answers"])
            found.asked.append(Asked(fold(line["question"]), numbers[name], spans))
    # Texts that nobody asks about: passages that do not answer are taken from them, too.
    found.texts.extend(Text("", fold(text)) for text in list(articles.values())[::10])
    return found


def invented() -> QuestionSet:
    """Read the invented texts and their questions."""
    found = QuestionSet(terse=True)
    numbers: dict[str, int] = {}
    for line in _lines(INVENTED):
        if "text" in line:
            numbers[line["id"]] = len(found.texts)
            found.texts.append(Text(fold(line["title"]), fold(line["text"])))
        else:
            spans = tuple((start, end) for start, end in line["answers"])
            found.asked.append(Asked(fold(line["question"]), numbers[line["article"]], spans))
    return found


def nomiracl(path: Path, *, skip: int = 0) -> QuestionSet:
    """Read the passages of NoMIRACL, with the questions written over them.

    Its own questions stand beside the passages that were found for them and do not answer.

    Args:
        path: JSON, or JSON in gzip.
        skip: Leave one in so many of the passages that are asked about out, from the first on.
    """
    queries = _json(path)
    passages = {one["docid"]: one["text"] for query in queries for one in query["passages"]}
    lines = list(_lines(ENCYCLOPEDIA))
    asked_about = list(dict.fromkeys(line["passage"] for line in lines))
    held_out = set(asked_about[::skip]) if skip else set()
    found = QuestionSet()
    numbers: dict[str, int] = {}
    for line in lines:
        name = line["passage"]
        if name in held_out:
            continue
        number = numbers.setdefault(name, len(numbers))
        title, body, moved = _shown(number, passages[name])
        if number == len(found.texts):
            found.texts.append(Text(title, body))
        start, end = line["answer"]
        span = (start - moved, end - moved)
        found.asked.append(Asked(fold(line["question"]), number, (span,)))
    unrelated = [
        (fold(query["question"]), passage)
        for query in queries
        if query["subset"] == "non_relevant"
        for passage in query["passages"]
        if passage["docid"] not in held_out
    ]
    for number, (question, passage) in enumerate(unrelated):
        found.unrelated.append((question, _shown(number, passage["text"])[1]))
    return found


def _shown(number: int, passage: str) -> tuple[str, str, int]:
    """Title of a passage of NoMIRACL, what is read of it, and how much stands before that.

    Every other one is read without its title and the colon; as many that answer as do not, or the
    reader takes a title and a colon for a sign that there is no answer.
    """
    title = fold(passage.partition(":")[0])
    moved = 0 if number % 2 else len(title) + 1
    return title, fold(passage)[moved:], moved


def _json(path: Path) -> Any:  # noqa: ANN401
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as stream:
        return json.load(stream)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as stream:
        yield from (json.loads(line) for line in stream if line.strip())
