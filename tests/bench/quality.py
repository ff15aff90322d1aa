"""Measures retrieval, evidence and citations, and prints a table.

    python -m tests.bench.quality DATA [--only NAME] [--limit N]

DATA is the folder with ``questions/`` and ``data/``. Each set is indexed as text files, one a
context, with the real model, and each question is asked over all of them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from opencc import OpenCC

from qa import QA
from qa.text import fold, squeeze
from tests.bench.datasets import Item, seeds, squad

ROOT = Path(__file__).parents[2]
SETS = {
    "CMRC 2018 trial": "cmrc2018_trial.json.gz",
    "DRCD dev": "drcd_dev.json.gz",
    "newsmrc train": "newsmrc_train.json.gz",
}


@dataclass
class Tally:
    """Counts over the questions of one run."""

    questions: int = 0
    first: int = 0
    in_five: int = 0
    reciprocal: float = 0.0
    evidence: int = 0
    answer: int = 0
    answered: int = 0
    citations: int = 0
    verified: int = 0
    missed: list[str] = field(default_factory=list)


def same(needle: str, text: str) -> bool:
    return squeeze(fold(needle)) in squeeze(fold(text))


def ask_all(qa: QA, items: list[Item]) -> Tally:
    """Ask answerable questions; a document counts by the best of its passages."""
    tally = Tally()
    for item in items:
        hits = qa.search(item.question, 50)
        answer = qa.reader.read(item.question, hits[:5])
        documents = list(dict.fromkeys(Path(hit.path).name for hit in hits))[:10]
        tally.questions += 1
        if item.document in documents:
            rank = documents.index(item.document) + 1
            tally.reciprocal += 1 / rank
        if item.evidence:
            held = [same(item.evidence, hit.passage.text) for hit in hits[:5]]
            tally.first += held[0]
            tally.in_five += any(held)
            right = same(item.evidence, answer.evidence)
        else:
            tally.first += documents[:1] == [item.document]
            tally.in_five += item.document in documents[:5]
            right = any(same(a, answer.evidence) for a in item.answers)
        if not right:
            tally.missed.append(item.question)
        tally.evidence += right
        tally.answer += any(same(a, answer.text) for a in item.answers)
        tally.answered += not answer.abstained
        tally.citations += len(answer.citations)
        tally.verified += sum(qa.verify(citation) == "holds" for citation in answer.citations)
    return tally


def row(name: str, tally: Tally) -> str:
    n = tally.questions
    return (
        f"{name:26}{n:6}  first {tally.first:5} ({tally.first / n:.3f})  "
        f"in five {tally.in_five:5} ({tally.in_five / n:.3f})  MRR@10 {tally.reciprocal / n:.3f}  "
        f"evidence {tally.evidence:5} ({tally.evidence / n:.3f})  "
        f"answer {tally.answer:5} ({tally.answer / n:.3f})  "
        f"answered {tally.answered:5} ({tally.answered / n:.3f})  "
        f"citations that verify {tally.verified}/{tally.citations}"
    )


def measure_seeds(data: Path, work: Path) -> None:
    qa = QA.build([ROOT / "seeds"], index=work / "index")
    items = seeds(data / "questions" / "seeds_dev.jsonl")
    answerable = [item for item in items if item.answers]
    to_traditional, to_simplified = OpenCC("s2t").convert, OpenCC("t2s").convert
    for name, convert in (
        ("seeds", str),
        ("seeds, asked Traditional", to_traditional),
        ("seeds, asked Simplified", to_simplified),
    ):
        asked = [
            Item(convert(item.question), item.document, item.answers, item.evidence)
            for item in answerable
        ]
        tally = ask_all(qa, asked)
        print(row(name, tally))
    for question in tally.missed:
        print("    missed:", question)
    none = [item for item in items if not item.answers]
    refused = sum(qa.ask(item.question).abstained for item in none)
    print(f"{'seeds, unanswerable':26}{len(none):6}  refused {refused}")


def measure_set(name: str, path: Path, work: Path, limit: int) -> None:
    corpus = work / "corpus"
    items = squad(path, corpus)
    random.Random(7).shuffle(items)  # noqa: S311
    started = time.monotonic()
    qa = QA.build([corpus], index=work / "index")
    built = time.monotonic() - started
    started = time.monotonic()
    items = items[:limit] if limit else items
    tally = ask_all(qa, items)
    print(row(name, tally))
    print(
        f"{'':26}{qa.manifest.documents} documents, {qa.manifest.passages} passages, "
        f"indexed in {built:.0f} s, {1000 * (time.monotonic() - started) / len(items):.0f} ms a "
        f"question (search, read, verify)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        for number, name in enumerate(["seeds", *SETS]):
            if arguments.only not in name:
                continue
            work = Path(folder) / str(number)
            (work / "index").mkdir(parents=True)
            if models.exists():  # Prepared once, for the first set.
                shutil.copytree(models, work / "index" / "models")
            if name == "seeds":
                measure_seeds(arguments.data, work)
            else:
                measure_set(name, arguments.data / "data" / SETS[name], work, arguments.limit)
            if not models.exists():
                shutil.copytree(work / "index" / "models", models)


if __name__ == "__main__":
    main()
