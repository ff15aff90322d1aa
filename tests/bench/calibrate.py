"""Fits the reader's weights and its confidence, and prints what qa/reader/extractive.py holds.

    python -m tests.bench.calibrate DATA [--limit N]

Fitted on CMRC 2018 train and DRCD dev (contexts in both scripts), shown on newsmrc. The weights
are those of a softmax over the sentences of five passages; the confidence is a logistic
regression of "the chosen sentence holds the answer", on each question twice: as it is, and with
its own document taken out of what was found, so that nothing answers it.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from qa import QA
from qa.index.tokens import content_bigrams
from qa.reader import extractive
from qa.reader.kinds import asked
from qa.text import fold
from qa.types import Hit
from tests.bench.datasets import Item, squad
from tests.bench.quality import same

FITTED = ("cmrc2018_train.json.gz", "drcd_dev.json.gz")
SHOWN = "newsmrc_train.json.gz"


def sentences(qa: QA, item: Item, hits: list[Hit]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of each sentence for the ranking, those for the confidence, and which answer."""
    question = fold(item.question)
    weights = qa.reader._sparse.idf("bigrams", content_bigrams(question))
    ranking, confidence, right = [], [], []
    for c in extractive._candidates(hits, weights, asked(question)):
        ranking.append([c.covered, c.in_context, c.hit.score - hits[0].score, c.of_kind])
        confidence.append([c.covered, c.in_context, c.of_kind, c.hit.raw["dense"]])
        text = c.hit.passage.text[slice(*c.span)]
        here = Path(c.hit.path).name == item.document
        right.append(here and any(same(answer, text) for answer in item.answers))
    return np.array(ranking), np.array(confidence), np.array(right)


def gather(path: Path, limit: int, work: Path) -> list[list[tuple[np.ndarray, ...]]]:
    """For each question its sentences as found, and without its document."""
    items = squad(path, work / "corpus")
    items = random.Random(11).sample(items, min(limit, len(items)))  # noqa: S311
    kept = {item.document for item in items}
    for file in (work / "corpus").iterdir():
        if file.name not in kept:
            file.unlink()
    qa = QA.build([work / "corpus"], index=work / "index")
    found = []
    for item in items:
        hits = qa.search(item.question, 40)
        others = [hit for hit in hits if Path(hit.path).name != item.document]
        found.append([sentences(qa, item, hits[:5]), sentences(qa, item, others[:5])])
    return found


def fit_ranking(questions: list[list[tuple[np.ndarray, ...]]]) -> np.ndarray:
    data = [(x, right) for (x, _, right), _ in questions if right.any()]

    def loss(w: np.ndarray) -> float:
        total = 0.0
        for x, right in data:
            scores = x @ w
            total += np.logaddexp.reduce(scores) - np.logaddexp.reduce(scores[right])
        return total / len(data) + 1e-3 * float(w @ w)

    return minimize(loss, np.ones(4)).x


def chosen(questions: list[list[tuple[np.ndarray, ...]]], w: np.ndarray) -> tuple[np.ndarray, ...]:
    """Features and truth of the sentence that the ranking chooses, with and without an answer."""
    rows, truth, answerable = [], [], []
    for question in questions:
        for number, (x, features, right) in enumerate(question):
            best = int((x @ w).argmax())
            rows.append(features[best])
            truth.append(right[best])
            answerable.append(number == 0)
    return np.array(rows), np.array(truth, float), np.array(answerable)


def fit_confidence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    mean, spread = x.mean(0), x.std(0)
    z = np.c_[(x - mean) / spread, np.ones(len(x))]

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -(2 * y - 1) * (z @ w)).mean() + 1e-3 * w[:-1] @ w[:-1])

    w = minimize(loss, np.zeros(z.shape[1])).x
    return np.r_[w[:-1] / spread, w[-1] - (w[:-1] / spread * mean).sum()]


def report(name: str, questions: list[list[tuple[np.ndarray, ...]]], w: np.ndarray, c: np.ndarray):
    x, truth, answerable = chosen(questions, w)
    p = 1 / (1 + np.exp(-(x @ c[:-1] + c[-1])))
    bins = (p * 10).astype(int).clip(0, 9)
    error = sum(
        abs(p[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    )
    yes, no = p[answerable], p[~answerable]
    auc = (yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean()
    print(f"{name}: sentence right {truth[answerable].mean():.3f}, answerable or not AUC {auc:.3f}")
    print(f"    calibration error {error:.3f}")
    for bar in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4):
        print(
            f"    below {bar}: answerable refused {(yes < bar).mean():.3f} "
            f"(with the right sentence {(yes < bar)[truth[answerable] > 0].mean():.3f}), "
            f"unanswerable refused {(no < bar).mean():.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=800)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gathered = {}
        for name in (*FITTED, SHOWN):
            work = Path(folder) / name
            gathered[name] = gather(arguments.data / "data" / name, arguments.limit, work)
    fitted = [question for name in FITTED for question in gathered[name]]
    ranking = fit_ranking(fitted)
    x, truth, _ = chosen(fitted, ranking)
    confidence = fit_confidence(x, truth)
    print("covered, in context, passage, of kind:", np.round(ranking, 2))
    print("covered, in context, of kind, cosine, constant:", np.round(confidence, 2))
    without = fit_confidence(x[:, :3], truth)
    print("without cosine:", np.round(without, 2))
    for name, questions in gathered.items():
        report(name, questions, ranking, confidence)


if __name__ == "__main__":
    main()
