"""Measures one index for ``tests.bench.speed growth``: INDEX and CORPUS in, a line of JSON out.

The vectors lie in the index's log already; everything else is done here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from qa.pipeline import QA
from qa.text import sentences
from qa.update import update

CHANGED = 100


def main() -> None:
    place, corpus, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    figures = {"words": worded, "index": indexed, "ask": asked, "update": updated}[step](
        place, corpus
    )
    print(json.dumps(figures, ensure_ascii=False))


def asked(place: Path, _: Path) -> dict[str, Any]:
    """What opening and asking takes."""
    started = time.perf_counter()
    qa = QA.open(place)
    figures: dict[str, Any] = {
        "open_s": round(time.perf_counter() - started, 3),
        "passages": qa.manifest.passages,
        "dense": dict(qa.manifest.dense),
        "disk_mb": round(sum(size for size, _ in qa.manifest.files.values()) / 1e6, 1),
    }
    sentences = questions(qa, 400)
    figures |= asking(qa, sentences)
    figures["resident_mb"] = round(resident(), 1)
    return figures | {"recall_at_10": recall(qa, sentences[:100])}


def indexed(place: Path, corpus: Path) -> dict[str, Any]:
    """Seconds until text and terms are written, and until all is done."""
    started = time.perf_counter()
    read = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal read
        if stage == "读取文章":
            read = time.perf_counter() - started

    update(place, [corpus], progress=progress)
    whole = time.perf_counter() - started
    return {"text_s": round(read, 1), "index_s": round(whole, 1)}


class _Stop(Exception):
    """Raised where words can be searched."""


def worded(place: Path, corpus: Path) -> dict[str, Any]:
    """Seconds of a first run until questions are answered by words."""
    started = time.perf_counter()

    def progress(stage: str, done: int, total: int) -> None:
        if stage.startswith("编码"):
            raise _Stop

    with suppress(_Stop):
        update(place, [corpus], progress=progress)
    return {"words_s": round(time.perf_counter() - started, 1)}


def questions(qa: QA, count: int) -> list[str]:
    """Sentences of passages here and there, cut to the length of a question."""
    rows = np.random.default_rng(7).integers(0, qa.manifest.passages, 2 * count).tolist()
    found = [located.passage.text for located in qa.catalog.passages(rows).values()]
    cut = [text[a:b][:30] for text in found for a, b in sentences(text)[1:2] if b - a > 12]
    return cut[:count]


def asking(qa: QA, asked: list[str]) -> dict[str, float]:
    """Search times of one client, and questions a second of one and of eight."""
    for question in asked[:40]:
        qa.search(question)
    times = []
    for question in asked:
        started = time.perf_counter()
        qa.search(question)
        times.append(1000 * (time.perf_counter() - started))
    rates = {}
    for clients in (1, 8):
        with ThreadPoolExecutor(clients) as pool:
            started = time.perf_counter()
            list(pool.map(qa.search, asked))
            rates[f"rate_{clients}"] = round(len(asked) / (time.perf_counter() - started), 1)
    p50, p99 = (round(float(np.percentile(times, share)), 1) for share in (50, 99))
    return {"search_p50_ms": p50, "search_p99_ms": p99, **rates}


def recall(qa: QA, asked: list[str]) -> float:
    """Share of the ten nearest by comparing with every vector that the dense leg finds."""
    dense = qa.retriever.dense
    if dense is None:
        return 0.0
    shares = []
    for vector in qa.retriever.embedder.encode_queries(asked):
        near = [*dense.search(vector, 100)][:10]
        exact = [*dense.search(vector, 100, exact=True)][:10]
        shares.append(len({*near} & {*exact}) / len(exact))
    return round(float(np.mean(shares)), 4)


def resident() -> float:
    """Memory of this process now, in MB, mapped files that were touched included."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def updated(place: Path, corpus: Path) -> dict[str, Any]:
    """Seconds to take in CHANGED articles that were edited."""
    file = min(corpus.iterdir())
    lines = file.read_text("utf-8").split("\n")
    for number in range(min(CHANGED, len(lines))):
        record = json.loads(lines[number])
        record["text"] += f"补记:第{time.time_ns() % 9973}号。"
        lines[number] = json.dumps(record, ensure_ascii=False)
    file.write_text("\n".join(lines), "utf-8")
    started = time.perf_counter()
    update(place, [corpus])
    return {"update_s": round(time.perf_counter() - started, 1)}


if __name__ == "__main__":
    main()
