"""The progress bar appears on terminals, and only there."""

from __future__ import annotations

import io

import pytest
from focuspuller.headless.progress import Progress, ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "file"])
def test_a_bar_shows_title_steps_and_share_on_a_terminal(monkeypatch, stream):
    monkeypatch.setattr("sys.stderr", stream)
    with ProgressBar() as bar:
        bar(Progress("3", "Render Bokeh", nodes_done=1, nodes_total=2, steps_done=1, steps_total=4))
    if stream.isatty():
        assert "62%" in stream.getvalue()
        assert "Render Bokeh 1/4" in stream.getvalue()
    else:
        assert stream.getvalue() == ""


def test_the_share_stays_between_nothing_and_all():
    assert Progress("1", "a", 0, 0).fraction == 0.0
    assert Progress("1", "a", 1, 1, 9, 3).fraction == 1.0
