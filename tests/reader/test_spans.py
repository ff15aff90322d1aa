"""From what the network gives for each token to the characters that answer."""

import numpy as np
import pytest

from qa.reader.pairs import Pair
from qa.reader.spans import MATCHED, SPAN_LOGITS, SPAN_VALUES, answers, stretches

# <s> 问 </s> </s> | 全 长12 公里 </s>; the passage is 全长12公里.
READ = Pair([0, 9, 2, 2, 5, 6, 7, 2], 4, [(0, 1), (1, 4), (4, 6)])
LOW = -9.0


def values(**at):
    """All low but for ``token_column=value``, columns begin, begin2, end, end2; no match."""
    found = np.zeros((8, SPAN_VALUES), np.float32)
    found[:, :SPAN_LOGITS] = LOW
    for name, value in at.items():
        token, column = name.split("_")
        found[int(token[1:]), ["begin", "begin2", "end", "end2"].index(column)] = value
    return found


def matched(given, begin, end, score, by=0):
    """Raise what a beginning in one token and an end in another score together."""
    given[begin, SPAN_LOGITS + by] = given[end, SPAN_LOGITS + MATCHED + by] = (
        score * MATCHED**0.5
    ) ** 0.5
    return given


def best(given):
    return answers(stretches(READ, given)[0], 1)[0]


def likely(size, *spans):
    """Log-probabilities of stretches: all small but for ``(start, end, probability)``."""
    scores = np.full((size, size), np.log(1e-5), np.float32)
    for start, end, probability in spans:
        scores[start, end - 1] = np.log(probability)
    scores[np.tril_indices(size, -1)] = -np.inf
    return scores


def test_a_span_from_token_to_token():
    assert best(values(t5_begin=5, t6_end=5)).span == (1, 6)


def test_an_answer_may_begin_and_end_inside_a_token():
    assert best(values(t5_begin2=5, t6_end2=5)).span == (2, 5)


def test_probabilities_are_over_all_stretches_and_none():
    scores, none = stretches(READ, values(t5_begin=3, t6_end=3, t0_begin=3, t0_end=3))
    assert np.exp(scores).sum() + np.exp(none) == pytest.approx(1, abs=1e-5)
    assert scores[1, 5] == pytest.approx(none, abs=1e-5)
    assert none > np.log(0.49)


def test_a_beginning_and_an_end_that_belong_to_different_answers_are_not_joined():
    # Two answers, each as likely: from 全 to 全, and from 公里 to 公里.
    given = values(t4_begin=5, t4_end=5, t6_begin=5, t6_end=5)
    crossing = stretches(READ, given)[0][0, 5]
    assert crossing == pytest.approx(stretches(READ, given)[0][0, 0], abs=1e-5)
    matched(given, 4, 4, 3, by=0)
    matched(given, 6, 6, 3, by=1)
    scores, _ = stretches(READ, given)
    assert sorted(one.span for one in answers(scores, 2)) == [(0, 1), (4, 6)]
    assert scores[0, 5] == pytest.approx(scores[0, 0] - 3, abs=1e-5)


def test_the_second_character_of_a_token_of_one_is_no_place():
    assert best(values(t4_begin2=50, t4_end2=50, t5_begin=1, t6_end=1)).span == (1, 6)


def test_an_end_before_its_beginning_is_no_answer():
    found = best(values(t6_begin=9, t4_end=9, t6_end=1))
    assert found.span[0] < found.span[1]


def test_an_answer_has_at_most_160_characters():
    places = [(number, number + 1) for number in range(200)]
    read = Pair([0] * 204, 4, places)
    given = np.zeros((204, SPAN_VALUES), np.float32)
    given[4, 0] = given[-1, 2] = 20
    start, end = answers(stretches(read, given)[0], 1)[0].span
    assert end - start <= 160


def test_two_answers_do_not_overlap():
    scores = likely(20, (3, 7, 0.5), (3, 9, 0.2), (10, 16, 0.2), (12, 16, 0.1))
    assert [one.span for one in answers(scores, 3)] == [(3, 7), (10, 16)]


def test_a_further_answer_has_to_be_likely():
    scores = likely(20, (3, 7, 0.9), (10, 16, 0.001))
    assert [one.span for one in answers(scores, 2)] == [(3, 7)]


def test_no_answer_touches_a_barred_stretch():
    scores, _ = stretches(READ, values(t4_begin=5, t6_end=5, t4_end=1, t6_begin=1))
    assert answers(scores, 1)[0].span == (0, 6)
    assert answers(scores, 1, [(1, 4)])[0].span in {(0, 1), (4, 6)}
    assert answers(scores, 1, [(-9, 0), (6, 9)])[0].span == (0, 6)
    assert answers(scores, 3, [(0, 6)]) == []


def test_a_span_is_found_however_unlikely():
    assert answers(likely(300), 1)


def test_a_passage_without_tokens_has_no_answer():
    read = Pair([0, 9, 2, 2, 2], 4, [])
    scores, none = stretches(read, np.zeros((5, SPAN_VALUES), np.float32))
    assert answers(scores, 1) == []
    assert none == pytest.approx(0)
