"""The sample scene as a 50 mm lens at f/1.4 takes it, focused on the lights: a photo to refocus.

python samples/make_wide_open.py
"""

from __future__ import annotations

from pathlib import Path

import focuspuller as fp

HERE = Path(__file__).parent
LIGHTS = (0.55, 0.215)


def main() -> None:
    """Render it from the all-in-focus picture and its exact depth. It keeps no depth."""
    sharp = fp.load_photo(HERE / "still_life.jpg")
    assert sharp.depth is not None
    camera = fp.Camera(focal_length_mm=50.0, f_number=1.4, sensor_width_mm=36.0)
    picture = fp.render(
        sharp.image,
        sharp.depth,
        focus_point=LIGHTS,
        camera=camera,
        highlights=fp.Highlights(stops=3),
    )
    path = HERE / "still_life_wide_open.jpg"
    fp.save_photo(path, picture, exif=sharp.exif, f_number=camera.f_number, quality=90)


if __name__ == "__main__":
    main()
