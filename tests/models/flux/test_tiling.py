"""Tiles: they cover the picture, leave no seams, and remember their conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from focuspuller.models.flux.conditions import Condition, Prompt, Visibility
from focuspuller.models.flux.denoiser import Denoiser
from focuspuller.models.flux.sampling import denoised, flow_sigmas
from focuspuller.models.flux.tiling import (
    Tile,
    Tiling,
    blended,
    blending_weight,
    tiled_conditions,
    tiles,
)
from focuspuller.models.flux.tokens import Grid, image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from oracles.flux import CONFIG, SHAPE, condition, inputs
from torch import Tensor

SMALL = Tiling(size=6, overlap=2)
GRIDS: list[Grid] = [(6, 7), (12, 6), (13, 20), (3, 40), (9, 9)]


def tokens_of(grid: Grid, seed: int = 3, channels: int = CONFIG["in_channels"]) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, grid[0] * grid[1], channels, generator=generator)


class TestTiles:
    @pytest.mark.parametrize("grid", GRIDS)
    def test_they_cover_the_picture_and_overlap(self, grid: Grid) -> None:
        covered = torch.zeros(1, grid[0] * grid[1], 1)
        every = tiles(grid, SMALL)
        for tile in every:
            assert tile.grid == (min(6, grid[0]), min(6, grid[1]))
            tile.view(covered, grid).add_(1)
        assert covered.amin() >= 1
        for length, starts in zip(
            grid, ({tile.top for tile in every}, {tile.left for tile in every}), strict=True
        ):
            ordered = sorted(starts)
            assert max(ordered) + min(6, length) == length
            assert all(later - sooner <= 4 for sooner, later in pairwise(ordered))

    @pytest.mark.parametrize("grid", [(6, 6), (5, 4), (3, 12), (1, 36)])
    def test_pictures_of_no_more_tokens_than_a_tile_stay_whole(self, grid: Grid) -> None:
        assert tiles(grid, SMALL) == [Tile(0, 0, *grid)]

    def test_parts_are_cut_out_by_rows_and_columns(self) -> None:
        numbers = torch.arange(12.0)[None, :, None]
        assert Tile(1, 2, 2, 2).of(numbers, (3, 4)).flatten().tolist() == [6, 7, 10, 11]

    def test_weights_fall_off_from_the_middle(self) -> None:
        weight = blending_weight((7, 5))[..., 0]
        assert weight[3, 2] == 1.0
        assert torch.equal(weight, weight.flip(0, 1))
        assert bool((weight[:4].diff(dim=0) > 0).all())


class TestBlending:
    @pytest.mark.parametrize("at_once", [1, 3])
    @pytest.mark.parametrize("grid", GRIDS)
    def test_what_tiles_agree_on_is_the_whole(self, grid: Grid, at_once: int) -> None:
        """A model that looks at every token alone gives the same in tiles."""
        latents = tokens_of(grid)
        calls = []

        def predict(few: Sequence[Tile]) -> list[Tensor]:
            calls.append(len(few))
            return [tile.of(latents, grid).sin() for tile in few]

        every = tiles(grid, SMALL)
        found = blended(grid, every, predict, at_once)
        torch.testing.assert_close(found, latents.sin())
        assert sum(calls) == len(every)
        assert max(calls) <= at_once

    def test_disagreement_fades_without_a_seam(self) -> None:
        grid: Grid = (6, 10)
        left, right = (Tile(0, start, 6, 6) for start in (0, 4))
        found = blended(
            grid, [left, right], lambda few: [torch.full((1, 36, 1), float(few[0].left > 0))]
        )
        row = found.reshape(grid)[2]
        assert row[:4].tolist() == [0.0] * 4
        assert row[6:].tolist() == [1.0] * 4
        assert 0.0 < row[4] < row[5] < 1.0

    def test_at_the_published_size_neighbours_differ_by_a_fraction_of_the_disagreement(
        self,
    ) -> None:
        """Tiles that disagree by 1: the largest step from token to token in the whole picture."""
        grid: Grid = (60, 60)
        every = tiles(grid, Tiling())
        shade = {tile: float(index % 2) for index, tile in enumerate(every)}
        found = blended(grid, every, lambda few: [torch.full((1, 1024, 1), shade[few[0]])]).reshape(
            grid
        )
        steps = torch.cat([found.diff(dim=0).flatten(), found.diff(dim=1).flatten()]).abs()
        assert len(every) == 4
        assert 0.05 < steps.amax() < 0.25


class TestConditionsOfTiles:
    def test_each_tile_has_its_part_at_the_places_of_the_first(self) -> None:
        grid: Grid = (8, 9)
        whole = condition(2, grid, positions=image_positions(grid, (0, 32)))
        few = [Tile(0, 0, 4, 5), Tile(4, 4, 4, 5)]
        (found,) = tiled_conditions([whole], grid, few, 1)
        for index, tile in enumerate(few):
            assert torch.equal(found.tokens[index], tile.of(whole.tokens, grid)[0])
        assert torch.equal(found.positions, image_positions((4, 5), (0, 32)))

    def test_what_lies_on_no_grid_is_shown_to_all(self) -> None:
        aside = condition(2, (2, 2), aligned=False)
        (found,) = tiled_conditions([aside], (8, 9), [Tile(4, 4, 4, 5)], 1)
        assert torch.equal(found.tokens, aside.tokens)
        pair = replace(aside, tokens=torch.cat([aside.tokens, -aside.tokens]))
        (found,) = tiled_conditions([pair], (8, 9), [Tile(0, 0, 4, 5), Tile(4, 4, 4, 5)], 2)
        assert torch.equal(found.tokens, torch.cat([pair.tokens, pair.tokens]))


class TestDenoiser:
    GRID: Grid = (9, 8)

    def denoiser(self, model: ConditionedFlux, **settings: Any) -> Denoiser:
        conditions = [condition(seed, self.GRID) for seed in (2, 3)]
        return Denoiser(model, self.GRID, inputs().prompt, conditions, **settings)

    def picture(self, denoiser: Denoiser, steps: int = 3) -> Tensor:
        sigmas = flow_sigmas(steps, self.GRID[0] * self.GRID[1])
        return denoised(tokens_of(self.GRID), sigmas, denoiser)

    @pytest.mark.parametrize("tiling", [None, SMALL])
    @pytest.mark.parametrize("visibility", Visibility)
    def test_it_is_the_model_step_by_step(
        self, model: ConditionedFlux, visibility: Visibility, tiling: Tiling | None
    ) -> None:
        denoiser = self.denoiser(model, guidance=2.0, visibility=visibility, tiling=tiling)

        def velocity(latents: Tensor, sigma: float) -> Tensor:
            def predict(few: Sequence[Tile]) -> list[Tensor]:
                (tile,) = few
                own = [
                    replace(
                        one,
                        tokens=tile.of(one.tokens, self.GRID),
                        positions=image_positions(tile.grid),
                    )
                    for one in denoiser.conditions
                ]
                picture, time = tile.of(latents, self.GRID), torch.tensor([sigma])
                given = (picture, image_positions(tile.grid), time, 2.0, denoiser.prompt)
                return [model(*given, own, visibility)]

            every = tiles(self.GRID, tiling) if tiling else [Tile(0, 0, *self.GRID)]
            return blended(self.GRID, every, predict)

        sigmas = flow_sigmas(3, self.GRID[0] * self.GRID[1])
        wanted = denoised(tokens_of(self.GRID), sigmas, velocity)
        torch.testing.assert_close(self.picture(denoiser), wanted, atol=2e-5, rtol=1e-5)

    @pytest.mark.parametrize("visibility", Visibility)
    def test_tiles_together_are_the_same_as_one_by_one(
        self, model: ConditionedFlux, visibility: Visibility
    ) -> None:
        pair = Prompt(*(torch.cat([one, -one]) for one in vars(inputs().prompt).values()))
        found = []
        for at_once in (1, 3, 99):
            denoiser = self.denoiser(
                model, visibility=visibility, tiling=replace(SMALL, at_once=at_once)
            )
            denoiser = replace(denoiser, prompt=pair)
            latents = tokens_of(self.GRID).repeat(2, 1, 1)
            found.append(denoised(latents, flow_sigmas(2, 72), denoiser))
        assert not torch.allclose(found[0][0], found[0][1])
        torch.testing.assert_close(found[1], found[0], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(found[2], found[0], atol=2e-5, rtol=1e-5)

    @pytest.mark.parametrize("tiling", [None, SMALL])
    def test_independent_conditions_pass_the_model_once(
        self, model: ConditionedFlux, tiling: Tiling | None
    ) -> None:
        count = len(tiles(self.GRID, tiling)) if tiling else 1
        seen = self.conditions_seen(
            self.denoiser(model, visibility=Visibility.INDEPENDENT, tiling=tiling), steps=4
        )
        assert seen == [1, 1, 0] * count + [0] * 3 * count

    @pytest.mark.parametrize("tiling", [None, SMALL])
    def test_what_may_not_be_remembered_is_computed_in_every_step(
        self, model: ConditionedFlux, tiling: Tiling | None
    ) -> None:
        count = len(tiles(self.GRID, tiling)) if tiling else 1
        settings = {"visibility": Visibility.INDEPENDENT, "tiling": tiling}
        forgetful = self.denoiser(model, **settings, cache_bytes=0)
        assert self.conditions_seen(forgetful, steps=3) == [1, 1, 0] * 3 * count
        wanted = self.picture(self.denoiser(model, **settings))
        assert torch.equal(self.picture(self.denoiser(model, **settings, cache_bytes=0)), wanted)
        refreshed = self.denoiser(model, tiling=tiling, refresh=3, cache_bytes=0)
        assert self.conditions_seen(refreshed, steps=3) == [2] * 3 * count

    def test_as_many_tiles_are_remembered_as_may_be(self, model: ConditionedFlux) -> None:
        settings = {"visibility": Visibility.INDEPENDENT, "tiling": SMALL}
        count = len(tiles(self.GRID, SMALL))
        blocks, tokens = 4, 2 * 36
        of_tile = 2 * blocks * tokens * SHAPE.width * 4
        denoiser = self.denoiser(model, **settings, cache_bytes=2 * of_tile)
        seen = self.conditions_seen(denoiser, steps=2)
        assert count == 4
        assert seen == [1, 1, 0] * count + [0] * 2 + [1, 1, 0] * (count - 2)

    def test_old_conditions_are_used_between_refreshes_only_if_asked_for(
        self, model: ConditionedFlux
    ) -> None:
        assert self.conditions_seen(self.denoiser(model), steps=4) == [2, 2, 2, 2]
        assert self.conditions_seen(self.denoiser(model, refresh=3), steps=7) == [
            *(2, 0, 0),
            *(2, 0, 0),
            2,
        ]

    @torch.no_grad()
    def conditions_seen(self, denoiser: Denoiser, steps: int) -> list[int]:
        """How many conditions each pass of the model is given."""
        seen = []
        handle = denoiser.model.register_forward_pre_hook(
            lambda _, given: seen.append(len(given[5]) if len(given) > 5 else 0)
        )
        self.picture(denoiser, steps)
        handle.remove()
        return seen

    def test_refreshing_less_often_is_an_approximation(self, model: ConditionedFlux) -> None:
        exact, every_second = (
            self.picture(self.denoiser(model, refresh=refresh), steps=6) for refresh in (1, 2)
        )
        off = (exact - every_second).abs().mean() / exact.abs().mean()
        assert 1e-4 < off < 0.5

    def test_a_check_can_end_it_between_tiles(self, model: ConditionedFlux) -> None:
        checks = []

        def check() -> None:
            checks.append(None)
            if len(checks) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.picture(self.denoiser(model, tiling=SMALL, check=check))
        assert len(checks) == 3

    def test_no_conditions(self, model: ConditionedFlux) -> None:
        bare = Denoiser(model, self.GRID, inputs().prompt, [], visibility=Visibility.INDEPENDENT)
        assert torch.isfinite(self.picture(bare)).all()

    def test_memory_is_that_of_a_tile(self, model: ConditionedFlux) -> None:
        """No pass sees more tokens than a tile has, however large the picture."""
        grid: Grid = (30, 25)
        conditions = [
            Condition(tokens_of(grid, seed), image_positions(grid), "bokeh") for seed in (2, 3)
        ]
        most = []
        for block in model.single_transformer_blocks:
            block.register_forward_pre_hook(lambda _, given: most.append(given[0].shape[:2]))
        denoiser = Denoiser(model, grid, inputs().prompt, conditions, tiling=SMALL)
        denoised(tokens_of(grid), [1.0, 0.0], denoiser)
        text = inputs().prompt.tokens.shape[1]
        assert set(most) == {(1, 3 * 36 + text)}
