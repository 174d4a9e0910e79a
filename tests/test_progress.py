"""Who sees how work goes on, and what of it."""

import io
import logging
import sys

import jax.random as jr
import numpy as np

import entropax as ex
from entropax import _progress
from entropax._progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_counts_what_is_done(monkeypatch):
    monkeypatch.setattr(_progress, "_PATIENCE", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("I(X;Y)") as progress:
        progress.expect(4)
        progress.expect(6)
        progress.update(3)
        progress._bar.refresh()
        shown = terminal.getvalue()
    assert "I(X;Y)" in shown and "3/10" in shown


def test_a_log_has_a_line_a_minute(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, "entropax"), Progress("I(X;Y)") as progress:
        progress.expect(100)
        for _ in range(30):
            now[0] += 10.0
            progress.update()
    assert [record.getMessage() for record in caplog.records] == [
        f"I(X;Y): {done} of 100 steps" for done in (7, 14, 21, 28)
    ]


def test_nothing_is_shown_where_no_one_looks(monkeypatch, caplog):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_progress, "_MINUTE", -1.0)
    with Progress("I(X;Y)") as progress:
        progress.expect(1)
        progress.update()
    assert not stream.getvalue() and not caplog.records


def test_the_first_answer_comes_first(monkeypatch):
    """In a terminal, before anything is fitted."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_progress, "_PATIENCE", 0.0)
    x, noise = np.random.default_rng(0).normal(size=(2, 300))
    ex.dependence.mutual_information(x, x + noise, key=jr.key(0))
    first = ex.dependence.mutual_information(x, x + noise, fitting=ex.dependence.NearestNeighbours(), key=jr.key(0))
    assert f"I(X;Y), at first {first}" in terminal.getvalue()
