"""A sentence-transformers model → a folder that ONNX Runtime runs, made once and checked.

The model is loaded, its own modules (transformer, pooling, normalisation) are traced to one ONNX
graph, that is quantised to 8 bits and optimised, and its vectors are compared with the original's.
Only this module and those that it calls import torch; qa.index.encoder runs the result.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.errors import ModelError
from qa.index import pieces, seal, sources
from qa.index.encoder import Encoder
from qa.index.prepared import (
    DEFAULT_MODEL,
    FORMAT,
    INPUT,
    MODEL_FILE,
    PIECES_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Manifest,
    checksums,
)
from qa.types import Progress, Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

MIN_COSINE = 0.98
"""Least cosine of any sample's vector to the original's.

Measured for the default model: .9993 of the samples, .9994 of 4,524 questions, .9937 of 1,256
contexts, some with words of scripts that the vocabulary leaves out. For comparison: without its
prompt .964, with CLS pooling for the mean .851.
"""

# Models that read more are cut here: attention needs memory by the square of the length.
_MAX_LENGTH = 8192
_OTHER_MODEL = "请用 --model 换一个模型;省去 --model 就用默认模型"


def prepare(model: str | None, folder: Path, progress: Progress | None = None) -> Path:
    """Prepare a model, or find it prepared already.

    Args:
        model: A local sentence-transformers folder, a name on the Hugging Face hub, or None for
            the default model, for which no network connection is made.
        folder: Where prepared models are kept; each has a folder of its own there.
        progress: Told of the stages 加载模型, 导出, 量化 and 核对.

    Returns:
        The prepared folder, for Encoder.open.

    Raises:
        ModelError: The model cannot be found, loaded or exported, or its vectors come out wrong.
    """
    tell = progress or (lambda stage, done, total: None)
    failures: list[Exception] = []
    for source in sources.candidates(model):
        if (known := _known(folder, source)) is not None:
            return known
        tell("加载模型", 0, 1)
        try:
            with sources.quiet():
                loaded = source.load()
        except Exception as error:  # noqa: BLE001 - the next source may do; else all are told
            failures.append(error)
            continue
        if not source.identity:
            source = sources.fetched(source)
        tell("加载模型", 1, 1)
        return made(folder / source.key, partial(_write, loaded, source, tell))
    if (known := _known_by_name(folder, model or DEFAULT_MODEL)) is not None:
        return known
    raise sources.not_found(model, failures)


def _known(folder: Path, source: sources.Source) -> Path | None:
    """The folder that a source was prepared into, if it was, and is whole."""
    if not source.identity:
        return _known_by_name(folder, source.name, ("hub@", "cache@"))
    target = folder / source.key
    return target if is_prepared(target) else None


def _known_by_name(folder: Path, name: str, origins: tuple[str, ...] = ("",)) -> Path | None:
    """The last folder that a model of this name was prepared into, from one of the origins."""
    found: list[tuple[float, Path]] = []
    for path in folder.glob("[!.]*"):
        if is_prepared(path, name, origins):
            found.append((path.stat().st_mtime, path))
    return max(found)[1] if found else None


def is_prepared(folder: Path, name: str = "", origins: tuple[str, ...] = ("",)) -> bool:
    """Whether a folder holds a prepared model, of a name and an origin, and every byte is right."""
    try:
        manifest = Manifest.read(folder)
    except ModelError:
        return False
    if name not in {"", manifest.name} or not manifest.source.startswith(origins):
        return False
    return not seal.wrong(folder, manifest.files, whole=True)


def made(
    target: Path, write: Callable[[Path], None], is_there: Callable[[Path], bool] = is_prepared
) -> Path:
    """Write a prepared folder aside, and put it in place unless it is there by then.

    Args:
        target: The folder; returned, too.
        write: Writes it, into an empty folder, and checks it.
        is_there: Whether a folder is prepared and whole.
    """
    staging = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        with sources.quiet():
            write(staging)
        try:
            if not is_there(target):
                for file in [*staging.rglob("*"), staging]:
                    seal.sync(file)
                shutil.rmtree(target, ignore_errors=True)
                staging.replace(target)
        except OSError:
            if not is_there(target):  # Else another process was faster.
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _write(
    model: SentenceTransformer, source: sources.Source, tell: Progress, folder: Path
) -> None:
    from qa.index import vocabulary

    sources.set_prompts(model, source.name)
    reference = _reference(model)
    if source.name == DEFAULT_MODEL:
        vocabulary.prune(model)
    work = folder / "work"
    work.mkdir()
    exported = _export(model, source, work, tell)
    # A few models have activations so unlike each other that 8 bits cannot hold them.
    for bits in (8, 32):
        _finish(exported, folder / MODEL_FILE, model, bits, tell)
        manifest = _manifest(model, source, folder, reference.shape[1])
        manifest.write(folder)
        tell("核对", 0, 1)
        cosine = _compare(Encoder.open(folder), reference)
        tell("核对", 1, 1)
        if cosine >= MIN_COSINE:
            break
    else:
        raise ModelError(
            f"模型 {source.name} 转换后向量不符:余弦最低 {cosine:.4f},应不低于 {MIN_COSINE}",
            _OTHER_MODEL,
        )
    shutil.rmtree(work)
    replace(manifest, bits=bits, cosine=round(cosine, 6)).write(folder)


def _export(model: SentenceTransformer, source: sources.Source, work: Path, tell: Progress) -> Path:
    """Write a model's tokenizer beside ``work``, and its graph, float32, into it."""
    from qa.index import export

    tell("导出", 0, 1)
    try:
        tokenizer = model.tokenizer.backend_tokenizer.to_str()
        (work.parent / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
        pieces.write(tokenizer, work.parent / PIECES_FILE)
        export.export(model, work / "exported.onnx")
    except Exception as error:
        raise ModelError(
            f"模型 {source.name} 不能转换为 ONNX:{sources.reason(error)}", _OTHER_MODEL
        ) from error
    tell("导出", 1, 1)
    return work / "exported.onnx"


def _finish(
    exported: Path, target: Path, model: SentenceTransformer, bits: int, tell: Progress
) -> None:
    """Quantise a model's graph, unless to 32 bits, and optimise it."""
    from qa.index import export, quantise

    tell("量化", 0, 1)
    for path in (target, target.with_name(WEIGHTS_FILE)):
        path.unlink(missing_ok=True)
    if bits == 8:
        quantised = exported.with_name("quantised.onnx")
        quantise.quantise(exported, quantised, _samples(model))
        exported = quantised
    export.optimise(exported, target)
    tell("量化", 1, 1)


def _samples(model: SentenceTransformer) -> list[dict[str, NDArray[np.int64]]]:
    """The samples as queries and as passages, as the graph takes them."""
    from qa.index.samples import SAMPLES

    texts = [prompt + text for prompt in sources.prompts(model).values() for text in SAMPLES]
    longest = _longest(model)
    found = [
        model.tokenizer([text], truncation=True, max_length=longest, return_tensors="np")
        for text in texts
    ]
    return [{INPUT: tokens[INPUT].astype(np.int64)} for tokens in found]


def _longest(model: SentenceTransformer) -> int:
    """Tokens that are read of a text."""
    return min(model.max_seq_length or _MAX_LENGTH, _MAX_LENGTH)


def _manifest(
    model: SentenceTransformer, source: sources.Source, folder: Path, dimension: int
) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=source.name,
        key=source.key,
        source=source.origin,
        dimension=dimension,
        max_length=_longest(model),
        prompts=sources.prompts(model),
        bits=0,
        cosine=0.0,
        files=checksums(folder),
    )


def _reference(model: SentenceTransformer) -> Vectors:
    """The original's vectors of the samples as queries, then as passages, each of length 1."""
    import torch

    from qa.index.samples import SAMPLES

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # On a busy machine, threads that wait for each other crawl.
    try:
        vectors = [
            encode(list(SAMPLES), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
            for encode in (model.encode_query, model.encode_document)
        ]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(vectors).astype(np.float32)


def _compare(encoder: Encoder, reference: Vectors) -> float:
    """Least cosine of a sample's vector, alone or among others, to the original's."""
    from qa.index.samples import SAMPLES

    vectors = [encoder.encode_queries([text]) for text in SAMPLES]
    vectors.append(encoder.encode_passages(SAMPLES))
    return float(np.sum(np.concatenate(vectors) * reference, axis=1).min())
