"""Walking through the segments of JPEG files, which come in more forms than one writer's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from focuspuller.photo.jpeg import app1, end_of_image, segments, with_metadata

EXIF = app1(b"Exif\0\0II*\0")
XMP = app1(b"http://ns.adobe.com/xap/1.0/\0<x/>")


def names(jpeg: bytes) -> list[tuple[int, bytes]]:
    return [(segment.marker, segment.payload[:4]) for segment in segments(jpeg)]


def test_fill_bytes_in_front_of_a_marker_are_skipped(flat_jpeg: bytes) -> None:
    filled = flat_jpeg[:2] + b"\xff\xff\xff" + flat_jpeg[2:]
    assert names(filled) == names(flat_jpeg)
    assert end_of_image(filled) == len(filled)


def test_the_end_of_a_photo_with_restart_markers(encode: Callable[..., bytes]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    jpeg = encode(noise, "JPEG", restart_marker_rows=1)
    assert b"\xff\xd2" in jpeg, "the picture is meant to have restart markers"
    assert end_of_image(jpeg + b"more") == len(jpeg)


def test_an_end_marker_in_a_thumbnail_is_not_the_end(flat_jpeg: bytes) -> None:
    jpeg = flat_jpeg[:2] + app1(b"Exif\0\0" + flat_jpeg) + flat_jpeg[2:]
    assert end_of_image(jpeg) == len(jpeg)


def test_a_cut_photo_has_no_end(flat_jpeg: bytes) -> None:
    assert end_of_image(flat_jpeg[:-2]) is None


def test_a_cut_segment_ends_the_walk(flat_jpeg: bytes) -> None:
    whole = names(flat_jpeg)
    second = list(segments(flat_jpeg))[1]
    assert names(flat_jpeg[: second.end - 1]) == whole[:1]
    assert names(flat_jpeg[: second.start] + b"no marker") == whole[:1]


def test_new_metadata_comes_behind_jfif_and_exif(flat_jpeg: bytes) -> None:
    start = next(segments(flat_jpeg)).end
    jpeg = flat_jpeg[:start] + EXIF + flat_jpeg[start:]
    written = with_metadata(jpeg, XMP, replaces=lambda segment: False)
    assert written == flat_jpeg[:start] + EXIF + XMP + flat_jpeg[start:]


def test_replaced_metadata_is_left_out(flat_jpeg: bytes) -> None:
    old = with_metadata(flat_jpeg, XMP, replaces=lambda segment: False)
    new = with_metadata(old, EXIF, replaces=lambda segment: segment.payload.startswith(b"http"))
    assert new == with_metadata(flat_jpeg, EXIF, replaces=lambda segment: False)
