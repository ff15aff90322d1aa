"""Progress of long work, and none of short work."""

import sys

import pytest

from qa import progress
from qa.progress import ProgressBar


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_short_work_shows_nothing(clock, capsys):
    with ProgressBar() as bar:
        for done in range(11):
            clock[0] += 0.05
            bar("编码", done, 10)
    assert capsys.readouterr().err == ""


def test_long_work_without_a_terminal_says_a_line_now_and_then(clock, capsys):
    with ProgressBar() as bar:
        for done in range(101):
            clock[0] += 0.2
            bar("编码", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 5
    assert all(line.startswith("编码 ") and "/100" in line for line in lines)


def test_long_work_in_a_terminal_draws_a_bar_with_rate_and_time_left(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressBar() as bar:
        for done in range(101):
            clock[0] += 0.2
            bar("编码", done, 100)
    shown = capsys.readouterr().err
    assert "编码" in shown
    assert "100/100" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_a_single_long_step_is_shown_when_it_begins(clock, capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with ProgressBar() as bar:
        bar("加载模型", 0, 1)
        if not terminal:
            assert "加载模型…" in capsys.readouterr().err
        clock[0] += 10
        bar("加载模型", 1, 1)
    if terminal:
        assert "加载模型" in capsys.readouterr().err
