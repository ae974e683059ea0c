"""What several tests of photo files share: pictures whose every corner is different, ICC, HEIC."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MIDDLE_GREY = 128


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Pixels to the bytes of a file: `encode(pixels, "JPEG", exif=...)`."""

    def encode_pixels(pixels: np.ndarray, format_name: str, **options: object) -> bytes:
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, format_name, **options)
        return buffer.getvalue()

    return encode_pixels


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_image(image: Image.Image, name: str, **options: object) -> Path:
        path = tmp_path / name
        image.save(path, **options)
        return path

    return write_image


@pytest.fixture
def flat_jpeg(encode: Callable[..., bytes]) -> bytes:
    return encode(np.full((48, 64, 3), MIDDLE_GREY, np.uint8), "JPEG")


@pytest.fixture
def corners() -> np.ndarray:
    """`[48,64,3]` uint8 with another colour in every quarter, so that no turn goes unnoticed."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32] = (250, 10, 10)
    pixels[:24, 32:] = (10, 250, 10)
    pixels[24:, :32] = (10, 10, 250)
    pixels[24:, 32:] = (250, 250, 10)
    return pixels


@pytest.fixture
def png_with_16_bits() -> Callable[[np.ndarray], bytes]:
    """A PNG of `[H,W,3]` or `[H,W,4]` uint16, which Pillow cannot write."""
    return _png_with_16_bits


def _png_with_16_bits(pixels: np.ndarray) -> bytes:

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.fixture
def tiff_with_16_bits() -> Callable[..., bytes]:
    """A TIFF of `[H,W,3]` uint16 in byte order "<" or ">", which Pillow cannot write."""
    return _tiff_with_16_bits


def _tiff_with_16_bits(pixels: np.ndarray, order: str, profile: bytes = b"") -> bytes:
    height, width, _ = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    bits = struct.pack(f"{order}3H", 16, 16, 16)
    bits_at = 8 + len(data)
    short, long, undefined = 3, 4, 7
    tags = [
        *[(256, long, 1, width), (257, long, 1, height), (258, short, 3, bits_at)],
        *[(259, short, 1, 1), (262, short, 1, 2), (273, long, 1, 8), (277, short, 1, 3)],
        *[(278, long, 1, height), (279, long, 1, len(data))],
        *([(34675, undefined, len(profile), bits_at + len(bits))] if profile else []),
    ]
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        is_inline_short = kind == short and count == 1
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        directory += struct.pack(
            f"{order}HH" if is_inline_short else f"{order}I", value, *[0] * is_inline_short
        )
    directory += struct.pack(f"{order}I", 0)
    magic = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}H", 42)
    start = struct.pack(f"{order}I", bits_at + len(bits) + len(profile))
    return magic + start + data + bits + profile + directory


@pytest.fixture
def icc_profile() -> Callable[[np.ndarray], bytes]:
    """A minimal ICC profile with sRGB's curve from the XYZ (D50) of its primaries, one per row."""
    return _icc_profile


def _icc_profile(primaries: np.ndarray) -> bytes:
    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    text = "test".encode("utf-16-be")
    description = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28)
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0)
    for parameter in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045):
        curve += struct.pack(">i", round(parameter * 65536))
    white = np.array([0.9642, 1.0, 0.8249])
    contents = {
        b"desc": description + text,
        b"cprt": description + text,
        b"wtpt": xyz(white),
        **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, primaries), strict=True)),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, data = struct.pack(">I", len(contents)), b""
    start = 128 + 4 + 12 * len(contents)
    for name, content in contents.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI", start + len(data), b"\0" * 4, 0x04000000) + b"mntrRGB XYZ "
    header = header.ljust(36, b"\0") + b"acsp"
    header = header.ljust(68, b"\0") + xyz(white)[8:]
    return header.ljust(128, b"\0") + table + data


@pytest.fixture
def heic_with_depth() -> Callable[..., bytes]:
    """A HEIC photo with an auxiliary depth image, which no encoder for Python can write."""
    pytest.importorskip("pillow_heif", reason="HEIC needs the extra focuspuller[heif]")
    return _heic_with_depth


def _heic_with_depth(
    photo: np.ndarray,
    depth: np.ndarray,
    representation: bytes = b"",
    depth_quarter_turns: int = 0,
    exif: bytes | None = None,
) -> bytes:
    """Let pillow-heif write two pictures, then declare the second the depth of the first.

    Args:
        photo: `[H,W,3]` uint8.
        depth: `[h,w]` uint8.
        representation: an SEI message that says what the depth values mean.
        depth_quarter_turns: to the left, as the box `irot` of the depth.
        exif: of the photo. pillow-heif writes its orientation as a box of the photo.
    """
    import pillow_heif

    pictures = pillow_heif.from_pillow(Image.fromarray(photo))
    if exif is not None:
        pictures.info["exif"] = exif
    pictures.add_from_pillow(Image.fromarray(depth))
    buffer = BytesIO()
    pictures.save(buffer, quality=-1)
    ftyp, meta, mdat = _boxes(buffer.getvalue())
    old_size = len(meta[1])

    children = dict(_boxes(meta[1][4:]))
    item_ids = _item_ids(children[b"iinf"])
    auxiliary = b"\0" * 4 + b"urn:mpeg:hevc:2015:auxid:2\0" + representation
    added = _box(b"auxC", auxiliary) + _box(b"irot", bytes([depth_quarter_turns]))
    children[b"iprp"] = _with_properties(children[b"iprp"], added, item_ids[1])
    reference = _box(b"auxl", struct.pack(">HHH", item_ids[1], 1, item_ids[0]))
    old_references = children.get(b"iref", b"\0" * 4)
    children[b"iref"] = old_references + reference

    def packed() -> bytes:
        return meta[1][:4] + b"".join(_box(name, content) for name, content in children.items())

    children[b"iloc"] = _moved(children[b"iloc"], len(packed()) - old_size)
    return _box(*ftyp) + _box(b"meta", packed()) + _box(*mdat)


def _boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    boxes, start = [], 0
    while start < len(content):
        size, name = struct.unpack_from(">I4s", content, start)
        boxes.append((name, content[start + 8 : start + size]))
        start += size
    return boxes


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def _item_ids(iinf: bytes) -> list[int]:
    """Of the coded pictures, in the order in which they were added."""
    entries = [content for _, content in _boxes(iinf[6:])]
    return [struct.unpack_from(">H", e, 4)[0] for e in entries if e[8:12] == b"hvc1"]


def _with_properties(iprp: bytes, added: bytes, item_id: int) -> bytes:
    """Two more properties for one item."""
    (_, ipco), (_, ipma) = _boxes(iprp)
    first = len(_boxes(ipco)) + 1
    count, position = struct.unpack_from(">I", ipma, 4)[0], 8
    associations = ipma[:8]
    for _ in range(count):
        item, number = struct.unpack_from(">HB", ipma, position)
        indices = ipma[position + 3 : position + 3 + number]
        position += 3 + number
        if item == item_id:
            indices += bytes([first, first + 1])
        associations += struct.pack(">HB", item, len(indices)) + indices
    return _box(b"ipco", ipco + added) + _box(b"ipma", associations)


def _moved(iloc: bytes, distance: int) -> bytes:
    """Locations in a file of which `distance` more bytes lie in front."""
    assert iloc[:6] == b"\0\0\0\0\x44\x40", "the form of the box that libheif writes"
    moved, position = iloc[:8], 8
    for _ in range(struct.unpack_from(">H", iloc, 6)[0]):
        item, reference, base, extents, start, length = struct.unpack_from(
            ">HHIHII", iloc, position
        )
        assert extents == 1
        start += distance
        moved += struct.pack(">HHIHII", item, reference, base, extents, start, length)
        position += 18
    return moved


@pytest.fixture
def depth_representation() -> Callable[..., bytes]:
    """The SEI message that says what HEIC depth values mean (ITU-T H.265, G.14.2.3)."""
    return _depth_representation


def _depth_representation(
    kind: int,
    z_near: float | None = None,
    z_far: float | None = None,
    d_min: float | None = None,
    d_max: float | None = None,
) -> bytes:
    values = (z_near, z_far, d_min, d_max)
    bits = "".join("01"[value is not None] for value in values) + _exponential_golomb(kind)
    if d_min is not None or d_max is not None:
        bits += _exponential_golomb(0)  # the reference view
    bits += "".join(_float_element(value) for value in values if value is not None)
    bits = (bits + "1").ljust(-(-(len(bits) + 1) // 8) * 8, "0")
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    unit = struct.pack(">BBBB", 39 << 1, 1, 177, len(payload)) + payload + b"\x80"
    unit = struct.pack(">I", len(unit)) + unit
    return struct.pack(">I", len(unit)) + unit


def _exponential_golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _float_element(value: float) -> str:
    """Sign, exponent, mantissa with its length: value = 2^(e-31) (1 + m/2^v)."""
    mantissa, exponent = np.frexp(value)
    fraction = round((2 * float(mantissa) - 1) * 2**24)
    return f"0{exponent - 1 + 31:07b}{24 - 1:05b}{fraction:024b}"


@pytest.fixture
def shared_exif() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "data" / "exif"
    if not folder.is_dir():
        pytest.skip(f"no camera photos at {folder}")
    return folder
