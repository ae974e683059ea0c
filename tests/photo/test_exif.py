"""Reading camera data: every source, and everything that a file can get wrong."""

from __future__ import annotations

import math
import struct
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from focuspuller.errors import InputError
from focuspuller.lens.optics import Camera
from focuspuller.photo import camera_database
from focuspuller.photo.exif import CameraData, camera_from, read_camera_data
from focuspuller.photo.exif_tags import Tag, exif_of
from focuspuller.photo.exif_writing import exif_with_new_focus
from focuspuller.photo.photo import load_photo
from PIL import ExifTags, Image

# An EXIF entry: tag, type, number of values, their bytes. Written by hand, as Pillow refuses to
# write most of what broken files hold.
Entry = tuple[int, int, int, bytes]
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_RATIONAL, FLOAT = 2, 3, 4, 5, 7, 10, 11
INFINITE = 0xFFFFFFFF


def text(tag: int, value: str) -> Entry:
    return tag, ASCII, len(value) + 1, value.encode("latin-1") + b"\0"


def short(tag: int, value: int) -> Entry:
    return tag, SHORT, 1, struct.pack("<H", value)


def rational(tag: int, numerator: int, denominator: int = 1) -> Entry:
    return tag, RATIONAL, 1, struct.pack("<II", numerator, denominator)


def floating(tag: int, value: float) -> Entry:
    return tag, FLOAT, 1, struct.pack("<f", value)


def exif_bytes(photo: list[Entry], main: list[Entry] | None = None) -> bytes:
    main = [*(main or []), (0x8769, LONG, 1, b"\0" * 4)]
    photo_start = 8 + _size(main)
    main[-1] = (0x8769, LONG, 1, struct.pack("<I", photo_start))
    return b"Exif\0\0II*\0\x08\0\0\0" + _directory(main, 8) + _directory(photo, photo_start)


def _directory(entries: list[Entry], start: int) -> bytes:
    table, data = struct.pack("<H", len(entries)), b""
    data_start = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        table += struct.pack("<HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", data_start + len(data))
            data += value
    return table + b"\0" * 4 + data


def _size(entries: list[Entry]) -> int:
    return len(_directory(entries, 0))


def read(
    photo: list[Entry], main: list[Entry] | None = None, size: tuple[int, int] = (60, 40)
) -> CameraData:
    """Camera data of a small JPEG with these EXIF entries."""
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, "JPEG", exif=exif_bytes(photo, main))
    image = Image.open(buffer)
    return read_camera_data(image.getexif(), image.size)


def loaded(exif: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(exif)
    return tags


CANON_40D = [text(Tag.Make, "Canon"), text(Tag.Model, "Canon EOS 40D")]
LENS = [rational(Tag.FocalLength, 50), rational(Tag.FNumber, 18, 10)]


class TestReadingGoodData:
    def test_every_field_of_a_full_frame_photo(self) -> None:
        data = read(
            [
                *LENS,
                short(Tag.FocalLengthIn35mmFilm, 75),
                rational(Tag.SubjectDistance, 235, 100),
                rational(Tag.ExposureTime, 1, 250),
            ],
            main=[text(Tag.Make, "Maker "), text(Tag.Model, "Model 1"), short(Tag.Orientation, 6)],
        )
        assert data == CameraData(
            make="Maker",
            model="Model 1",
            focal_length_mm=50.0,
            equivalent_focal_length_mm=75.0,
            f_number=1.8,
            sensor_width_mm=pytest.approx(24.0),
            sensor_width_source="35 mm equivalent",
            subject_distance_m=2.35,
            exposure_time_s=1 / 250,
            orientation=6,
            problems=(),
        )
        assert data.missing == ""
        assert camera_from(data) == Camera(50.0, 1.8, 24.0)

    def test_no_exif_is_a_clear_state_and_no_problem(self) -> None:
        data = read_camera_data(Image.Exif())
        assert data == CameraData()
        assert camera_from(data) is None
        assert data.missing == (
            "The photo does not tell the focal length, the f-number and the sensor width."
        )

    @pytest.mark.parametrize(
        ("known", "missing"),
        [
            (
                {"focal_length_mm": 50.0, "f_number": 2.0},
                "The photo does not tell the sensor width.",
            ),
            (
                {"sensor_width_mm": 36.0},
                "The photo does not tell the focal length and the f-number.",
            ),
        ],
    )
    def test_says_what_a_camera_lacks(self, known: dict[str, float], missing: str) -> None:
        data = CameraData(**known)  # pyright: ignore[reportArgumentType]
        assert data.missing == missing
        assert camera_from(data) is None

    def test_the_aperture_value_stands_in_for_the_f_number(self) -> None:
        assert read([rational(Tag.ApertureValue, 3)]).f_number == pytest.approx(2 * math.sqrt(2))

    def test_the_shutter_speed_stands_in_for_the_exposure_time(self) -> None:
        assert read([rational(Tag.ShutterSpeedValue, 3)]).exposure_time_s == 1 / 8
        assert read([rational(Tag.ShutterSpeedValue, 99)]).exposure_time_s is None

    def test_the_f_number_comes_before_the_aperture_value(self) -> None:
        data = read([rational(Tag.FNumber, 4), rational(Tag.ApertureValue, 3)])
        assert data.f_number == 4.0

    @pytest.mark.parametrize("denominator", [0, 1])
    def test_the_largest_numerator_is_infinitely_far(self, denominator: int) -> None:
        data = read([rational(Tag.SubjectDistance, INFINITE, denominator)])
        assert data.subject_distance_m == math.inf
        assert data.problems == ()

    @pytest.mark.parametrize(
        "tag", [Tag.SubjectDistance, Tag.FocalLengthIn35mmFilm, Tag.DigitalZoomRatio]
    )
    def test_zero_means_unknown_where_exif_says_so(self, tag: int) -> None:
        data = read([rational(tag, 0)])
        assert data == CameraData()


class TestSensorWidth:
    @pytest.fixture(autouse=True)
    def without_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(camera_database, "_database", lambda: None)

    @pytest.mark.parametrize(
        ("unit", "pixels_per_unit"),
        [(2, 2540), (3, 1000), (4, 100), (None, 2540)],
    )
    def test_focal_plane_resolution_in_every_unit(
        self, unit: int | None, pixels_per_unit: int
    ) -> None:
        entries = [rational(Tag.FocalPlaneXResolution, pixels_per_unit)]
        if unit is not None:
            entries.append(short(Tag.FocalPlaneResolutionUnit, unit))
        data = read([*entries, short(Tag.ExifImageWidth, 2220), short(Tag.ExifImageHeight, 1480)])
        assert data.sensor_width_mm == pytest.approx(22.2)
        assert data.sensor_width_source == "focal-plane resolution"

    def test_focal_plane_resolution_in_micrometres(self) -> None:
        data = read(
            [
                rational(Tag.FocalPlaneXResolution, 1, 10),
                short(Tag.FocalPlaneResolutionUnit, 5),
                short(Tag.ExifImageWidth, 2220),
            ]
        )
        assert data.sensor_width_mm == pytest.approx(22.2)

    def test_the_width_is_the_long_side_of_an_upright_picture(self) -> None:
        data = read(
            [
                rational(Tag.FocalPlaneXResolution, 2540),
                short(Tag.ExifImageWidth, 1480),
                short(Tag.ExifImageHeight, 2220),
            ]
        )
        assert data.sensor_width_mm == pytest.approx(22.2)

    def test_the_size_of_the_file_stands_in_for_the_original_size(self) -> None:
        data = read([rational(Tag.FocalPlaneXResolution, 254)], size=(200, 100))
        assert data.sensor_width_mm == pytest.approx(20.0)

    def test_the_original_size_comes_before_that_of_the_file(self) -> None:
        data = read(
            [rational(Tag.FocalPlaneXResolution, 254), short(Tag.ExifImageWidth, 300)],
            size=(200, 100),
        )
        assert data.sensor_width_mm == pytest.approx(30.0)

    def test_the_35_mm_equivalent_wins(self) -> None:
        data = read(
            [
                *LENS,
                short(Tag.FocalLengthIn35mmFilm, 75),
                rational(Tag.FocalPlaneXResolution, 2540),
                short(Tag.ExifImageWidth, 2220),
            ]
        )
        assert data.sensor_width_source == "35 mm equivalent"
        assert data.sensor_width_mm == pytest.approx(24.0)

    def test_an_impossible_source_is_said_and_the_next_is_used(self) -> None:
        data = read(
            [
                *LENS,
                short(Tag.FocalLengthIn35mmFilm, 5),
                rational(Tag.FocalPlaneXResolution, 2540),
                short(Tag.ExifImageWidth, 2220),
            ]
        )
        assert data.sensor_width_source == "focal-plane resolution"
        assert data.problems == ("The 35 mm equivalent would make the sensor 360 mm wide.",)

    @pytest.mark.parametrize(
        ("pixels", "is_possible"), [(99, False), (101, True), (11_990, True), (12_010, False)]
    )
    def test_limits_of_the_width(self, pixels: int, is_possible: bool) -> None:
        data = read([rational(Tag.FocalPlaneXResolution, 2540), short(Tag.ExifImageWidth, pixels)])
        assert (data.sensor_width_mm is not None) == is_possible
        assert (data.sensor_width_source is not None) == is_possible
        assert bool(data.problems) != is_possible

    def test_the_focal_plane_resolution_is_not_used_with_digital_zoom(self) -> None:
        entries = [rational(Tag.FocalPlaneXResolution, 2540), short(Tag.ExifImageWidth, 2220)]
        assert read([*entries, rational(Tag.DigitalZoomRatio, 1)]).sensor_width_mm is not None
        assert read([*entries, rational(Tag.DigitalZoomRatio, 2)]).sensor_width_mm is None

    def test_an_unknown_unit_is_said(self) -> None:
        data = read(
            [rational(Tag.FocalPlaneXResolution, 2540), short(Tag.FocalPlaneResolutionUnit, 9)]
        )
        assert data.sensor_width_mm is None
        assert data.problems == ("The focal-plane resolution has no known unit: 9.",)


class TestCameraDatabase:
    @pytest.fixture(autouse=True)
    def with_database(self) -> None:
        pytest.importorskip("lensfunpy", reason="needs the extra focuspuller[cameras]")

    def test_knows_the_sensor_of_a_model(self) -> None:
        data = read(LENS, CANON_40D)
        assert data.sensor_width_source == "camera database"
        assert data.sensor_width_mm == pytest.approx(22.2, abs=0.05)

    def test_digital_zoom_shows_a_part_of_the_sensor(self) -> None:
        data = read([*LENS, rational(Tag.DigitalZoomRatio, 2)], CANON_40D)
        assert data.sensor_width_mm == pytest.approx(11.1, abs=0.03)

    def test_comes_before_the_focal_plane_resolution(self) -> None:
        # As a program that halves the picture leaves it behind.
        halved = [rational(Tag.FocalPlaneXResolution, 2540), short(Tag.ExifImageWidth, 1110)]
        assert read([*LENS, *halved], CANON_40D).sensor_width_mm == pytest.approx(22.2, abs=0.05)

    def test_a_model_with_several_sensor_formats_stays_unknown(self) -> None:
        assert camera_database.crop_factor("Panasonic", "DMC-LX3") is None

    @pytest.mark.parametrize(
        ("make", "model"), [("", ""), ("Canon", ""), ("Canon", "No such camera"), ("\n", "é<&")]
    )
    def test_unknown_cameras_stay_unknown(self, make: str, model: str) -> None:
        assert camera_database.crop_factor(make, model) is None

    def test_without_lensfunpy_the_next_source_is_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "lensfunpy", None)
        camera_database._database.cache_clear()
        try:
            assert read(LENS, CANON_40D).sensor_width_mm is None
        finally:
            camera_database._database.cache_clear()


class TestReadingBadData:
    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            (rational(Tag.FocalLength, 0), "The focal length is no number above zero: 0/1."),
            (rational(Tag.FocalLength, 50, 0), "The focal length is no number above zero: 50/0."),
            (rational(Tag.FNumber, 0), "The f-number is no number above zero: 0/1."),
            (rational(Tag.FNumber, 0, 0), "The f-number is no number above zero: 0/0."),
            (floating(Tag.FNumber, math.nan), "The f-number is no number above zero: nan."),
            (floating(Tag.FNumber, math.inf), "The f-number is no number above zero: inf."),
            (floating(Tag.FNumber, -2.0), "The f-number is no number above zero: -2.0."),
            (text(Tag.FNumber, "f/1.8"), "The f-number is no number above zero: 'f/1.8'."),
            (
                (Tag.FNumber, UNDEFINED, 3, b"1.8"),
                "The f-number is no number above zero: b'1.8'.",
            ),
            (
                (Tag.FocalLength, SHORT, 2, struct.pack("<HH", 24, 70)),
                "The focal length is no number above zero: (24, 70).",
            ),
            (
                (Tag.SubjectDistance, SIGNED_RATIONAL, 1, struct.pack("<ii", -1, 1)),
                "The subject distance is no number above zero: -1/1.",
            ),
            (
                rational(Tag.SubjectDistance, 3, 0),
                "The subject distance is no number above zero: 3/0.",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_broken_value_is_left_out_and_said(self, entry: Entry, problem: str) -> None:
        data = read([entry])
        assert data == CameraData(problems=(problem,))

    @pytest.mark.parametrize("value", [0, 9, 65535])
    def test_an_orientation_that_does_not_exist_is_upright(self, value: int) -> None:
        data = read([], main=[short(Tag.Orientation, value)])
        assert data.orientation == 1
        assert data.problems == (f"The orientation is none of 1 to 8: {value}.",)

    def test_an_unknown_lens_does_not_become_f_1(self) -> None:
        """What cameras write for a lens without electronics."""
        data = read([rational(Tag.FNumber, 0), rational(Tag.ApertureValue, 0)])
        assert data.f_number is None

    def test_text_with_rubbish_behind_its_end(self) -> None:
        data = read([], main=[text(Tag.Make, "Canon\0rubbish"), text(Tag.Model, "  \0")])
        assert data.make == "Canon"
        assert data.model is None

    def test_a_lost_directory_is_said_and_the_rest_is_kept(self) -> None:
        broken = bytearray(exif_bytes(LENS, [text(Tag.Make, "Canon")]))
        pointer = broken.index(struct.pack("<HHI", 0x8769, LONG, 1)) + 8
        broken[pointer : pointer + 4] = struct.pack("<I", 1_000_000)
        data = read_camera_data(loaded(bytes(broken)))
        assert data.make == "Canon"
        assert data.focal_length_mm is None
        assert len(data.problems) == 1
        assert data.problems[0].startswith("A part of the EXIF data may be damaged")

    def test_exif_that_is_none_at_all_is_said(self) -> None:
        buffer = BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=b"Exif\0\0nonsense, not TIFF")
        problems: list[str] = []
        exif = exif_of(Image.open(buffer), problems)
        assert len(exif) == 0
        assert len(problems) == 1
        assert read_camera_data(exif) == CameraData()


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
        directory = [short(Tag.Compression, 6), short(Tag.ImageWidth, 160)]
        with_thumbnail = bytearray(exif_bytes(LENS, directory))
        end_of_main = 6 + 8 + 2 + 12 * 3
        thumbnail = _directory(
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


@pytest.mark.parametrize(
    ("name", "focal_length_mm", "f_number"),
    [
        ("Canon_40D.jpg", 135.0, 7.1),
        ("DSCN0010.jpg", 24.0, 5.9),
        ("Nikon_D70.jpg", 100.0, 9.0),
        ("Olympus_C8080WZ.jpg", 15.8, 2.8),
        ("Panasonic_DMC-FZ30.jpg", 14.1, 3.2),
        ("Pentax_K10D.jpg", 90.0, 11.0),
        ("Sony_HDR-HC3.jpg", 5.1, 4.0),
    ],
)
def test_real_cameras(
    shared_exif: Path, name: str, focal_length_mm: float, f_number: float
) -> None:
    problems: list[str] = []
    exif = exif_of(Image.open(shared_exif / name), problems)
    data = read_camera_data(exif)
    assert problems == []
    assert data.focal_length_mm == focal_length_mm
    assert data.f_number == f_number
    # Refocusing loses nothing that Pillow can read.
    written = loaded(exif_with_new_focus(exif, 1.4, 2.0))
    lost = set(exif.get_ifd(0x8769)) - set(written.get_ifd(0x8769))
    assert lost <= {Tag.SubjectDistanceRange}
    assert read_camera_data(written).f_number == 1.4


def test_reading_in_many_threads_leaves_pythons_warnings_alone(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8)).save(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(load_photo, [path] * 200))
    assert warnings.filters == before
