"""Public question sets, read from a folder that is not part of the project."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """A question; with its document's name, strings of which the answer holds one, and evidence."""

    question: str
    document: str
    answers: tuple[str, ...]
    evidence: str = ""


def squad(path: Path, corpus: Path) -> list[Item]:
    """Write each context of a SQuAD file as a text file into ``corpus``; its questions."""
    corpus.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        articles = json.load(stream)["data"]
    items = []
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    for number, paragraph in enumerate(paragraphs):
        name = f"{number:05}.txt"
        (corpus / name).write_text(paragraph["context"], "utf-8", newline="")
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
        Item(line["question"], line["source"], tuple(line["answers"]), line["evidence"])
        for line in lines
    ]
