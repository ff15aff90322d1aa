"""FAISS finds what comparing with every vector finds, and keeps vectors as they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import IndexDamaged
from qa.index import dense
from qa.index.dense import Dense


def unit(rng, n, dimension):
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def saved(folder, vectors):
    chosen = dense.write(iter([vectors]), vectors.shape[1], folder, None)
    return Dense(folder, chosen.probes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dense")


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 300),
    dimension=st.sampled_from([1, 3, 16, 384]),
    k=st.integers(1, 400),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_k_are_those_of_brute_force(folder, n, dimension, k, seed):
    rng = np.random.default_rng(seed)
    vectors, question = unit(rng, n, dimension), unit(rng, 1, dimension)[0]
    found = saved(folder, vectors).search(question, k)
    cosines = vectors.astype(np.float64) @ question.astype(np.float64)
    assert len(found) == min(k, n)
    assert list(found.values()) == pytest.approx(sorted(cosines, reverse=True)[:k], abs=1e-5)
    assert found == pytest.approx({row: cosines[row] for row in found}, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 200), dimension=st.integers(1, 64), seed=st.integers(0, 2**32 - 1))
def test_saved_vectors_come_back_bit_for_bit(folder, n, dimension, seed):
    vectors = unit(np.random.default_rng(seed), n, dimension)
    index = saved(folder, vectors)
    assert len(index) == n
    assert np.array_equal(index.vectors(), vectors)


def test_vectors_taken_over_from_an_index_give_the_same_index(tmp_path):
    first = saved(tmp_path, unit(np.random.default_rng(1), 50, 8))
    vectors = first.vectors()
    assert np.array_equal(saved(tmp_path, vectors).vectors(), vectors)


def test_the_vector_itself_is_found_first_with_cosine_one(tmp_path):
    vectors = unit(np.random.default_rng(2), 40, 384)
    index = saved(tmp_path, vectors)
    for row in (0, 17, 39):
        found = index.search(vectors[row], 3)
        assert next(iter(found)) == row
        assert found[row] == pytest.approx(1, abs=1e-6)


def test_scores_of_given_rows_are_those_that_searching_gives(tmp_path):
    rng = np.random.default_rng(3)
    index, question = saved(tmp_path, unit(rng, 30, 16)), unit(rng, 1, 16)[0]
    everything = index.search(question, 30)
    assert index.scores(question, [29, 0, 7]) == pytest.approx(
        {row: everything[row] for row in (29, 0, 7)}, abs=1e-6
    )
    assert index.scores(question, []) == {}


class TestDamage:
    @pytest.fixture
    def file(self, tmp_path):
        dense.write(unit(np.random.default_rng(4), 20, 8), tmp_path / "dense.faiss")
        return tmp_path / "dense.faiss"

    def refused(self, file):
        with pytest.raises(IndexDamaged) as caught:
            Dense(file)
        assert str(file) in caught.value.message
        assert "qa index" in caught.value.advice

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "dense.faiss")

    def test_cut_short_anywhere(self, file):
        content = file.read_bytes()
        for length in range(len(content)):
            file.write_bytes(content[:length])
            self.refused(file)

    @pytest.mark.parametrize("garbage", [b"\0", b"\xff", b"IxFI", b"<html>"])
    def test_garbage(self, file, garbage):
        file.write_bytes(garbage * 200)
        self.refused(file)
