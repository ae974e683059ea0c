"""What the layered convolution keeps in memory."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens import layered_fft
from focuspuller.lens.blur_disc import BlurDisc
from focuspuller.lens.layered_fft import Layers, scatter


def test_kept_spectra_stay_within_their_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    radius = torch.linspace(0.0, 20.0, 64).expand(1, 1, 64, 64)
    source = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    unbounded = Layers.for_defocus(BlurDisc(), radius)
    expected = scatter(source, radius, unbounded)
    total = sum(spectrum.nbytes for spectrum in unbounded._spectra.values())
    monkeypatch.setattr(layered_fft, "KEPT_BYTES", total // 4)
    bounded = Layers.for_defocus(BlurDisc(), radius)
    assert torch.equal(scatter(source, radius, bounded), expected)
    assert 0 < sum(spectrum.nbytes for spectrum in bounded._spectra.values()) <= total // 4
