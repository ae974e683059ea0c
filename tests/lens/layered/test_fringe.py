"""Light of a foreground that is left beside its silhouette."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.layered.fringe import FRINGE_REACH, without_fringe
from focuspuller.lens.render import Lens, render
from torch import Tensor

SIZE, EDGE = 49, 24
BESIDE = slice(EDGE, EDGE + FRINGE_REACH)


def scene(beside: float, near_radius: float = 8.0, far_radius: float = 0.0):
    """A foreground left of column `EDGE`, a finely striped background, and what is between."""
    image = torch.where(torch.arange(SIZE) % 2 == 0, 0.2, 0.3).expand(1, 3, SIZE, SIZE).clone()
    image[..., :EDGE] = 0.6
    image[..., BESIDE] = beside
    radius = torch.full((1, 1, SIZE, SIZE), far_radius)
    radius[..., :EDGE] = near_radius
    is_edge = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    is_edge[..., EDGE - 1 : EDGE + 1] = True
    return image, radius, is_edge


@pytest.mark.parametrize(("beside", "expected"), [(0.5, 0.3), (0.05, 0.2), (0.25, 0.25)])
def test_beside_a_blurred_foreground_there_are_only_the_backgrounds_colours(
    beside: float, expected: float
) -> None:
    image, radius, is_edge = scene(beside)
    cleaned = without_fringe(image, radius, is_edge)
    torch.testing.assert_close(cleaned[..., BESIDE], torch.full((1, 3, SIZE, 2), expected))
    image[..., BESIDE] = cleaned[..., BESIDE]
    assert torch.equal(cleaned, image)  # and nothing else has changed


@pytest.mark.parametrize("radii", [(0.0, -8.0), (8.0, -8.0), (1.5, 0.0)])
def test_nothing_changes_where_no_outline_would_show(radii: tuple[float, float]) -> None:
    image, radius, is_edge = scene(0.5, *radii)
    assert torch.equal(without_fringe(image, radius, is_edge), image)


def test_a_light_is_no_fringe() -> None:
    image, radius, is_edge = scene(3.0)
    assert torch.equal(without_fringe(image, radius, is_edge), image)


def test_a_fringe_leaves_no_outline() -> None:
    """The rendering of a fringe is hardly another than that of none."""
    clean, fringed = (
        render(image, Defocus(radius), Lens("layered"))
        for image, radius, _ in (scene(0.25), scene(0.55))
    )
    assert _outline(fringed) == pytest.approx(_outline(clean), abs=0.03)


def _outline(image: Tensor) -> float:
    """How much brighter the columns beside the silhouette are than those around them."""
    row = image[0, 0, SIZE // 2]
    around = torch.cat([row[EDGE - 4 : EDGE], row[BESIDE.stop : BESIDE.stop + 4]])
    return float(row[BESIDE].mean() - around.mean())
