"""A small model with an adapter, and the plain forward to compare with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")
pytest.importorskip("peft", reason="FLUX needs the extra 'diffusion'")
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from focuspuller.models.flux.transformer import ConditionedFlux
from oracles.flux import filled_adapter, flux


@pytest.fixture
def model() -> ConditionedFlux:
    """With the adapters "bokeh" and "aperture"."""
    model = ConditionedFlux(flux())
    model.adapters["bokeh"] = filled_adapter().requires_grad_(False)
    aperture = filled_adapter(rank=2, salt="aperture").requires_grad_(False)
    model.adapters["aperture"] = aperture
    return model
