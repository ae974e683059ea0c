"""Whether a file of the EXIF-conditioned generator is complete: its projection and its student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..layout import Findings, findings
from ..sdxl.config import SDXL, SdxlConfig
from ..state_dict import read_state_dict
from .files import (
    FORMAT,
    PROJECTION,
    STUDENT,
    ExifMetadata,
    exif_metadata,
    projection_maker,
    projection_of,
    student_of,
)
from .student import student_findings


def check(path: Path) -> Findings:
    """What does not fit in a file of the EXIF generator."""
    metadata = exif_metadata(path)
    if metadata is None:
        return Findings(other=(f"its metadata do not say that its format is {FORMAT}",))
    state = read_state_dict(path)
    projection, student = projection_of(state), student_of(state)
    problems = findings(projection, projection_maker(projection, path))
    strangers = tuple(name for name in state if not name.startswith((PROJECTION, STUDENT)))
    problems += Findings(unexpected=strangers)
    return problems + student_findings(student, _config(metadata)) if student else problems


def _config(metadata: ExifMetadata) -> SdxlConfig:
    return replace(SDXL, unet={**SDXL.unet, **metadata.unet})
