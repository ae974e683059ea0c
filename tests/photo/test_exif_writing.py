"""Writing EXIF: the new focus, and all that the original holds."""

from __future__ import annotations

import math
import struct

import pytest
from focuspuller.errors import InputError
from focuspuller.photo.exif import read_camera_data
from focuspuller.photo.exif_tags import Tag
from focuspuller.photo.exif_writing import exif_with_new_focus
from PIL import ExifTags, Image

from .exif_entries import (
    INFINITE,
    LENS,
    LONG,
    directory,
    exif_bytes,
    loaded,
    rational,
    short,
    text,
)


class TestWriting:
    MAKER_NOTE = bytes(range(256)) * 4

    @pytest.fixture
    def original(self) -> bytes:
        exif = Image.Exif()
        exif[Tag.Make] = "Canon"
        exif[Tag.Artist] = "Jürgen".encode("latin-1")
        exif[Tag.Software] = "Camera 1.0"
        exif[Tag.Orientation] = 6
        exif[Tag.Compression] = 6
        exif[0x8769] = {
            Tag.FNumber: 5.6,
            Tag.ApertureValue: 4.97,
            Tag.FocalLength: 50.0,
            Tag.SubjectDistance: 3.0,
            Tag.SubjectDistanceRange: 2,
            Tag.MakerNote: self.MAKER_NOTE,
            0xA005: {1: "R98"},
        }
        exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
        return exif.tobytes()

    def test_the_new_focus_is_written(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, 2.0, 1.25)).get_ifd(0x8769)
        assert written[Tag.FNumber] == 2.0
        assert written[Tag.ApertureValue] == 2.0
        assert written[Tag.SubjectDistance] == 1.25
        assert Tag.SubjectDistanceRange not in written

    def test_everything_else_stays(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, 2.0, 1.25))
        assert written[Tag.Make] == "Canon"
        assert written[Tag.Artist] == "Jürgen"
        assert written[Tag.Software] == "Camera 1.0"
        assert written.get_ifd(0x8769)[Tag.FocalLength] == 50.0
        assert written.get_ifd(0x8769)[Tag.MakerNote] == self.MAKER_NOTE
        assert written.get_ifd(0xA005) == {1: "R98"}
        assert written.get_ifd(0x8825) == {1: "N", 2: (52.0, 31.0, 12.5)}

    def test_none_leaves_the_old_focus(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, None, None)).get_ifd(0x8769)
        assert written[Tag.FNumber] == 5.6
        assert written[Tag.SubjectDistance] == 3.0
        assert written[Tag.SubjectDistanceRange] == 2

    def test_the_pixels_are_upright_and_srgb(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, 2.0, 1.0))
        assert written[Tag.Orientation] == 1
        assert written.get_ifd(0x8769)[Tag.ColorSpace] == 1

    def test_the_thumbnail_and_how_the_old_file_was_stored_are_dropped(self) -> None:
        main = [short(Tag.Compression, 6), short(Tag.ImageWidth, 160)]
        with_thumbnail = bytearray(exif_bytes(LENS, main))
        end_of_main = 6 + 8 + 2 + 12 * 3
        thumbnail = directory(
            [(Tag.JpegIFOffset, LONG, 1, b"\0" * 4), (Tag.JpegIFByteCount, LONG, 1, b"\x09\0\0\0")],
            len(with_thumbnail) - 6,
        )
        with_thumbnail[end_of_main : end_of_main + 4] = struct.pack("<I", len(with_thumbnail) - 6)
        original = loaded(bytes(with_thumbnail) + thumbnail)
        assert original.get_ifd(ExifTags.IFD.IFD1)[Tag.JpegIFByteCount] == 9, (
            "the thumbnail is where it should be"
        )
        written = loaded(exif_with_new_focus(original, 2.0, 1.0))
        assert written.get_ifd(ExifTags.IFD.IFD1) == {}
        assert Tag.Compression not in written
        assert Tag.ImageWidth not in written

    def test_infinity_as_the_standard_writes_it(self) -> None:
        written = exif_with_new_focus(None, None, math.inf)
        distance = loaded(written).get_ifd(0x8769)[Tag.SubjectDistance]
        assert (distance.numerator, distance.denominator) == (INFINITE, 1)
        assert read_camera_data(loaded(written)).subject_distance_m == math.inf

    def test_a_lens_faster_than_f_1_has_no_aperture_value(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, 0.95, None)).get_ifd(0x8769)
        assert written[Tag.FNumber] == pytest.approx(0.95)
        assert Tag.ApertureValue not in written

    def test_a_new_size_keeps_the_sensor(self) -> None:
        original = exif_bytes(
            [
                *LENS,
                rational(Tag.FocalPlaneXResolution, 2540),
                rational(Tag.FocalPlaneYResolution, 2540),
                short(Tag.ExifImageWidth, 2220),
                short(Tag.ExifImageHeight, 1480),
            ]
        )
        written = loaded(exif_with_new_focus(original, None, None, size=(500, 750)))
        photo = written.get_ifd(0x8769)
        assert (photo[Tag.ExifImageWidth], photo[Tag.ExifImageHeight]) == (500, 750)
        assert read_camera_data(written).sensor_width_mm == pytest.approx(22.2)

    def test_a_resolution_of_unknown_pixels_does_not_survive_a_new_size(self) -> None:
        original = exif_bytes([rational(Tag.FocalPlaneXResolution, 2540)])
        written = loaded(exif_with_new_focus(original, None, None, size=(750, 500)))
        assert Tag.FocalPlaneXResolution not in written.get_ifd(0x8769)

    def test_values_that_cannot_be_written_are_left_out(self) -> None:
        original = exif_bytes(
            [rational(Tag.FocalLength, 50)],
            [text(Tag.Make, "Canon"), text(Tag.XResolution, "many")],
        )
        written = loaded(exif_with_new_focus(original, 2.0, None))
        assert written[Tag.Make] == "Canon"
        assert written.get_ifd(0x8769)[Tag.FocalLength] == 50.0
        assert Tag.XResolution not in written

    @pytest.mark.parametrize("original", [b"nonsense", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff"])
    def test_a_damaged_original_is_replaced(self, original: bytes) -> None:
        written = loaded(exif_with_new_focus(original, 2.0, 1.0))
        assert written.get_ifd(0x8769)[Tag.FNumber] == 2.0

    def test_nothing_to_write_is_nothing(self) -> None:
        assert exif_with_new_focus(None, None, None, size=(20, 10)) == b""

    def test_too_much_drops_the_largest_value(self) -> None:
        original = Image.Exif()
        original[Tag.Make] = "Canon"
        original[0x8769] = {Tag.MakerNote: bytes(60_000), Tag.UserComment: bytes(6_000)}
        written = exif_with_new_focus(original, 2.0, 1.0)
        assert len(written) <= 65_533
        photo = loaded(written).get_ifd(0x8769)
        assert Tag.MakerNote not in photo
        assert photo[Tag.UserComment] == bytes(6_000)

    def test_the_byte_order_stays_for_maker_notes_that_rely_on_it(self) -> None:
        assert exif_with_new_focus(exif_bytes(LENS), 2.0, None)[6:8] == b"II"

    @pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
    def test_impossible_values_are_refused(self, value: float) -> None:
        with pytest.raises(InputError, match="f_number"):
            exif_with_new_focus(None, value, None)
        with pytest.raises(InputError, match="subject_distance_m"):
            exif_with_new_focus(None, None, value)

    def test_an_infinite_f_number_is_refused(self) -> None:
        with pytest.raises(InputError, match="f_number"):
            exif_with_new_focus(None, math.inf, None)
