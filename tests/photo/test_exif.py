"""Reading camera data: every source, and everything that a file can get wrong."""

from __future__ import annotations

import math
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from focuspuller.lens.optics import Camera
from focuspuller.photo import camera_database
from focuspuller.photo.exif import CameraData, camera_from, read_camera_data
from focuspuller.photo.exif_tags import Tag, exif_of
from focuspuller.photo.exif_writing import exif_with_new_focus
from focuspuller.photo.photo import load_photo
from PIL import Image

from .exif_entries import (
    INFINITE,
    LENS,
    LONG,
    SHORT,
    SIGNED_RATIONAL,
    UNDEFINED,
    Entry,
    exif_bytes,
    floating,
    loaded,
    rational,
    read,
    short,
    text,
)


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
