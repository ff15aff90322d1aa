"""Haystack, in memory, kept as its JSON file between runs: a peer of ``tests.bench.speed``.

build|ask MODEL CORPUS WORK [QUESTION]
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}

from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

CHUNK = 300


def build(model: str, corpus: str, work: Path) -> None:
    chunks = [""]
    for path in sorted(Path(corpus).glob("*.txt")):
        for sentence in re.findall(
            r"[^。\uff01\uff1f\n]*[。\uff01\uff1f\n]?", path.read_text("utf-8")
        ):
            if len(chunks[-1]) + len(sentence) > CHUNK:
                chunks.append("")
            chunks[-1] += sentence
        chunks.append("")
    embedder = SentenceTransformersDocumentEmbedder(model=model, prefix="passage: ")
    embedder.warm_up()
    documents = [Document(content=chunk) for chunk in chunks if chunk.strip()]
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(embedder.run(documents=documents)["documents"])
    work.mkdir(parents=True)
    store.save_to_disk(str(work / "store.json"))


def ask(model: str, work: Path, question: str) -> None:
    store = InMemoryDocumentStore.load_from_disk(str(work / "store.json"))
    embedder = SentenceTransformersTextEmbedder(model=model, prefix="query: ")
    embedder.warm_up()
    vector = embedder.run(text=question)["embedding"]
    retriever = InMemoryEmbeddingRetriever(document_store=store, top_k=5)
    for found in retriever.run(query_embedding=vector)["documents"]:
        print(round(found.score, 3), found.content[:60].replace("\n", " "))


if __name__ == "__main__":
    what, name, articles, folder, *asked = sys.argv[1:]
    if what == "build":
        build(name, articles, Path(folder))
    else:
        ask(name, Path(folder), asked[0])
