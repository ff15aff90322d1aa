"""A prepared model's vectors: what they mean, that they are the original's, what can go wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import ModelError
from qa.index import seal
from qa.index.encoder import _BATCH_TOKENS, Encoder, _batches

PASSAGES = [
    "巫溪县生态环境局2024年共受理群众环境投诉举报186件,办结率100%。",
    "鄰水縣綜合行政執法局先後獲得“全國青年文明號”等榮譽稱號。",
    "貓熊主要棲息於四川、陝西和甘肅的山區,以竹子為食。",
    "The committee approved the annual budget in March, despite objections.",
    "山东省高级人民法院驳回上诉,维持原判。",
    "火车站到机场的地铁将于明年通车,全程约四十分钟。",
]
LONG = "会议审议并通过了关于进一步加强城市生活垃圾分类管理的若干意见,要求各区县认真落实。" * 40


@pytest.fixture(scope="module")
def encoder(prepared: Path) -> Encoder:
    return Encoder.open(prepared)


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    """A prepared folder to damage."""
    return Path(shutil.copytree(prepared, tmp_path / "model"))


@pytest.mark.parametrize(
    ("question", "nearest"),
    [
        ("巫溪县去年受理了多少件环境投诉?", 0),
        ("邻水县综合行政执法局获得过哪些荣誉?", 1),
        ("大熊猫吃什么?", 2),
        ("大熊貓住在哪裡?", 2),
        ("When was the budget approved?", 3),
        ("法院怎么判的?", 4),
        ("去機場要多久?", 5),
    ],
)
def test_the_nearest_passage_answers(encoder: Encoder, question: str, nearest: int) -> None:
    scores = encoder.encode_passages(PASSAGES) @ encoder.encode_queries([question])[0]
    assert int(np.argmax(scores)) == nearest


def test_vectors_are_the_originals(encoder: Encoder, original: object) -> None:
    seeds = Path(__file__).parents[2] / "seeds"
    texts = [
        text[start : start + 60 + start // 10]
        for text in (path.read_text(encoding="utf-8") for path in sorted(seeds.glob("*.txt")))
        for start in range(0, 3000, 600)
    ]
    settings = {"batch_size": 1, "show_progress_bar": False}
    for ours, theirs in (
        (encoder.encode_queries(texts), original.encode_query(texts, **settings)),
        (encoder.encode_passages(texts), original.encode_document(texts, **settings)),
    ):
        cosines = np.sum(ours * theirs, axis=1)
        assert cosines.min() > 0.995
        assert cosines.mean() > 0.998


def test_vectors_are_unit_float32_rows(encoder: Encoder) -> None:
    vectors = encoder.encode_passages([*PASSAGES, "", " ", "\ud800", "👨‍👩‍👧", LONG])
    assert vectors.shape == (len(PASSAGES) + 5, encoder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.encode_queries([]).shape == (0, encoder.dimension)
    assert encoder.encode_passages([]).shape == (0, encoder.dimension)


def test_a_vector_depends_on_its_own_text_only(encoder: Encoder) -> None:
    texts = [LONG[: 1 + 7 * number] for number in range(40)]
    order = np.random.default_rng(7).permutation(len(texts))
    together = encoder.encode_passages(texts)
    shuffled = encoder.encode_passages([texts[number] for number in order])
    alone = np.concatenate([encoder.encode_passages([text]) for text in texts])
    # Sums of float32 come in another order; a neighbour's influence would be a hundred times more.
    assert np.sum(together * alone, axis=1).min() > 0.9999
    assert np.sum(together[order] * shuffled, axis=1).min() > 0.9999


@given(st.lists(st.integers(0, 600)))
def test_texts_that_are_run_together_have_as_many_tokens(lengths: list[int]) -> None:
    batches = list(_batches(lengths))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[number] for number in batch}) == 1
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= _BATCH_TOKENS


def test_a_text_without_tokens_is_near_nothing(encoder: Encoder) -> None:
    vectors = encoder._run([[], []])
    assert vectors.shape == (2, encoder.dimension)
    assert not vectors.any()


def test_questions_and_passages_have_different_prompts(encoder: Encoder) -> None:
    as_question, as_passage = encoder.encode_queries(["水"]), encoder.encode_passages(["水"])
    assert float(as_question[0] @ as_passage[0]) < 0.99


def test_what_is_beyond_the_maximum_is_not_read(encoder: Encoder) -> None:
    assert encoder.max_length == 512
    vectors = encoder.encode_passages([LONG, LONG + "另起一段,說的是貓熊。"])
    assert np.array_equal(vectors[0], vectors[1])


def test_progress_counts_the_passages(encoder: Encoder) -> None:
    told: list[tuple[str, int, int]] = []
    encoder.encode_passages(PASSAGES, lambda *step: told.append(step))
    assert told[-1] == ("编码", len(PASSAGES), len(PASSAGES))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="找不到模型文件") as raised:
        Encoder.open(tmp_path / "nowhere")
    assert raised.value.advice


def _edit(**changes: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        content, _ = seal.read(path.parent)
        seal.write(path.parent, content | changes)

    return edit


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _garble(path: Path) -> None:
    path.write_bytes(b"\x00" * path.stat().st_size)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("manifest.json", lambda path: path.write_text("{", encoding="utf-8"), "清单已损坏"),
        ("manifest.json", lambda path: path.write_text("[]", encoding="utf-8"), "清单已损坏"),
        ("manifest.json", _edit(format=99), "格式是 99"),
        ("manifest.json", _edit(surplus=1), "清单已损坏"),
        ("model.onnx.data", _cut, "已损坏"),
        ("manifest.json", Path.unlink, "找不到模型文件"),
        ("model.onnx.data", Path.unlink, "缺失或已损坏"),
        ("model.onnx.data", _garble, "已损坏"),
        ("model.onnx", _garble, "已损坏"),
        ("pieces.sqlite", _garble, "已损坏"),
    ],
)
def test_damage_is_told(
    copy: Path, file: str, damage: Callable[[Path], object], message: str
) -> None:
    damage(copy / file)
    with pytest.raises(ModelError, match=message):
        Encoder.open(copy)


def test_questions_need_no_torch(prepared: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from qa.index.encoder import Encoder\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'onnx', 'huggingface_hub'}\n"
        "print(sorted((heavy | {'onnxruntime', 'tokenizers'}) & sys.modules.keys()))\n"
        f"Encoder.open(Path({str(prepared)!r})).encode_queries(['水'])\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == ["[]", "[]"]
    assert run.stderr == ""
