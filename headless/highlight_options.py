"""The recovery of highlights on the command line."""

from __future__ import annotations

import argparse

from ..errors import InputError
from ..lens.highlights import Highlights


def add_highlight_options(parser: argparse.ArgumentParser) -> None:
    """Add how much light clipped pixels are given."""
    group = parser.add_argument_group("highlights (default: as they are)")
    group.add_argument(
        "--highlights",
        metavar="STOPS",
        type=float,
        help="take clipped lights to be so much brighter than white that they become bright discs; "
        "3 is a good start. A JPEG gets them rolled off softly, an EXR keeps all of their light",
    )
    group.add_argument(
        "--highlight-threshold",
        metavar="V",
        type=float,
        help="brightness from which on a pixel counts as clipped in part, 0..1 (default: "
        f"{Highlights.threshold:g})",
    )
    group.add_argument(
        "--halo-color",
        metavar="SHARE",
        type=float,
        help="how much of the light takes the colour of its halo, 0..1 (default: 0)",
    )


def highlights_from(options: argparse.Namespace) -> Highlights | None:
    """How highlights are recovered; None leaves them as they are.

    Raises:
        InputError: details without strength.
    """
    details = {"threshold": options.highlight_threshold, "halo_color": options.halo_color}
    given = {name: value for name, value in details.items() if value is not None}
    if options.highlights is None:
        if given:
            advice = "Give --highlights STOPS, too, such as 3."
            raise InputError("--highlights", "only details of how to recover them", advice)
        return None
    return Highlights(options.highlights, **given)
