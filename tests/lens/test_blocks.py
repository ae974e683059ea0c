"""Large pictures in blocks: the same picture in less memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import DeviceMemoryError
from focuspuller.lens import blocks
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.blocks import Block, Surroundings, blocks_of, in_blocks
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import LENSES, Lens, render
from torch import Tensor

CPU = torch.device("cpu")


@pytest.mark.parametrize("grid", [1, 8, 32])
def test_blocks_cover_every_pixel_once_and_bring_their_surroundings(grid: int) -> None:
    height, width, around = 700, 1001, Surroundings(37, grid)
    parts = blocks_of(height, width, around, max_pixels=450**2)
    seen = torch.zeros(height, width)
    assert len(parts) > 1
    for block in parts:
        block.inner.of(seen).add_(1)
        wanted = block.inner.grown(37).within(height, width)
        assert (block.outer.top, block.outer.left) <= (wanted.top, wanted.left)
        assert (block.outer.bottom, block.outer.right) == (wanted.bottom, wanted.right)
        assert block.outer.top % grid == block.outer.left % grid == 0
    assert (seen == 1).all()


def test_a_picture_that_fits_is_one_block() -> None:
    (block,) = blocks_of(30, 50, Surroundings(10**6), max_pixels=1500)
    assert block.inner == block.outer


def scene(height: int, width: int) -> tuple[Tensor, Defocus]:
    """A texture with lights, and surfaces at several depths, one of them a slope."""
    generator = torch.Generator().manual_seed(11)
    image = F.interpolate(torch.rand(1, 3, 24, 32, generator=generator), (height, width))
    image[..., 60::97, 50::89] = 20.0
    coarse = 12 * torch.rand(1, 1, 5, 7, generator=generator) - 6
    radius = F.interpolate(coarse, (height, width))
    radius[..., : height // 3, :] = torch.linspace(-6, 6, width)
    return image, Defocus(radius)


@pytest.mark.parametrize(
    "aperture",
    [Aperture(), Aperture(blades=5), Aperture(cats_eye=0.8), Aperture(axial_chromatism=3.0)],
)
@pytest.mark.parametrize("name", list(LENSES))
def test_every_lens_renders_blocks_as_the_whole(
    name: str, aperture: Aperture, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, defocus = scene(230, 290)
    whole = render(image, defocus, Lens(name), aperture)
    monkeypatch.setattr(blocks, "LEAST_SIDE", 96)
    monkeypatch.setattr(blocks, "CPU_BYTES", 1)
    torch.testing.assert_close(
        render(image, defocus, Lens(name), aperture), whole, atol=2e-5, rtol=1e-5
    )


def test_highlights_of_bokehme_know_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    image, defocus = scene(230, 290)
    image = image.clamp(max=1.0)
    lens = Lens("bokehme", BokehMeOptions(highlights=True))
    whole = render(image, defocus, lens)
    monkeypatch.setattr(blocks, "LEAST_SIDE", 96)
    monkeypatch.setattr(blocks, "CPU_BYTES", 1)
    torch.testing.assert_close(render(image, defocus, lens), whole, atol=1e-5, rtol=1e-5)


class Hungry:
    """Work that runs out of memory on more than so many pixels."""

    def __init__(self, limit: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        self.limit = limit
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, block: Block, report: object) -> Tensor:
        self.sizes.append(block.outer.height * block.outer.width)
        if self.sizes[-1] > self.limit:
            raise self.error("DefaultCPUAllocator: can't allocate memory")
        return torch.ones(1, block.outer.height, block.outer.width)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_it_retries_in_smaller_blocks_when_memory_runs_out(error: type[RuntimeError]) -> None:
    work, result = Hungry(600**2, error), torch.zeros(1, 1200, 1500)
    in_blocks(work, result, Surroundings(10), 1, CPU)
    assert work.sizes[0] == 1200 * 1500
    assert (result == 1).all()


def test_what_does_not_fit_at_all_is_said() -> None:
    with pytest.raises(DeviceMemoryError, match=r"1500×1200 px.* memory of cpu\. Free memory"):
        in_blocks(Hungry(0), torch.zeros(1, 1200, 1500), Surroundings(10), 1, CPU)
    with pytest.raises(DeviceMemoryError):
        in_blocks(Hungry(0), torch.zeros(1, 1200, 1500), None, 1, CPU)


def test_other_errors_are_not_hidden() -> None:
    def broken(block: Block, report: object) -> Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        in_blocks(broken, torch.zeros(1, 8, 8), Surroundings(1), 1, CPU)


def test_progress_rises_over_all_blocks() -> None:
    reported: list[float] = []
    in_blocks(
        Hungry(10**9), torch.zeros(1, 1200, 1500), Surroundings(1), 4000, CPU, reported.append
    )
    assert len(reported) > 1
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
