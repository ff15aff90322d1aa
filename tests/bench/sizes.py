"""Measures what the length of passages does to retrieval, without the reader model.

    python -m tests.bench.sizes DATA

DATA is the folder with ``questions/`` and ``data/``. For each length the seed articles and the
contexts of CMRC 2018 trial are cut, indexed and asked as in ``tests.bench.quality``.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from qa import update
from qa.corpus.chunk import passages
from tests.bench.datasets import squad
from tests.bench.quality import ROOT, SETS, Bench, indexed, measure_seeds, measure_set

SIZES = (150, 200, 250, 300, 400, 600)


def main() -> None:
    data = Path(sys.argv[1])
    name = "CMRC 2018 trial"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        items = squad(data / "data" / SETS[name][0], work / "contexts")
        for size in SIZES:
            print(f"== {size} characters")
            update.passages = partial(passages, size=size)
            seeds = Bench(indexed(work, f"seeds {size}", ROOT / "seeds"), fast=True)
            measure_seeds(data / "questions" / "seeds_dev.jsonl", seeds, fast=True)
            contexts = Bench(indexed(work, f"{name} {size}", work / "contexts"), fast=True)
            measure_set(name, items, contexts, fast=True)


if __name__ == "__main__":
    main()
