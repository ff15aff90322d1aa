"""A multilingual model → the same model with only the vocabulary that Chinese and English need.

Nearly half of multilingual-e5-small's weights are vectors of pieces that no Chinese or English
text holds. Without them the model is half the size and its tokenizer loads in a quarter of the
time. Chinese and English are cut into the same pieces, so that their vectors are the same (of
5,056 Chinese articles, 23 hold a word of another language that is now cut into smaller pieces).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_COMMON = (
    " -~▁"  # ASCII, and the mark that XLM-R's pieces carry for a space
    "\u00a0-\u00bf\u00d7\u00f7"  # signs such as · ° ±
    "\u2000-\u2e7f"  # punctuation, numbers, arrows, mathematics, boxes
    "\u2e80-\u303f\u3100-\u312f\u3190-\u9fff"  # radicals, CJK punctuation, bopomofo, Han
    "\uf900-\ufaff\ufe10-\ufe6f\uff00-\uff65\uffe0-\uffef"  # compatibility and full-width forms
    "\U0001f000-\U0003ffff"  # emoji, rarer Han
)
# Of other European letters and kana, which stand in names, the single ones: nothing is unknown.
_SINGLE = "\u00c0-\u052f\u3040-\u30ff"
_KEPT = re.compile(f"[{_COMMON}]*|▁?[{_SINGLE}]")

Piece: TypeAlias = tuple[str, float]
"""A piece, which is a part of a word, and its unigram score."""


def is_kept(piece: str) -> bool:
    """Whether Chinese or English text may hold a piece."""
    return _KEPT.fullmatch(piece) is not None


def prune(model: SentenceTransformer) -> bool:
    """Take the pieces that neither Chinese nor English holds out of a model, in place.

    Returns:
        Whether it was done: a model whose tokenizer is not a Unigram one, or whose special tokens
        do not come first in the vocabulary, is left as it is.
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    content = json.loads(backend.to_str())
    if content["model"]["type"] != "Unigram":
        return False
    old = content["model"]["vocab"]
    special = _special_ids(model, content)
    if max(special) >= len(old):
        return False
    ids = [number for number, (piece, _) in enumerate(old) if is_kept(piece) or number in special]
    ids = sorted(ids, key=lambda number: (number not in special, number))
    if any(ids[number] != number for number in _inserted_ids(model)):
        return False
    set_vocabulary(content, ids)
    model.tokenizer._tokenizer = Tokenizer.from_str(json.dumps(content, ensure_ascii=False))
    _set_embeddings(model, ids)
    return True


def _special_ids(model: SentenceTransformer, content: dict[str, Any]) -> set[int]:
    added = {token["id"] for token in content["added_tokens"]}
    return added | {content["model"]["unk_id"]} | set(model.tokenizer.all_special_ids)


def _inserted_ids(model: SentenceTransformer) -> set[int]:
    """The tokens that come into every text, whose numbers must not change."""
    tokenizer = model.tokenizer
    return {tokenizer.pad_token_id, tokenizer.unk_token_id, *tokenizer("")["input_ids"]} - {None}


def set_vocabulary(content: dict[str, Any], ids: Sequence[int]) -> None:
    """Keep only some pieces of a tokenizer in JSON form, in the order given, in place."""
    vocabulary = content["model"]["vocab"]
    new_ids = {old: new for new, old in enumerate(ids)}
    content["model"]["vocab"] = [vocabulary[number] for number in ids]
    content["model"]["unk_id"] = new_ids[content["model"]["unk_id"]]
    for token in content["added_tokens"]:
        token["id"] = new_ids[token["id"]]


def _set_embeddings(model: SentenceTransformer, ids: Sequence[int]) -> None:
    import torch

    transformer: Any = model[0].auto_model
    weights = transformer.get_input_embeddings().weight.detach()
    table = torch.nn.Embedding(len(ids), weights.shape[1])
    table.weight = torch.nn.Parameter(weights[torch.tensor(ids)], requires_grad=False)
    transformer.set_input_embeddings(table)
    transformer.config.vocab_size = len(ids)
