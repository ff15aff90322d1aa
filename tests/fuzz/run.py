"""Looks for inputs that break what targets.py asserts: python -m tests.fuzz.run TARGET.

Coverage-guided, with atheris (pip install 'wenju[fuzz]'). Inputs change byte by byte and, half of
the time, word by word, by words that matter to the target. An input that breaks something stands
beside the working folder as ….crash-… or ….timeout-…; kept in corpus/, it gets a name that says
what it broke. Options that are not known here are libFuzzer's, such as -merge=1.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from pathlib import Path

import atheris

from tests.fuzz.words import WORDS

ROOT = Path(__file__).parent
_TOKENS = re.compile(rb"\n|[ \t]+|[A-Za-z]+|[0-9]+|(?:[\xc0-\xff][\x80-\xbf]+)|.", re.DOTALL)

_LIBRARIES = {
    "html": ["bs4", "html.parser", "_markupbase"],
    "pdf": ["pypdf"],
    "docx": ["docx"],
}
"""Libraries in Python that are watched beside this package's own code."""


def main() -> None:
    """Run libFuzzer; it ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=WORDS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, required=True, help="the working folder")
    parser.add_argument("--repeat", type=int, default=1, help="times that each input is repeated")
    options, more = parser.parse_known_args()
    options.corpus.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["qa", *_LIBRARIES.get(options.target, [])]):
        from tests.fuzz import targets

        for name in _LIBRARIES.get(options.target, []):
            __import__(name)
    function = targets.TARGETS[options.target]
    words = [word.encode() for word in WORDS[options.target].split("|") if word]
    listed = Path(f"{options.corpus}.dict")
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in words)
    listed.write_text("".join(f'"{word}"\n' for word in escaped))
    kept = [str(folder) for folder in [ROOT / "corpus" / options.target] if folder.is_dir()]
    # To merge, libFuzzer starts this again, by the first argument.
    again = f"{sys.executable} -m tests.fuzz.run {options.target} --corpus {options.corpus}"
    arguments = [
        *(again, str(options.corpus), *kept, f"-dict={listed}"),
        *(f"-max_total_time={options.seconds}", "-timeout=10", "-rss_limit_mb=1024"),
        *(f"-artifact_prefix={options.corpus}.", "-print_final_stats=1", *more),
    ]
    atheris.Setup(
        arguments,
        lambda raw: function(raw * options.repeat),
        custom_mutator=lambda raw, longest, seed: _changed(raw, longest, seed, words),
    )
    atheris.Fuzz()


def _changed(raw: bytes, longest: int, seed: int, words: list[bytes]) -> bytes:
    """An input with a few of its words taken out, put in, doubled or moved."""
    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.5:
        return atheris.Mutate(raw, longest)
    tokens = _TOKENS.findall(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(tokens))
        size = chance.choice((1, 1, 2, 5, 20))
        change = chance.randrange(5)
        if change < 2:
            tokens.insert(at, chance.choice(words))
        elif change == 2:
            del tokens[at : at + size]
        else:
            to = chance.randint(0, len(tokens))
            tokens[to:to] = tokens[at : at + size] * (change - 2) * chance.choice((1, 1, 1, 9))
    return b"".join(tokens)[:longest]


if __name__ == "__main__":
    main()
