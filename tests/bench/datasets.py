"""Public question sets, read from a folder that is not part of the project."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from qa.reader.training.sets import ENCYCLOPEDIA, WRITTEN
from qa.reader.training.settings import Settings


@dataclass(frozen=True)
class Item:
    """A question; with its document's name, strings that answer it, and evidence.

    ``every`` is True where the answer has to hold all of ``answers``, not one.
    """

    question: str
    document: str
    answers: tuple[str, ...]
    evidence: str = ""
    every: bool = False


def squad(path: Path, corpus: Path, *, held_out: int = 0) -> list[Item]:
    """Write each context of a SQuAD file as a text file into ``corpus``; its questions.

    With ``held_out``, only those of the contexts that are not trained on.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        articles = json.load(stream)["data"]
    items = []
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    for number, paragraph in enumerate(paragraphs):
        name = f"{number:05}.txt"
        (corpus / name).write_text(paragraph["context"], "utf-8", newline="")
        if held_out and number % held_out:
            continue
        for qa in paragraph["qas"]:
            if not qa["question"].strip():  # CMRC 2018 trial has one.
                continue
            answers = tuple(dict.fromkeys(answer["text"] for answer in qa["answers"]))
            items.append(Item(qa["question"], name, answers))
    return items


def seeds(path: Path) -> list[Item]:
    """The questions over the seed articles; unanswerable ones have no document."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Item(
            line["question"],
            line["source"],
            tuple(line["answers"]),
            line["evidence"],
            line.get("all", False),
        )
        for line in lines
    ]


def written(news: Path, corpus: Path) -> list[Item]:
    """Articles of the news set as text files; the questions written over those held out."""
    corpus.mkdir(parents=True, exist_ok=True)
    with gzip.open(news, "rt", encoding="utf-8") as stream:
        texts = {line["id"]: line["text"].strip() for line in map(json.loads, stream)}
    lines = [json.loads(line) for line in WRITTEN.read_text("utf-8").splitlines()]
    asked_about = [line["article"] for line in lines if "title" in line]
    for name in {*asked_about, *list(texts)[::15]}:
        (corpus / f"{name}.txt").write_text(texts[name], "utf-8", newline="")
    held_out = set(asked_about[:: Settings().held_out_news])
    return [
        Item(
            line["question"],
            f"{line['article']}.txt" if line["answers"] else "",
            tuple(texts[line["article"]][start:end] for start, end in line["answers"]),
            every=True,
        )
        for line in lines
        if "question" in line and line["article"] in held_out
    ]


def encyclopedia(nomiracl: Path, corpus: Path) -> list[Item]:
    """Passages of NoMIRACL as text files; the questions written over those held out."""
    corpus.mkdir(parents=True, exist_ok=True)
    with gzip.open(nomiracl, "rt", encoding="utf-8") as stream:
        queries = json.load(stream)
    texts = {one["docid"]: one["text"] for query in queries for one in query["passages"]}
    for name, text in texts.items():
        title, _, body = text.partition(":")
        (corpus / f"{name}.txt").write_text(f"{title}\n{body}", "utf-8", newline="")
    lines = [json.loads(line) for line in ENCYCLOPEDIA.read_text("utf-8").splitlines()]
    asked_about = list(dict.fromkeys(line["passage"] for line in lines))
    held_out = set(asked_about[:: Settings().held_out_encyclopedia])
    return [
        Item(
            line["question"],
            f"{line['passage']}.txt",
            (texts[line["passage"]][slice(*line["answer"])],),
        )
        for line in lines
        if line["passage"] in held_out
    ]
