"""The arrays of the ramp."""

from __future__ import annotations

import numpy as np
import pytest

from .ramp import HEIGHT, WIDTH


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).random((HEIGHT, WIDTH, 3), np.float32)


@pytest.fixture
def metres() -> np.ndarray:
    """A ramp from 1 m at the left to 5 m at the right."""
    return np.linspace(1.0, 5.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
