"""The TAF lens against its definition and against physics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.lens.taf import TafOptions, render_taf
from numpy.typing import NDArray
from oracles.gather import dense_gather, naive_gather, soft_circle, soft_polygon
from oracles.measure import disc_diameter, similarity
from oracles.scatter import Coverage
from oracles.scenes import defocus_map, photo, psnr
from torch import Tensor

Array = NDArray[np.float64]

SHAPES: dict[str, tuple[Aperture, Coverage]] = {
    "circle": (CIRCLE, soft_circle),
    "pentagon": (Aperture(blades=5, rotation_degrees=10.0), soft_polygon(5, 10.0)),
    "hexagon": (Aperture(blades=6), soft_polygon(6)),
}


def rendered(image: Array, defocus: Array, aperture: Aperture = CIRCLE) -> Array:
    """Picture `[C,H,W]`, rendered in float32."""
    maps = (torch.from_numpy(array).float()[None] for array in (image, defocus[None]))
    return render_taf(*maps, aperture, TafOptions())[0].double().numpy()


def point_of_light(side: int) -> Array:
    image = np.zeros((1, side, side))
    image[0, side // 2, side // 2] = 1.0
    return image


class TestAgainstTheDefinition:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_a_scene_in_front_of_and_behind_the_focus(self, shape: str) -> None:
        aperture, coverage = SHAPES[shape]
        image, defocus = photo(48, 61), defocus_map(48, 61, 12.0)
        true = naive_gather(image, defocus, coverage)
        assert psnr(rendered(image, defocus, aperture), true) >= 50

    @pytest.mark.parametrize("largest", [0.7, 1.5, 3.0, 6.0])
    def test_small_blur(self, largest: float) -> None:
        image, defocus = photo(31, 44, seed=1), defocus_map(31, 44, largest, seed=1)
        assert psnr(rendered(image, defocus), naive_gather(image, defocus)) >= 50

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (1, 23), (33, 17), (7, 50)])
    def test_odd_sizes(self, height: int, width: int) -> None:
        image, defocus = photo(height, width, seed=4), defocus_map(height, width, 6.0)
        assert psnr(rendered(image, defocus), naive_gather(image, defocus)) >= 50

    def test_blur_of_a_quarter_of_the_picture(self) -> None:
        image, defocus = photo(40, 64, seed=2), defocus_map(40, 64, 16.0, seed=2)
        assert psnr(rendered(image, defocus), naive_gather(image, defocus)) >= 50

    def test_a_picture_of_several_tiles(self) -> None:
        image, defocus = photo(150, 170, seed=3), defocus_map(150, 170, 5.0, seed=3)
        assert psnr(rendered(image, defocus), naive_gather(image, defocus)) >= 50

    def test_up_to_one_pixel_across_nothing_is_blurred(self) -> None:
        image = photo(20, 27)
        for radius in (0.0, 0.2, 0.4, 0.5):
            picture = rendered(image, np.full((20, 27), radius))
            np.testing.assert_allclose(picture, image, atol=1e-5)

    def test_beyond_the_frame_its_edge_goes_on(self) -> None:
        # Rows alike: the blur at the left edge sees the left column continued.
        image = np.broadcast_to(np.linspace(0.0, 1.0, 30), (1, 20, 30)).copy()
        defocus = np.full((20, 30), 4.0)
        true = naive_gather(image, defocus)
        np.testing.assert_allclose(rendered(image, defocus), true, atol=2e-3)
        assert true[0, 10, 0] > 0.02

    def test_a_batch_is_its_images(self) -> None:
        images = torch.from_numpy(np.stack([photo(20, 27, seed) for seed in range(3)]))
        maps = torch.from_numpy(np.stack([defocus_map(20, 27, 4.0, seed) for seed in range(3)]))
        together = render_taf(images, maps[:, None], CIRCLE, TafOptions())
        for picture, image, defocus in zip(together, images, maps, strict=True):
            assert psnr(picture.numpy(), naive_gather(image.numpy(), defocus.numpy())) >= 50

    def test_half_precision_comes_close(self) -> None:
        image = torch.from_numpy(photo(30, 41))[None]
        defocus = Defocus(torch.from_numpy(defocus_map(30, 41, 7.0))[None, None])
        half = render(image.half(), defocus, Lens("taf"))
        assert half.dtype == torch.float16
        true = naive_gather(image[0].numpy(), defocus.radius[0, 0].numpy())
        assert psnr(half[0].double().numpy(), true) >= 50


class TestPhysics:
    """A point of light at 5 m, photographed at 50 mm, focused at 2 m, on 36 mm and 2048 px."""

    side = 61

    def photograph(self, f_number: float, point_m: float = 5.0, focus_scale: float = 1.0) -> Array:
        depth = Depth.from_metres(torch.full((1, 1, self.side, self.side), point_m))
        camera = Camera(50.0, f_number, 36.0, 2048)
        defocus = defocus_from_camera(depth, Focus.at_distance(2.0), camera, focus_scale)
        light = torch.from_numpy(point_of_light(self.side)).float()[None]
        return render(light, defocus, Lens("taf"))[0, 0].double().numpy()

    @staticmethod
    def diameter_by_hand(f_number: float, point_m: float = 5.0, focus_scale: float = 1.0) -> float:
        """Fine-grained Defocus eq. 6."""
        from_lens_mm = focus_scale * 2000.0 - 50.0
        on_sensor_mm = abs(point_m - 2.0) / point_m * 50.0**2 / (f_number * from_lens_mm)
        return on_sensor_mm * 2048 / 36.0

    @pytest.mark.parametrize("f_number", [1.8, 2.0, 2.8, 4.0, 5.6])
    def test_the_disc_is_the_circle_of_confusion(self, f_number: float) -> None:
        measured = disc_diameter(self.photograph(f_number))
        assert measured == pytest.approx(self.diameter_by_hand(f_number), rel=0.02)

    def test_in_front_of_the_focus_as_well(self) -> None:
        measured = disc_diameter(self.photograph(2.8, point_m=1.4))
        assert measured == pytest.approx(self.diameter_by_hand(2.8, point_m=1.4), rel=0.02)

    @pytest.mark.parametrize("focus_scale", [0.8, 1.3])
    def test_the_learned_focus_scale(self, focus_scale: float) -> None:
        measured = disc_diameter(self.photograph(2.2, focus_scale=focus_scale))
        by_hand = self.diameter_by_hand(2.2, focus_scale=focus_scale)
        assert measured == pytest.approx(by_hand, rel=0.02)

    def test_stopping_down_makes_every_disc_smaller(self) -> None:
        f_numbers = [1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 4.0, 5.6, 8.0, 11.0, 16.0]
        diameters = [disc_diameter(self.photograph(f_number)) for f_number in f_numbers]
        assert diameters == sorted(set(diameters), reverse=True)

    @pytest.mark.parametrize("radius", [0.0, 0.4, 1.0, 2.3, 6.0, 11.5])
    def test_light_is_neither_made_nor_lost(self, radius: float) -> None:
        image = np.zeros((3, 48, 60))
        image[:, 15:33, 15:45] = photo(18, 30)
        picture = rendered(image, np.full((48, 60), radius))
        np.testing.assert_allclose(picture.sum((1, 2)), image.sum((1, 2)), rtol=1e-3)

    def test_an_even_wall_stays_even(self) -> None:
        picture = rendered(np.full((3, 40, 50), 0.6), defocus_map(40, 50, 10.0))
        np.testing.assert_allclose(picture, 0.6, atol=1e-4)

    def test_a_pentagon_stands_on_its_head_in_front_of_the_focus(self) -> None:
        image, aperture = point_of_light(41), Aperture(blades=5)
        behind = rendered(image, np.full((41, 41), -9.0), aperture)[0]
        in_front = rendered(image, np.full((41, 41), 9.0), aperture)[0]
        np.testing.assert_allclose(in_front, behind[::-1, ::-1], atol=1e-3 * behind.max())
        # One corner up behind the focus: light at 12 o'clock that 6 o'clock lacks.
        lit = 0.5 * behind.max()
        assert behind[20 - 8, 20] > lit > behind[20 + 8, 20]
        assert in_front[20 + 8, 20] > lit > in_front[20 - 8, 20]


class TestGradients:
    """By everything that a photographer or a training run sets."""

    height, width = 6, 24

    def metres(self) -> Tensor:
        """A slope from 1.1 m to 4.3 m; no pixel lies in the focus, where |r| has a kink."""
        ramp = torch.linspace(1.1, 4.3, self.width, dtype=torch.float64)
        tilt = torch.linspace(0.0, 0.07, self.height, dtype=torch.float64)
        return (ramp + tilt[:, None])[None, None]

    def picture(
        self, image: Tensor, metres: Tensor, focus_m: Tensor, scale: Tensor, f_number: Tensor
    ) -> Tensor:
        camera = Camera(50.0, f_number, 36.0, 500)  # pyright: ignore[reportArgumentType]
        focus = Focus.at_distance(focus_m)
        defocus = defocus_from_camera(Depth.from_metres(metres), focus, camera, scale)
        return render(image, defocus, Lens("taf"))

    def true_picture(
        self, image: Tensor, metres: Tensor, focus_m: Tensor, scale: Tensor, f_number: Tensor
    ) -> Tensor:
        """Fine-grained Defocus eq. 6 and the lens' definition, nothing from the package."""
        coc_mm = (metres - focus_m).abs() / metres * 50.0**2
        coc_mm = coc_mm / (f_number * (scale * focus_m * 1000.0 - 50.0))
        radius = coc_mm * (500 / 36.0) / 2
        return dense_gather(image[0], radius[0, 0])[None]

    def inputs(self) -> dict[str, Tensor]:
        values = {"focus_m": 1.713, "scale": 1.047, "f_number": 2.03}
        numbers = {
            name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()
        }
        image = torch.from_numpy(photo(self.height, self.width)[None, :2])
        return {"image": image, "metres": self.metres(), **numbers}

    @pytest.mark.parametrize("name", ["image", "metres", "focus_m", "scale", "f_number"])
    def test_are_those_of_the_rendered_picture(self, name: str) -> None:
        inputs = self.inputs()

        def by_one(value: Tensor) -> Tensor:
            return self.picture(**{**inputs, name: value})

        assert torch.autograd.gradcheck(by_one, inputs[name].requires_grad_())

    @pytest.mark.parametrize(
        ("name", "least_similarity"),
        [("image", 0.999), ("metres", 0.93), ("focus_m", 1.0), ("scale", 1.0), ("f_number", 1.0)],
    )
    def test_are_those_of_eq_6_and_the_definition(self, name: str, least_similarity: float) -> None:
        target = torch.from_numpy(photo(self.height, self.width, seed=7)[None, :2])

        def slope(lens: Callable[..., Tensor]) -> Array:
            inputs = self.inputs()
            inputs[name].requires_grad_()
            (lens(**inputs) - target).square().sum().backward()
            assert inputs[name].grad is not None
            return inputs[name].grad.numpy()

        ours, true = slope(self.picture), slope(self.true_picture)
        assert similarity(ours, true) >= least_similarity - 1e-9
        assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(true), rel=0.15)

    def test_by_defocus_and_image_of_a_pentagon(self) -> None:
        image = torch.from_numpy(photo(7, 9)[None, :1]).requires_grad_()
        defocus = torch.from_numpy(defocus_map(7, 9, 2.2)[None, None]).requires_grad_()

        def picture(image: Tensor, defocus: Tensor) -> Tensor:
            return render_taf(image, defocus, Aperture(blades=5), TafOptions())

        assert torch.autograd.gradcheck(picture, (image, defocus))
