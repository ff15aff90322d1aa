"""Measures how encodings are found out: what is read right, wrong, or refused, and how sure it is.

    python -m tests.bench.encodings DATA

DATA is the folder with ``seeds/`` and ``data/news_30k.jsonl.gz``. The five seeds and 500 articles
(every fortieth from the 10,000th on; the detector was fitted on others) are written in each
encoding, whole and cut to their first characters. For Big5 they are converted to Traditional,
less the characters that it does not have.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

from opencc import OpenCC

from qa.corpus.encoding import decode
from qa.errors import FileError
from qa.types import SURE

LENGTHS = (5, 10, 20, 50, 200, 1000, 0)
ENCODINGS = (
    ("UTF-8", "utf-8", b""),
    ("UTF-8, BOM", "utf-8", b"\xef\xbb\xbf"),
    ("GB18030", "gb18030", b""),
    ("GBK", "gbk", b""),
    ("Big5", "cp950", b""),
    ("UTF-16 LE", "utf-16-le", b""),
    ("UTF-16 LE, BOM", "utf-16-le", b"\xff\xfe"),
    ("UTF-16 BE", "utf-16-be", b""),
    ("UTF-16 BE, BOM", "utf-16-be", b"\xfe\xff"),
)
STEPS = (0.5, 0.7, 0.9, 0.97, 0.99, 0.999)
OUTCOMES = ("right", "right, doubtful", "refused", "wrong, doubtful", "wrong in silence")


def texts(data: Path) -> list[str]:
    seeds = [path.read_bytes().decode() for path in sorted((data / "seeds").glob("*.txt"))]
    with gzip.open(data / "data" / "news_30k.jsonl.gz", "rt", encoding="utf-8") as stream:
        lines = list(islice(stream, 10_000, 30_000, 40))
    return seeds + [json.loads(line)["text"].strip().lstrip("\ufeff") for line in lines]


def written(text: str, codec: str) -> bytes:
    """The text in an encoding, less what the encoding does not have."""
    if codec != "cp950":
        return text.encode(codec, "ignore")
    encoded = (char.encode(codec, "ignore") for char in text)
    # Between C6A1 and C8FE everyone has put other characters.
    return b"".join(raw for raw in encoded if not b"\xc6\xa1" <= raw <= b"\xc8\xfe")


def outcome(raw: bytes, mark: bytes, codec: str) -> tuple[str, float]:
    """What becomes of a file, and the confidence."""
    try:
        decoded = decode(mark + raw)
    except FileError:
        return "refused", 0.0
    is_right = decoded.text == raw.decode(codec)
    if decoded.confidence < SURE:
        return ("right, doubtful" if is_right else "wrong, doubtful"), decoded.confidence
    return ("right" if is_right else "wrong in silence"), decoded.confidence


def main() -> None:
    simplified = texts(Path(sys.argv[1]))
    traditional = [OpenCC("s2t").convert(text) for text in simplified]
    confidences: list[tuple[float, bool]] = []
    print(f"{len(simplified)} texts; {' / '.join(OUTCOMES)}")
    print(f"{'':16}", *(f"{length or 'whole':>20}" for length in LENGTHS))
    for name, codec, mark in ENCODINGS:
        cells = []
        for length in LENGTHS:
            counts: Counter[str] = Counter()
            for text in traditional if codec == "cp950" else simplified:
                raw = written(text[: length or None], codec)
                what, confidence = outcome(raw, mark, codec)
                counts[what] += 1
                if what != "refused" and not mark:
                    confidences.append((confidence, what.startswith("right")))
            cells.append(" / ".join(str(counts[what]) for what in OUTCOMES))
        print(f"{name:16}", *(f"{cell:>20}" for cell in cells), flush=True)
    for low, high in zip(STEPS, (*STEPS[1:], 1.1), strict=True):
        of = [is_right for confidence, is_right in confidences if low <= confidence < high]
        if of:
            print(f"confidence from {low}: {sum(of)}/{len(of)} right ({sum(of) / len(of):.2%})")


if __name__ == "__main__":
    main()
