"""Tokens, noise and Euler's steps."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.models.flux.sampling import Step, denoised, flow_noise, flow_sigmas
from focuspuller.models.flux.tokens import grid_of, image_positions, packed, unpacked
from torch import Tensor


class TestTokens:
    def test_packing_is_that_of_diffusers(self) -> None:
        from diffusers import FluxPipeline

        latents = torch.randn(2, 16, 6, 10)
        wanted = FluxPipeline._pack_latents(latents, 2, 16, 6, 10)
        assert torch.equal(packed(latents), wanted)
        ids = FluxPipeline._prepare_latent_image_ids(2, 3, 5, torch.device("cpu"), torch.float32)
        assert torch.equal(image_positions((3, 5)), ids)

    @pytest.mark.parametrize("size", [(6, 10), (7, 10), (6, 9), (1, 1), (3, 5)])
    def test_any_size_comes_back(self, size: tuple[int, int]) -> None:
        latents = torch.randn(2, 4, *size)
        tokens = packed(latents)
        rows, columns = grid_of(*size)
        assert tokens.shape == (2, rows * columns, 16)
        assert torch.equal(unpacked(tokens, *size), latents)

    def test_odd_rows_and_columns_are_doubled(self) -> None:
        (corner,) = packed(torch.tensor([[[[5.0]]]]))[0]
        assert corner.tolist() == [5.0] * 4

    def test_places_can_be_moved_and_told_apart(self) -> None:
        places = image_positions((2, 3), (1, -3), frame=2)
        assert places.tolist() == [[2, row, column] for row in (1, 2) for column in (-3, -2, -1)]

    def test_tokens_of_a_smaller_condition_lie_in_the_middle_of_what_they_cover(self) -> None:
        small = image_positions((2, 2), scale=2.0).reshape(2, 2, 3)
        whole = image_positions((4, 4)).reshape(2, 2, 2, 2, 3)
        torch.testing.assert_close(small, whole.mean(dim=(1, 3)))


class TestSigmas:
    @pytest.mark.parametrize(("steps", "tokens"), [(1, 256), (4, 1024), (28, 4096), (50, 16384)])
    def test_they_are_those_of_diffusers(self, steps: int, tokens: int) -> None:
        from diffusers import FlowMatchEulerDiscreteScheduler
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
        even = [1.0 - index / steps for index in range(steps)]
        scheduler.set_timesteps(sigmas=even, mu=calculate_shift(tokens))
        found = torch.tensor(flow_sigmas(steps, tokens))
        torch.testing.assert_close(found, scheduler.sigmas, atol=1e-6, rtol=0)


class TestNoise:
    def test_it_depends_on_the_seed_alone(self) -> None:
        def noise(*seeds: int) -> Tensor:
            return flow_noise((3, 4), [torch.Generator().manual_seed(seed) for seed in seeds])

        pair = noise(5, 6)
        assert pair.shape == (2, 12, 64)
        assert torch.equal(pair[1:], noise(6))
        assert not torch.equal(pair[0], pair[1])

    def test_it_is_normal(self) -> None:
        values = flow_noise((40, 40), [torch.Generator().manual_seed(1)])
        assert abs(values.mean()) < 0.01
        assert values.std() == pytest.approx(1.0, abs=0.01)


class TestEuler:
    def test_a_constant_flow_is_followed_exactly(self) -> None:
        clean, noise = torch.randn(2, 1, 6, 4).unbind()
        found = denoised(noise, flow_sigmas(7, 1024), lambda latents, sigma: noise - clean)
        torch.testing.assert_close(found, clean)

    def test_it_converges_on_the_solution(self) -> None:
        """dx/dσ = x from 1 to 0 divides by e."""
        errors = []
        for steps in (64, 128):
            sigmas = [1.0 - index / steps for index in range(steps + 1)]
            found = denoised(torch.ones(1, 1, 1), sigmas, lambda latents, sigma: latents)
            errors.append(abs(found.item() - math.exp(-1.0)))
        assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)

    def test_previews_show_what_the_model_expects(self) -> None:
        clean, noise = torch.randn(2, 1, 6, 4).unbind()
        steps: list[Step] = []
        sigmas = flow_sigmas(5, 1024)
        denoised(noise, sigmas, lambda latents, sigma: noise - clean, steps.append)
        assert [step.index for step in steps] == list(range(5))
        assert [step.sigma for step in steps] == sigmas[1:]
        for step in steps:
            assert step.count == 5
            torch.testing.assert_close(step.preview, clean)

    def test_what_a_callback_raises_ends_it_within_the_step(self) -> None:
        passes = []

        def velocity(latents: Tensor, sigma: float) -> Tensor:
            passes.append(sigma)
            return latents

        def stop(step: Step) -> None:
            if step.index == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            denoised(torch.ones(1, 1, 1), flow_sigmas(9, 256), velocity, stop)
        assert len(passes) == 2

    def test_latents_stay_in_single_precision(self) -> None:
        found = denoised(
            torch.ones(1, 1, 1).bfloat16(), [1.0, 0.5, 0.0], lambda latents, _: latents.bfloat16()
        )
        assert found.dtype == torch.float32
