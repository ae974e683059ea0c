"""Which photographs are kept, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....errors import InputError
from .facts import DESIRABLE, NO_BLUR, Facts
from .phones import is_phone


@dataclass(frozen=True)
class Criteria:
    """What photographs have to be; None asks for nothing.

    Args:
        least_f_number: f-numbers from this on.
        largest_f_number: up to this.
        below_f_number: and less than this.
        phones: whether phones' photographs are kept.
        longest_exposure_s: seconds.
        needs_camera: whether EXIF has to tell how the picture was taken.
        least_px: of the shorter edge.
        least_sharpness: variance of the Laplacian at 1024 px.
        sharpest: how many are kept at most, the sharpest first.
        blur: the label that a classifier has to give, if there is one.
    """

    least_f_number: float | None = None
    largest_f_number: float | None = None
    below_f_number: float | None = None
    phones: bool = True
    longest_exposure_s: float | None = None
    needs_camera: bool = False
    least_px: int = 0
    least_sharpness: float | None = None
    sharpest: int | None = None
    blur: str | None = None

    def __post_init__(self) -> None:
        if self.sharpest is not None and self.sharpest < 1:
            raise InputError("sharpest", str(self.sharpest), "Give 1 or more.")


# Fine-grained Defocus, appendix D, for "shallow" and "deep". DiffCamera (appendix D) and Generative
# Refocusing (appendix B) take sharp pictures by their Laplacian and give no threshold; 100 is what
# programs that look for blurred pictures usually take.
PURPOSES: dict[str, tuple[str, Criteria]] = {
    "shallow": (
        "photographs with a lens' blur: below f/10, no phones",
        Criteria(below_f_number=10.0, phones=False, needs_camera=True, blur=DESIRABLE),
    ),
    "deep": (
        "photographs sharp from front to back: f/10 to f/50, at most 0.1 s",
        Criteria(
            least_f_number=10.0,
            largest_f_number=50.0,
            longest_exposure_s=0.1,
            needs_camera=True,
            blur=NO_BLUR,
        ),
    ),
    "all-in-focus": (
        "sharp pictures of any origin, by their Laplacian",
        Criteria(least_sharpness=100.0, blur=NO_BLUR),
    ),
}


def reasons(facts: Facts, criteria: Criteria) -> list[str]:
    """Why a photograph is not kept; empty if it is."""
    if facts.problem is not None:
        return ["unreadable"]
    checks = {
        "no camera data": criteria.needs_camera and not facts.has_camera,
        "f-number unknown": _has_range(criteria) and facts.f_number is None,
        "f-number": not _is_in_range(facts.f_number, criteria),
        "phone": not criteria.phones and is_phone(facts.make, facts.model),
        "exposure time": _exceeds(facts.exposure_time_s, criteria.longest_exposure_s),
        "size": min(facts.width, facts.height) < criteria.least_px,
        "sharpness": _exceeds(criteria.least_sharpness, facts.sharpness),
        "blur": None not in (criteria.blur, facts.blur) and facts.blur != criteria.blur,
    }
    return [reason for reason, is_so in checks.items() if is_so]


def decided(all_facts: Sequence[Facts], criteria: Criteria) -> list[list[str]]:
    """Why each of the photographs is not kept; ranks those that are otherwise."""
    verdicts = [reasons(facts, criteria) for facts in all_facts]
    if criteria.sharpest is None:
        return verdicts
    kept = [index for index, verdict in enumerate(verdicts) if not verdict]
    # Of equally sharp ones the first.
    ranked = sorted(kept, key=lambda index: -(all_facts[index].sharpness or 0.0))
    for index in ranked[criteria.sharpest :]:
        verdicts[index].append("others are sharper")
    return verdicts


def _has_range(criteria: Criteria) -> bool:
    limits = (criteria.least_f_number, criteria.largest_f_number, criteria.below_f_number)
    return any(limit is not None for limit in limits)


def _is_in_range(f_number: float | None, criteria: Criteria) -> bool:
    if f_number is None:
        return True
    return not (
        _exceeds(criteria.least_f_number, f_number)
        or _exceeds(f_number, criteria.largest_f_number)
        or (criteria.below_f_number is not None and f_number >= criteria.below_f_number)
    )


def _exceeds(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
