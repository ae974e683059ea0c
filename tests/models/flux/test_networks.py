"""What DeblurNet, BokehNet and DiffCamera are conditioned on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from focuspuller.models.flux.adapters import adaptable_layers, new_adapter
from focuspuller.models.flux.camera import STRONGEST, CameraProjection, CameraSetting
from focuspuller.models.flux.conditions import Visibility
from focuspuller.models.flux.networks import (
    Kind,
    bokeh_conditions,
    deblur_conditions,
    diffcamera_conditions,
)
from focuspuller.models.flux.tokens import image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from oracles.flux import CONFIG, GRID, SHAPE, filled_adapter, flux, inputs
from torch import Tensor


def tokens(seed: int, count: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, count, CONFIG["in_channels"], generator=generator)


def test_deblurnet_sees_the_photo_where_it_is() -> None:
    (photo,) = deblur_conditions(tokens(1), GRID)
    assert torch.equal(photo.positions, image_positions(GRID))
    assert (photo.adapter, photo.timestep, photo.guidance) == ("deblur", 0.0, 1.0)


def test_a_first_restoration_stands_first_and_to_the_right() -> None:
    first, photo = deblur_conditions(tokens(1), GRID, pre_deblurred=tokens(2))
    assert torch.equal(first.tokens, tokens(2))
    assert torch.equal(first.positions, image_positions(GRID, (0, 32)))
    assert torch.equal(photo.positions, image_positions(GRID))
    assert first.adapter == photo.adapter == "pre_deblur"


def test_bokehnet_sees_picture_and_defocus_in_one_place_but_not_each_other() -> None:
    conditions = bokeh_conditions(tokens(1), tokens(2), GRID)
    assert all(torch.equal(one.positions, image_positions(GRID)) for one in conditions)
    assert [one.group for one in conditions] == [None, None]


@torch.no_grad()
def test_the_aperture_changes_the_picture_and_leaves_the_base_adapter_alone() -> None:
    model = ConditionedFlux(flux())
    for kind in (Kind.BOKEH, Kind.APERTURE):
        model.adapters[kind.value] = filled_adapter(salt=kind.value)
    before = {name: one.clone() for name, one in model.adapters["bokeh"].state_dict().items()}
    found = [
        model(*inputs().arguments, bokeh_conditions(tokens(1), tokens(2), GRID, shape))
        for shape in (None, (tokens(3, 4), (2, 2)), (tokens(4, 4), (2, 2)))
    ]
    assert (found[0] - found[1]).abs().amax() > 1e-3
    assert (found[1] - found[2]).abs().amax() > 1e-3
    aperture = bokeh_conditions(tokens(1), tokens(2), GRID, (tokens(3, 4), (2, 2)))[2]
    assert aperture.positions[:, 2].amax() < 0  # beside the picture
    assert not aperture.aligned
    after = model.adapters["bokeh"].state_dict()
    assert all(torch.equal(after[name], one) for name, one in before.items())


class TestDiffCamera:
    @pytest.fixture
    def model(self) -> ConditionedFlux:
        model = ConditionedFlux(flux())
        model.adapters["diffcamera"] = filled_adapter()
        return model

    @staticmethod
    def camera(x: float = 0.5, y: float = 0.5, level: float = STRONGEST) -> Tensor:
        torch.manual_seed(7)
        return CameraProjection(SHAPE.width)(CameraSetting(x, y, level).vector()[None])

    def test_settings_are_scaled_to_one(self) -> None:
        assert CameraSetting(0.0, 1.0, 0.0).vector().tolist() == [-1.0, 1.0, 0.0]
        middle = CameraSetting(0.5, 0.5, 20.0 / 1024.0)
        torch.testing.assert_close(middle.vector(), torch.tensor([0.0, 0.0, 1.0]))

    @torch.no_grad()
    def test_every_setting_matters(self, model: ConditionedFlux) -> None:
        def velocity(camera: Tensor) -> Tensor:
            conditions = diffcamera_conditions(tokens(1), tokens(2), camera, GRID)
            return model(*inputs().arguments, conditions)

        plain = velocity(self.camera())
        for other in (self.camera(x=0.1), self.camera(y=0.1), self.camera(level=0.0)):
            assert (velocity(other) - plain).abs().amax() > 1e-4

    @torch.no_grad()
    def test_everything_attends_to_everything(self, model: ConditionedFlux) -> None:
        """Full attention: the order of the conditions does not matter, their group does."""
        conditions = diffcamera_conditions(tokens(1), tokens(2), self.camera(), GRID)
        assert {one.group for one in conditions} == {0}
        found = model(*inputs().arguments, conditions)
        torch.testing.assert_close(
            model(*inputs().arguments, conditions[::-1]), found, atol=2e-5, rtol=1e-5
        )
        apart = [replace(one, group=None) for one in conditions]
        assert (model(*inputs().arguments, apart) - found).abs().amax() > 1e-4
        exchanged = diffcamera_conditions(tokens(2), tokens(1), self.camera(), GRID)
        assert (model(*inputs().arguments, exchanged) - found).abs().amax() > 1e-3

    @torch.no_grad()
    def test_it_can_be_remembered_if_it_is_independent(self, model: ConditionedFlux) -> None:
        conditions = diffcamera_conditions(tokens(1), tokens(2), self.camera(), GRID)
        given = inputs()
        cache = model.encode(conditions, given.prompt.pooled)
        wanted = model(*given.arguments, conditions, Visibility.INDEPENDENT)
        found = model(*given.arguments, caches=[cache])
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-5)

    def test_the_projection_trains(self, model: ConditionedFlux) -> None:
        model.adapters["diffcamera"] = new_adapter(adaptable_layers(SHAPE), 2)
        projection = CameraProjection(SHAPE.width)
        camera = projection(CameraSetting(0.2, 0.7, 0.01).vector()[None])
        conditions = diffcamera_conditions(tokens(1), tokens(2), camera, GRID)
        model(*inputs().arguments, conditions).square().sum().backward()
        assert projection.weight.grad is not None
        assert projection.weight.grad.abs().amax() > 0
