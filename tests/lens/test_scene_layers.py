"""How a picture is split into layers."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens import scene_layers
from focuspuller.lens.scene_layers import LayerPlan, layers_of, plan_layers
from focuspuller.lens.view import View
from oracles.scenes import defocus_map, photo
from torch import Tensor

HEIGHT, WIDTH = 60, 80


def steps(*radii: float) -> Tensor:
    """Upright stripes, each at one depth."""
    stripes = torch.tensor(radii).repeat_interleave(WIDTH // len(radii))
    return stripes.expand(1, 1, HEIGHT, -1).clone()


def planned(image: Tensor, defocus: Tensor, count: int, mask: Tensor | None = None) -> LayerPlan:
    return plan_layers(lambda window: window.of(image), defocus, count, mask)


class TestLayers:
    def test_in_front_of_each_other_they_are_the_picture(self) -> None:
        image = torch.from_numpy(photo(HEIGHT, WIDTH))[None]
        defocus = torch.from_numpy(defocus_map(HEIGHT, WIDTH, 9.0))[None, None]
        layers = layers_of(image, defocus, planned(image, defocus, 4))
        assert 2 <= len(layers) <= 4
        seen, uncovered = torch.zeros_like(image), torch.ones_like(defocus)
        for layer in layers:
            seen, uncovered = seen + uncovered * layer.color, uncovered * (1 - layer.alpha)
        # But for pixels beside an edge that nobody can tell apart.
        assert float(((seen - image).abs() > 1e-6).float().mean()) < 0.02
        assert (layers[-1].alpha == 1).all()

    def test_defocus_goes_on_beyond_the_edge_of_a_layer(self) -> None:
        image, defocus = torch.rand(1, 3, HEIGHT, WIDTH), steps(6.0, -4.0)
        front, back = layers_of(image, defocus, planned(image, defocus, 2))
        torch.testing.assert_close(front.defocus, torch.full_like(defocus, 6.0))
        torch.testing.assert_close(back.defocus, torch.full_like(defocus, -4.0))

    def test_what_is_hidden_is_made_up_of_what_is_not(self) -> None:
        defocus = steps(6.0, -4.0)
        image = torch.where(defocus > 0, 0.9, 0.3).expand(-1, 3, -1, -1)
        for mask in (None, (defocus > 0).float()):
            plan = planned(image, defocus, 2, mask)
            _, back = layers_of(image, defocus, plan, mask)
            torch.testing.assert_close(back.color, torch.full_like(image, 0.3))

    def test_a_light_beside_the_edge_is_not_continued(self) -> None:
        defocus = steps(6.0, -4.0)
        image = torch.full((1, 3, HEIGHT, WIDTH), 0.1)
        image[..., 30:33, WIDTH // 2 : WIDTH // 2 + 3] = 50.0
        _, back = layers_of(image, defocus, planned(image, defocus, 2))
        torch.testing.assert_close(back.color[..., : WIDTH // 2], image[..., : WIDTH // 2])

    def test_a_pixel_on_the_edge_is_shared_by_colour(self) -> None:
        """The edge lies at three tenths of a column, whose depth is the wall's."""
        defocus = steps(6.0, -4.0)
        image = torch.where(defocus > 0, 0.9, 0.2).expand(-1, 3, -1, -1).clone()
        image[..., WIDTH // 2] = 0.2 + 0.3 * 0.7
        front, back = layers_of(image, defocus, planned(image, defocus, 2))
        expected = torch.full((1, 1, HEIGHT), 0.3)
        torch.testing.assert_close(front.alpha[..., WIDTH // 2], expected, atol=1e-3, rtol=0)
        torch.testing.assert_close(
            back.color[..., WIDTH // 2], torch.full((1, 3, HEIGHT), 0.2), atol=1e-3, rtol=0
        )

    def test_soft_depth_at_an_edge_belongs_to_one_of_the_sides(self) -> None:
        """From 6 to -4 within eight pixels, as an estimator would have it."""
        ramp = (6.0 - 10.0 * ((torch.arange(WIDTH) - 36.0) / 8.0).clamp(0, 1)).expand(
            1, 1, HEIGHT, -1
        )
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        front, back = layers_of(image, ramp, planned(image, ramp, 2))
        assert float(front.defocus.amin()) > 5.5
        assert float(back.defocus[..., 42:].amax()) < -3.5

    def test_the_rim_of_a_mask_has_the_depth_of_its_inside(self) -> None:
        defocus = steps(6.0, -4.0)
        mask = torch.zeros_like(defocus)
        mask[..., : WIDTH // 2 + 3] = 1.0  # three pixels too far
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        front, _ = layers_of(image, defocus, planned(image, defocus, 2, mask), mask)
        torch.testing.assert_close(front.defocus, torch.full_like(defocus, 6.0))

    @pytest.mark.parametrize("most", [1024, 33])
    def test_a_part_has_the_layers_of_the_whole(self, most: int, monkeypatch) -> None:
        monkeypatch.setattr(scene_layers, "MOST_CELLS", most)
        image = torch.from_numpy(photo(90, 110, 3))[None]
        defocus = torch.from_numpy(defocus_map(90, 110, 9.0, 3))[None, None]
        plan = planned(image, defocus, 3)
        whole = layers_of(image, defocus, plan)
        rows, columns = slice(7, 80), slice(20, 101)
        part = layers_of(
            image[..., rows, columns],
            defocus[..., rows, columns],
            plan,
            view=View(90, 110, 7, 20),
        )
        margin = 3 * scene_layers.RIM_REACH
        inner = (..., slice(margin, -margin), slice(margin, -margin))
        for one, other in zip(part, whole, strict=True):
            for name in ("color", "alpha", "defocus"):
                expected = getattr(other, name)[..., rows, columns]
                torch.testing.assert_close(getattr(one, name)[inner], expected[inner])
