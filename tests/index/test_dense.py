"""What is found is what comparing with every vector finds; vectors are kept to 16 bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import IndexDamaged
from qa.index import dense
from qa.index.dense import CLUSTERS, EXACT, Chosen, Dense


def unit(rng, n, dimension):
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def halved(vectors):
    return vectors.astype(np.float16).astype(np.float32)


def saved(folder, vectors, before=None):
    folder.mkdir(exist_ok=True)
    chosen = dense.write(iter([vectors]), vectors.shape[1], folder, before)
    return Dense(folder, chosen.probes)


def nearest(vectors, question, k):
    """Rows by falling cosine, as brute force finds them."""
    return np.argsort(-(halved(vectors) @ question), kind="stable")[:k].tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dense")


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 300),
    dimension=st.sampled_from([3, 16, 384]),
    k=st.integers(1, 400),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_k_are_those_of_brute_force(folder, n, dimension, k, seed):
    rng = np.random.default_rng(seed)
    vectors, question = unit(rng, n, dimension), unit(rng, 1, dimension)[0]
    found = saved(folder, vectors).search(question, k)
    cosines = halved(vectors).astype(np.float64) @ question.astype(np.float64)
    # A cosine that is 0 to six digits is taken for that of a row without a vector.
    there = sum(abs(cosine) > 1e-6 for cosine in cosines)
    assert min(k, there) <= len(found) <= min(k, n)
    best = sorted(cosines, reverse=True)[: len(found)]
    if there == n:
        assert list(found.values()) == pytest.approx(best, abs=2e-6)
    assert found == pytest.approx({row: cosines[row] for row in found}, abs=2e-6)


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 200),
    dimension=st.integers(1, 64),
    size=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
def test_saved_vectors_come_back_to_16_bits(folder, n, dimension, size, seed):
    vectors = unit(np.random.default_rng(seed), n, dimension)
    blocks = (vectors[start : start + size] for start in range(0, n, size))
    assert dense.write(blocks, dimension, folder, None) == Chosen("Flat", 0, 1.0)
    index = Dense(folder)
    assert (len(index), index.dimension) == (n, dimension)
    assert np.array_equal(index.vectors(range(n)), halved(vectors))
    assert np.array_equal(index.vectors([n - 1, 0]), halved(vectors)[[n - 1, 0]])


def test_vectors_taken_over_from_an_index_give_the_same_index(tmp_path):
    first = saved(tmp_path / "first", unit(np.random.default_rng(1), 50, 8))
    saved(tmp_path / "second", first.vectors(range(50)))
    one, other = ((tmp_path / name / EXACT).read_bytes() for name in ("first", "second"))
    assert one == other


def test_faiss_reads_the_file_and_finds_the_same(tmp_path):
    import faiss

    rng = np.random.default_rng(5)
    index, question = saved(tmp_path, unit(rng, 300, 24)), unit(rng, 1, 24)
    read = faiss.read_index(str(tmp_path / EXACT))
    assert np.array_equal(read.reconstruct_n(0, 300), index.vectors(range(300)))
    scores, rows = read.search(question, 20)
    found = index.search(question[0], 20)
    assert list(found) == rows[0].tolist()
    assert list(found.values()) == pytest.approx(scores[0].tolist(), abs=2e-6)


def test_the_vector_itself_is_found_first_with_cosine_one(tmp_path):
    vectors = unit(np.random.default_rng(2), 40, 384)
    index = saved(tmp_path, vectors)
    for row in (0, 17, 39):
        found = index.search(vectors[row], 3)
        assert next(iter(found)) == row
        assert found[row] == pytest.approx(1, abs=1e-3)


def test_scores_of_given_rows_are_those_that_searching_gives(tmp_path):
    rng = np.random.default_rng(3)
    index, question = saved(tmp_path, unit(rng, 30, 16)), unit(rng, 1, 16)[0]
    everything = index.search(question, 30)
    assert index.scores(question, [29, 0, 7]) == pytest.approx(
        {row: everything[row] for row in (29, 0, 7)}, abs=2e-6
    )
    assert index.scores(question, []) == {}


def test_only_allowed_rows_are_found_the_best_of_them_first(tmp_path):
    rng = np.random.default_rng(6)
    vectors, question = unit(rng, 90, 16), unit(rng, 1, 16)[0]
    index = saved(tmp_path, vectors)
    allowed = np.array([3, 80, 41, 7])
    expected = [row for row in nearest(vectors, question, 90) if row in allowed]
    assert list(index.search(question, 10, allowed)) == expected
    assert list(index.search(question, 2, allowed)) == expected[:2]
    assert index.search(question, 10, np.array([], np.int64)) == {}


class TestRowsWithoutAVector:
    HOLES = (0, 13, 14, 59)

    @pytest.fixture
    def vectors(self):
        """All but the holes lie away from the question, whose first place is its only one."""
        vectors = unit(np.random.default_rng(7), 60, 8)
        vectors[:, 0] = -abs(vectors[:, 0]) - 0.1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[list(self.HOLES)] = 0
        return vectors

    @pytest.mark.parametrize("most", [dense.MOST_EXACT, 20])
    def test_they_are_never_found_though_0_is_more_than_any_cosine(
        self, tmp_path, vectors, most, monkeypatch
    ):
        monkeypatch.setattr(dense, "MOST_EXACT", most)
        index, question = saved(tmp_path, vectors), np.eye(8, dtype=np.float32)[0]
        there = set(range(60)) - set(self.HOLES)
        assert set(index.rows().tolist()) == there
        for found in (
            index.search(question, 60),
            index.search(question, 60, exact=True),
            index.scores(question, range(60)),
            index.search(question, 60, np.arange(60)),
        ):
            assert found
            assert set(found) <= there
            assert all(score < 0 for score in found.values())
        assert set(index.search(question, 60, exact=True)) == there
        assert set(index.search(question, 9, np.array([13, 12]))) == {12}

    def test_their_vector_is_zeros(self, tmp_path, vectors):
        index = saved(tmp_path, vectors)
        assert not index.vectors(self.HOLES).any()


class TestClusters:
    N, DIMENSION = 3000, 32

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        """What is done with 20,000 vectors is done with 200."""
        monkeypatch.setattr(dense, "MOST_EXACT", 200)

    def clustered(self, seed=8, n=N):
        """Vectors around 60 places, and questions near them."""
        rng = np.random.default_rng(seed)
        places = unit(np.random.default_rng(8), 60, self.DIMENSION)

        def around(n):
            vectors = places[rng.integers(60, size=n)] + 0.1 * rng.standard_normal(
                (n, self.DIMENSION)
            )
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            return vectors.astype(np.float32)

        return around(n), around(100)

    @pytest.fixture(scope="class")
    def made(self, tmp_path_factory):
        """An index with clusters, what was chosen, the vectors and questions; not to change."""
        vectors, questions = self.clustered()
        folder = tmp_path_factory.mktemp("clusters")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dense, "MOST_EXACT", 200)
            chosen = dense.write(iter([vectors]), self.DIMENSION, folder, None)
        return folder, chosen, vectors, questions

    def test_few_vectors_have_none(self, tmp_path):
        vectors = self.clustered()[0][:200]
        assert dense.write(iter([vectors]), self.DIMENSION, tmp_path, None).kind == "Flat"
        assert [file.name for file in tmp_path.iterdir()] == [EXACT]

    def test_it_is_told_what_was_chosen(self, made):
        import faiss

        folder, chosen, _, _ = made
        clusters = faiss.read_index(str(folder / CLUSTERS))
        assert chosen.kind == f"IVF{clusters.nlist},SQ8"
        assert 0 < chosen.probes < clusters.nlist / 2
        assert chosen.recall >= 0.99
        assert clusters.ntotal == self.N

    def test_most_of_the_nearest_are_found_with_their_exact_cosines(self, made):
        folder, chosen, vectors, questions = made
        index = Dense(folder, chosen.probes)
        hits = 0
        for question in questions:
            found = index.search(question, 10)
            hits += len(set(found) & set(nearest(vectors, question, 10)))
            assert len(found) == 10
            assert list(found.values()) == sorted(found.values(), reverse=True)
            assert found == pytest.approx(
                {row: halved(vectors)[row] @ question for row in found}, abs=2e-6
            )
        assert hits >= 0.95 * 10 * len(questions)

    def test_a_search_looks_at_a_part_of_the_vectors_only(self, made):
        folder, _, vectors, questions = made
        least = Dense(folder, 1)
        missed = [set(nearest(vectors, q, 100)) - set(least.search(q, 100)) for q in questions]
        assert any(missed)

    def test_exact_is_brute_force(self, made):
        folder, chosen, vectors, questions = made
        index = Dense(folder, chosen.probes)
        for question in questions[:20]:
            assert list(index.search(question, 50, exact=True)) == nearest(vectors, question, 50)

    @pytest.mark.parametrize("n", [1, 7, 200])
    def test_among_few_allowed_rows_it_is_exact(self, made, n):
        folder, chosen, vectors, questions = made
        index = Dense(folder, chosen.probes)
        for seed, question in enumerate(questions[:20]):
            allowed = np.random.default_rng(seed).permutation(self.N)[:n]
            expected = [r for r in nearest(vectors, question, self.N) if r in set(allowed)][:10]
            assert list(index.search(question, 10, allowed)) == expected

    def test_among_many_allowed_rows_only_they_are_found_and_most_of_the_nearest(self, made):
        folder, chosen, vectors, questions = made
        index = Dense(folder, chosen.probes)
        hits = sought = 0
        for seed, question in enumerate(questions):
            allowed = np.random.default_rng(seed).permutation(self.N)[:600]
            found, there = index.search(question, 10, allowed), set(allowed.tolist())
            assert set(found) <= there
            expected = [r for r in nearest(vectors, question, self.N) if r in there][:10]
            assert list(index.search(question, 10, allowed, exact=True)) == expected
            hits += len(set(found) & set(expected))
            sought += len(expected)
        assert hits >= 0.95 * sought

    def centres(self, folder):
        import faiss

        clusters = faiss.read_index(str(folder / CLUSTERS))
        return clusters.quantizer.reconstruct_n(0, clusters.nlist)

    def test_the_next_generation_takes_the_clusters_over_and_holds_its_own_vectors(
        self, made, tmp_path
    ):
        folder, _, vectors, questions = made
        new = vectors.copy()
        new[:500], _ = self.clustered(seed=9, n=500)
        new[2900:] = 0
        index = saved(tmp_path, new, folder)
        assert np.array_equal(self.centres(tmp_path), self.centres(folder))
        hits = 0
        for question in questions:
            found = index.search(question, 10)
            hits += len(set(found) & set(nearest(new, question, 10)))
            assert max(found) < 2900
        assert hits >= 0.95 * 10 * len(questions)

    def test_of_many_more_vectors_they_are_made_anew(self, made, tmp_path):
        folder, _, vectors, _ = made
        more, _ = self.clustered(seed=10, n=3 * self.N)
        saved(tmp_path, more, folder)
        assert len(self.centres(tmp_path)) > 1.5 * len(self.centres(folder))

    def test_a_generation_before_that_had_none_is_no_hindrance(self, made, tmp_path):
        _, _, vectors, questions = made
        saved(tmp_path / "before", vectors[:100])
        index = saved(tmp_path / "after", vectors, tmp_path / "before")
        assert len(index.search(questions[0], 10)) == 10

    @pytest.mark.parametrize("content", [None, b"", b"IwSq", b"\xa5" * 5000])
    def test_damaged_clusters(self, made, tmp_path, content):
        folder, chosen, _, _ = made
        (tmp_path / EXACT).write_bytes((folder / EXACT).read_bytes())
        if content is not None:
            (tmp_path / CLUSTERS).write_bytes(content)
        with pytest.raises(IndexDamaged) as caught:
            Dense(tmp_path, chosen.probes)
        assert "qa index" in caught.value.advice


class TestDamage:
    @pytest.fixture
    def file(self, tmp_path):
        saved(tmp_path, unit(np.random.default_rng(4), 20, 8))
        return tmp_path / EXACT

    def refused(self, file):
        with pytest.raises(IndexDamaged) as caught:
            Dense(file.parent)
        assert str(file) in caught.value.message
        assert "qa index" in caught.value.advice

    def test_missing(self, tmp_path):
        self.refused(tmp_path / EXACT)

    def test_cut_short_anywhere(self, file):
        content = file.read_bytes()
        for length in range(len(content)):
            file.write_bytes(content[:length])
            self.refused(file)

    @pytest.mark.parametrize("garbage", [b"\0", b"\xff", b"\xa5", b"IxFI", b"<html>"])
    def test_garbage(self, file, garbage):
        file.write_bytes(garbage * 200)
        self.refused(file)
