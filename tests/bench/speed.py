"""Measures how fast a question, an index and its growth are, each beside what it is compared with.

    python -m tests.bench.speed DATA WORK cold
    python -m tests.bench.speed DATA WORK peers
    python -m tests.bench.speed DATA WORK encoding
    python -m tests.bench.speed DATA WORK ranking
    python -m tests.bench.speed DATA WORK reading
    python -m tests.bench.speed DATA WORK words
    python -m tests.bench.speed DATA WORK growth [--sizes 1000,10000,100000,1000000]
    python -m tests.bench.speed DATA WORK picture

DATA is the folder with ``data/`` and ``peers/``. WORK keeps indexes, environments and figures.

cold: a question from the shell beside importing the libraries that it needs. peers: the same with
other tools, each in an environment of its own with the same articles and model. encoding: passages
a second beside ``SentenceTransformer.encode``, with its best batch size. ranking: how often the
vectors of both find the right document. reading: what the reader adds to a question in an open
index, beside embedding it. words: how soon 30,000 articles answer by their words.
growth: indexes of 1,000 to a million passages. Their vectors are made once; above what the articles
give, articles are repeated under other titles with their vectors and a little noise. picture:
``speed.svg`` beside this file, of what growth measured.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from qa import QA
from qa.corpus.chunk import passages
from qa.corpus.load import find, load
from qa.index.build import searched_text, text_digest
from qa.index.encoder import Encoder
from qa.index.log import VectorLog
from qa.index.prepare import prepare
from qa.text import fold
from qa.types import Document
from qa.update import update
from tests.bench.datasets import seeds, squad

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BARE = "import numpy, onnxruntime, tokenizers, faiss, tantivy"
QUESTION = "2024年巫溪支队受理了多少件环境投诉?"
ROUNDS = 11
PEER_ROUNDS = 4
PEERS = {
    "SentenceTransformer + FAISS": ("peer_plain.py", ["faiss-cpu"]),
    "txtai": ("peer_txtai.py", ["txtai", "faiss-cpu"]),
    "LlamaIndex": (
        "peer_llamaindex.py",
        ["llama-index-core", "llama-index-embeddings-huggingface"],
    ),
    "Haystack": ("peer_haystack.py", ["haystack-ai", "sentence-transformers-haystack"]),
}
READ = 5
NOISE = 0.01
"""Standard deviation of what is added to each number of a repeated vector."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "what",
        choices=["cold", "peers", "encoding", "ranking", "reading", "words", "growth", "picture"],
    )
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.what == "cold":
        cold(seeds_index(given.work))
    elif given.what == "peers":
        peers(given.data, given.work)
    elif given.what == "encoding":
        encoding(given.data, given.work)
    elif given.what == "ranking":
        ranking(given.data, given.work)
    elif given.what == "reading":
        reading(given.data, given.work)
    elif given.what == "words":
        words(given.data, given.work)
    elif given.what == "growth":
        growth(given.data, given.work, [int(size) for size in given.sizes.split(",")])
    else:
        picture(given.work)


def seeds_index(work: Path) -> Path:
    place = work / "seeds"
    update(place, [ROOT / "seeds"])
    return place


_LAUNCH = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
taken = time.perf_counter() - started
print(taken, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000)
"""


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Wall time in seconds, and peak memory in MB, of a command that succeeds.

    It is started by a small process: what the starting one holds counts as the command's, too.
    """
    launched = [sys.executable, "-c", _LAUNCH, *command]
    seconds, memory = subprocess.run(launched, stdout=subprocess.PIPE, check=True).stdout.split()
    return float(seconds), float(memory)


def side_by_side(commands: dict[str, Sequence[str]], rounds: int) -> None:
    """Run commands in turn, and print the medians beside the first one's."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(timed(command))
    base = 0.0
    for name, both in taken.items():
        seconds = statistics.median(s for s, _ in both[1:])
        memory = statistics.median(m for _, m in both)
        base = base or seconds
        print(f"{name:32} {1000 * seconds:8.0f} ms {seconds / base:7.2f} ×  {memory:6.0f} MB")


def cold(place: Path) -> None:
    qa = str(Path(sys.executable).with_name("qa"))
    where = ["--index", str(place), QUESTION]
    side_by_side(
        {
            "bare imports": [sys.executable, "-c", BARE],
            "qa search": [qa, "search", *where],
            "qa ask": [qa, "ask", *where],
            "qa ask --fast": [qa, "ask", "--fast", *where],
        },
        ROUNDS,
    )


def peers(data: Path, work: Path) -> None:
    """The cold question of other tools, beside ``qa ask``."""
    model = plain_model(work)
    commands: dict[str, Sequence[str]] = {
        "qa ask": [
            str(Path(sys.executable).with_name("qa")),
            *("ask", "--index", str(seeds_index(work)), QUESTION),
        ]
    }
    for name, (script, packages) in PEERS.items():
        environment = work / f"env-{script}"
        python = str(environment / "bin" / "python")
        if not environment.exists():
            venv.create(environment, with_pip=True)
            wanted = ["torch<2.14", "sentence-transformers", *packages]
            subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        where = [str(model), str(ROOT / "seeds"), str(work / f"index-{script}")]
        peer = str(next(p for p in (HERE / script, data / "peers" / script) if p.exists()))
        # Without the script's folder in the path: ``datasets`` there is another one.
        if not Path(where[2]).exists():
            subprocess.run(
                [python, "-P", peer, "build", *where], check=True, stdout=subprocess.DEVNULL
            )
        commands[name] = [python, "-P", peer, "ask", *where, QUESTION]
    side_by_side(commands, PEER_ROUNDS)


def plain_model(work: Path) -> Path:
    """The default model as a folder of sentence-transformers."""
    from qa.index import sources

    folder = work / "model"
    if not folder.exists():
        source = list(sources.candidates(None))[-1]
        with sources.quiet():
            model = source.load()
        sources.set_prompts(model, source.name)
        model.save(str(folder))
    return folder


def articles(data: Path, work: Path) -> list[Document]:
    path = work / "news.jsonl"
    if not path.exists():
        path.write_bytes(gzip.decompress((data / "data" / "news_30k.jsonl.gz").read_bytes()))
    return load(find([str(path)])[0])


def encoding(data: Path, work: Path) -> None:
    """Passages a second, of 160 passages of the news, in turn with SentenceTransformer."""
    from sentence_transformers import SentenceTransformer

    documents = articles(data, work)[:: 30_000 // 60]
    texts = [searched_text(passage) for one in documents for passage in passages(one)][:160]
    encoder = Encoder.open(prepare(None, work / "models"))
    original = SentenceTransformer(str(plain_model(work)), device="cpu")
    runs: dict[str, Callable[[], object]] = {"wenju": lambda: encoder.encode_passages(texts)}
    for size in (4, 8, 16, 32):
        runs[f"SentenceTransformer, batches of {size}"] = lambda size=size: (  # type: ignore[misc]
            original.encode_document(texts, batch_size=size)
        )
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(3):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - started)
    speeds = {name: len(texts) / statistics.median(times) for name, times in taken.items()}
    best = max(speed for name, speed in speeds.items() if name != "wenju")
    for name, speed in speeds.items():
        print(f"{name:40} {speed:6.1f} passages/s  {speed / best:5.2f} ×")


def ranking(data: Path, work: Path) -> None:
    """R@1 of documents among all of a set by vectors alone, each cut off where the model ends."""
    from sentence_transformers import SentenceTransformer

    encoder = Encoder.open(prepare(None, work / "models"))
    original = SentenceTransformer(str(plain_model(work)), device="cpu")
    for name in ("cmrc2018_trial", "drcd_dev"):
        contexts = work / name
        items = squad(data / "data" / f"{name}.json.gz", contexts)
        files = sorted(contexts.glob("*.txt"))
        texts = [fold(file.read_text("utf-8")) for file in files]
        questions = [fold(item.question) for item in items]
        right = np.array([int(item.document[:5]) for item in items])
        both = {
            "wenju": (encoder.encode_queries(questions), encoder.encode_passages(texts)),
            "SentenceTransformer": (
                original.encode_query(questions, batch_size=8, normalize_embeddings=True),
                original.encode_document(texts, batch_size=8, normalize_embeddings=True),
            ),
        }
        for who, (asked, read) in both.items():
            share = float(np.mean((asked @ read.T).argmax(axis=1) == right))
            print(f"{name:16} {who:20} R@1 {share:.4f} of {len(items)}", flush=True)
        for what, ours, theirs in zip(("questions", "contexts"), *both.values(), strict=True):
            cosines = np.sum(ours * theirs, axis=1)
            print(f"{name:16} {what:20} cosine {cosines.mean():.5f}, least {cosines.min():.5f}")


def reading(data: Path, work: Path) -> None:
    """Milliseconds of embedding a question, and of reading: five passages, and as it stops."""
    qa = QA.open(seeds_index(work))
    items = [i for i in seeds(data / "questions" / "seeds_dev.jsonl") if i.answers]
    found = [(item.question, qa.search(item.question, READ)) for item in items]
    # None can win before it is read.
    rising = [[replace(h, score=1e6 * h.rank) for h in hits] for _, hits in found]
    runs: dict[str, Callable[[int], object]] = {
        "embedding": lambda i: qa.retriever.embedder.encode_queries([found[i][0]]),
        "five passages": lambda i: qa.reader.read(found[i][0], rising[i], 0.0),
        "as it stops": lambda i: qa.reader.read(*found[i], 0.0),
    }
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(3):
        for i in range(len(found)):
            for name, run in runs.items():
                started = time.perf_counter()
                run(i)
                taken[name].append(1000 * (time.perf_counter() - started))
    base = statistics.median(taken["embedding"])
    for name, times in taken.items():
        middle, mean = statistics.median(times), statistics.mean(times)
        print(f"{name:20} median {middle:6.1f} ms {middle / base:5.1f} ×  mean {mean:6.1f} ms")
    read = [
        sum("reader" in hit.shares for hit in qa.reader.read(question, hits, 0.0).hits)
        for question, hits in found
    ]
    print(f"passages read in the mean: {statistics.mean(read):.1f}")


def words(data: Path, work: Path) -> None:
    """Seconds from the command until the articles answer by their words, the models prepared."""
    articles(data, work)
    place = work / "words"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "models").symlink_to((work / "models").resolve())
    command = [sys.executable, "-m", "tests.bench.speed_of_one", str(place)]
    subprocess.run([*command, str(work / "news.jsonl"), "words"], check=True)


def growth(data: Path, work: Path, sizes: Sequence[int]) -> None:
    """Index, ask and update indexes of growing size; figures go to ``growth.json``, too."""
    documents = articles(data, work)
    vectors = vectors_of(documents, work)
    rows: list[dict[str, Any]] = []
    for size in sizes:
        place = work / f"grown-{size}"
        corpus = work / f"articles-{size}"
        if made := not (place / "CURRENT").exists():
            prefill(grown(documents, size), corpus, place, vectors, work)
        row: dict[str, Any] = {}
        # A process of its own for each: what is resident is then of asking only.
        for step in ("index", "ask", "update") if made else ("ask", "update"):
            command = [
                sys.executable,
                "-m",
                "tests.bench.speed_of_one",
                str(place),
                str(corpus),
                step,
            ]
            row |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)
    (work / "growth.json").write_text(json.dumps(rows, indent=1), "utf-8")


def vectors_of(documents: Sequence[Document], work: Path) -> VectorLog:
    """The vectors of all passages of the articles, made where they are not yet."""
    encoder = Encoder.open(prepare(None, work / "models"))
    log = VectorLog(work / f"vectors-{encoder.key}.log", encoder.dimension)
    texts = {
        text_digest(text): text
        for document in documents
        for text in map(searched_text, passages(document))
    }
    missing = [digest for digest in texts if digest not in log]
    for start in range(0, len(missing), 1024):
        block = missing[start : start + 1024]
        log.add(block, encoder.encode_passages([texts[digest] for digest in block]))
        print(f"{start + len(block)} of {len(missing)} vectors", file=sys.stderr, flush=True)
    return log


def grown(documents: Sequence[Document], size: int) -> Iterator[tuple[Document, Document]]:
    """Articles that give ``size`` passages, each with the one that it repeats, at first itself."""
    count = 0
    for turn in range(1000):
        for document in documents:
            if count >= size:
                return
            count += len(passages(document))
            name = document.id.partition("#")[2]
            title = f"第{turn}版" if turn else ""
            yield replace(document, id=f"{name}{title}", title=title or document.title), document


def prefill(
    chosen: Iterator[tuple[Document, Document]],
    corpus: Path,
    place: Path,
    log: VectorLog,
    work: Path,
) -> None:
    """Write the articles to JSON-lines files, and what their vectors are into an index's log."""
    place.mkdir(exist_ok=True)
    (place / "models").symlink_to((work / "models").resolve())
    made = VectorLog(place / log.path.name, log.vectors([]).shape[1])
    noise = np.random.default_rng(1)
    corpus.mkdir(exist_ok=True)
    while block := list(islice(chosen, 2000)):
        lines: list[str] = []
        digests: dict[bytes, bytes] = {}
        for one, origin in block:
            record = {"id": one.id, "title": one.title, "text": one.text, **one.metadata}
            lines.append(json.dumps(record, ensure_ascii=False))
            mine, its = (
                [text_digest(searched_text(p)) for p in passages(d)] for d in (one, origin)
            )
            digests |= dict(zip(mine, its, strict=False))
        file = corpus / f"{len(list(corpus.iterdir())):04}.jsonl"
        file.write_text("\n".join(lines), "utf-8")
        fresh = {new: old for new, old in digests.items() if new not in made}
        vectors = log.vectors(list(fresh.values()))
        for row, (new, old) in enumerate(fresh.items()):
            if new != old:
                vectors[row] += noise.normal(0, NOISE, vectors.shape[1])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made.add(list(fresh), vectors)


def picture(work: Path) -> None:
    """Draw what grows with an index; needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    rows = json.loads((work / "growth.json").read_text("utf-8"))
    shown = [
        ("search_p50_ms", "search, median (ms)"),
        ("resident_mb", "resident memory (MB)"),
        ("disk_mb", "disk (MB)"),
        ("text_s", "text and terms written (s)"),
    ]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(13, 3))
    for axis, (name, title) in zip(axes, shown, strict=True):
        axis.loglog([row["passages"] for row in rows], [row[name] for row in rows], "o-")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("passages", fontsize=9)
        axis.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("speed.svg"))


if __name__ == "__main__":
    main()
