"""Has a real language model answer the development questions, and counts what is verified.

    python -m tests.bench.written DATA --llm URL --llm-model NAME [--work FOLDER] [--limit N]

DATA is the folder with ``questions/``. Each question is asked over the seeds; the model writes from
the five best passages. Printed: how many answers, how many sentences verified, and why the others
are not; ``right`` counts the answers in which a verified sentence holds the known answer.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from qa import Endpoint, metrics
from tests.bench.datasets import seeds
from tests.bench.quality import ROOT, indexed, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--llm", required=True)
    parser.add_argument("--llm-model", required=True)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    endpoint = Endpoint(arguments.llm, arguments.llm_model)
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    with kept(arguments.work) as work:
        qa = indexed(work, "seeds", ROOT / "seeds")
        for item in seeds(arguments.data / "questions" / "seeds_dev.jsonl")[: arguments.limit]:
            started = time.monotonic()
            written = qa.write(qa.ask(item.question), endpoint).written
            counts["seconds"] += round(time.monotonic() - started)
            kind = "answerable" if item.answers else "unanswerable"
            counts[kind] += 1
            counts[f"{kind}, answered"] += bool(written.claims)
            counts["failed"] += "以原文里的答案为准" in written.notice
            counts["sentences"] += len(written.claims)
            verified = [claim.text for claim in written.claims if not claim.problems]
            counts["verified"] += len(verified)
            counts[f"{kind}, with a verified sentence"] += bool(verified)
            said = " ".join(verified)
            counts["right"] += any(metrics.holds(said, answer) for answer in item.answers)
            for claim in written.claims:
                why.update({problem.partition(":")[0] for problem in claim.problems})
            print(f"{item.question} ({'/'.join(item.answers)})")
            for claim in written.claims:
                print("   ", claim.text, list(claim.markers), *claim.problems)
            print("   ", written.notice, flush=True)
    for name, count in [*counts.items(), *why.items()]:
        print(f"{name}: {count}")


if __name__ == "__main__":
    main()
