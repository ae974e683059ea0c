"""Whether files are BokehMe's networks."""

from __future__ import annotations

from pathlib import Path

from ..layout import Findings, findings
from ..state_dict import read_state_dict
from .architecture import ARNet, IUNet


def check_arnet(path: Path) -> Findings:
    """What does not fit in a file of ARNet's weights."""
    return findings(read_state_dict(path), ARNet)


def check_iunet(path: Path) -> Findings:
    """What does not fit in a file of IUNet's weights."""
    return findings(read_state_dict(path), IUNet)
