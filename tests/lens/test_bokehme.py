"""BokehMe's scatter against its definition, against published numbers and against physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.blur_disc import BlurDisc, Weighting
from focuspuller.lens.bokehme import BokehMeOptions, Method, render_bokehme
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.layered_fft import Layers, scatter
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.lens.run_length import is_available, scatter_run_length
from numpy.typing import NDArray
from oracles.measure import disc_diameter, similarity
from oracles.scatter import Coverage, circle, dense_bokeh, naive_bokeh, naive_scatter, polygon
from oracles.scenes import defocus_map, photo, psnr
from torch import Tensor

Array = NDArray[np.float64]

needs_numba = pytest.mark.skipif(not is_available(), reason="numba is not installed")
EXACT = pytest.param("exact", marks=needs_numba)
both_methods = pytest.mark.parametrize("method", ["fft", EXACT])
both_weightings = pytest.mark.parametrize("weighting", ["bokehme", "energy"])
LEAST_PSNR = {"fft": 50.0, "exact": 59.0}

SHAPES: dict[str, tuple[Aperture, Coverage]] = {
    "circle": (CIRCLE, circle),
    "pentagon": (Aperture(blades=5, rotation_degrees=10.0), polygon(5, 10.0)),
    "hexagon": (Aperture(blades=6), polygon(6)),
}

PUBLISHED = Path(__file__).parents[3] / "shared/conformance/bokehme_scatter/io.npz"
needs_published = pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the conformance set bokehme_scatter is not here"
)


def rendered(
    image: Array, defocus: Array, options: BokehMeOptions | None = None, aperture: Aperture = CIRCLE
) -> Array:
    """Picture `[C,H,W]`, rendered in float32."""
    maps = (torch.from_numpy(array).float()[None] for array in (image, defocus[None]))
    return render_bokehme(*maps, aperture, options or BokehMeOptions())[0].double().numpy()


def point_of_light(side: int) -> Array:
    image = np.zeros((1, side, side))
    image[0, side // 2, side // 2] = 1.0
    return image


class TestAgainstTheDefinition:
    @both_methods
    @both_weightings
    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_scene_in_front_of_and_behind_the_focus(
        self, shape: str, weighting: Weighting, method: Method
    ) -> None:
        aperture, coverage = SHAPES[shape]
        image, defocus = photo(48, 61), defocus_map(48, 61, 12.0)
        options = BokehMeOptions(weighting=weighting, method=method)
        true = naive_bokeh(image, defocus, coverage, weighting)
        assert psnr(rendered(image, defocus, options, aperture), true) >= LEAST_PSNR[method]

    @both_methods
    @pytest.mark.parametrize("largest", [0.7, 1.5, 3.0, 6.0])
    def test_small_blur(self, largest: float, method: Method) -> None:
        image, defocus = photo(31, 44, seed=1), defocus_map(31, 44, largest, seed=1)
        picture = rendered(image, defocus, BokehMeOptions(method=method))
        assert psnr(picture, naive_bokeh(image, defocus)) >= LEAST_PSNR[method]

    @both_methods
    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (1, 23), (33, 17), (7, 50)])
    def test_odd_sizes(self, height: int, width: int, method: Method) -> None:
        image, defocus = photo(height, width, seed=4), defocus_map(height, width, 6.0)
        picture = rendered(image, defocus, BokehMeOptions(method=method))
        assert psnr(picture, naive_bokeh(image, defocus)) >= LEAST_PSNR[method]

    @both_methods
    def test_blur_of_a_quarter_of_the_picture(self, method: Method) -> None:
        image, defocus = photo(40, 64, seed=2), defocus_map(40, 64, 16.0, seed=2)
        picture = rendered(image, defocus, BokehMeOptions(method=method))
        assert psnr(picture, naive_bokeh(image, defocus)) >= LEAST_PSNR[method]

    def test_a_picture_of_several_tiles(self) -> None:
        image, defocus = photo(150, 170, seed=3), defocus_map(150, 170, 5.0, seed=3)
        assert psnr(rendered(image, defocus), naive_bokeh(image, defocus)) >= 50

    @both_methods
    @pytest.mark.parametrize("gamma", [2.2, 4.0])
    def test_gamma_renders_in_powers_of_the_coded_picture(
        self, gamma: float, method: Method
    ) -> None:
        coded, defocus = 0.1 + 0.9 * photo(40, 51), defocus_map(40, 51, 8.0)
        linear = srgb_to_linear(torch.from_numpy(coded)).numpy()
        picture = rendered(linear, defocus, BokehMeOptions(gamma=gamma, method=method))
        true = naive_bokeh(coded**gamma, defocus) ** (1 / gamma)
        assert psnr(linear_to_srgb(torch.from_numpy(picture)).numpy(), true) >= 50
        assert psnr(true, naive_bokeh(coded, defocus)) < 40  # what gamma 1 would give

    @both_methods
    def test_a_batch_is_its_images(self, method: Method) -> None:
        images = torch.from_numpy(np.stack([photo(20, 27, seed) for seed in range(3)]))
        maps = torch.from_numpy(np.stack([defocus_map(20, 27, 4.0, seed) for seed in range(3)]))
        options = BokehMeOptions(method=method)
        together = render_bokehme(images, maps[:, None], CIRCLE, options)
        for picture, image, defocus in zip(together, images, maps, strict=True):
            true = naive_bokeh(image.numpy(), defocus.numpy())
            assert psnr(picture.numpy(), true) >= LEAST_PSNR[method]


BOKEHDIFF = PUBLISHED.parents[1] / "bokehdiff_scatter/io.npz"


@pytest.mark.skipif(not BOKEHDIFF.exists(), reason="the conformance set is not here")
@pytest.mark.parametrize("case", ["c0", "c1"])
def test_bokehdiffs_scatter_is_bokehmes(case: str) -> None:
    with np.load(BOKEHDIFF) as arrays:
        stored = {name[3:]: arrays[name] for name in arrays.files if name.startswith(case)}
    for image, (defocus,), bokeh in zip(
        stored["image"], stored["defocus"], stored["bokeh"], strict=True
    ):
        light, weights = naive_scatter(image, defocus)
        np.testing.assert_allclose(light / weights, bokeh, atol=1e-5)
        found = rendered(image, defocus, BokehMeOptions(weighting="bokehme"))
        np.testing.assert_allclose(found, bokeh, atol=0.03)


@needs_published
class TestAgainstPublishedNumbers:
    @pytest.fixture
    def published(self) -> dict[str, Array]:
        with np.load(PUBLISHED) as arrays:
            return dict(arrays)

    def weight_sum(self, defocus: Array, method: Method) -> Array:
        disc = BlurDisc(weighting="bokehme")
        signed = torch.from_numpy(defocus).float()[None, None]
        ones = torch.ones_like(signed)
        if method == "exact":
            sums = scatter_run_length(ones, signed.abs(), disc)
        else:
            sums = scatter(ones, signed, Layers.for_defocus(disc, signed))
        return sums[0, 0].double().numpy()

    def test_the_oracle(self, published: dict[str, Array]) -> None:
        light, weights = naive_scatter(published["image"], published["defocus"])
        np.testing.assert_allclose(weights, published["weight_sum"], atol=1e-4)
        np.testing.assert_allclose(light / weights, published["bokeh"], atol=1e-4)

    @pytest.mark.parametrize(
        ("method", "least_psnr", "tolerance"),
        [("fft", 50.0, 0.02), pytest.param("exact", 65.0, 3e-3, marks=needs_numba)],
    )
    def test_the_picture(
        self, published: dict[str, Array], method: Method, least_psnr: float, tolerance: float
    ) -> None:
        options = BokehMeOptions(method=method)
        picture = rendered(published["image"], published["defocus"], options)
        assert psnr(picture, published["bokeh"]) >= least_psnr
        np.testing.assert_allclose(picture, published["bokeh"], atol=tolerance)

    @pytest.mark.parametrize(
        ("method", "mean", "worst"),
        # The sum of a disc swings with its radius below 2 px; layers follow it in chords.
        [("fft", 0.02, 0.15), pytest.param("exact", 4e-3, 0.02, marks=needs_numba)],
    )
    def test_the_sum_of_weights(
        self, published: dict[str, Array], method: Method, mean: float, worst: float
    ) -> None:
        weights = self.weight_sum(published["defocus"], method)
        error = np.abs(weights / published["weight_sum"] - 1.0)
        assert error.mean() <= mean
        assert error.max() <= worst


class TestPhysics:
    """A point of light at 5 m, photographed at 50 mm, focused at 2 m, on 36 mm and 2048 px."""

    side = 61

    def photograph(self, f_number: float, point_m: float = 5.0) -> Array:
        depth = Depth.from_metres(torch.full((1, 1, self.side, self.side), point_m))
        defocus = defocus_from_camera(
            depth, Focus.at_distance(2.0), Camera(50.0, f_number, 36.0, 2048)
        )
        light = torch.from_numpy(point_of_light(self.side)).float()[None]
        return render(light, defocus, Lens("bokehme"))[0, 0].double().numpy()

    @staticmethod
    def diameter_by_hand(f_number: float, point_m: float = 5.0) -> float:
        on_sensor_mm = abs(point_m - 2.0) / point_m * 50.0**2 / (f_number * (2000.0 - 50.0))
        return on_sensor_mm * 2048 / 36.0

    @pytest.mark.parametrize("f_number", [1.8, 2.0, 2.8, 4.0, 5.6])
    def test_the_disc_is_the_circle_of_confusion(self, f_number: float) -> None:
        measured = disc_diameter(self.photograph(f_number))
        assert measured == pytest.approx(self.diameter_by_hand(f_number), rel=0.02)

    def test_in_front_of_the_focus_as_well(self) -> None:
        measured = disc_diameter(self.photograph(2.8, point_m=1.4))
        assert measured == pytest.approx(self.diameter_by_hand(2.8, point_m=1.4), rel=0.02)

    def test_stopping_down_makes_every_disc_smaller(self) -> None:
        f_numbers = [1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 4.0, 5.6, 8.0, 11.0, 16.0]
        diameters = [disc_diameter(self.photograph(f_number)) for f_number in f_numbers]
        assert diameters == sorted(set(diameters), reverse=True)

    @both_methods
    @pytest.mark.parametrize("radius", [0.0, 0.4, 1.0, 2.3, 6.0, 11.5])
    def test_light_is_neither_made_nor_lost(self, radius: float, method: Method) -> None:
        image = np.zeros((3, 70, 82))
        image[:, 26:44, 26:56] = photo(18, 30)
        options = BokehMeOptions(weighting="energy", method=method)
        picture = rendered(image, np.full((70, 82), radius), options)
        np.testing.assert_allclose(picture.sum((1, 2)), image.sum((1, 2)), rtol=1e-3)

    @both_methods
    @both_weightings
    def test_an_even_wall_stays_even(self, weighting: Weighting, method: Method) -> None:
        options = BokehMeOptions(weighting=weighting, method=method)
        picture = rendered(np.full((3, 40, 50), 0.6), defocus_map(40, 50, 10.0), options)
        np.testing.assert_allclose(picture, 0.6, atol=1e-4)

    @both_methods
    def test_a_pentagon_stands_on_its_head_in_front_of_the_focus(self, method: Method) -> None:
        aperture = Aperture(blades=5)
        options = BokehMeOptions(method=method)
        image = point_of_light(41)
        behind = rendered(image, np.full((41, 41), -9.0), options, aperture)[0]
        in_front = rendered(image, np.full((41, 41), 9.0), options, aperture)[0]
        np.testing.assert_allclose(in_front, behind[::-1, ::-1], atol=1e-3 * behind.max())
        # One corner up behind the focus: light at 12 o'clock that 6 o'clock lacks.
        lit = 0.5 * behind.max()
        assert behind[20 - 8, 20] > lit > behind[20 + 8, 20]
        assert in_front[20 + 8, 20] > lit > in_front[20 - 8, 20]


class TestGradients:
    def test_are_those_of_the_rendered_picture(self) -> None:
        image = torch.from_numpy(photo(7, 9)[None, :2]).requires_grad_()
        defocus = torch.from_numpy(defocus_map(7, 9, 2.2)[None, None]).requires_grad_()

        def picture(image: Tensor, defocus: Tensor) -> Tensor:
            return render_bokehme(image, defocus, CIRCLE, BokehMeOptions())

        assert torch.autograd.gradcheck(picture, (image, defocus))

    def test_of_a_pentagon(self) -> None:
        image = torch.from_numpy(photo(7, 9)[None, :1]).requires_grad_()
        defocus = torch.from_numpy(defocus_map(7, 9, 2.2)[None, None]).requires_grad_()

        def picture(image: Tensor, defocus: Tensor) -> Tensor:
            return render_bokehme(image, defocus, Aperture(blades=5), BokehMeOptions())

        assert torch.autograd.gradcheck(picture, (image, defocus))

    def test_with_gamma(self) -> None:
        image = torch.from_numpy(0.1 + 0.8 * photo(6, 7)[None, :1]).requires_grad_()
        # No pixel exactly in focus, where |r| has a kink.
        defocus = torch.from_numpy(0.003 + defocus_map(6, 7, 1.9)[None, None]).requires_grad_()

        def picture(image: Tensor, defocus: Tensor) -> Tensor:
            return render_bokehme(image, defocus, CIRCLE, BokehMeOptions(gamma=4.0))

        assert torch.autograd.gradcheck(picture, (image, defocus))

    @pytest.mark.parametrize("largest", [1.5, 4.0])
    def test_point_where_those_of_the_definition_do(self, largest: float) -> None:
        image = torch.from_numpy(photo(14, 17))
        defocus = torch.from_numpy(defocus_map(14, 17, largest))
        target = torch.from_numpy(photo(14, 17, seed=9))

        def slopes(lens) -> tuple[Array, Array]:
            by_image, by_defocus = image.clone().requires_grad_(), defocus.clone().requires_grad_()
            (lens(by_image, by_defocus) - target).square().sum().backward()
            return by_image.grad.numpy(), by_defocus.grad.numpy()

        def lens(image: Tensor, defocus: Tensor) -> Tensor:
            return render_bokehme(image[None], defocus[None, None], CIRCLE, BokehMeOptions())[0]

        by_image, by_defocus = slopes(lens)
        true_by_image, true_by_defocus = slopes(dense_bokeh)
        assert similarity(by_image, true_by_image) > 0.999
        assert similarity(by_defocus, true_by_defocus) > 0.93

    def test_by_depth_and_f_number_through_the_camera(self) -> None:
        image = torch.from_numpy(photo(5, 24)[None, :1])
        metres = torch.linspace(1.1, 4.3, 24, dtype=torch.float64).expand(1, 1, 5, 24).clone()
        f_number = torch.tensor([2.03], dtype=torch.float64)

        def picture(metres: Tensor, f_number: Tensor) -> Tensor:
            camera = Camera(50.0, f_number, 36.0, 400)  # pyright: ignore[reportArgumentType]
            defocus = defocus_from_camera(Depth.from_metres(metres), Focus.at_distance(1.7), camera)
            return render(image, defocus, Lens("bokehme"))

        inputs = (metres.requires_grad_(), f_number.requires_grad_())
        assert torch.autograd.gradcheck(picture, inputs)


def test_the_exact_method_and_the_transforms_agree_on_a_larger_picture() -> None:
    pytest.importorskip("numba")
    image, defocus = photo(260, 310, seed=5), defocus_map(260, 310, 40.0, seed=5)
    exact = rendered(image, defocus, BokehMeOptions(method="exact"))
    assert psnr(rendered(image, defocus), exact) >= 50


def test_the_exact_method_refuses_gradients_that_it_does_not_have() -> None:
    pytest.importorskip("numba")
    image = torch.from_numpy(photo(8, 9))[None].requires_grad_()
    defocus, exact = Defocus(torch.full((1, 1, 8, 9), 2.0)), BokehMeOptions(method="exact")
    with pytest.raises(InputError, match="method: received 'exact' for a picture"):
        render(image, defocus, Lens("bokehme", exact))
    with torch.no_grad():
        assert render(image, defocus, Lens("bokehme", exact)).shape == image.shape


def test_half_precision_comes_close() -> None:
    image = torch.from_numpy(photo(30, 41))[None]
    defocus = Defocus(torch.from_numpy(defocus_map(30, 41, 7.0))[None, None])
    half = render(image.half(), defocus, Lens("bokehme"))
    assert half.dtype == torch.float16
    true = naive_bokeh(image[0].numpy(), defocus.radius[0, 0].numpy())
    assert psnr(half[0].double().numpy(), true) >= 50
