"""A tokenizer of the few pieces that stand in a text cuts it as the whole one does."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from qa.errors import ModelError
from qa.index import pieces
from qa.index.pieces import Pieces
from qa.index.prepared import PIECES_FILE, TOKENIZER_FILE

SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)
PAGE = "".join(path.read_text("utf-8") for path in SEEDS)


@pytest.fixture(scope="module")
def whole(prepared):
    tokenizer = Tokenizer.from_file(str(prepared / TOKENIZER_FILE))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def few(prepared):
    return Pieces(prepared / PIECES_FILE)


@settings(deadline=None, max_examples=300)
@given(TEXT)
@example("query: ")
@example("")
@example("query: 2024年GDP增速 ＡＰＰ \u3000 the 𠮷野家 😀")
@example("Привет, はじめまして, ｶﾞ, ﷺ, e\u0301")
@example("<s></s><pad>鄰水縣</s>")
def test_any_text_is_cut_the_same(whole, few, text):
    expected = whole.encode(text)
    found = few.encode(text)
    assert (found.ids, found.offsets) == (expected.ids, expected.offsets)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, len(PAGE)), st.integers(1, 400))
def test_so_is_any_stretch_of_the_seeds(whole, few, start, length):
    text = PAGE[start : start + length]
    expected = whole.encode(text, add_special_tokens=False)
    found = few.encode(text, add_special_tokens=False)
    assert (found.ids, found.offsets) == (expected.ids, expected.offsets)


def test_what_goes_beyond_the_most_is_cut_off_with_the_last_token_in_place(whole, few):
    whole_ids = whole.encode(PAGE[:500]).ids
    assert few.encode(PAGE[:500], most=20).ids == [*whole_ids[:19], whole_ids[-1]]


def tokenizer(**model):
    """A tokenizer in JSON with a vocabulary of four, the special one first."""
    vocabulary = [["<unk>", 0.0], ["水", -1.0], ["厂", -2.0], ["水厂", -2.5]]
    content = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": 0,
                "content": "<unk>",
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": False},
    }
    content["model"] |= model
    return json.dumps(content)


def test_the_likeliest_pieces_win_and_unknown_characters_are_unknown(tmp_path):
    assert pieces.write(tokenizer(), tmp_path / "p.sqlite")
    few = Pieces(tmp_path / "p.sqlite")
    assert few.encode("水厂").ids == [3]
    assert few.encode("厂水").ids == [2, 1]
    assert few.encode("水村厂").ids == [1, 0, 2]


@pytest.mark.parametrize(
    "model", [{"byte_fallback": True}, {"type": "BPE"}, {"unk_id": 3, "vocab": [["水", 0.0]] * 3}]
)
def test_a_tokenizer_of_another_kind_is_left_to_be_read_whole(tmp_path, model):
    assert not pieces.write(tokenizer(**model), tmp_path / "p.sqlite")
    assert not (tmp_path / "p.sqlite").exists()


@pytest.mark.parametrize("content", [None, b"", b"\0" * 5000, b"SQLite format 3\0"])
def test_a_missing_or_damaged_table_is_told(tmp_path, content):
    path = tmp_path / "p.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"p\.sqlite") as caught:
        Pieces(path)
    assert "qa index" in caught.value.advice
