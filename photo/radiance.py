"""Radiance pictures (`.hdr`): linear light with 8 bits per colour and a common exponent.

The format is Radiance's picture file, as its documentation describes it: a header of text, a line
with the size and the order of the pixels, and scanlines of R, G, B, E, run-length coded or flat.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import FileError
from .files import read_file, replacing
from .primaries import REC_709, in_rec_709, xyz_to_rec_709

START_OF_RADIANCE = b"#?"

_SIZE = re.compile(rb"([+-])([XY]) +([0-9]{1,6}) +([+-])([XY]) +([0-9]{1,6})\s*\Z")
_RGB, _XYZ = b"32-bit_rle_rgbe", b"32-bit_rle_xyze"
# Exponents are stored with this added, and mantissas are 256ths.
_EXPONENT_BIAS = 128
_MANTISSA_BITS = 8
# Scanlines of such lengths may be coded in runs of each colour.
_LEAST_CODED, _MOST_CODED = 8, 32767
_LONGEST_LITERAL = 128


def read_radiance(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The picture in a Radiance file.

    Values are taken as stored: the exposure in the header, which tells how they came from physical
    units, is left alone. Other primaries, and CIE XYZ, are converted to those of sRGB.

    Returns:
        Linear light `[H,W,3]` float32, >= 0, upright, and problems in words.

    Raises:
        FileError: the file is missing, damaged, or not such a picture.
    """
    content = read_file(path)
    try:
        header, size, position = _header(content)
        light = _light(_oriented(_scanlines(content, position, size), size))
    except (ValueError, IndexError) as error:
        raise FileError(
            str(path), f"a damaged Radiance file ({error})", "Copy or export it again."
        ) from error
    problems = []
    if header.get(b"FORMAT", _RGB) == _XYZ:
        light = xyz_to_rec_709(light)
    elif b"PRIMARIES" in header:
        light = in_rec_709(light, header[b"PRIMARIES"].split())
    if (negative := int((light < 0).any(axis=-1).sum())) > 0:
        problems.append(f"Negative light in {negative} pixels is taken as none.")
    if abs(_number(header, b"PIXASPECT", 1.0) - 1.0) > 0.01:
        problems.append("The pixels are not square; the picture is shown squeezed, as stored.")
    return np.ascontiguousarray(light.clip(min=0.0), np.float32), tuple(problems)


def write_radiance(path: Path, light: np.ndarray) -> None:
    """Write linear light `[H,W,3]`, primaries of sRGB; each pixel to 1/256 of its brightest colour.

    The pixels are stored flat, which every reader takes.

    Raises:
        FileError: the file cannot be written.
    """
    height, width = light.shape[:2]
    primaries = " ".join(f"{number:g}" for number in REC_709)
    header = (
        f"#?RADIANCE\nFORMAT={_RGB.decode()}\nPRIMARIES={primaries}\n\n-Y {height} +X {width}\n"
    )
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(header.encode())
        file.write(_encoded(light).tobytes())


def _header(content: bytes) -> tuple[dict[bytes, bytes], re.Match[bytes], int]:
    """The variables, the line with the size, and where the pixels begin."""
    end = content.index(b"\n\n")
    lines = content[:end].split(b"\n")
    parts = (line.partition(b"=") for line in lines)
    header = {name.strip(): value.strip() for name, _, value in parts}
    if header.get(b"FORMAT", _RGB) not in (_RGB, _XYZ):
        raise ValueError(f"pixels of kind {header[b'FORMAT'].decode(errors='replace')}")
    size_end = content.index(b"\n", end + 2)
    size = _SIZE.match(content[end + 2 : size_end])
    if size is None or size[2] == size[5] or 0 in (int(size[3]), int(size[6])):
        raise ValueError("no size")
    return header, size, size_end + 1


def _scanlines(content: bytes, position: int, size: re.Match[bytes]) -> np.ndarray:
    """`[scanlines,length,4]` uint8 in the order of the file."""
    count, length = int(size[3]), int(size[6])
    rows = []
    for _ in range(count):
        start = content[position : position + 4]
        is_coded = start[:2] == b"\2\2" and start[2] < 128 and _LEAST_CODED <= length <= _MOST_CODED
        if is_coded:
            if int.from_bytes(start[2:], "big") != length:
                raise ValueError("a scanline of another length")
            row, position = _run_lengths(content, position + 4, length)
        else:
            row, position = _old_run_lengths(content, position, length)
        rows.append(row)
    return np.stack(rows)


def _run_lengths(content: bytes, position: int, length: int) -> tuple[np.ndarray, int]:
    """A scanline `[length,4]` whose colours are coded one after the other, and where it ends."""
    colors = bytearray()
    for end in range(length, 4 * length + 1, length):
        while len(colors) < end:
            code = content[position]
            if code > _LONGEST_LITERAL:
                colors += content[position + 1 : position + 2] * (code - _LONGEST_LITERAL)
                position += 2
            elif code > 0:
                colors += content[position + 1 : position + 1 + code]
                position += 1 + code
            else:
                raise ValueError("a run of no length")
        if len(colors) > end:
            raise ValueError("a run beyond its scanline")
    return np.frombuffer(bytes(colors), np.uint8).reshape(4, length).T, position


def _old_run_lengths(content: bytes, position: int, length: int) -> tuple[np.ndarray, int]:
    """A scanline `[length,4]` of pixels, some of which tell how often the one before is repeated.

    Such have 1, 1, 1 as colours. Several in a row are the digits of one number to the base 256.
    """
    if len(content) >= position + 4 * length:
        flat = np.frombuffer(content, np.uint8, 4 * length, position).reshape(length, 4)
        if not (flat[:, :3] == 1).all(axis=1).any():
            return flat, position + 4 * length
    row, digit = bytearray(), 0
    while len(row) < 4 * length:
        pixel = content[position : position + 4]
        position += 4
        is_run = pixel[:3] == b"\1\1\1"
        count = pixel[3] << (8 * digit) if is_run else 1
        if len(pixel) < 4 or (is_run and not row) or len(row) + 4 * count > 4 * length:
            raise ValueError("a run beyond its scanline")
        row += (row[-4:] if is_run else pixel) * count
        digit = digit + 1 if is_run else 0
    return np.frombuffer(bytes(row), np.uint8).reshape(length, 4), position


def _oriented(pixels: np.ndarray, size: re.Match[bytes]) -> np.ndarray:
    """Rows from the top, columns from the left: `-Y height +X width` is stored so."""
    signs = {size[2]: size[1], size[5]: size[4]}
    if size[2] == b"X":
        pixels = pixels.swapaxes(0, 1)
    if signs[b"Y"] == b"+":
        pixels = pixels[::-1]
    return pixels[:, ::-1] if signs[b"X"] == b"-" else pixels


def _light(pixels: np.ndarray) -> np.ndarray:
    exponent = pixels[..., 3:].astype(np.int32) - (_EXPONENT_BIAS + _MANTISSA_BITS)
    light = np.ldexp(pixels[..., :3].astype(np.float32), exponent)
    return np.where(pixels[..., 3:] > 0, light, np.float32(0.0))


def _encoded(light: np.ndarray) -> np.ndarray:
    """`[H,W,4]` uint8."""
    light = np.asarray(light, np.float64).clip(0.0, np.ldexp(255 / 256, 255 - _EXPONENT_BIAS))
    largest = light.max(axis=-1, keepdims=True)
    # The brightest colour may not round up to 256.
    _, exponent = np.frexp(largest * (256 / 255.5))
    mantissas = np.ldexp(light, _MANTISSA_BITS - exponent).round().clip(max=255)
    is_lit = (largest > 0) & (exponent + _EXPONENT_BIAS > 0)
    pixels = np.concatenate([mantissas, exponent + _EXPONENT_BIAS], axis=-1)
    return np.where(is_lit, pixels, 0).astype(np.uint8)


def _number(header: dict[bytes, bytes], name: bytes, default: float) -> float:
    try:
        return float(header.get(name, default))
    except ValueError:
        return default
