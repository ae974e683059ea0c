"""Sequences of image files: finding the frames of a shot, naming those of the result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import FileError, InputError

_NUMBER = re.compile(r"%0?(\d*)d")
_DIGITS = re.compile(r"(\d+)")


def frames_text(count: int) -> str:
    """How many frames, in words: "1 frame" or "24 frames"."""
    return "1 frame" if count == 1 else f"{count} frames"


def is_pattern(path: Path) -> bool:
    """Whether a path stands for several files: `shot_%04d.png`, `shot_*.png`, or a folder."""
    return path.is_dir() or (not path.exists() and (has_number(path) or _has_wildcard(path)))


def has_number(path: Path) -> bool:
    """Whether a name holds the place of a frame's number, such as `%04d`."""
    return _NUMBER.search(path.name) is not None


def find_frames(pattern: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files that a folder or pattern stands for, in the order of their numbers.

    Args:
        pattern: a folder, or a name with `%d` (`%04d`) or with `*`, `?` and `[…]`.
        suffixes: what files of a folder may end in, in lower case.

    Raises:
        FileError: there are none.
    """
    if pattern.is_dir():
        found = [path for path in pattern.iterdir() if path.suffix.lower() in suffixes]
    elif has_number(pattern):
        wanted = _numbered(pattern.name)
        folder = pattern.parent
        files = folder.iterdir() if folder.is_dir() else ()
        found = [path for path in files if wanted.fullmatch(path.name)]
    else:
        found = list(pattern.parent.glob(pattern.name))
    # What programs hide in a folder are no frames.
    frames = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not frames:
        advice = f"Give a folder with files in {', '.join(suffixes)}, or a pattern of their names."
        raise FileError(str(pattern), "a place without frames", advice)
    return sorted(frames, key=_reading_order)


def frame_path(pattern: Path, source: Path | None, index: int, suffixes: Sequence[str]) -> Path:
    """Where the result of a frame goes.

    Args:
        pattern: a name with `%d`, which is the number in the source's name, else counted from 1; or
            a folder, in which the result is called as its source.
        source: the frame's file, if it has one.
        index: of the frame, from 0.
        suffixes: that can be written; a source with another becomes a PNG.
    """
    if has_number(pattern):
        number = _number_in(source, index)
        name = _NUMBER.sub(lambda match: f"{number:0{int(match[1] or 1)}d}", pattern.name)
        return pattern.with_name(name)
    if source is None:
        return pattern / f"frame_{index + 1:05d}.png"
    suffix = source.suffix if source.suffix.lower() in suffixes else ".png"
    return pattern / f"{source.stem}{suffix}"


def check_distinct(paths: Sequence[Path]) -> None:
    """Refuse results of which one would replace another.

    Raises:
        InputError: two have the same name.
    """
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            advice = "Number the results: name them like out/frame_%04d.png."
            raise InputError("--out", f"{path} for more than one frame", advice)
        seen.add(path)


def _has_wildcard(path: Path) -> bool:
    return any(character in path.name for character in "*?[")


def _numbered(name: str) -> re.Pattern[str]:
    before, after = (re.escape(part) for part in (_NUMBER.split(name)[0], _NUMBER.split(name)[-1]))
    digits = _NUMBER.search(name)
    assert digits is not None
    return re.compile(rf"{before}\d{{{int(digits[1] or 1)},}}{after}")


def _number_in(source: Path | None, index: int) -> int:
    digits = _DIGITS.findall(source.stem) if source else []
    return int(digits[-1]) if digits else index + 1


def _reading_order(path: Path) -> list[tuple[int, str]]:
    """Numbers by value, so that frame 10 comes after frame 9."""
    parts = _DIGITS.split(path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
