"""Measures what the length of passages does to retrieval.

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
from qa.index.prepare import prepare
from tests.bench.quality import SETS, measure_seeds, measure_set

SIZES = (150, 200, 250, 300, 400, 600)


def main() -> None:
    data = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        prepare(None, models)
        for size in SIZES:
            print(f"== {size} characters")
            update.passages = partial(passages, size=size)
            for name in ("seeds", "CMRC 2018 trial"):
                work = Path(folder) / f"{name} {size}"
                (work / "index").mkdir(parents=True)
                (work / "index" / "models").symlink_to(models)
                if name == "seeds":
                    measure_seeds(data, work)
                else:
                    measure_set(name, data / "data" / SETS[name], work, 0)


if __name__ == "__main__":
    main()
