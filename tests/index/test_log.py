"""Vectors that were made stay made, whatever the run that made them came to."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.index.log import VectorLog

DIGESTS = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20, unique=True)


def halves(n, dimension, seed=1):
    """Vectors that 16 bits hold exactly."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, dimension)).astype(np.float16).astype(np.float32)


def digest(number):
    return number.to_bytes(16, "little")  # Ends in zeros, as a digest may.


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors-model.log"


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(digests=DIGESTS, dimension=st.integers(1, 40), cut=st.integers(0, 20))
def test_what_was_added_is_there_when_it_is_opened_again(path, digests, dimension, cut):
    path.unlink(missing_ok=True)
    vectors = halves(len(digests), dimension)
    log = VectorLog(path, dimension)
    for part in (slice(None, cut), slice(cut, None)):
        log.add(digests[part], vectors[part])
    for opened in (log, VectorLog(path, dimension)):
        assert len(opened) == len(digests)
        assert all(digest in opened for digest in digests)
        assert np.array_equal(opened.vectors(digests[::-1]), vectors[::-1])


def test_vectors_are_kept_to_16_bits(path):
    vectors = np.random.default_rng(2).standard_normal((3, 8)).astype(np.float32)
    VectorLog(path, 8).add([digest(n) for n in range(3)], vectors)
    kept = VectorLog(path, 8).vectors([digest(n) for n in range(3)])
    assert np.array_equal(kept, vectors.astype(np.float16).astype(np.float32))


def test_a_log_to_which_nothing_was_added_is_no_file(path):
    log = VectorLog(path, 8)
    assert len(log) == 0
    assert digest(1) not in log
    assert not path.exists()


def test_cut_off_at_any_byte_it_holds_what_was_whole_and_can_be_added_to(path):
    vectors = halves(4, 3)
    VectorLog(path, 3).add([digest(n) for n in range(3)], vectors[:3])
    content = path.read_bytes()
    record = len(content) // 3
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        log = VectorLog(path, 3)
        whole = length // record
        assert [digest(n) in log for n in range(3)] == [n < whole for n in range(3)]
        log.add([digest(9)], vectors[3:])
        there = [*range(whole), 3]
        digests = [digest(9 if n == 3 else n) for n in there]
        for opened in (log, VectorLog(path, 3)):
            assert len(opened) == whole + 1
            assert np.array_equal(opened.vectors(digests), vectors[there])


def test_it_can_be_removed_twice(path):
    log = VectorLog(path, 2)
    log.add([digest(1)], halves(1, 2))
    log.remove()
    assert not path.exists()
    log.remove()
