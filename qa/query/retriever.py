"""A question in, hits out: dense, words and bigrams searched, fused and explained."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qa.errors import IndexDamaged
from qa.index.catalog import Catalog
from qa.index.dense import Dense
from qa.index.rows import Rows
from qa.index.sparse import Sparse
from qa.index.tokens import Words, bigrams, content_bigrams
from qa.query.fusion import Fused, fuse
from qa.text import coverage, fold, sentences
from qa.types import Embedder, Hit, Passage, Topic, Vectors

_log = logging.getLogger(__name__)
POOL = 100
"""Rows that each leg contributes to the fusion."""
WEIGHTS = {"dense": 1.0, "words": 1.0, "bigrams": 1.0}
"""How much each leg counts; measured, see tests/bench/quality.py."""
RERANKED = 20
"""Rows that are looked at sentence by sentence."""
SENTENCE_WEIGHT = 6.0
"""How much the best sentence's coverage of the question, in [0, 1], counts."""
TOPIC_WEIGHT = 6.0
"""What a passage gains that is of the article a conversation is about; see tests/bench/dialogue.py:
enough to go before its like from elsewhere, not before what answers better."""


@dataclass(frozen=True, slots=True)
class HybridRetriever:
    """Searches one generation with three legs, and looks closely at the best rows.

    While there are no vectors yet, ``dense`` is None, and two legs are searched. Where it is
    narrowed, only the ``allowed`` rows are found. ``exact`` compares with all vectors, however
    many there are.

    A passage that has many of the question's words in one sentence goes before one that has
    them here and there: the share "sentence". The same text in several places is one hit.
    """

    catalog: Catalog
    dense: Dense | None
    sparse: Sparse
    words: Words
    embedder: Embedder
    allowed: Rows | None = None
    exact: bool = False

    def search(self, question: str, k: int, topic: Topic | None = None) -> list[Hit]:
        """The best ``k`` passages for a question, best first.

        Args:
            question: In either script; not blank.
            k: At least 1.
            topic: The article that the conversation is about: the share "topic".
        """
        times = [time.perf_counter()]

        def timed(found: dict[int, float]) -> dict[int, float]:
            times.append(time.perf_counter())
            return found

        folded = fold(question)
        vector = self.embedder.encode_queries([folded])[0]
        pool = max(POOL, k)
        timed({})
        legs = {
            "dense": timed(self._nearest(vector, pool)),
            "words": timed(self.sparse.search("words", self.words(folded), pool, self.allowed)),
            "bigrams": timed(self.sparse.search("bigrams", bigrams(folded), pool, self.allowed)),
        }
        found = [len(leg) for leg in legs.values()]
        fused = fuse(legs, WEIGHTS)
        best = fused[: max(RERANKED, k)]
        if topic:
            about = self.catalog.rows_of(topic.document_id)
            best += [one for one in fused[len(best) :] if one.row in about]
        located = self.catalog.passages([fused.row for fused in best])
        if len(located) < len(best):
            raise IndexDamaged("文章库里缺少段落。", "请用 qa index 文件夹 重建。")
        passages = {row: found.passage for row, found in located.items()}
        closer = self._with_sentences(folded, best, passages)
        if topic:
            closer = _favoured(closer, passages, topic)
        same = _grouped(closer, passages)
        best = [alike[0] for alike in same][:k]
        if self.dense:
            legs["dense"] |= self.dense.scores(vector, [fused.row for fused in best])
        hits = [
            Hit(
                passage=passages[fused.row],
                path=located[fused.row].path,
                lines=located[fused.row].lines,
                score=fused.score,
                rank=rank,
                shares=fused.shares,
                raw={leg: found[fused.row] for leg, found in legs.items() if fused.row in found},
                also=tuple(
                    f"{located[other.row].path}:{located[other.row].lines[0]}"
                    for other in same[rank - 1][1:]
                ),
            )
            for rank, fused in enumerate(best, 1)
        ]
        timed({})
        _log.info(
            "检索:语义 %d 段、词 %d 段、二字 %d 段,取 %d 段;"
            "编码问题 %.4f、语义 %.4f、词 %.4f、二字 %.4f、其余 %.4f 秒",
            *(*found, len(hits)),
            *(after - before for before, after in pairwise(times)),
        )
        _log.debug("问题:%s", question)
        for hit in hits:
            _log.debug(
                "%d. %s《%s》%s", hit.rank, hit.path, hit.passage.article.title, hit.passage.text
            )
        return hits

    def _nearest(self, vector: Vectors, k: int) -> dict[int, float]:
        if not self.dense:
            return {}
        return self.dense.search(vector, k, self.allowed, exact=self.exact)

    def _with_sentences(
        self, question: str, best: Sequence[Fused], passages: dict[int, Passage]
    ) -> list[Fused]:
        weights = self.sparse.idf("bigrams", content_bigrams(question))
        closer = []
        for fused in best:
            text = passages[fused.row].text
            folded = fold(text)
            closest = max(coverage(weights, folded[a:b]) for a, b in sentences(text))
            share = SENTENCE_WEIGHT * closest
            shares = {**fused.shares, "sentence": share}
            closer.append(Fused(fused.row, fused.score + share, shares))
        return sorted(closer, key=lambda fused: (-fused.score, fused.row))


def _favoured(best: Sequence[Fused], passages: dict[int, Passage], topic: Topic) -> list[Fused]:
    favoured = []
    for fused in best:
        share = TOPIC_WEIGHT * topic.holds(passages[fused.row])
        favoured.append(Fused(fused.row, fused.score + share, {**fused.shares, "topic": share}))
    return sorted(favoured, key=lambda fused: (-fused.score, fused.row))


def _grouped(best: Sequence[Fused], passages: dict[int, Passage]) -> list[list[Fused]]:
    """Rows with the same text together, in the order of the best of each."""
    groups: dict[str, list[Fused]] = {}
    for fused in best:
        groups.setdefault(passages[fused.row].text, []).append(fused)
    return list(groups.values())
