"""Fits what joins the reader to the retriever, and the confidence; prints what goes into the code.

    python -m tests.bench.calibrate DATA [--limit N] [--work FOLDER]

Fitted on what the reader was not trained on: held-out contexts of DRCD dev, and held-out articles
of the news set and passages of NoMIRACL with the questions written over them. The join is the
weights of a softmax over five passages; the confidence is a logistic regression of "the evidence
holds the answer", on each question three times: as it is, with its own document taken out of what
was found, and with the sentences that hold an answer taken out of all passages: a near miss. And
each is asked once of another name, of what has not that name, and once without its rarest word, so
that other documents answer as well. What can be answered counts for ``ANSWERABLE`` of all, people
asking mostly about what their articles tell, and of that ``VAGUE`` is what lacks a word.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from qa import QA, metrics
from qa.index.sparse import Sparse
from qa.index.tokens import content_bigrams
from qa.reader.extractive import barred, confidence_features, read_alone
from qa.reader.kinds import parts
from qa.reader.model import Reading
from qa.reader.training.names import Names
from qa.text import fold, segmenter, sentences
from qa.types import Hit
from tests.bench.datasets import Item, encyclopedia, squad, written
from tests.bench.quality import indexed, kept

DEPTH = 5
ANSWERABLE = 0.8
VAGUE = 0.25


@dataclass
class Found:
    """What was found for a question: a row for each passage that was read."""

    sparse: Sparse
    question: str
    hits: list[Hit]
    readings: list[Reading]
    alone: list[float]
    join: np.ndarray
    right: np.ndarray
    answerable: bool
    vague: bool


def same(needle: str, text: str) -> bool:
    return metrics.holds(text, needle)


def look(qa: QA, item: Item, hits: Sequence[Hit], *, vague: bool = False) -> Found:
    read, readings, alone, join, right = [], [], [], [], []
    for hit in hits[:DEPTH]:
        passage = hit.passage
        count = parts(fold(item.question))
        reading = qa.reader._model.read(item.question, passage, count, barred(passage))
        if not reading.found:
            continue
        read.append(hit)
        readings.append(reading)
        alone.append(read_alone(qa.reader._model, item.question, passage, reading))
        join.append([hit.score - hits[0].score, reading.span])
        spans = [one.span for one in reading.found]
        text = "".join(
            passage.text[a:b]
            for a, b in sentences(passage.text)
            if any(a < end and start < b for start, end in spans)
        )
        here = Path(hit.path).name == item.document
        right.append(here and any(same(answer, text) for answer in item.answers))
    return Found(
        qa.reader._sparse,
        item.question,
        read,
        readings,
        alone,
        np.array(join),
        np.array(right),
        bool(item.answers),
        vague,
    )


def gather(qa: QA, items: list[Item], limit: int) -> list[Found]:
    """Each question as it is, and each that has an answer in the other ways."""
    found = []
    chance = random.Random(11)  # noqa: S311
    names = Names(fold(item.question) for item in items)
    for item in chance.sample(items, min(limit, len(items))):
        hits = qa.search(item.question, 40)
        found.append(look(qa, item, hits))
        if item.answers:
            unanswerable = Item(item.question, "", ())
            others = [hit for hit in hits if Path(hit.path).name != item.document]
            found.append(look(qa, unanswerable, others))
            found.append(look(qa, unanswerable, [h for hit in hits if (h := gone(hit, item))]))
            if other := misnamed(qa, names, item, hits, chance):
                found.append(other)
            if asked := less(qa, item.question):
                hits = qa.search(asked, 40)
                found.append(look(qa, replace(item, question=asked), hits, vague=True))
    return [one for one in found if len(one.join)]


def misnamed(
    qa: QA, names: Names, item: Item, hits: Sequence[Hit], chance: random.Random
) -> Found | None:
    """A question asked of a name that its document does not have; None without such a name.

    What has that name is left out of what is found: it might answer.
    """
    own = "\n".join(fold(hit.passage.text) for hit in hits if Path(hit.path).name == item.document)
    if not (other := names.other(fold(item.question), own, own, chance)):
        return None
    question, name = other
    others = [hit for hit in qa.search(question, 40) if name not in fold(hit.passage.text)]
    return look(qa, Item(question, "", ()), others)


def less(qa: QA, question: str) -> str:
    """A question without its rarest word; "" where little would be left."""

    def weight(word: str) -> float:
        return sum(qa.reader._sparse.idf("bigrams", content_bigrams(fold(word))).values())

    words = segmenter().lcut(question)
    rarest = max(range(len(words)), key=lambda n: (len(words[n]) > 1) * weight(words[n]))
    rest = "".join(words[:rarest] + words[rarest + 1 :])
    return rest if len(content_bigrams(fold(rest))) > 1 else ""


def gone(hit: Hit, item: Item) -> Hit | None:
    """A hit without the sentences that hold an answer; None where nothing else is left."""
    text = hit.passage.text
    kept = [
        text[a:b]
        for a, b in sentences(text)
        if not any(same(answer, text[a:b]) for answer in item.answers)
    ]
    return replace(hit, passage=replace(hit.passage, text="".join(kept))) if kept else None


def fit_join(found: list[Found]) -> np.ndarray:
    """Weights beside a passage's score, each at least 0."""
    chosen = [(one.join, one.right) for one in found if one.right.any()]

    def loss(logs: np.ndarray) -> float:
        w = np.exp(logs)
        total = 0.0
        for x, right in chosen:
            scores = x @ w
            total += np.logaddexp.reduce(scores) - np.logaddexp.reduce(scores[right])
        return total / len(chosen) + 1e-3 * float(w @ w)

    return np.exp(minimize(loss, np.zeros(len(found[0].join[0]))).x)


def shares(found: list[Found]) -> np.ndarray:
    """What each question counts, 1 in all."""
    answerable = np.array([one.answerable for one in found])
    vague = np.array([one.vague for one in found])
    whole = answerable & ~vague
    return (
        vague * ANSWERABLE * VAGUE / vague.sum()
        + whole * ANSWERABLE * (1 - VAGUE) / whole.sum()
        + ~answerable * (1 - ANSWERABLE) / (~answerable).sum()
    )


def fit_confidence(x: np.ndarray, y: np.ndarray, share: np.ndarray) -> np.ndarray:
    mean, spread = x.mean(0), x.std(0) + 1e-9
    z = np.c_[(x - mean) / spread, np.ones(len(x))]

    def loss(w: np.ndarray) -> float:
        missed = np.logaddexp(0, -(2 * y - 1) * (z @ w))
        return float(share @ missed + 1e-3 * w[:-1] @ w[:-1])

    w = minimize(loss, np.zeros(z.shape[1])).x
    return np.r_[w[:-1] / spread, w[-1] - (w[:-1] / spread * mean).sum()]


def features(one: Found, w: np.ndarray) -> tuple[int, dict[str, float]]:
    """The row of the passage that the join chooses, and what its confidence is made of."""
    added = one.join[:, 1] * w[1] / w[0]
    sums = [replace(hit, score=hit.score + a) for hit, a in zip(one.hits, added, strict=True)]
    order = sorted(range(len(sums)), key=lambda row: -sums[row].score)
    best, read = order[0], [sums[row] for row in order]
    reading, alone = one.readings[best], one.alone[best]
    made = confidence_features(one.sparse, one.question, reading, alone, read, one.hits)
    return best, {name: value for name, value in made.items() if name}


def chosen(found: list[Found], w: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features and truth of the passages that the join chooses, and the features' names."""
    best = [features(one, w) for one in found]
    x = np.array([list(made.values()) for _, made in best])
    y = np.array([float(one.right[row]) for one, (row, _) in zip(found, best, strict=True)])
    return x, y, list(best[0][1])


def report(name: str, found: list[Found], w: np.ndarray, c: np.ndarray):
    x, y, _ = chosen(found, w)
    answerable = np.array([one.answerable for one in found])
    p = 1 / (1 + np.exp(-(x @ c[:-1] + c[-1])))
    plain = sum(one.right[one.join[:, 0].argmax()] for one in found if one.answerable)
    print(
        f"{name}: {answerable.sum()} answerable, {(~answerable).sum()} not; evidence right "
        f"{y[answerable].mean():.3f} (first passage {plain / answerable.sum():.3f}), AUC "
        f"{metrics.auc(p[answerable], p[~answerable]):.3f}, calibration error of the answerable "
        f"{metrics.calibration_error(p[answerable], y[answerable] > 0):.3f}"
    )
    for bar in (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        yes = p[answerable] < bar
        print(
            f"    below {bar}: answerable refused {yes.mean():.3f} (with the right sentence "
            f"{yes[y[answerable] > 0].mean():.3f}), others {(p[~answerable] < bar).mean():.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=700)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    sets = arguments.data / "data"
    with kept(arguments.work) as work:
        gathered = {}
        for name, make in (
            ("DRCD dev, held out", lambda to: squad(sets / "drcd_dev.json.gz", to, held_out=5)),
            ("news, held out", lambda to: written(sets / "news_30k.jsonl.gz", to)),
            ("NoMIRACL, held out", lambda to: encyclopedia(sets / "nomiracl_zh.json.gz", to)),
        ):
            items = make(work / name)
            gathered[name] = gather(indexed(work, name, work / name), items, arguments.limit)
    fitted = [one for found in gathered.values() for one in found]
    join = fit_join(fitted)
    print("weight of reading:", round(float(join[1] / join[0]), 3))
    x, y, names = chosen(fitted, join)
    confidence = fit_confidence(x, y, shares(fitted))
    shown = dict(zip([*names, ""], np.round(confidence, 3).tolist(), strict=True))
    print("confidence:", shown)
    for name, found in gathered.items():
        report(name, [one for one in found if not one.vague], join, confidence)


if __name__ == "__main__":
    main()
