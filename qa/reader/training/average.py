"""Writes the mean of readers that were trained on from each other or from the same weights.

    python -m qa.reader.training.average WEIGHTS WEIGHTS... --work FOLDER

What one run got wrong by chance, the others mostly did not: the mean reads better than each of
them, and costs no more than one (Izmailov et al. 2018, arXiv:1803.05407; Wortsman et al. 2022,
arXiv:2203.05482). The vocabulary is that of the last.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qa.reader import weights


def main() -> None:
    """Read the arguments, and write the mean into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    network, vocabulary = weights.mean(arguments.weights)
    print(weights.write(network, vocabulary, arguments.work))  # noqa: T201


if __name__ == "__main__":
    main()
