"""The EXIF-conditioned generator: steps from noise to a picture, few and many."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from focuspuller.models.exif_generator.sampling import (
    FOUR_STEPS,
    ONE_STEP,
    SeededNoise,
    even_timesteps,
    few_step_latents,
    many_step_latents,
    student_timesteps,
)
from focuspuller.models.exif_generator.student import (
    timesteps_of,
)
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


CPU = torch.device("cpu")


class TestSteps:
    def test_a_student_steps_as_diffusers_lcm_scheduler(self) -> None:
        from diffusers import LCMScheduler

        scheduler = LCMScheduler(1000, 0.00085, 0.012, "scaled_linear")
        scheduler.set_timesteps(timesteps=list(FOUR_STEPS), original_inference_steps=1000)
        noises = list(torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(2)))
        seen = list(torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(3)))
        latents = noises[0]
        for index, timestep in enumerate(FOUR_STEPS):
            fresh = noises[index + 1 : index + 2]
            with pytest.MonkeyPatch.context() as patch:
                module = "diffusers.schedulers.scheduling_lcm.randn_tensor"
                patch.setattr(module, lambda *args, fresh=fresh, **kwargs: fresh[0])
                step = scheduler.step(seen[index], torch.tensor(timestep), latents)
            latents = step.prev_sample
        given, told = iter(noises), iter(seen)
        found = few_step_latents(lambda *state: next(told), lambda: next(given), FOUR_STEPS)
        torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-4)

    def test_sdxl_steps_as_diffusers_euler_scheduler(self) -> None:
        from diffusers import EulerDiscreteScheduler

        options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
        scheduler = EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **options)
        scheduler.set_timesteps(10)
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))

        def predict(latents: Tensor, timestep: int) -> Tensor:
            return torch.sin(latents + timestep / 100)

        assert [int(one) for one in scheduler.timesteps] == list(even_timesteps(10))
        latents = noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            seen = predict(scheduler.scale_model_input(latents, timestep), int(timestep))
            latents = scheduler.step(seen, timestep, latents).prev_sample
        found = many_step_latents(predict, noise, even_timesteps(10))
        torch.testing.assert_close(found, latents, rtol=1e-3, atol=1e-3)

    def test_gradients_flow_through_all_steps(self) -> None:
        factor = torch.ones((), requires_grad=True)
        noise = SeededNoise([1], (8, 8))
        few_step_latents(lambda latents, t: factor * latents, noise, FOUR_STEPS).sum().backward()
        assert factor.grad is not None
        assert factor.grad.abs() > 0

    def test_other_numbers_of_steps_begin_where_training_did(self) -> None:
        assert student_timesteps(FOUR_STEPS, 4) == FOUR_STEPS
        assert student_timesteps(FOUR_STEPS, 1) == (999,)
        assert student_timesteps(FOUR_STEPS, 2) == (999, 499)

    def test_every_picture_of_a_batch_has_its_own_noise(self) -> None:
        both, second = SeededNoise([7, 8], (2, 3)), SeededNoise([8], (2, 3))
        for _ in range(3):
            assert torch.equal(both()[1:], second())

    @pytest.mark.parametrize(
        ("name", "timesteps"),
        [
            ("dmd2_sdxl_1step_unet_fp16.bin", ONE_STEP),
            ("dmd2_sdxl_4step_lora_fp16.safetensors", FOUR_STEPS),
            ("my_11step.safetensors", FOUR_STEPS),
        ],
    )
    def test_a_students_steps_follow_from_its_published_name(self, name, timesteps) -> None:
        assert timesteps_of(Path(name)) == timesteps
