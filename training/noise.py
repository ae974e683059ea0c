"""Random fields with the spectra of natural images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def smooth_noise(height: int, width: int, slope: float, random: np.random.Generator) -> Array:
    """Noise `[H,W]` with amplitude 1/f^slope, mean 0 and deviation 1; photographs have about 1."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal((height, width))) * frequency**-slope
    noise = np.fft.irfft2(spectrum, (height, width))
    return (noise / noise.std()).astype(np.float32)


def smooth_waves(height: int, width: int, wavelength: float, random: np.random.Generator) -> Array:
    """Noise `[H,W]` of mean 0 and deviation 1 without waves much shorter than `wavelength` px."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    low_pass = np.exp(-((wavelength * np.hypot(fy, fx)) ** 2))
    noise = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((height, width))) * low_pass, (height, width)
    )
    noise -= noise.mean()
    return (noise / max(noise.std(), 1e-12)).astype(np.float32)
