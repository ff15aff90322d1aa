"""Measures how well follow-up questions are understood, and prints a table.

    python -m tests.bench.dialogue DATA [--work FOLDER] [--dialogues FILE] [--show]

DATA is the folder with ``questions/`` and ``data/``. Dialogues over the seeds and over news
articles are asked as they stand, each in a conversation of its own. A question that depends on
those before it counts beside the same question asked in full; one that stands alone, beside itself
asked alone. What is counted is whether the evidence is in one of the first three passages, and
whether the short answer holds one of the known answers. ``--show`` prints how each question was
understood.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa import QA, metrics
from qa.types import Answer
from tests.bench.datasets import squad
from tests.bench.quality import ROOT, indexed, kept

WRITTEN = Path(__file__).with_name("dialogues.jsonl")
"""Evidence and answers as characters of their source: a seed file, or a context of newsmrc."""
FIRST = 3


@dataclass(frozen=True)
class Turn:
    """A question of a dialogue.

    ``dependent`` is True where it cannot be understood alone; ``full`` is how it would be asked
    alone, "" where nobody wrote that down.
    """

    question: str
    dependent: bool
    full: str
    evidence: str
    answers: tuple[str, ...]


@dataclass
class Tally:
    """Counts over the turns of one kind."""

    turns: int = 0
    found: int = 0
    alone: int = 0
    answered: int = 0
    answered_alone: int = 0
    changed: int = 0

    def row(self, name: str) -> str:
        n = max(1, self.turns)
        return (
            f"{name:40}{self.turns:5}  evidence in first {FIRST}: {self.found} "
            f"({self.found / n:.3f}), asked in full {self.alone} ({self.alone / n:.3f})  answer "
            f"{self.answered}, in full {self.answered_alone}  understood otherwise than typed "
            f"{self.changed}"
        )


def from_offsets(line: dict[str, Any], texts: dict[str, str]) -> list[Turn]:
    turns = []
    for turn in line["turns"]:
        text = texts[turn["source"]]
        evidence = text[slice(*turn["evidence"])]
        answers = tuple(text[slice(*span)] for span in turn["answers"])
        full = turn.get("full", "")
        turns.append(Turn(turn["question"], bool(full), full, evidence, answers))
    return turns


def given(line: dict[str, Any]) -> list[Turn]:
    return [
        Turn(t["question"], number > 0, "", t["evidence"], tuple(t["answers"]))
        for number, t in enumerate(line["turns"])
    ]


def found(answer: Answer, turn: Turn) -> bool:
    return any(metrics.holds(hit.passage.text, turn.evidence) for hit in answer.hits[:FIRST])


def answered(answer: Answer, turn: Turn) -> bool:
    return any(metrics.holds(answer.text, one) for one in turn.answers)


def measure(qa: QA, dialogues: list[list[Turn]], *, show: bool) -> dict[str, Tally]:
    tallies = {
        "dependent": Tally(),
        "standing alone": Tally(),
        "of these, after the first": Tally(),
    }
    for turns in dialogues:
        conversation = qa.conversation()
        for number, turn in enumerate(turns):
            answer = conversation.ask(turn.question)
            full = qa.ask(turn.full or turn.question)
            kinds = ["dependent"] if turn.dependent else ["standing alone"]
            if number and not turn.dependent:
                kinds.append("of these, after the first")
            for kind in kinds:
                tally = tallies[kind]
                tally.turns += 1
                tally.found += found(answer, turn)
                tally.alone += found(full, turn)
                tally.answered += answered(answer, turn)
                tally.answered_alone += answered(full, turn)
                tally.changed += answer.understood != turn.question
            if show:
                mark = " " if found(answer, turn) else "!" if found(full, turn) else "-"
                right = " " if answered(answer, turn) else "x"
                kind = "↳" if turn.dependent else "○"
                print(f"{mark}{right}{kind} {turn.question} → {answer.understood}", end="")
                print(f" [{turn.full}]" if turn.full else "", "=", answer.text[:30] or "未找到")
        if show:
            print()
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--dialogues", type=Path, default=WRITTEN)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    with kept(arguments.work) as work:
        news = work / "newsmrc train"
        squad(arguments.data / "data" / "newsmrc_train.json.gz", news)
        seeds = {path.name[:3]: path.read_text("utf-8") for path in (ROOT / "seeds").iterdir()}
        contexts = {f"news-{int(p.stem)}": p.read_text("utf-8") for p in news.iterdir()}
        lines = [json.loads(line) for line in arguments.dialogues.read_text("utf-8").splitlines()]
        own = (arguments.data / "questions" / "seeds_dev_dialogues.jsonl").read_text("utf-8")
        over_seeds = [from_offsets(line, seeds) for line in lines if line["over"] == "seeds"]
        over_news = [from_offsets(line, contexts) for line in lines if line["over"] == "newsmrc"]
        for name, corpus, dialogues in (
            (
                "seeds, given",
                ROOT / "seeds",
                [given(json.loads(line)) for line in own.splitlines()],
            ),
            ("seeds", ROOT / "seeds", over_seeds),
            ("newsmrc train", news, over_news),
        ):
            qa = indexed(work, name.partition(",")[0], corpus)
            for kind, tally in measure(qa, dialogues, show=arguments.show).items():
                print(tally.row(f"{name}, {kind}"), flush=True)


if __name__ == "__main__":
    main()
