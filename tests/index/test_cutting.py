"""Workers cut texts as this process does, in order, and end with the run."""

import os
import signal
import subprocess

import pytest

from qa.index import cutting
from qa.index.cutting import Cutting
from qa.index.tokens import Words

TEXTS = [f"邻水县第{n}号水厂在2024年受理了{n * 7}件环境投诉。" for n in range(60)]


@pytest.fixture
def many(monkeypatch):
    """Workers from the first character on, with little batches."""
    monkeypatch.setattr(cutting, "FEW", -1)
    monkeypatch.setattr(cutting, "_BATCH", 60)


def cut(texts):
    items = [(number, [text, text[:9]]) for number, text in enumerate(texts)]
    with Cutting() as running:
        return list(running.words(items))


def expected(texts):
    words = Words.of_dictionary()
    return [
        (number, [" ".join(words(text)), " ".join(words(text[:9]))])
        for number, text in enumerate(texts)
    ]


def test_few_texts_are_cut_here(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert cut(TEXTS[:3]) == expected(TEXTS[:3])


def test_workers_cut_the_same_in_the_same_order(many):
    assert cut(TEXTS) == expected(TEXTS)


def test_texts_that_no_line_could_hold_come_through(many):
    texts = ["甲\n乙\u2028丙\x85", "", '"\\', "𠮷野家😀", "\x00水厂"]
    assert cut(texts) == expected(texts)


def test_a_worker_that_dies_is_done_without(many):
    with Cutting() as running:
        found = []
        for result in running.words((number, [text]) for number, text in enumerate(TEXTS)):
            found.append(result)
            if len(found) == 5:
                for worker in running._started:
                    os.kill(worker.pid, signal.SIGKILL)
    words = Words.of_dictionary()
    assert found == [(number, [" ".join(words(text))]) for number, text in enumerate(TEXTS)]


def test_no_worker_is_left_behind_where_a_run_is_interrupted(many):
    started = []
    with pytest.raises(KeyboardInterrupt), Cutting() as running:
        for _ in running.words((number, [text]) for number, text in enumerate(TEXTS)):
            started = running._started
            raise KeyboardInterrupt
    assert started
    assert all(worker.returncode is not None for worker in started)
