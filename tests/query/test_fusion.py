"""Scores of the legs become one ranking, and every share can be seen."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa.query.fusion import fuse

# Cosines and BM25 scores are single-precision numbers; these are some that differ visibly.
SCORES = st.integers(-(10**5), 10**5).map(lambda number: number / 1024)
LEG = st.dictionaries(st.integers(0, 30), SCORES, max_size=20)
LEGS = st.fixed_dictionaries({"dense": LEG, "words": LEG, "bigrams": LEG})
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(("dense", "words", "bigrams"), st.floats(0, 10)))
EVEN = {"dense": 1.0, "words": 1.0, "bigrams": 1.0}


def shares(fused):
    return {one.row: dict(one.shares) for one in fused}


def test_by_hand():
    # Standard scores of 3, 2, 1 are ±1.2247 and 0; of 10, 20 they are ±1.
    legs = {"dense": {7: 3.0, 8: 2.0, 9: 1.0}, "words": {8: 10.0, 9: 20.0}}
    best, *rest = fuse(legs, {"dense": 1.0, "words": 2.0})
    z = math.sqrt(1.5)
    assert best.row == 9
    assert best.score == pytest.approx(2 - z)
    assert shares([best, *rest]) == {
        9: pytest.approx({"dense": -z, "words": 2.0}),
        7: pytest.approx({"dense": z, "words": -2.0}),  # Not found by words: as the worst there.
        8: pytest.approx({"dense": 0.0, "words": -2.0}),
    }
    assert [one.row for one in rest] == [7, 8]


@given(LEGS, WEIGHTS)
def test_shares_add_up_to_the_score(legs, weights):
    for one in fuse(legs, weights):
        assert one.score == pytest.approx(sum(one.shares.values()), abs=1e-9)


@given(LEGS, WEIGHTS)
def test_every_row_that_a_leg_found_is_there_once_best_first(legs, weights):
    fused = fuse(legs, weights)
    assert sorted(one.row for one in fused) == sorted({row for leg in legs.values() for row in leg})
    assert fused == sorted(fused, key=lambda one: (-one.score, one.row))
    assert all(math.isfinite(one.score) for one in fused)


@given(LEG)
def test_one_leg_alone_keeps_its_order(leg):
    fused = fuse({"dense": leg}, {"dense": 1.0})
    scores = [leg[one.row] for one in fused]
    assert scores == sorted(scores, reverse=True)


@given(LEGS, WEIGHTS)
def test_a_leg_gives_no_more_to_what_it_did_not_find_than_to_its_worst(legs, weights):
    found = shares(fuse(legs, weights))
    for leg, rows in legs.items():
        worst = min((found[row][leg] for row in rows), default=0.0)
        assert all(of.get(leg, 0.0) == worst for row, of in found.items() if row not in rows)


@given(LEGS)
def test_what_every_leg_finds_best_comes_first(legs):
    for leg in legs.values():
        leg[99] = max(leg.values(), default=0.0) + 1
    assert fuse(legs, EVEN)[0].row == 99


def test_the_scale_of_a_leg_does_not_matter():
    legs = {"dense": {1: 0.91, 2: 0.84, 3: 0.83}, "words": {3: 9.0, 2: 4.0, 1: 2.0}}
    stretched = {**legs, "words": {row: 100 * score + 7 for row, score in legs["words"].items()}}
    by_hand = fuse(legs, EVEN)
    assert [one.row for one in fuse(stretched, EVEN)] == [one.row for one in by_hand]
    assert shares(fuse(stretched, EVEN)) == {
        one.row: pytest.approx(dict(one.shares)) for one in by_hand
    }


def test_a_leg_that_found_nothing_says_nothing():
    legs = {"dense": {1: 0.9, 2: 0.8}, "words": {}}
    assert fuse(legs, EVEN) == fuse({"dense": legs["dense"]}, EVEN)
    assert fuse({"dense": {}, "words": {}}, EVEN) == []


@given(SCORES, st.integers(1, 20))
@example(1.5, 3)
def test_a_leg_that_finds_all_alike_says_nothing_either(score, count):
    legs = {"dense": dict.fromkeys(range(count), score), "words": {0: 2.0, count + 1: 1.0}}
    for one in fuse(legs, EVEN):
        assert one.shares["dense"] == 0
    assert fuse(legs, EVEN)[0].row == 0


def test_nor_where_the_mean_is_rounded():
    for one in fuse({"dense": {1: 0.1, 2: 0.1, 3: 0.1}}, EVEN):
        assert one.shares["dense"] == 0


def test_ties_go_to_the_lowest_row_whatever_the_order():
    rows = [5, 3, 9, 1]
    for order in (rows, sorted(rows), rows[::-1]):
        assert [one.row for one in fuse({"words": dict.fromkeys(order, 2.0)}, EVEN)] == [1, 3, 5, 9]


def test_a_heavier_leg_decides():
    legs = {"dense": {1: 1.0, 2: 0.0}, "words": {1: 0.0, 2: 1.0}}
    assert fuse(legs, {"dense": 2.0, "words": 1.0})[0].row == 1
    assert fuse(legs, {"dense": 1.0, "words": 2.0})[0].row == 2
