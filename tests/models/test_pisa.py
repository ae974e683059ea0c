"""Physics-inspired self-attention against its definition, and against physics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.models.bokehdiff.condition import TOKEN_STEP, PisaCondition
from focuspuller.models.bokehdiff.light_paths import LightPaths
from focuspuller.models.bokehdiff.pisa import pisa
from focuspuller.models.bokehdiff.processor import PisaProcessor, conditioned, install_pisa
from focuspuller.models.bokehdiff.visibility import visible_fraction
from oracles.pisa import distances, materialised, token_maps, visibility
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

# Rows and columns of tokens: several tiles, of which the last are cut off.
GRID = (20, 28)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def scene_maps(rows: int, columns: int, largest: float = 4.0) -> tuple[Tensor, Tensor]:
    """A box before a slanted ground, 4 px per token; disparity and blur radius of up to `largest`.

    The box is in focus.
    """
    ground = torch.linspace(0.1, 0.5, 4 * rows)[:, None].expand(-1, 4 * columns).clone()
    ground[rows : 3 * rows, columns : 2 * columns] = 0.85
    disparity = ground[None, None]
    return disparity, (0.85 - disparity) / 0.75 * largest


def condition(rows: int, columns: int, largest: float = 4.0, **options: Any) -> PisaCondition:
    return PisaCondition(*scene_maps(rows, columns, largest), **{"supersamples": 1, **options})


def tokens(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Query, key and value."""
    shape = (2, 3, rows * columns, 8)
    return [2 * noise(*shape, seed=seed).to(dtype) for seed in range(3)]


def defined(given: list[Tensor], scene: PisaCondition, rows: int, columns: int) -> Tensor:
    """The definition, for a condition."""
    maps = token_maps(scene.disparity, scene.radius, rows, columns)
    slope = scene.for_tokens(rows * columns).scene.slope
    seen = visibility(maps["disparity"], maps["fine"], rows, columns, scene.segments)
    seen = seen.clamp(min=0.01 if scene.hardness < 1e6 else 0.0)
    return materialised(
        *given, maps["radius"], distances(rows, columns, *scene.token_step), slope, seen
    )


class TestTheDefinition:
    @pytest.mark.parametrize("options", [{}, {"hardness": 3.0}, {"segments": 0}])
    @pytest.mark.parametrize("grid", [GRID, (28, 20), (1, 9), (8, 8)])
    def test_it_is_what_whole_matrices_give(
        self, grid: tuple[int, int], options: dict[str, Any]
    ) -> None:
        scene, given = condition(*grid, **options), tokens(*grid)
        found = pisa(*given, scene.for_tokens(grid[0] * grid[1]))
        torch.testing.assert_close(found, defined(given, scene, *grid), atol=1e-5, rtol=0)

    def test_gradients_are_those_of_whole_matrices(self) -> None:
        scene = condition(*GRID, hardness=1000.0)
        given = [tensor.requires_grad_() for tensor in tokens(*GRID)]
        upstream = noise(*given[0].shape, seed=9)
        expected = torch.autograd.grad(defined(given, scene, *GRID), given, upstream)
        found = torch.autograd.grad(pisa(*given, scene.for_tokens(560)), given, upstream)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)

    def test_gradients_are_differences(self) -> None:
        disparity, radius = (values.double() for values in scene_maps(3, 5, 3.0))
        paths = PisaCondition(disparity, radius, hardness=20.0).for_tokens(15)
        given = [noise(1, 2, 15, 3, seed=seed).double().requires_grad_() for seed in range(3)]
        assert torch.autograd.gradcheck(lambda *qkv: pisa(*qkv, paths), given)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_as_good_as_its_inputs(self, dtype: torch.dtype) -> None:
        paths, given = condition(*GRID).for_tokens(560), tokens(*GRID, dtype)
        found = pisa(*given, paths)
        assert found.dtype == dtype
        exact = pisa(*(tensor.float() for tensor in given), paths)
        error = (found.float() - exact).abs().amax() / exact.abs().amax()
        assert float(error) < 3 * torch.finfo(dtype).eps

    def test_logits_that_overflow_an_exponential_do_no_harm(self) -> None:
        scene, given = condition(*GRID), tokens(*GRID)
        found = pisa(60 * given[0], *given[1:], scene.for_tokens(560))
        assert bool(torch.isfinite(found).all())

    def test_many_tiles_together_give_the_same_as_one_by_one(self, monkeypatch) -> None:
        scene, given = condition(*GRID, largest=12.0).for_tokens(560).scene, tokens(*GRID)
        outputs, groups = [], []
        for most in (1, 2**20):
            monkeypatch.setattr("focuspuller.models.bokehdiff.light_paths.PAIRS_ON_CPU", most)
            paths = LightPaths(scene)
            groups.append(len(paths.groups))
            outputs.append(pisa(*given, paths))
        assert groups[0] == 12 > groups[1]
        torch.testing.assert_close(*outputs)

    def test_one_picture_serves_a_batch(self) -> None:
        maps, given = scene_maps(*GRID), tokens(*GRID)
        both = PisaCondition(*(values.expand(2, -1, -1, -1) for values in maps), supersamples=1)
        found = pisa(*given, condition(*GRID).for_tokens(560))
        torch.testing.assert_close(found, pisa(*given, both.for_tokens(560)))


class LargestTensor(TorchDispatchMode):
    """How many numbers the largest tensor holds that is made meanwhile."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.largest = max(self.largest, result.numel())
        return result


class TestMemory:
    def largest(self, rows: int, columns: int, radius: float) -> int:
        maps, given = scene_maps(rows, columns, radius), tokens(rows, columns)
        given = [tensor[:1, :1].requires_grad_() for tensor in given]
        with LargestTensor() as mode:
            paths = PisaCondition(*maps, supersamples=1).for_tokens(rows * columns)
            pisa(*given, paths).sum().backward()
        return mode.largest

    def test_it_does_not_grow_with_the_square_of_the_tokens(self) -> None:
        # Each number of tokens is four times the one before; blur reaches everywhere.
        small, large = (self.largest(side, side, 200.0) for side in (16, 32))
        assert large < 4.1 * small

    def test_blur_that_reaches_little_takes_little(self) -> None:
        assert self.largest(48, 48, 1.0) < 0.2 * self.largest(48, 48, 200.0)

    def test_visibility_is_found_once_for_all_layers(self, monkeypatch) -> None:
        calls = []

        def counted(*args: Any) -> Tensor:
            calls.append(args)
            return visible_fraction(*args)

        home = "focuspuller.models.bokehdiff.light_paths"
        monkeypatch.setattr(f"{home}.visible_fraction", counted)
        scene, given = condition(*GRID), tokens(*GRID)
        first = pisa(*given, scene.for_tokens(560))
        groups = len(calls)
        again = pisa(*given, scene.for_tokens(560))
        assert groups == len(calls) == len(scene.for_tokens(560).groups)
        assert torch.equal(first, again)

        # Where it would take too much memory, it is computed again.
        monkeypatch.setattr(f"{home}.KEPT_BYTES", 10)
        torch.testing.assert_close(pisa(*given, LightPaths(scene.for_tokens(560).scene)), first)
        pisa(*given, LightPaths(scene.for_tokens(560).scene))
        assert len(calls) == 3 * groups


class TestReach:
    def test_tiles_that_light_does_not_reach_are_left_out(self) -> None:
        tiles = condition(40, 40, largest=3.0).for_tokens(1600).tiles
        assert sum(tile.pairs for tile in tiles) < 0.25 * 1600**2

    def test_what_is_left_out_weighs_nothing(self) -> None:
        scene = condition(40, 40, largest=6.0, segments=0)
        paths = scene.for_tokens(1600)
        given = tokens(40, 40)
        logits = given[0] @ given[1].mT / 8**0.5
        # No less than what a trained attention has.
        assert float((logits.amax(dim=-2) - logits.amin(dim=-2)).amax()) > 32.0
        everything = LightPaths(paths.scene, least_log_mask=-1e9)
        assert len({tile.targets for tile in everything.tiles}) == 1
        found, whole = (pisa(*given, some) for some in (paths, everything))
        torch.testing.assert_close(found, whole, atol=1e-3, rtol=0)

    def test_a_sharp_scene_is_left_as_it_is(self) -> None:
        paths = condition(*GRID, largest=0.0).for_tokens(560)
        query, key, value = tokens(*GRID)
        torch.testing.assert_close(pisa(0.3 * query, key, value, paths), value)


class TestLight:
    def test_all_light_arrives_where_nothing_hides_it(self) -> None:
        for hardness in (3.0, 1e7):
            scene = condition(*GRID, hardness=hardness, segments=0)
            query, key, value = tokens(*GRID)
            arrived = pisa(query, key, value, scene.for_tokens(560))
            torch.testing.assert_close(arrived.sum(dim=2), value.sum(dim=2), atol=1e-3, rtol=1e-4)

    def test_a_source_spreads_over_its_circle_of_confusion(self) -> None:
        maps = torch.full((1, 1, 21, 21), 0.5), torch.full((1, 1, 21, 21), 3.38 * TOKEN_STEP)
        paths = PisaCondition(*maps, segments=0).for_tokens(441)
        value = torch.zeros(1, 1, 441, 1)
        value[0, 0, 220] = 1.0
        even = torch.zeros(1, 1, 441, 1)
        spread = pisa(even, even, value, paths).view(21, 21)
        distance = distances(21, 21, 1.0, 1.0)[220].view(21, 21)
        inside = distance < 3.38
        torch.testing.assert_close(
            spread[inside],
            torch.full_like(spread[inside], 1 / int(inside.sum())),
            atol=2e-3,
            rtol=0,
        )
        assert float(spread[~inside].amax()) < 1e-3

    def test_light_from_behind_does_not_reach_what_stands_before_it(self) -> None:
        paths = condition(*GRID, largest=60.0).for_tokens(560)
        value = torch.zeros(1, 1, *GRID, 1)
        value[:, :, :4] = 1.0  # The far end of the ground.
        even = torch.zeros(1, 1, 560, 1)
        arrived = pisa(even, even, value.flatten(2, 3), paths).view(GRID)
        assert float(arrived[6, 8:13].amax()) == 0.0
        assert float(arrived[6, 18:].amin()) > 0.0


class TestVisibility:
    def of(self, scene: PisaCondition, rows: int, columns: int) -> Tensor:
        whole = torch.arange(rows * columns)[None]
        return visible_fraction(scene.for_tokens(rows * columns).scene, whole, whole)[:, 0]

    def test_a_scene_on_its_side_is_the_same_scene(self) -> None:
        rows, columns = 6, 10
        upright = self.of(condition(rows, columns), rows, columns)
        maps = (values.mT for values in scene_maps(rows, columns))
        on_side = self.of(PisaCondition(*maps, supersamples=1), columns, rows)
        grid = upright.view(rows, columns, rows, columns)
        turned = on_side.view(columns, rows, columns, rows).permute(1, 0, 3, 2)
        assert 0.05 < float(1 - grid.mean()) < 0.95
        assert torch.equal(turned, grid)

    def test_supersamples_come_close_to_the_mean_of_random_ones(self) -> None:
        maps = token_maps(*scene_maps(8, 8), 8, 8)
        random = torch.rand(100, 7, 64, 64, 2, generator=torch.Generator().manual_seed(3))
        mean = visibility(maps["disparity"], maps["fine"], 8, 8, 7, (random - 0.5) / 4)
        errors = [
            float((self.of(condition(8, 8, supersamples=count), 8, 8) - mean).square().mean())
            for count in (1, 5, 17)
        ]
        assert errors[0] > 1.5 * errors[1]
        assert errors[1] > errors[2]

    def test_nothing_breaks_at_the_lens_and_at_infinity(self) -> None:
        disparity = torch.zeros(1, 1, 32, 32)
        disparity[..., 16:] = 1.0
        scene = PisaCondition(disparity, 10.0 * disparity)
        found = pisa(*(tensor[:1] for tensor in tokens(8, 8)), scene.for_tokens(64))
        assert bool(torch.isfinite(found).all())
        # What lies in the lens is hidden by nothing.
        assert float(self.of(scene, 8, 8)[..., 36:40].amin()) == 1.0


class TestTheProcessor:
    def test_it_needs_a_condition(self) -> None:
        attention = pytest.importorskip("diffusers.models.attention_processor")
        layer = attention.Attention(query_dim=16, heads=2, dim_head=8, bias=False)
        processor = PisaProcessor()
        layer.set_processor(processor)
        with pytest.raises(InputError, match=r"condition: received none\. Run"):
            layer(noise(1, 16, 16))
        with conditioned(processor, condition(4, 4)):
            layer(noise(1, 16, 16))
        assert processor.condition is None

    def test_a_grid_that_is_no_picture_is_refused(self) -> None:
        with pytest.raises(InputError, match="received 17 tokens for a picture of 16×16 px"):
            condition(4, 4).for_tokens(17)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d, r: {"disparity": d[0]}, "Give two maps"),
            (lambda d, r: {"radius": r[..., :-1]}, "Give two maps"),
            (lambda d, r: {"hardness": 1.0}, "hardness 1, 7 segments"),
            (lambda d, r: {"supersamples": 0}, "0 supersamples"),
            (lambda d, r: {"segments": -1}, "-1 segments"),
        ],
    )
    def test_conditions_that_mean_nothing_are_refused(
        self, change: Callable[[Tensor, Tensor], dict[str, Any]], message: str
    ) -> None:
        disparity, radius = scene_maps(4, 4)
        with pytest.raises(InputError, match=message):
            PisaCondition(**{"disparity": disparity, "radius": radius, **change(disparity, radius)})

    def test_a_network_without_the_block_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"unet: .*another layout"):
            install_pisa(nn.Sequential(nn.Linear(3, 3)))
