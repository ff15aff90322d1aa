"""Measures retrieval, answers, evidence, abstention and citations, and prints a table.

    python -m tests.bench.quality DATA [--only NAME] [--limit N] [--work FOLDER] [--fast]
                                  [--questions FILE] [--without PART]

DATA is the folder with ``questions/`` and ``data/``. Each set is indexed as text files, one a
context, with the real model; the indexes are kept in FOLDER for the next run. Each question is
asked over all contexts (searched), over its own context only (gold), and, but for CJRC, with its
own context taken out of what was found (removed). EM and F1 are of the answer that is given when
the reader may not say 未找到; that is counted beside. ``--without`` leaves one part of the reader
out, to see what it brings.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opencc import OpenCC

from qa import QA, metrics
from qa.index.prepare import prepare
from qa.reader import closest, extractive, model, spans
from qa.reader.prepare import prepare as prepare_reader
from qa.types import Answer, Hit
from tests.bench.datasets import Item, seeds, squad

ROOT = Path(__file__).parents[2]
SETS = {
    "CMRC 2018 trial": ("cmrc2018_trial.json.gz", 0),
    "DRCD dev, held out": ("drcd_dev.json.gz", 5),
    "newsmrc train": ("newsmrc_train.json.gz", 0),
    "CJRC dev": ("cjrc_dev.json.gz", 0),
}
READ = 5


@dataclass
class Tally:
    """Counts over the questions of one run."""

    questions: int = 0
    first: int = 0
    in_five: int = 0
    reciprocal: float = 0.0
    evidence: int = 0
    exact: float = 0.0
    f1: float = 0.0
    holding: int = 0
    citations: int = 0
    verified: int = 0
    read: int = 0
    confidence: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        n = self.questions
        return (
            f"{name:34}{n:5}  first {self.first} ({self.first / n:.3f})  in five {self.in_five} "
            f"({self.in_five / n:.3f})  MRR@10 {self.reciprocal / n:.3f}  EM {self.exact / n:.3f}  "
            f"F1 {self.f1 / n:.3f}  answer {self.holding} ({self.holding / n:.3f})  evidence "
            f"{self.evidence} ({self.evidence / n:.3f})  verify {self.verified}/{self.citations}"
        )


class Bench:
    """One index, and what is measured on it."""

    def __init__(self, qa: QA, *, fast: bool) -> None:
        self.qa = qa
        self.reader = qa.fast_reader if fast else qa.reader
        self.paths = {Path(file.path).name: file.path for file in qa.catalog.files()}

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        return self.reader.read(question, hits, 0.0)

    def gold(self, item: Item) -> list[Hit]:
        """The passages of the question's own document, as if each had been found alike."""
        path = self.paths[item.document]
        return [
            Hit(passage, path, (1, 1), 0.0, rank, {}, {"dense": 0.9})
            for rank, passage in enumerate(self.qa.catalog.passages_of(path), 1)
        ]

    def count(self, tally: Tally, item: Item, hits: Sequence[Hit], *, verifies: bool) -> Answer:
        """Ask, and count."""
        answer = self.answer(item.question, hits[:READ])
        ranked = [*answer.hits, *hits[READ:]]
        names = list(dict.fromkeys(Path(hit.path).name for hit in ranked))[:10]
        tally.questions += 1
        if item.document in names:
            tally.reciprocal += 1 / (names.index(item.document) + 1)
        if item.evidence:
            held = [metrics.holds(hit.passage.text, item.evidence) for hit in ranked[:READ]]
            tally.first += held[0]
            tally.in_five += any(held)
            right = metrics.holds(answer.evidence, item.evidence)
        else:
            tally.first += names[:1] == [item.document]
            tally.in_five += item.document in names[:5]
            right = names[:1] == [item.document] and any(
                metrics.holds(answer.evidence, a) for a in item.answers
            )
        tally.evidence += right
        tally.read += sum("reader" in hit.shares for hit in answer.hits)
        tally.exact += metrics.exact_match(answer.text, item.answers)
        tally.f1 += metrics.f1(answer.text, item.answers)
        enough = all if item.every else any
        held = enough(metrics.holds(answer.text, a) for a in item.answers)
        tally.holding += held
        if not (right and held):
            tally.missed.append(f"{item.question} → {answer.text[:60]} ({'/'.join(item.answers)})")
        tally.confidence.append(answer.confidence)
        tally.right.append(right)
        if verifies:
            tally.citations += len(answer.citations)
            tally.verified += sum(self.qa.verify(c) == "holds" for c in answer.citations)
        return answer


def refusals(yes: Sequence[float], no: Sequence[float], default: float) -> str:
    """AUC, and what is refused at the default bar and where 5 % of the answerable are."""
    bar = sorted(yes)[int(0.05 * len(yes))]
    return (
        f"AUC {metrics.auc(yes, no):.3f}; at {default:.2f}: unanswerable refused "
        f"{sum(c < default for c in no)}/{len(no)}, answerable refused "
        f"{sum(c < default for c in yes)}/{len(yes)}; at {bar:.2f}, with 5 % wrongly refused: "
        f"{sum(c < bar for c in no)}/{len(no)}"
    )


def default_bar(*, fast: bool) -> float:
    return (closest if fast else extractive).ABSTAIN_BELOW


def measure_seeds(file: Path, bench: Bench, *, fast: bool) -> None:
    items = seeds(file)
    answerable = [item for item in items if item.answers]
    to_traditional, to_simplified = OpenCC("s2t").convert, OpenCC("t2s").convert
    none = [bench.qa.search(item.question, READ) for item in items if not item.answers]
    asked_none = [item for item in items if not item.answers]
    no = [
        bench.answer(item.question, hits).confidence
        for item, hits in zip(asked_none, none, strict=True)
    ]
    for name, convert in (
        ("seeds", str),
        ("seeds, asked Traditional", to_traditional),
        ("seeds, asked Simplified", to_simplified),
    ):
        tally = Tally()
        for item in answerable:
            asked = Item(
                convert(item.question), item.document, item.answers, item.evidence, item.every
            )
            bench.count(tally, asked, bench.qa.search(asked.question, 50), verifies=True)
        print(tally.row(name))
        print(f"{'':34}{refusals(tally.confidence, no, default_bar(fast=fast))}")
        for missed in tally.missed if name == "seeds" else ():
            print("    missed:", missed)
    for item, confidence in zip(asked_none, no, strict=True):
        if confidence >= default_bar(fast=fast):
            print(f"    not refused: {item.question} ({confidence:.2f})")


def measure_set(name: str, items: list[Item], bench: Bench, *, fast: bool) -> None:
    answerable = [item for item in items if item.answers]
    searched, gold, took = Tally(), Tally(), 0.0
    removed: list[float] = []
    for item in answerable:
        hits = bench.qa.search(item.question, 50)
        started = time.perf_counter()
        bench.count(searched, item, hits, verifies=False)
        took += time.perf_counter() - started
        bench.count(gold, item, bench.gold(item), verifies=True)
        others = [hit for hit in hits if Path(hit.path).name != item.document]
        removed.append(bench.answer(item.question, others[:READ]).confidence)
    bar = default_bar(fast=fast)
    print(searched.row(f"{name}, searched"))
    print(
        f"{'':34}calibration error {calibration(searched, []):.3f}, with removed "
        f"{calibration(searched, removed):.3f}; {searched.read / len(answerable):.1f} passages "
        f"read in {1000 * took / len(answerable):.0f} ms"
    )
    print(f"{'':34}removed: {refusals(searched.confidence, removed, bar)}")
    print(gold.row(f"{name}, gold"))
    if unanswerable := [item for item in items if not item.answers]:
        no = [bench.answer(item.question, bench.gold(item)).confidence for item in unanswerable]
        print(f"{'':34}gold, unanswerable: {refusals(gold.confidence, no, bar)}", flush=True)


def calibration(tally: Tally, removed: list[float]) -> float:
    right = [*tally.right, *(False for _ in removed)]
    return metrics.calibration_error([*tally.confidence, *removed], right)


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """A folder for indexes: the one named, or one for this run only."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def indexed(work: Path, name: str, corpus: Path) -> QA:
    """An index in the work folder that shares its prepared models."""
    prepare(None, work / "models")
    prepare_reader(work / "models", lambda stage, done, total: None)
    index = work / f"{name} index"
    if not index.exists():
        index.mkdir()
        (index / "models").symlink_to((work / "models").resolve())
    started = time.monotonic()
    qa = QA.build([corpus], index=index)
    manifest = qa.manifest
    print(
        f"-- {name}: {manifest.documents} documents, {manifest.passages} passages, opened or "
        f"indexed in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    return qa


def leave_out(part: str) -> None:
    """Take one part of the reader away, for this run."""
    if part == "titles":
        model.head = lambda title: ""
    elif part == "reading in the join":  # The first passage is the best.
        extractive.READING_WEIGHT = 0.0
    elif part == "retrieval in the join":
        extractive.READING_WEIGHT *= 1e6
    elif part == "calibration":  # The model's own word.
        extractive._CONFIDENCE = {"answers": 1.0}
    elif part == "sentence alone":  # What the whole passage got, instead.
        extractive.read_alone = lambda model, question, passage, reading: reading.answers
    elif part == "widening":
        extractive.widened = lambda text, span: span
    elif part == "ends of sentences":
        spans._ACROSS_COST = 0.0


PARTS = (
    "titles",
    "reading in the join",
    "retrieval in the join",
    "calibration",
    "sentence alone",
    "widening",
    "ends of sentences",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--fast", action="store_true", help="without the reader model")
    parser.add_argument("--questions", type=Path, help="others over the seeds")
    parser.add_argument("--without", choices=PARTS, default="")
    arguments = parser.parse_args()
    leave_out(arguments.without)
    file = arguments.questions or arguments.data / "questions" / "seeds_dev.jsonl"
    with kept(arguments.work) as work:
        if arguments.only in "seeds":
            bench = Bench(indexed(work, "seeds", ROOT / "seeds"), fast=arguments.fast)
            measure_seeds(file, bench, fast=arguments.fast)
        for name, (packed, held_out) in SETS.items():
            if arguments.only not in name:
                continue
            corpus = work / name
            items = squad(arguments.data / "data" / packed, corpus, held_out=held_out)
            random.Random(7).shuffle(items)  # noqa: S311
            bench = Bench(indexed(work, name, corpus), fast=arguments.fast)
            measure_set(name, items[: arguments.limit or None], bench, fast=arguments.fast)


if __name__ == "__main__":
    main()
