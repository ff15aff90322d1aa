"""The weights that ship, and the default model's word embeddings → a folder that is quick to open.

Only this module, and what it calls, imports torch; qa.reader.model runs the result.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.errors import ModelError
from qa.index import pieces, seal, sources
from qa.index.prepare import made
from qa.index.prepared import (
    MODEL_FILE,
    PIECES_FILE,
    checksums,
)
from qa.reader import prepared, weights
from qa.reader.model import ReaderModel
from qa.reader.pairs import head, pair
from qa.reader.prepared import FORMAT, OUTPUTS, Manifest
from qa.text import fold
from qa.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from qa.reader.network import ReaderNetwork

MAX_DIFFERENCE = 0.1
"""Largest difference of a probability, on the samples, to the network in float32."""

_TELL = "请把这一行告诉维护者。"
_SAMPLES = (
    ("去年办结了多少件?", "信访工作", "去年全市共受理群众来信1,204件,办结1,187件,办结率98.6%。"),
    ("谁是第一任校长?", "", "该校创办于一九〇二年,首任校长为张百熙,校址在城东。"),
    ("為什麼停運?", "鐵路停運公告", "因連日暴雨,線路多處塌方,鐵路部門決定自7日起停運該次列車。"),
    ("门票多少钱?", "", "公园每天八时开放,十八时关闭,周一闭园检修。"),
    ("who wrote the report", "", "报告由 World Bank 的 John Smith 执笔。"),
)


def prepare(models: Path, progress: Progress) -> Path:
    """Prepare the reader, or find it prepared already.

    Args:
        models: Where prepared models are kept.
        progress: Told of the stages 准备阅读模型 and 核对阅读模型.

    Raises:
        ModelError: The weights are missing or damaged, the default model cannot be had, or the
            result differs from the network.
    """
    source = prepared.shipped()
    target = models / source.stem
    if not is_prepared(target):
        made(target, lambda folder: _write(source, folder, progress), is_prepared)
    return target


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds a prepared reader, and every byte is right."""
    try:
        return not seal.wrong(folder, Manifest.read(folder).files, whole=True)
    except ModelError:
        return False


def _write(source: Path, folder: Path, progress: Progress) -> None:
    from qa.index import export, quantise

    progress("准备阅读模型", 0, 1)
    if not seal.sha256(source).startswith(source.stem.rpartition("-")[2]):
        raise weights.damaged(source, "校验和不符")
    tokenizer, network, origin = weights.load(source)
    pieces.write(tokenizer.to_str(), folder / PIECES_FILE)
    work = folder / "work"
    work.mkdir()
    axes = {OUTPUTS[0]: export.AXES, OUTPUTS[1]: {0: "batch"}}
    try:
        export.trace(network, axes, work / "exported.onnx")
        quantise.quantise(work / "exported.onnx", work / "quantised.onnx")
        export.optimise(work / "quantised.onnx", folder / MODEL_FILE)
    except Exception as error:
        raise ModelError(f"阅读模型不能转换为 ONNX:{sources.reason(error)}", _TELL) from error
    shutil.rmtree(work)
    progress("准备阅读模型", 1, 1)
    progress("核对阅读模型", 0, 1)
    manifest = Manifest(FORMAT, source.stem, origin, 0.0, checksums(folder))
    seal.write(folder, asdict(manifest))
    difference = _difference(ReaderModel.open(folder), network, tokenizer)
    if difference > MAX_DIFFERENCE:
        raise ModelError(
            f"阅读模型转换后结果不符:概率最多相差 {difference:.3f},应不超过 {MAX_DIFFERENCE}",
            _TELL,
        )
    seal.write(folder, asdict(replace(manifest, difference=round(difference, 6))))
    progress("核对阅读模型", 1, 1)


def _difference(model: ReaderModel, network: ReaderNetwork, tokenizer: Tokenizer) -> float:
    """Largest difference of any probability on the samples."""
    import torch

    worst = 0.0
    for question, title, passage in _SAMPLES:
        read = pair(tokenizer, fold(question), head(fold(title)), fold(passage))
        with torch.no_grad():
            expected = [one[0].numpy() for one in network(torch.tensor([read.ids]))]
        span, verdict = model.logits(read)
        worst = max(
            worst,
            float(np.abs(_softmax(span) - _softmax(expected[0])).max()),
            float(np.abs(_sigmoid(verdict) - _sigmoid(expected[1])).max()),
        )
    return worst


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the tokens."""
    exponentials = np.exp(logits - logits.max(axis=0))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=0)
    return shares


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)
