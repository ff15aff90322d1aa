"""What was found and said, beside what is right, comes in; measures go out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import ceil

import numpy as np
from numpy.typing import NDArray

from qa.errors import InputError
from qa.text import fold, squeeze

Floats = NDArray[np.float64]

DEPTH = 10
"""Ranks that count."""
BINS = 10
"""Bins of confidence, of equal width, for the calibration error."""
COVERAGES = (0.5, 0.8, 1.0)
"""Shares of the questions that are answered, at which the risk is reported."""

# What CMRC 2018's script removes, in half width: folded text knows no other. (Its list has "……",
# too, which never equals one character.)
_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=,。?!“”;’《》·、「」()『』")
# Its Chinese characters, each a token; else words and numbers; else single signs.
_HAN = "\u4e00-\u9fa5"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+(?:[.'][^\W{_HAN}]+)*|\S")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, as counted; ``count`` is a sum where parts count, too (F1).

    Attributes:
        count: From 0 to ``total``.
        total: Of how many; 0 where nothing could be counted.
    """

    count: float
    total: int

    @classmethod
    def of(cls, parts: Iterable[float]) -> Share:
        """The sum of parts in [0, 1], out of how many they are."""
        counted = list(parts)
        return cls(float(sum(counted)), len(counted))

    @property
    def value(self) -> float | None:
        """In [0, 1]; None where nothing was counted."""
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Means over the questions of measures in [0, 1], each over the first ranks only."""

    recall: tuple[tuple[int, Share], ...]
    mrr: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Selection:
    """What confidence is worth: the risk of answering only the questions it is highest for.

    Attributes:
        area: Mean risk over all coverages (AURC); lower is better.
        risks: For each of ``COVERAGES``, how many of the answered are wrong.
    """

    area: float
    risks: tuple[tuple[float, Share], ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles, in milliseconds, of the time that a question took."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Linear between the nearest two of at least one measurement."""
        p50, p90, p99 = (1000 * np.percentile(seconds, [50, 90, 99])).tolist()
        return cls(p50, p90, p99)


def holds(text: str, wanted: str) -> bool:
    """True where ``wanted`` stands in ``text``, whatever the script, width and white space."""
    return squeeze(fold(wanted)) in squeeze(fold(text))


def exact_match(answer: str, golds: Iterable[str]) -> bool:
    """CMRC 2018's EM, over folded text: equal to a gold but for case and punctuation.

    After ``calc_em_score`` of squad-style-data/cmrc2018_evaluate.py (v5) in ymcui/cmrc2018,
    written anew. Folded first: Traditional answers match Simplified ones, and punctuation is
    removed in both widths (the script removes ， but not the comma).
    """
    said = _plain(answer)
    return any(said == _plain(gold) for gold in golds)


def f1(answer: str, golds: Iterable[str]) -> float:
    """CMRC 2018's F1, over folded text: the best, over golds, in [0, 1]; 0 without golds.

    Precision and recall are the length of the longest common substring, in tokens, over that of
    the answer and of the gold; a token is a Chinese character, a Latin word, a number or a sign.
    After ``calc_f1_score`` and ``mixed_segmentation`` of the same script (Cui et al., EMNLP 2019),
    which leaves Latin text to NLTK. On 4,234 spans of CMRC 2018, DRCD and newsmrc, EM was the same
    for each and F1 for 98 %; the mean F1 was .5912 against .5911.
    """
    said = tokens(answer)
    return max((_overlap(said, tokens(gold)) for gold in golds), default=0.0)


def tokens(text: str) -> list[str]:
    """The tokens that F1 counts.

    >>> tokens("《魂斗罗》于1987年，在NES上。")
    ['魂', '斗', '罗', '于', '1987', '年', '在', 'nes', '上']
    """
    return _TOKEN.findall(_plain(text))


def _plain(text: str) -> str:
    return fold(text).strip().translate(_PUNCTUATION)


def _overlap(said: Sequence[str], gold: Sequence[str]) -> float:
    matcher = SequenceMatcher(None, said, gold, autojunk=False)
    common = matcher.find_longest_match().size
    # The harmonic mean of common / len(said) and common / len(gold).
    return 2 * common / (len(said) + len(gold)) if common else 0.0


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that one of ``positive`` is above one of ``negative``, a tie for half, in [0, 1].

    The area under the ROC curve as the Mann-Whitney statistic (Hanley and McNeil, Radiology 1982).

    Args:
        positive: Scores, at least one.
        negative: Scores, at least one.
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    not_above = np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / 2 / len(ordered))


def calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015) with ``BINS`` bins, in [0, 1].

    Args:
        confidence: In [0, 1], shape (n,), n at least 1.
        right: What came true, shape (n,).
    """
    said, truth = np.asarray(confidence, float), np.asarray(right, float)
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    off = np.bincount(bins, said - truth)  # Per bin: its size times how far it is off.
    return float(np.abs(off).sum() / len(said))


def risks(confidence: Sequence[float], right: Sequence[bool]) -> Floats:
    """The risk-coverage curve: share that is wrong of the 1, 2, … n with the highest confidence.

    Where confidences tie, the mean over their orders (El-Yaniv and Wiener, JMLR 2010).

    Args:
        confidence: Shape (n,), n at least 1.
        right: Whether the answer is, shape (n,).
    """
    _, place = np.unique(np.negative(confidence), return_inverse=True)
    wrong = np.bincount(place, ~np.asarray(right, bool)) / np.bincount(place)
    return np.cumsum(wrong[np.sort(place)]) / np.arange(1, len(place) + 1)


def selection(confidence: Sequence[float], right: Sequence[bool]) -> Selection:
    """The area under ``risks`` (AURC: Geifman and El-Yaniv, NeurIPS 2017), and points on it."""
    curve = risks(confidence, right)
    # Rounded first: 0.8 x 35 is 28.000000000000004.
    answered = [ceil(round(coverage * len(curve), 6)) for coverage in COVERAGES]
    points = [Share(float(curve[n - 1] * n), n) for n in answered]
    return Selection(float(curve.mean()), tuple(zip(COVERAGES, points, strict=True)))


def check_installed() -> None:
    """Fail before the work where the library for ``ranking`` is missing.

    Raises:
        InputError: It is.
    """
    try:
        import ir_measures  # noqa: F401
    except ImportError as error:
        raise InputError("评测需要可选组件", "请运行 pip install 'wenju[eval]'。") from error


Ranked = tuple[Sequence[int], Sequence[int]]
"""Grades of what was found, best first, 0 for what is not relevant; grades of all there is."""


def ranking(questions: Sequence[Ranked]) -> Ranking:
    """Recall, MRR and nDCG within the first ``DEPTH`` ranks, as trec_eval defines them.

    Args:
        questions: For each its grades; at least one.
    """
    from ir_measures import RR, R, nDCG, pytrec_eval

    run: dict[str, dict[str, float]] = {}
    judged: dict[str, dict[str, int]] = {}
    for number, (found, wanted) in enumerate(questions):
        first = found[:DEPTH]
        missed = sorted(wanted, reverse=True)
        for grade in filter(None, first):
            missed.remove(grade)
        run[str(number)] = {f"found {rank}": -float(rank) for rank in range(len(first))}
        judged[str(number)] = {f"found {rank}": grade for rank, grade in enumerate(first)} | {
            f"missed {n}": grade for n, grade in enumerate(missed)
        }
    cuts = (1, 5, DEPTH)
    # The run ends at DEPTH: RR is MRR@10.
    means = pytrec_eval.calc_aggregate([*(R @ cut for cut in cuts), RR, nDCG @ DEPTH], judged, run)
    total = len(questions)
    recall = tuple((cut, Share(means[R @ cut] * total, total)) for cut in cuts)
    return Ranking(recall, means[RR], means[nDCG @ DEPTH])
