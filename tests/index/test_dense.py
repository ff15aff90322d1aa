"""What is found is what comparing with every vector finds; vectors are kept to 16 bits."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qa.errors import IndexDamaged, InputError
from qa.index import dense
from qa.index.dense import CLUSTERS, EXACT, Chosen, Dense
from qa.index.rows import Rows


def unit(rng, n, dimension):
    vectors = rng.standard_normal((n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def saved(folder, vectors, before=None, memory=dense.MEMORY):
    folder.mkdir(exist_ok=True)
    chosen = dense.write(iter([vectors]), vectors.shape[1], folder, before, memory)
    return Dense(folder, chosen.probes)


def cosines(index, question):
    """Of all rows, from the vectors as they are kept."""
    return index.vectors(range(len(index))).astype(np.float64) @ question.astype(np.float64)


def nearest(index, question, k):
    """Rows by falling cosine, as brute force finds them."""
    return np.argsort(-cosines(index, question).round(6), kind="stable")[:k].tolist()


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
    index = saved(folder, vectors)
    found, expected = index.search(question, k), cosines(index, question)
    # A cosine that is 0 to six digits is taken for that of a row without a vector.
    assume(abs(expected).min() > 2e-6)
    assert len(found) == min(k, n)
    assert list(found.values()) == pytest.approx(sorted(expected, reverse=True)[:k], abs=2e-6)
    assert found == pytest.approx({row: expected[row] for row in found}, abs=2e-6)


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
    assert dense.write(blocks, dimension, folder) == Chosen("Flat", 0, 1.0)
    index = Dense(folder)
    assert (len(index), index.dimension) == (n, dimension)
    # Eleven digits in base 2, and the last one may go either way.
    kept = index.vectors(range(n))
    assert kept == pytest.approx(vectors, rel=2**-11, abs=2**-24)
    assert np.array_equal(index.vectors([n - 1, 0]), kept[[n - 1, 0]])


def test_every_number_of_16_bits_comes_back_as_it_is(tmp_path):
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    vectors = numbers[np.isfinite(numbers)].astype(np.float32).reshape(-1, 64)
    index = saved(tmp_path, vectors)
    assert np.array_equal(index.vectors(range(len(vectors))), vectors)


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
    allowed = Rows([80, 3, 41, 7])
    expected = [row for row in nearest(index, question, 90) if row in allowed]
    assert len(expected) == 4
    assert list(index.search(question, 10, allowed)) == expected
    assert list(index.search(question, 2, allowed)) == expected[:2]
    assert index.search(question, 10, Rows([])) == {}


@pytest.mark.parametrize(
    ("rows", "dimension", "memory"),
    [(60, 8, dense.MEMORY), pytest.param(3000, 96, 1, id="clusters")],
)
def test_rows_without_a_vector_are_never_found_though_0_is_more_than_any_cosine(
    tmp_path, rows, dimension, memory
):
    vectors = unit(np.random.default_rng(7), rows, dimension)
    vectors[:, 0] = -abs(vectors[:, 0]) - 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    holes = [0, 13, 14, rows - 1]
    vectors[holes] = 0
    index = saved(tmp_path, vectors, memory=memory)
    question, there = np.eye(dimension, dtype=np.float32)[0], set(range(rows)) - set(holes)
    assert set(index.rows().tolist()) == there
    assert not index.vectors(holes).any()
    for found in (
        index.search(question, rows),
        index.search(question, rows, exact=True),
        index.search(question, rows, Rows(range(rows))),
        index.scores(question, range(rows)),
    ):
        assert found
        assert set(found) <= there
        assert all(score < 0 for score in found.values())
    assert set(index.search(question, rows, exact=True)) == there
    assert set(index.search(question, 9, Rows([12, 13]))) == {12}


N, DIMENSION = 3000, 96


def clustered(seed=8, n=N):
    """Vectors around 60 places, and 100 questions near them."""
    rng = np.random.default_rng(seed)
    places = unit(np.random.default_rng(8), 60, DIMENSION)

    def around(n):
        vectors = places[rng.integers(60, size=n)] + 0.08 * rng.standard_normal((n, DIMENSION))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return around(n), around(100)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index with clusters, what was chosen, the vectors and questions; not to change."""
    vectors, questions = clustered()
    folder = tmp_path_factory.mktemp("clusters")
    chosen = dense.write(iter([vectors]), DIMENSION, folder, memory=1)
    return folder, chosen, vectors, questions


class TestClusters:
    """With 1 MB for vectors, in which 3000 of 96 numbers have no room."""

    @pytest.mark.parametrize(("n", "memory"), [(2600, 1), (3000, 2)])
    def test_vectors_that_have_room_have_none(self, tmp_path, n, memory):
        vectors, _ = clustered(n=n)
        chosen = dense.write(iter([vectors]), DIMENSION, tmp_path, memory=memory)
        assert chosen == Chosen("Flat", 0, 1.0)
        assert [file.name for file in tmp_path.iterdir()] == [EXACT]

    def test_where_not_even_the_centres_have_room_it_is_told_what_is_needed(self):
        dense.check(N, DIMENSION, 1)
        dense.check(0, DIMENSION, 1)
        with pytest.raises(InputError) as caught:
            dense.check(1_000_000, 384, 5)
        assert "7" in caught.value.advice  # 4,000 centres of 384 numbers of 4 bytes.
        dense.check(1_000_000, 384, 7)

    def test_it_is_told_what_was_chosen(self, made):
        import faiss

        folder, chosen, _, _ = made
        clusters = faiss.read_index(str(folder / CLUSTERS))
        assert chosen.kind == f"IVF{clusters.nlist},SQ8"
        assert 0 < chosen.probes < clusters.nlist / 2
        assert chosen.recall >= 0.99
        assert clusters.ntotal == N

    def test_most_of_the_nearest_are_found_with_their_exact_cosines(self, made):
        folder, chosen, _, questions = made
        index = Dense(folder, chosen.probes)
        hits = 0
        for question in questions:
            found = index.search(question, 10)
            hits += len(set(found) & set(nearest(index, question, 10)))
            assert len(found) == 10
            assert list(found.values()) == sorted(found.values(), reverse=True)
            expected = cosines(index, question)
            assert found == pytest.approx({row: expected[row] for row in found}, abs=2e-6)
        assert hits >= 0.95 * 10 * len(questions)

    def test_a_search_looks_at_a_part_of_the_vectors_only(self, made):
        folder, _, _, questions = made
        least = Dense(folder, 1)
        missed = [set(nearest(least, q, 100)) - set(least.search(q, 100)) for q in questions]
        assert any(missed)

    def test_exact_is_brute_force(self, made):
        folder, chosen, _, questions = made
        index = Dense(folder, chosen.probes)
        for question in questions[:20]:
            assert list(index.search(question, 50, exact=True)) == nearest(index, question, 50)

    @pytest.mark.parametrize("n", [1, 7, 200])
    def test_among_few_allowed_rows_it_is_exact(self, made, n):
        folder, chosen, _, questions = made
        index = Dense(folder, chosen.probes)
        for seed, question in enumerate(questions[:20]):
            allowed = Rows(np.random.default_rng(seed).permutation(N)[:n])
            expected = [r for r in nearest(index, question, N) if r in allowed][:10]
            assert list(index.search(question, 10, allowed)) == expected

    def test_among_many_allowed_rows_only_they_are_found_and_most_of_the_nearest(
        self, made, monkeypatch
    ):
        monkeypatch.setattr(dense, "_FEW", 200)
        folder, chosen, _, questions = made
        index = Dense(folder, chosen.probes)
        hits = sought = 0
        for seed, question in enumerate(questions):
            allowed = Rows(np.random.default_rng(seed).permutation(N)[:600])
            found = index.search(question, 10, allowed)
            assert all(row in allowed for row in found)
            expected = [r for r in nearest(index, question, N) if r in allowed][:10]
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
        new[:500], _ = clustered(seed=9, n=500)
        new[2900:] = 0  # As many rows, the last of them holes.
        index = saved(tmp_path, new, folder, memory=1)
        assert np.array_equal(self.centres(tmp_path), self.centres(folder))
        hits = 0
        for question in questions:
            found = index.search(question, 10)
            hits += len(set(found) & set(nearest(index, question, 10)))
            assert max(found) < 2900
        assert hits >= 0.95 * 10 * len(questions)

    def test_of_many_more_vectors_they_are_made_anew(self, made, tmp_path):
        folder, _, _, _ = made
        more, _ = clustered(seed=10, n=3 * N)
        saved(tmp_path, more, folder, memory=1)
        assert len(self.centres(tmp_path)) > 1.5 * len(self.centres(folder))

    def test_a_generation_before_that_had_none_is_no_hindrance(self, made, tmp_path):
        _, _, vectors, questions = made
        saved(tmp_path / "before", vectors[:100])
        index = saved(tmp_path / "after", vectors, tmp_path / "before", memory=1)
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


def test_clusters_follow_what_changed_in_place(tmp_path):
    rng = np.random.default_rng(8)
    old = unit(rng, 3000, 384)
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    dense.write(iter([old]), 384, tmp_path / "before", None, 2)
    new = np.concatenate([old, unit(rng, 200, 384)])
    new[100:150] = 0
    new[200:210] = unit(rng, 10, 384)
    stays = np.array([r for r in range(3000) if not (100 <= r < 150 or 200 <= r < 210)], np.int64)
    chosen = dense.write(iter([new]), 384, tmp_path / "after", tmp_path / "before", 2, same=stays)
    index = Dense(tmp_path / "after", chosen.probes)
    for row in (5, 205, 3100):
        assert next(iter(index.search(new[row], 3))) == row
    assert not set(range(100, 150)) & set(index.search(old[120], 3200))
    assert next(iter(index.search(old[205], 1).values())) < 0.9
