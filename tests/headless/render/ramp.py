"""The small scene that the tests of `fp.render` share: a ramp from 1 m to 5 m."""

from __future__ import annotations

import focuspuller as fp

HEIGHT, WIDTH = 24, 36
CAMERA = fp.Camera(focal_length_mm=50.0, f_number=1.4)
CHOICE = {"focus_distance": 2.0, "bokeh_level": 6.0}
