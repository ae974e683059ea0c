"""Dr.Bokeh against its definition, and against what a lens does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.drbokeh import (
    DrBokehOptions,
    box_opacity,
    composite,
    render_drbokeh,
)
from focuspuller.lens.render import Lens, pass_over, render
from focuspuller.lens.scene_layers import SceneLayer
from focuspuller.lens.view import View
from numpy.typing import NDArray
from oracles.drbokeh import Layer, naive_composite, naive_layer
from oracles.scenes import defocus_map, photo, psnr
from torch import Tensor

Array = NDArray[np.float64]

both_kernels = pytest.mark.parametrize("kernel", ["lens", "published"])


def disc(height: int, width: int, radius: float, softness: float = 1.5) -> Array:
    """Opacity `[H,W]` of a round object in the middle."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return np.clip((radius - distance) / softness + 0.5, 0.0, 1.0)


def scene_of(*layers: Layer) -> tuple[SceneLayer, ...]:
    return tuple(
        SceneLayer(
            *(
                torch.from_numpy(maps)
                for maps in (
                    (layer.color * layer.alpha)[None],
                    layer.alpha[None, None],
                    layer.defocus[None, None],
                )
            )
        )
        for layer in layers
    )


def two_layers(near: float, far: float, height: int = 44, width: int = 52) -> list[Layer]:
    """An object before a slanted background, which is between half and all of `far` px blurred."""
    object_ = Layer(
        photo(height, width, 1), disc(height, width, 13.0), np.full((height, width), near)
    )
    slant = far * np.linspace(0.5, 1.0, height)[:, None].repeat(width, 1)
    return [object_, Layer(photo(height, width, 2), np.ones((height, width)), slant)]


def composited(layers: list[Layer], bokeh_level: float, kernel="published") -> Array:
    span = torch.tensor(bokeh_level, dtype=torch.float64)
    return composite(scene_of(*layers), span, CIRCLE, kernel)[0].numpy()


def object_before_wall(
    near: float, far: float, height: int = 60, width: int = 80
) -> tuple[Tensor, Tensor, Tensor]:
    """A grey object before a white wall: picture, blur radius and mask, `[1,.,H,W]`."""
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[..., :, width // 2 :] = 1.0
    image = torch.where(mask > 0, 0.2, 0.9).expand(1, 3, -1, -1).clone()
    return image, torch.where(mask > 0, near, far), mask


class TestAgainstTheDefinition:
    @pytest.mark.parametrize("largest", [0.0, 2.0, 9.0])
    def test_one_layer(self, largest: float) -> None:
        defocus = defocus_map(44, 52, largest)
        layer = Layer(photo(44, 52), np.ones((44, 52)), defocus)
        assert psnr(composited([layer], 30.0), naive_layer(layer, 30.0)[0]) >= 60.0

    @pytest.mark.parametrize("largest", [4.0, 9.0])
    def test_occlusion_within_a_layer_matters_and_is_followed(self, largest: float) -> None:
        """In front of a wall in focus, and behind it, things are blurred."""
        defocus = np.zeros((44, 52))
        defocus[:, 34:], defocus[:, :16] = largest, -largest
        layer = Layer(photo(44, 52), np.ones((44, 52)), defocus)
        true = naive_layer(layer, 2 * largest)[0]
        assert psnr(composited([layer], 2 * largest), true) >= 60.0
        without = naive_layer(layer._replace(defocus=defocus + 50.0), 1e9)[0]
        assert psnr(without, true) < 30.0

    @pytest.mark.parametrize(
        ("near", "far"), [(0.0, -8.0), (7.0, 0.2), (5.0, -5.0), (0.0, 0.0), (3.0, 9.0)]
    )
    def test_two_layers(self, near: float, far: float) -> None:
        layers = two_layers(near, far)
        assert psnr(composited(layers, 20.0), naive_composite(layers, 20.0)) >= 60.0

    def test_the_rendered_picture_is_the_composite_of_the_given_scene(self) -> None:
        layers = two_layers(6.0, -4.0)
        options = DrBokehOptions(scene=scene_of(*layers), kernel="published")
        image = torch.from_numpy(photo(44, 52))[None]
        picture = render_drbokeh(image, torch.zeros(1, 1, 44, 52), CIRCLE, options)
        # The range of radii, 6 and -4, makes them a disparity that spans 0..1.
        true = naive_composite(layers, 10.0)
        assert psnr(picture[0].numpy(), true) >= 60.0

    def test_opacity_of_a_box_by_hand(self) -> None:
        alpha = torch.zeros(1, 1, 5, 5)
        alpha[..., 2, 2] = 1.0
        # Radius 1: the box reaches ⌊(1 + 1) / 2⌋ = 1 px; in the corner (1, 1) it is whole.
        opacity = box_opacity(alpha, torch.full((1, 1, 5, 5), -1.0))[0, 0]
        assert float(opacity[2, 2]) == pytest.approx(1 / 9)
        assert float(opacity[1, 1]) == pytest.approx(1 / 9)
        assert float(opacity[0, 2]) == 0.0
        # At the frame's corner only four pixels of a box of 3 x 3 are in the picture.
        alpha = torch.zeros(1, 1, 5, 5)
        alpha[..., 0, 0] = 1.0
        opacity = box_opacity(alpha, torch.full((1, 1, 5, 5), 1.0))[0, 0]
        assert float(opacity[0, 0]) == pytest.approx(1 / 4)


class TestPhysics:
    def test_a_sharp_object_keeps_its_edge_before_a_blurred_background(self) -> None:
        image, defocus, mask = object_before_wall(near=0.0, far=-8.0)
        for options in (DrBokehOptions(foreground=mask), DrBokehOptions()):
            picture = render_drbokeh(image, defocus, CIRCLE, options)
            torch.testing.assert_close(picture, image, atol=1e-6, rtol=0)
        scattered = render(image, Defocus(defocus), Lens("bokehme"))
        assert float((scattered - image).abs().amax()) > 0.1

    def test_a_blurred_object_is_half_transparent_at_its_edge(self) -> None:
        image, defocus, mask = object_before_wall(near=8.0, far=0.0)
        for options in (DrBokehOptions(foreground=mask), DrBokehOptions()):
            row = render_drbokeh(image, defocus, CIRCLE, options)[0, 0, 30]
            assert float(row[39] + row[40]) / 2 == pytest.approx((0.2 + 0.9) / 2, abs=0.01)
            # It reaches as far as its discs, and no farther.
            torch.testing.assert_close(row[:31], image[0, 0, 30, :31], atol=1e-5, rtol=0)
            torch.testing.assert_close(row[49:], image[0, 0, 30, 49:], atol=1e-5, rtol=0)
            assert (row.diff() <= 1e-6).all()

    def test_behind_the_object_the_given_background_shows(self) -> None:
        image, defocus, mask = object_before_wall(near=8.0, far=0.0)
        coded = torch.zeros_like(image)
        coded[:, 1] = 0.7
        made_up, shown, linear = (
            render_drbokeh(image, defocus, CIRCLE, DrBokehOptions(foreground=mask, **others))
            for others in ({}, {"background": coded}, {"background": coded, "linear": True})
        )
        at_edge = (0, slice(None), 30, 42)
        assert float(made_up[at_edge].std()) < 1e-6
        assert float(shown[at_edge][1]) > float(shown[at_edge][0]) + 0.05
        assert float(linear[at_edge][1]) > float(shown[at_edge][1]) + 0.05
        # Where the wall is in view, it is the picture's own.
        torch.testing.assert_close(shown[..., :31], image[..., :31], atol=1e-5, rtol=0)

    def test_what_is_all_in_focus_stays_as_it_is(self) -> None:
        image = torch.from_numpy(photo(40, 50))[None]
        soft = torch.from_numpy(disc(40, 50, 12.0, 4.0))[None, None]
        for mask in (soft, (soft > 0.5).double(), None):
            options = DrBokehOptions(foreground=mask)
            picture = render_drbokeh(image, torch.zeros_like(soft), CIRCLE, options)
            torch.testing.assert_close(picture, image, atol=1e-6, rtol=0)

    def test_lights_keep_their_brightness(self) -> None:
        image = torch.zeros(1, 3, 61, 61)
        image[..., 30, 30] = 400.0
        picture = render_drbokeh(image, torch.full((1, 1, 61, 61), -9.0), CIRCLE, DrBokehOptions())
        np.testing.assert_allclose(picture.sum((2, 3)), 400.0, rtol=1e-3)

    def test_a_triangle_stands_on_its_head_in_front_of_the_focus(self) -> None:
        image = torch.zeros(1, 1, 41, 41)
        image[..., 20, 20] = 1.0
        behind, in_front = (
            render_drbokeh(
                image, torch.full((1, 1, 41, 41), radius), Aperture(blades=3), DrBokehOptions()
            )
            for radius in (-8.0, 8.0)
        )
        torch.testing.assert_close(in_front, behind.flip(2, 3), atol=1e-6, rtol=0)
        assert float((in_front - behind).abs().amax()) > 1e-3


class TestLimits:
    @both_kernels
    @pytest.mark.parametrize("opacity", [0.0, 1.0])
    @pytest.mark.parametrize("radius", [0.0, -5.0])
    def test_masks_of_nothing_and_of_all(self, kernel, opacity: float, radius: float) -> None:
        image = torch.from_numpy(photo(30, 40))[None]
        defocus = torch.full((1, 1, 30, 40), radius, dtype=torch.float64)
        mask = torch.full((1, 1, 30, 40), opacity, dtype=torch.float64)
        masked, plain = (
            render_drbokeh(image, defocus, CIRCLE, DrBokehOptions(foreground=given, kernel=kernel))
            for given in (mask, None)
        )
        torch.testing.assert_close(masked, plain, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("layers", [1, 2, 8])
    def test_high_dynamic_range(self, layers: int) -> None:
        image = torch.from_numpy(photo(50, 60))[None] * 1000.0
        defocus = torch.from_numpy(defocus_map(50, 60, 8.0))[None, None]
        picture = render_drbokeh(image, defocus, CIRCLE, DrBokehOptions(layers=layers))
        small = render_drbokeh(image / 1000.0, defocus, CIRCLE, DrBokehOptions(layers=layers))
        assert torch.isfinite(picture).all()
        assert float(picture.min()) >= 0.0
        assert psnr((picture / 1000.0).numpy(), small.numpy()) > 30.0

    @pytest.mark.parametrize(
        ("values", "subject"),
        [
            ({"layers": 0}, "layers"),
            ({"layers": 9}, "layers"),
            ({"layers": 2.5}, "layers"),
            ({"layers": 1, "foreground": torch.ones(1, 1, 4, 4)}, "layers"),
            ({"kernel": "soft"}, "kernel"),
            ({"scene": ()}, "scene"),
            ({"foreground": torch.full((1, 1, 4, 4), torch.nan)}, "foreground"),
            ({"foreground": torch.ones(4, 4)}, "foreground"),
            ({"background": torch.ones(1, 3, 4, 4)}, "foreground"),
        ],
    )
    def test_options_without_meaning_are_refused(self, values, subject: str) -> None:
        with pytest.raises(InputError) as caught:
            DrBokehOptions(**values)
        assert caught.value.subject == subject

    def test_pictures_of_another_size_or_number_are_refused(self) -> None:
        image, defocus = torch.rand(2, 3, 20, 30), Defocus(torch.zeros(2, 1, 20, 30))
        for shape, text in (((1, 1, 20, 31), "31×20 px"), ((3, 1, 20, 30), "3 frames for 2")):
            lens = Lens("drbokeh", DrBokehOptions(foreground=torch.ones(shape)))
            with pytest.raises(InputError, match=text) as caught:
                render(image, defocus, lens)
            assert caught.value.subject == "lens"
            assert "Dr.Bokeh's foreground" in str(caught.value)


def flicker(frames: Tensor) -> float:
    """Mean change from frame to frame of what should stand still."""
    return float((frames[1:] - frames[:-1]).abs().mean())


class TestBatches:
    def test_every_image_has_its_own_mask(self) -> None:
        image, defocus, mask = object_before_wall(near=6.0, far=0.0)
        masks = torch.cat([mask, torch.zeros_like(mask)])
        lens = Lens("drbokeh", DrBokehOptions(foreground=masks, layers=2))
        together = render(image.expand(2, -1, -1, -1), Defocus(defocus), lens)
        for picture, one in zip(together, masks, strict=True):
            alone = DrBokehOptions(foreground=one[None], layers=2)
            expected = render(image, Defocus(defocus), Lens("drbokeh", alone))
            torch.testing.assert_close(picture[None], expected)
        direct = render_drbokeh(
            image.expand(2, -1, -1, -1), defocus.expand(2, -1, -1, -1), CIRCLE, lens.options
        )
        torch.testing.assert_close(direct, together)

    def test_frames_are_cut_alike_in_spite_of_noisy_depth(self) -> None:
        """Edges that are equally long: alone, every frame would be cut at another one."""
        image = torch.from_numpy(photo(60, 80, 3))[None]
        still = torch.tensor([8.0, 8.0, 0.0, -8.0, -8.0]).repeat_interleave(16).expand(1, 1, 60, 80)
        generator = torch.Generator().manual_seed(4)
        frames = [still + 0.8 * torch.randn(still.shape, generator=generator) for _ in range(6)]
        lens = Lens("drbokeh", DrBokehOptions(layers=2))
        alone = torch.cat([render(image, Defocus(frame), lens) for frame in frames])
        batch = render(image, Defocus(torch.cat(frames)), lens)
        assert flicker(batch) < 0.6 * flicker(alone)

        film = lens.for_film()
        streamed = torch.cat([render(image, Defocus(frame), film) for frame in frames])
        assert torch.equal(streamed, batch)
        resumed = lens.for_film()
        for frame in frames[:3]:
            pass_over(image, Defocus(frame), resumed)
        assert torch.equal(render(image, Defocus(frames[3]), resumed), batch[3:4])
        assert not torch.equal(alone[3:4], batch[3:4])

    def test_a_part_of_a_prepared_picture_is_the_part_of_the_whole(self) -> None:
        image = torch.from_numpy(photo(90, 110, 3))[None]
        defocus = torch.from_numpy(defocus_map(90, 110, 6.0, 3))[None, None]
        mask = torch.from_numpy(disc(90, 110, 20.0))[None, None]
        for options in (DrBokehOptions(), DrBokehOptions(foreground=mask)):
            whole = render_drbokeh(image, defocus, CIRCLE, options)
            rows, columns = slice(10, 84), slice(25, 100)
            part = render_drbokeh(
                image[..., rows, columns],
                defocus[..., rows, columns],
                CIRCLE,
                options.prepared(lambda window: window.of(image), defocus).block(rows, columns),
                view=View(90, 110, top=10, left=25),
            )
            # Away from the part's frame by the discs' reach and that of the filters at edges.
            margin = 7 + 20
            inner = (..., slice(margin, -margin), slice(margin, -margin))
            torch.testing.assert_close(
                part[inner], whole[..., rows, columns][inner], atol=1e-5, rtol=0
            )

    def test_progress_rises_to_the_end(self) -> None:
        image, defocus, mask = object_before_wall(near=6.0, far=0.0)
        seen: list[float] = []
        render_drbokeh(image, defocus, CIRCLE, DrBokehOptions(foreground=mask), seen.append)
        assert seen == sorted(seen)
        assert 0 < seen[0] <= seen[-1] <= 1.0


class TestGradients:
    @both_kernels
    def test_of_a_given_scene(self, kernel) -> None:
        alpha = torch.from_numpy(0.1 + 0.8 * photo(7, 9, 5)[:1])[None].requires_grad_()
        color = torch.from_numpy(0.1 + 0.8 * photo(7, 9)[None, :2]).requires_grad_()
        defocus = torch.from_numpy(0.013 + defocus_map(7, 9, 2.2)[None, None]).requires_grad_()
        back = scene_of(Layer(photo(7, 9, 6)[:2], np.ones((7, 9)), np.full((7, 9), -1.3)))

        def picture(color: Tensor, alpha: Tensor, defocus: Tensor) -> Tensor:
            scene = (SceneLayer(color, alpha, defocus), *back)
            return composite(scene, torch.tensor(9.0), CIRCLE, kernel)

        assert torch.autograd.gradcheck(picture, (color, alpha, defocus))

    def test_of_a_picture_with_a_mask(self) -> None:
        image = torch.from_numpy(0.2 + 0.7 * photo(12, 14)[None, :1]).requires_grad_()
        defocus = torch.from_numpy(0.017 + defocus_map(12, 14, 1.9)[None, None]).requires_grad_()
        opacity = np.where(disc(12, 14, 3.5) > 0.5, 0.83, 0.0)[None, None]
        alpha = torch.from_numpy(opacity).requires_grad_()

        def picture(image: Tensor, defocus: Tensor, alpha: Tensor) -> Tensor:
            options = DrBokehOptions(foreground=torch.where(alpha > 0.5, alpha, 0.0), layers=2)
            return render_drbokeh(image, defocus, CIRCLE, options)

        assert torch.autograd.gradcheck(picture, (image, defocus, alpha))


def test_arrays_as_artists_hold_them() -> None:
    mask, plate = np.full((5, 7), 2.0, np.float32), np.zeros((5, 7, 3), np.float32)
    options = DrBokehOptions.from_arrays(mask, plate, layers=2)
    assert options.foreground is not None
    assert options.background is not None
    assert options.foreground.shape == (1, 1, 5, 7)
    assert float(options.foreground.amax()) == 1.0
    assert options.background.shape == (1, 3, 5, 7)
    assert replace(options, layers=4).layers == 4
    with pytest.raises(InputError, match="background"):
        DrBokehOptions.from_arrays(mask, plate[..., :2])


def test_a_coded_background_is_decoded() -> None:
    image, defocus, mask = object_before_wall(near=8.0, far=0.0)
    plate = torch.rand(1, 3, 60, 80, dtype=torch.float64)
    pictures = [
        render_drbokeh(
            image, defocus, CIRCLE, DrBokehOptions(foreground=mask, background=given, linear=linear)
        )
        for given, linear in ((plate, True), (linear_to_srgb(plate), False))
    ]
    torch.testing.assert_close(*pictures)
