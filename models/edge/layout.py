"""Whether a file is the edge network."""

from __future__ import annotations

from pathlib import Path

from ..layout import Findings, findings
from ..state_dict import read_state_dict
from .architecture import EdgeNetwork


def check(path: Path) -> Findings:
    """What does not fit in a file of the edge network's weights."""
    return findings(read_state_dict(path), EdgeNetwork)
