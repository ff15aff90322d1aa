"""The reader's weights as they ship: 8-bit matrices in safetensors, without word embeddings.

Matrices of shape (out, in) are integers within ±64 with a scale for each output, the form that
qa.index.quantise gives them in the prepared graph, so that nothing is rounded twice. The file
names the pieces of the default model that the reader reads with; their embeddings come from that
model when the reader is prepared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.errors import ModelError
from qa.index import sources
from qa.index.prepared import DEFAULT_MODEL
from qa.index.quantise import WEIGHT_LIMIT
from qa.index.seal import sha256
from qa.index.vocabulary import is_kept, set_vocabulary
from qa.reader.pairs import MAX_TOKENS
from qa.reader.prepared import REINSTALL
from qa.text import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer
    from transformers import BertModel

    from qa.reader.network import ReaderNetwork

_SCALE = ":scale"
_PIECES = "vocabulary"
_WORDS = "transformer.embeddings.word_embeddings.weight"
_POSITIONS = "transformer.embeddings.position_embeddings.weight"
_RARE = 3
"""Pieces that stand fewer times in the training texts are cut into smaller ones."""


def base() -> tuple[SentenceTransformer, str]:
    """The default model, and where it was had from.

    Raises:
        ModelError: It cannot be found or loaded.
    """
    failures: list[Exception] = []
    for source in sources.candidates(None):
        try:
            with sources.quiet():
                return source.load(), source.origin
        except Exception as error:  # noqa: BLE001 - the next source may do; else all are told
            failures.append(error)
    missing = sources.not_found(None, failures)
    raise ModelError(
        f"阅读模型要用默认模型的词向量。{missing.message}",
        f"联网时运行一次 hf download {DEFAULT_MODEL} 再 qa index:索引所用的模型不变。",
    )


def vocabulary(model: SentenceTransformer, texts: Iterable[str]) -> list[int]:
    """The default model's pieces that folded texts are made of, and every single character.

    Args:
        model: The default model.
        texts: Folded.
    """
    tokenizer = model.tokenizer.backend_tokenizer
    counts: Counter[int] = Counter()
    for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"]
    special = set(model.tokenizer.all_special_ids)
    return [
        number
        for number, (piece, _) in enumerate(pieces)
        if number in special
        or counts[number] >= _RARE
        or (len(piece.strip("▁")) <= 1 and is_kept(piece) and fold(piece) == piece)
    ]


def pruned(model: SentenceTransformer, numbers: list[int]) -> tuple[Tokenizer, BertModel]:
    """The default model's tokenizer and transformer with some of its pieces, changed in place."""
    import torch
    from tokenizers import Tokenizer

    content = json.loads(model.tokenizer.backend_tokenizer.to_str())
    set_vocabulary(content, numbers)
    transformer: Any = model[0].auto_model
    words = transformer.get_input_embeddings().weight.detach()[torch.tensor(numbers)]
    table = torch.nn.Embedding(len(numbers), words.shape[1], _weight=words.clone())
    transformer.set_input_embeddings(table)
    transformer.config.vocab_size = len(numbers)
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False)), transformer


def write(network: ReaderNetwork, numbers: list[int], folder: Path) -> Path:
    """Write a network's weights, all but its word embeddings, under a name with their checksum."""
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {_PIECES: np.array(numbers, np.int32)}
    for name, tensor in network.state_dict().items():
        values = tensor.numpy().astype(np.float32)
        if name == _WORDS or not np.issubdtype(values.dtype, np.floating):
            continue
        if name == _POSITIONS:
            values = values[:MAX_TOKENS]
        if values.ndim == 2 and name.endswith("weight") and "embeddings" not in name:
            scales = np.maximum(np.abs(values).max(axis=1), 1e-12) / WEIGHT_LIMIT
            tensors[name] = np.rint(values / scales[:, None]).astype(np.int8)
            tensors[name + _SCALE] = scales.astype(np.float32)
        else:
            tensors[name] = values
    aside = folder / "reader.new"
    save_file(tensors, aside)
    aside.chmod(0o644)
    return aside.rename(folder / f"reader-{sha256(aside)[:12]}.safetensors")


def load(path: Path) -> tuple[Tokenizer, ReaderNetwork, str]:
    """The reader in float32, with its tokenizer, and where its word embeddings came from.

    Raises:
        ModelError: The file is damaged, or the default model cannot be had.
    """
    tensors = _read(path)
    model, origin = base()
    import torch

    from qa.reader.network import ReaderNetwork

    tokenizer, transformer = pruned(model, tensors.pop(_PIECES).tolist())
    network = ReaderNetwork(transformer)
    state = network.state_dict()
    if tensors.keys() != state.keys() - {_WORDS}:
        raise damaged(path, f"张量不合:{sorted(tensors.keys() ^ state.keys())[:3]}")
    for name, values in tensors.items():
        rows = MAX_TOKENS if name == _POSITIONS else len(state[name])
        if values.shape != (rows, *state[name].shape[1:]):
            raise damaged(path, f"{name} {values.shape}")
        # Of the positions, only those that a pair can have are in the file.
        state[name][: len(values)] = torch.from_numpy(values)
    return tokenizer, network.eval(), origin


def take_over(network: ReaderNetwork, path: Path) -> None:
    """Set a network to the weights in a file; it keeps its own vocabulary.

    Raises:
        ModelError: As ``load`` does.
    """
    state = load(path)[1].state_dict()
    del state[_WORDS]
    network.load_state_dict(state, strict=False)


def mean(paths: Sequence[Path]) -> tuple[ReaderNetwork, list[int]]:
    """A network whose weights are the mean of those in the files, and the last one's vocabulary.

    Raises:
        ModelError: As ``load`` does.
    """
    import torch

    networks = [load(path)[1] for path in paths]
    states = [network.state_dict() for network in networks]
    for name in states[-1].keys() - {_WORDS}:
        # Into the last one, in place.
        states[-1][name].copy_(torch.stack([state[name] for state in states]).double().mean(0))
    return networks[-1], _read(paths[-1])[_PIECES].tolist()


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The weights: float32 by the names of the network's parameters, and the vocabulary."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return {
            name: values * tensors[name + _SCALE][:, None].astype(np.float32)
            if name + _SCALE in tensors
            else values
            for name, values in tensors.items()
            if not name.endswith(_SCALE)
        }
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> ModelError:
    """The error to raise where the weights in the package are not as they should be."""
    return ModelError(
        f"阅读模型的权重文件缺失或损坏:{path}({why})",
        REINSTALL,
    )
