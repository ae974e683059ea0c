"""The lens on the command line: which one, with what options."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lens.drbokeh import DrBokehOptions
from ..lens.render import DEFAULT_LENS, LENSES, Lens
from ..models.bokehdiff.handle import BOKEHDIFF_KIND, bokehdiff_lens
from ..models.bokehme.handle import bokehme_lens
from ..photo.photo import load_photo
from .aperture_options import add_aperture_options, grey
from .settings import BOOLEANS

# Options that are files: networks, and Dr.Bokeh's pictures.
LENS_FILES = {
    "bokehme": ("arnet", "iunet"),
    "drbokeh": ("foreground", "background"),
    "bokehdiff": ("weights", "base"),
}
# Lenses that are nothing without a network, beside those of `LENSES`.
NETWORK_LENSES = {"bokehdiff": BOKEHDIFF_KIND}
ALL_LENSES = LENSES | NETWORK_LENSES
# Options that only Python can give.
NO_TEXT = {"scene", "memory"}


def add_lens_options(parser: argparse.ArgumentParser) -> None:
    """Add the lens with its options and its aperture."""
    group = parser.add_argument_group("lens")
    group.add_argument(
        "--lens",
        choices=ALL_LENSES,
        default=DEFAULT_LENS,
        help="; ".join(f"{name}: {kind.summary}" for name, kind in ALL_LENSES.items()),
    )
    group.add_argument(
        "--lens-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="option of the lens, such as gamma=4, weighting=energy or layers=2; for BokehMe's "
        "networks arnet=FILE and iunet=FILE; for Dr.Bokeh foreground=FILE (a mask) and "
        "background=FILE (the picture without it); for BokehDiff weights=FOLDER and base=FILE or "
        "FOLDER (an SDXL checkpoint), unless they are where models are kept; may be repeated",
    )
    add_aperture_options(group)
    group.add_argument("--device", help="where to render, such as cpu or cuda:1")


def lens_from(options: argparse.Namespace) -> Lens:
    """The lens that the options choose.

    Raises:
        InputError: it has no such option.
    """
    kind = ALL_LENSES[options.lens].options
    names_of_files = LENS_FILES.get(options.lens, ())
    types = {
        field.name: str(field.type)
        for field in dataclasses.fields(kind)
        if field.name not in (*names_of_files, *NO_TEXT)
    }
    chosen: dict[str, Any] = {}
    files: dict[str, str] = {}
    for text in options.lens_option:
        name, separator, value = text.partition("=")
        if not separator or name not in (*types, *names_of_files):
            known = ", ".join([*types, *names_of_files]) or "none"
            raise InputError("--lens-option", repr(text), f"Options of {options.lens}: {known}.")
        if name in names_of_files:
            files[name] = value
        else:
            chosen[name] = _option(name, value, types[name])
    if options.lens == "bokehme":
        return bokehme_lens(kind(**chosen), **files)
    if options.lens == "drbokeh":
        return _drbokeh_lens(chosen, files, options.linear)
    if options.lens == "bokehdiff":
        return bokehdiff_lens(**files, **chosen)
    return Lens(options.lens, kind(**chosen))


def files_of_lens(options: argparse.Namespace) -> list[Path]:
    """The files among the options of the lens."""
    named = (text.partition("=") for text in options.lens_option)
    files = LENS_FILES.get(options.lens, ())
    return [Path(value) for name, _, value in named if name in files]


def _drbokeh_lens(chosen: dict[str, Any], files: dict[str, str], linear: bool) -> Lens:
    mask = grey(Path(files["foreground"])) if "foreground" in files else None
    plate = load_photo(Path(files["background"])) if "background" in files else None
    if plate is not None:
        chosen.setdefault("linear", linear and not plate.is_hdr)
    picture = None if plate is None else plate.image
    return Lens("drbokeh", DrBokehOptions.from_arrays(mask, picture, **chosen))


def _option(name: str, text: str, kind: str) -> float | bool | str:
    """The value that `text` means for an option of this type."""
    if kind.startswith("bool"):
        if text.lower() not in BOOLEANS:
            raise InputError("--lens-option", repr(f"{name}={text}"), f"Give {name}=on or off.")
        return BOOLEANS[text.lower()]
    value = _number_or_text(text)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and kind.startswith(("float", "int")):
        raise InputError("--lens-option", repr(f"{name}={text}"), f"Give a number for {name}.")
    return value


def _number_or_text(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
