"""Sensor sizes by camera model, from the Lensfun database (the optional library lensfunpy)."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


def crop_factor(make: str, model: str) -> float | None:
    """How many times smaller a camera's sensor is than 36 × 24 mm film.

    Args:
        make, model: as the camera writes them to EXIF.

    Returns:
        The crop factor; None if lensfunpy is not installed, the camera is unknown, or the database
        lists it with several sensor formats.
    """
    database = _database()
    if database is None or not make or not model:
        return None
    found = {round(camera.crop_factor, 3) for camera in database.find_cameras(make, model)}
    return found.pop() if len(found) == 1 else None


@cache
def _database() -> Any | None:
    try:
        lensfunpy: Any = import_module("lensfunpy")
    except ImportError:
        return None
    # The bundled files only: what is installed on the system must not change the answer.
    return lensfunpy.Database(load_common=False)
