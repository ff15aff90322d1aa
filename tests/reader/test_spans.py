"""From the network's logits to the characters that answer."""

import numpy as np
import pytest

from qa.reader.pairs import Pair
from qa.reader.spans import answers, boundaries

# <s> 问 </s> </s> | 全 长12 公里 </s>; the passage is 全长12公里.
READ = Pair([0, 9, 2, 2, 5, 6, 7, 2], 4, [(0, 1), (1, 4), (4, 6)])
LOW = -9.0


def logits(**at):
    """All low but for ``token_column=value``, columns begin, begin2, end, end2."""
    found = np.full((8, 4), LOW, np.float32)
    for name, value in at.items():
        token, column = name.split("_")
        found[int(token[1:]), ["begin", "begin2", "end", "end2"].index(column)] = value
    return found


def one_sentence(beginnings):
    return np.zeros(len(beginnings), np.int64)


def best(given):
    beginnings, ends = boundaries(READ, given)
    return answers(beginnings, ends, one_sentence(beginnings), 1)[0]


def test_a_span_from_token_to_token():
    found = best(logits(t5_begin=5, t6_end=5))
    assert found.span == (1, 6)


def test_an_answer_may_begin_and_end_inside_a_token():
    assert best(logits(t5_begin2=5, t6_end2=5)).span == (2, 5)


def test_probabilities_are_over_all_places_and_none():
    given = logits(t5_begin=3, t6_end=3, t0_begin=3)
    beginnings, ends = boundaries(READ, given)
    # At the beginning, the best place and none are as likely; at the end only the place is.
    assert np.exp(beginnings[1]) == pytest.approx(0.5, abs=1e-3)
    assert np.exp(beginnings).sum() == pytest.approx(0.5, abs=1e-3)
    assert np.exp(ends[5]) > 0.99
    assert np.exp(ends).sum() == pytest.approx(1, abs=1e-3)


def test_the_second_character_of_a_token_of_one_is_no_place():
    given = logits(t4_begin2=50, t4_end2=50, t5_begin=1, t6_end=1)
    assert best(given).span == (1, 6)


def test_an_end_before_its_beginning_is_no_answer():
    found = best(logits(t6_begin=9, t4_end=9, t6_end=1))
    assert found.span[0] < found.span[1]


def test_two_answers_do_not_overlap_and_are_not_run_together():
    beginnings = np.log(np.full(20, 1e-4, np.float32))
    ends = beginnings.copy()
    beginnings[[3, 10]] = np.log(0.49)
    ends[[6, 15]] = np.log(0.49)
    found = answers(beginnings, ends, one_sentence(beginnings), 2)
    assert sorted(one.span for one in found) == [(3, 7), (10, 16)]


def test_an_answer_seldom_runs_on_into_another_sentence():
    beginnings = np.log(np.full(20, 1e-4, np.float32))
    ends = beginnings.copy()
    beginnings[[3, 12]] = np.log([0.55, 0.4])
    ends[[6, 15]] = np.log([0.4, 0.55])
    run_on = answers(beginnings, ends, one_sentence(beginnings), 1)
    assert run_on[0].span == (3, 16)
    apart = answers(beginnings, ends, np.arange(20) // 10, 1)
    assert apart[0].span == (3, 7)
    # A surer one does.
    beginnings[12] = ends[6] = np.log(0.1)
    assert answers(beginnings, ends, np.arange(20) // 10, 1)[0].span == (3, 16)


def test_no_answer_touches_a_barred_stretch():
    beginnings, ends = boundaries(READ, logits(t4_begin=5, t6_end=5, t4_end=1, t6_begin=1))
    assert answers(beginnings, ends, one_sentence(beginnings), 1)[0].span == (0, 6)
    found = answers(beginnings, ends, one_sentence(beginnings), 1, [(1, 4)])
    assert found[0].span in {(0, 1), (4, 6)}
    assert answers(beginnings, ends, one_sentence(beginnings), 3, [(0, 6)]) == []


def test_a_span_is_found_however_unlikely():
    beginnings = np.linspace(-9, -1, 300, dtype=np.float32)
    ends = beginnings[::-1].copy()
    assert answers(beginnings, ends, one_sentence(beginnings), 1)


def test_a_passage_without_tokens_has_no_answer():
    beginnings, ends = boundaries(Pair([0, 9, 2, 2, 2], 4, []), np.zeros((5, 4), np.float32))
    assert answers(beginnings, ends, one_sentence(beginnings), 1) == []
