"""Every lens behind one call: what goes in, what comes out, what is refused."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import (
    DEFAULT_LENS,
    LENSES,
    Lens,
    LensKind,
    render,
    working_memory,
)
from focuspuller.lens.taf import TafOptions
from torch import Tensor

every_lens = pytest.mark.parametrize("name", LENSES)


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def constant(radius: float, height: int = 20, width: int = 28, batch: int = 1) -> Defocus:
    return Defocus(torch.full((batch, 1, height, width), radius))


def point_of_light(side: int = 41, value: float = 100.0) -> Tensor:
    image = torch.zeros(1, 3, side, side)
    image[..., side // 2, side // 2] = value
    return image


class TestChoosingALens:
    def test_the_two_lenses_and_their_options(self) -> None:
        assert Lens("taf").options == TafOptions()
        assert Lens("bokehme").options == BokehMeOptions()
        assert Lens().name == DEFAULT_LENS

    def test_an_unknown_one(self) -> None:
        with pytest.raises(
            InputError, match="Choose one of: layered, drbokeh, bokehme, taf"
        ) as error:
            Lens("petzval")
        assert "'petzval'" in str(error.value)

    def test_options_reach_the_renderer(self) -> None:
        image, defocus = point_of_light(), constant(4.0, 41, 41)
        plain = render(image, defocus, Lens("bokehme"))
        bright = render(image, defocus, Lens("bokehme", BokehMeOptions(gamma=4.0)))
        assert bright.max() > 2 * plain.max()

    def test_without_a_lens_the_default_renders(self) -> None:
        image, defocus = noise(1, 3, 20, 28), constant(3.0)
        assert torch.equal(render(image, defocus), render(image, defocus, Lens(DEFAULT_LENS)))

    def test_a_lens_may_bring_its_own_renderer(self) -> None:
        def render_dimmed(image, defocus, aperture, options, on_progress, view) -> Tensor:
            return options.gamma * image

        own = LensKind(render_dimmed, BokehMeOptions, "dims", bytes_per_pixel=1000)
        lens = Lens("dimmed", BokehMeOptions(gamma=2.0), own)
        image = noise(1, 3, 20, 28)
        torch.testing.assert_close(render(image, constant(3.0), lens), 2 * image)
        assert Lens("dimmed", own_kind=own).options == BokehMeOptions()
        more = 1000 - LENSES[DEFAULT_LENS].bytes_per_pixel
        assert working_memory(100, 100, lens) - working_memory(100, 100) == more * 100**2

    @pytest.mark.parametrize(
        "wrong", [{"gamma": 0.5}, {"gamma": 6.0}, {"weighting": "even"}, {"method": "slow"}]
    )
    def test_options_out_of_range(self, wrong: dict) -> None:
        with pytest.raises(InputError, match=next(iter(wrong))):
            BokehMeOptions(**wrong)


@every_lens
class TestLight:
    def test_a_sharp_picture_stays_as_it_is(self, name: str) -> None:
        image = noise(1, 3, 20, 28)
        # BokehMe's disc of radius 0 leaks 0.07 % into each of four neighbours, by definition.
        tolerance = {"bokehme": 3e-3}.get(name, 1e-5)
        rendered = render(image, constant(0.0), Lens(name))
        torch.testing.assert_close(rendered, image, atol=tolerance, rtol=0)

    def test_a_flat_picture_stays_flat_up_to_the_frame(self, name: str) -> None:
        image = torch.full((1, 3, 20, 28), 0.7)
        depth = Defocus(8 * noise(1, 1, 20, 28) - 4)
        torch.testing.assert_close(render(image, depth, Lens(name)), image, atol=1e-4, rtol=0)

    def test_a_point_of_light_becomes_a_disc_of_the_same_light(self, name: str) -> None:
        radius = 6.0
        blurred = render(point_of_light(), constant(radius, 41, 41), Lens(name))[0, 1]
        assert float(blurred.sum()) == pytest.approx(100.0, rel=1e-3)
        level = 100 / (math.pi * radius**2)
        assert float(blurred[20, 20]) == pytest.approx(level, rel=0.03)
        assert float((blurred > level / 2).sum()) == pytest.approx(math.pi * radius**2, rel=0.05)

    def test_in_front_and_behind_a_round_aperture_looks_the_same(self, name: str) -> None:
        image = noise(1, 3, 20, 28)
        front, behind = (render(image, constant(radius), Lens(name)) for radius in (3.0, -3.0))
        torch.testing.assert_close(front, behind, atol=1e-5, rtol=0)

    def test_a_shape_is_upright_behind_the_focus_and_upside_down_in_front(self, name: str) -> None:
        corner = torch.zeros(8, 8)
        corner[:4, :4] = 1.0
        aperture = Aperture(image=corner)
        upright = render(point_of_light(), constant(-6.0, 41, 41), Lens(name), aperture)[0, 0]
        turned = render(point_of_light(), constant(6.0, 41, 41), Lens(name), aperture)[0, 0]
        assert float(upright[:21, :21].sum()) > 95
        assert float(turned[20:, 20:].sum()) > 95

    def test_nothing_becomes_negative(self, name: str) -> None:
        assert render(point_of_light(value=1e4), constant(7.3, 41, 41), Lens(name)).min() >= 0


@every_lens
class TestBatches:
    def test_images_and_maps_go_together(self, name: str) -> None:
        images, maps = noise(2, 3, 9, 12), Defocus(4 * noise(2, 1, 9, 12))
        together = render(images, maps, Lens(name))
        for index in range(2):
            one = Defocus(maps.radius[index : index + 1])
            alone = render(images[index : index + 1], one, Lens(name))
            torch.testing.assert_close(together[index : index + 1], alone)

    def test_one_map_serves_every_image(self, name: str) -> None:
        images = noise(3, 3, 9, 12)
        one, three = constant(2.0, 9, 12), constant(2.0, 9, 12, batch=3)
        assert torch.equal(render(images, one, Lens(name)), render(images, three, Lens(name)))

    def test_one_image_serves_every_map(self, name: str) -> None:
        image = noise(1, 3, 9, 12)
        maps = Defocus(torch.tensor([0.0, 1.0, 2.5]).view(3, 1, 1, 1).expand(3, 1, 9, 12))
        pulled = render(image, maps, Lens(name))
        assert pulled.shape == (3, 3, 9, 12)
        roughness = pulled.std(dim=(1, 2, 3)).tolist()
        assert roughness == sorted(roughness, reverse=True)

    def test_other_numbers_do_not_fit(self, name: str) -> None:
        with pytest.raises(InputError, match="3 maps for 2 images"):
            render(noise(2, 3, 20, 28), constant(1.0, batch=3), Lens(name))

    def test_an_empty_batch(self, name: str) -> None:
        with pytest.raises(InputError, match="empty batch"):
            render(torch.zeros(0, 3, 20, 28), constant(1.0), Lens(name))

    def test_progress_runs_once_through_the_whole_batch(self, name: str) -> None:
        seen: list[float] = []
        render(noise(3, 3, 9, 12), constant(2.0, 9, 12), Lens(name), on_progress=seen.append)
        assert seen == sorted(seen)
        assert seen[0] > 0
        assert seen[-1] == pytest.approx(1.0)


@every_lens
class TestSizesAndTypes:
    @pytest.mark.parametrize(
        ("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (131, 67), (300, 130)]
    )
    def test_any_size(self, name: str, height: int, width: int) -> None:
        image = noise(1, 3, height, width)
        rendered = render(image, constant(0.2 * max(height, width), height, width), Lens(name))
        assert rendered.shape == image.shape
        assert torch.isfinite(rendered).all()
        assert rendered.min() >= image.min() - 1e-3
        assert rendered.max() <= image.max() + 1e-3

    @pytest.mark.parametrize("channels", [1, 3, 5])
    def test_any_number_of_channels(self, name: str, channels: int) -> None:
        image = noise(1, channels, 20, 28)
        rendered = render(image, constant(2.0), Lens(name))
        alone = render(image[:, :1], constant(2.0), Lens(name))
        torch.testing.assert_close(rendered[:, :1], alone, atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("dtype", "tolerance"),
        [
            (torch.float16, 1e-3),
            (torch.bfloat16, 8e-3),
            (torch.float32, 1e-6),
            (torch.float64, 1e-5),
        ],
    )
    def test_the_image_s_type_comes_back(
        self, name: str, dtype: torch.dtype, tolerance: float
    ) -> None:
        image = noise(1, 3, 20, 28).to(dtype)
        defocus = constant(2.6)
        rendered = render(image, defocus, Lens(name))
        assert rendered.dtype == dtype
        expected = render(image.float(), defocus, Lens(name))
        torch.testing.assert_close(rendered.float(), expected, atol=tolerance, rtol=0)

    def test_a_half_precision_map(self, name: str) -> None:
        image, defocus = noise(1, 3, 20, 28), constant(2.5)
        half = Defocus(defocus.radius.half())
        assert torch.equal(render(image, half, Lens(name)), render(image, defocus, Lens(name)))

    def test_the_image_is_not_changed(self, name: str) -> None:
        image, defocus = noise(1, 3, 20, 28), constant(2.5)
        before = image.clone(), defocus.radius.clone()
        render(image, defocus, Lens(name))
        assert torch.equal(image, before[0])
        assert torch.equal(defocus.radius, before[1])


class TestTheLargestRadius:
    def test_is_a_quarter_of_the_longest_edge(self) -> None:
        image = noise(1, 3, 12, 20)
        beyond = torch.tensor([90.0, -30.0]).repeat(12, 10)[None, None]
        limited = beyond.clamp(-5.0, 5.0)
        for name in LENSES:
            expected = render(image, Defocus(limited), Lens(name))
            assert torch.equal(render(image, Defocus(beyond), Lens(name)), expected)

    def test_is_said_once_for_a_batch(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            render(noise(3, 3, 12, 20), constant(-5.1, 12, 20, batch=3))
        (record,) = caplog.records
        assert "above 5 px" in record.getMessage()

    def test_within_it_nothing_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            render(noise(3, 3, 12, 20), constant(5.0, 12, 20))
        assert not caplog.records


def test_a_map_of_another_size_is_resampled_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = noise(2, 3, 20, 28)
    with caplog.at_level(logging.WARNING):
        rendered = render(image, constant(1.5, 10, 14))
    (record,) = caplog.records
    assert "14×10, the image 28×20" in record.getMessage()
    assert torch.equal(rendered, render(image, constant(3.0)))


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_broken_pixels_are_refused(broken: float) -> None:
    image = noise(2, 3, 20, 28)
    image[1, 2, 3, 4] = broken
    with pytest.raises(InputError, match="NaN or infinite"):
        render(image, constant(1.0))


@pytest.mark.parametrize("radius", [torch.full((1, 1, 20, 28), math.nan), torch.ones(0, 1, 20, 28)])
def test_a_broken_map_is_refused(radius: Tensor) -> None:
    with pytest.raises(InputError, match="defocus"):
        render(noise(1, 3, 20, 28), Defocus(radius))


def test_what_no_disc_reaches_keeps_its_light() -> None:
    """One pixel is blurred to a ring around itself, its neighbours are sharp."""
    ring = torch.ones(32, 32)
    ring[4:-4, 4:-4] = 0.0
    image, radius = noise(1, 3, 21, 21), torch.zeros(1, 1, 21, 21)
    radius[..., 10, 10] = 5.0
    rendered = render(image, Defocus(radius), Lens("bokehme"), Aperture(image=ring))
    torch.testing.assert_close(rendered[..., 10, 10], image[..., 10, 10], atol=1e-5, rtol=0)
    assert not torch.allclose(rendered[..., 6, 10], image[..., 6, 10], atol=1e-3)


@pytest.mark.parametrize("name", [name for name in LENSES if name != "layered"])
def test_the_gradient_by_the_f_number_is_the_slope(name: str) -> None:
    """From a picture's difference to the number on the lens, through every step between."""
    depth = Depth.from_metres(torch.linspace(1.0, 4.0, 48).expand(1, 1, 32, 48))
    camera = Camera(85.0, 2.0, 36.0, 96)
    image, target = noise(1, 3, 32, 48), noise(1, 3, 32, 48).flip(-1)

    def loss(f_number: Tensor) -> Tensor:
        lens_open = replace(camera, f_number=f_number)
        defocus = defocus_from_camera(depth, Focus.at_distance(1.7), lens_open)
        return (render(image.double(), defocus, Lens(name)) - target).square().mean()

    f_number = torch.tensor(2.0, requires_grad=True)
    loss(f_number).backward()
    step = 0.002
    slope = (loss(torch.tensor(2.0 + step)) - loss(torch.tensor(2.0 - step))) / (2 * step)
    assert f_number.grad.item() == pytest.approx(slope.item(), rel=0.05)
