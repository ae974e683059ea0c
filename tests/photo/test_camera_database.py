"""Sensor widths of cameras that EXIF does not tell."""

from __future__ import annotations

import sys

import pytest
from focuspuller.photo import camera_database
from focuspuller.photo.exif_tags import Tag

from .exif_entries import (
    CANON_40D,
    LENS,
    rational,
    read,
    short,
)


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
