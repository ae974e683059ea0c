"""DMD2's losses and backward simulation, by the numbers of the published code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.training.dmd2.backward_simulation import simulated, state_at, student_timesteps
from focuspuller.training.dmd2.losses import (
    all_timesteps,
    clean,
    denoising_loss,
    discriminator_loss,
    generator_loss,
    guided,
    matched_timesteps,
    matching_direction,
    matching_loss,
    noisy,
)
from torch import Tensor

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance" / "dmd2_losses"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def known() -> dict[str, Tensor]:
    if not CONFORMANCE.exists():
        pytest.skip("the conformance set dmd2_losses is not here")
    with np.load(CONFORMANCE / "io.npz") as arrays:
        return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


def close(mine: Tensor, theirs: Tensor, tolerance: float = 1e-6) -> None:
    scale = max(1.0, float(theirs.abs().max()))
    torch.testing.assert_close(mine.double(), theirs.double(), atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize("case", ["c0", "c1"])
class TestPublishedNumbers:
    def test_distribution_matching(self, known, case):
        one = {key.removeprefix(f"{case}_"): value for key, value in known.items()}
        latents = one["latents"].clone().requires_grad_()
        times = one["timesteps"].long()
        seen = noisy(latents.detach(), one["noise"], times)
        close(seen, one["noisy_latents"])
        scale = float(one["real_guidance_scale"])
        real_noise = guided(one["eps_real_uncond"], one["eps_real_cond"], scale)
        real, fake = clean(seen, real_noise, times), clean(seen, one["eps_fake"], times)
        close(real, one["x0_real"], 1e-5)
        close(fake, one["x0_fake"], 1e-5)
        direction = matching_direction(latents.detach(), real, fake)
        close(direction, one["dm_grad_direction"], 1e-5)
        close(direction.norm(), one["dm_grad_norm"], 1e-5)
        loss = matching_loss(latents, direction)
        close(loss, one["loss_dm"], 1e-6)
        (gradient,) = torch.autograd.grad(loss, latents)
        close(gradient, one["autograd_grad_wrt_latents"], 1e-7)

    def test_fake_score(self, known, case):
        one = {key.removeprefix(f"{case}_"): value for key, value in known.items()}
        times = one["fakeloss_timesteps"].long()
        seen = noisy(one["latents"], one["fakeloss_noise"], times)
        close(seen, one["fakeloss_noisy"])
        close(denoising_loss(one["eps_fake"], one["fakeloss_noise"]), one["fakeloss_value"])
        close(clean(seen, one["eps_fake"], times), one["fakeloss_x0"], 1e-5)


def test_discriminator_and_generator(known):
    real, fake = (known[f"gan_logits_{one}"].clone().requires_grad_() for one in ("real", "fake"))
    paid = generator_loss(fake)
    close(paid, known["gan_gen_loss"])
    close(torch.autograd.grad(paid, fake)[0], known["gan_gen_grad_fake"])
    loss = discriminator_loss(real, fake)
    close(loss, known["gan_disc_loss"])
    for gradient, name in zip(
        torch.autograd.grad(loss, (real, fake)), ("real", "fake"), strict=True
    ):
        close(gradient, known[f"gan_disc_grad_{name}"])


@pytest.mark.parametrize("count", [2, 4, 8])
def test_steps_of_the_student(known, count):
    assert list(student_timesteps(count)) == known[f"denoising_steps_{count}"].tolist()


@pytest.mark.parametrize("step", range(4))
def test_backward_simulation(known, step):
    weight, bias = known["backsim_conv_weight"], known["backsim_conv_bias"]

    def student(latents: Tensor, timesteps: Tensor) -> Tensor:
        share = timesteps.view(-1, 1, 1, 1) / 1000
        return 0.5 * F.conv2d(latents, weight, bias, padding=1) + 0.5 * share * latents

    times = student_timesteps(4)
    picture = simulated(
        student,
        known["backsim_start_noise"],
        times,
        step,
        lambda index: known[f"backsim_renoise{index}"],
    )
    close(picture, known[f"backsim_image_sel{step}"], 1e-5)
    state = state_at(picture, torch.ones_like(picture), times, step)
    assert state.timesteps.tolist() == known[f"backsim_timesteps_sel{step}"].tolist()


def test_the_first_step_begins_with_noise_alone():
    picture, noise = torch.full((1, 4, 2, 2), 9.0), torch.randn(1, 4, 2, 2)
    times = student_timesteps(4)
    assert torch.equal(state_at(picture, noise, times, 0).latents, noise)
    second = state_at(picture, noise, times, 1)
    torch.testing.assert_close(clean(second.latents, noise, second.timesteps).float(), picture)


def test_matching_stops_where_the_scores_agree():
    latents = torch.randn(2, 4, 3, 3)
    real = torch.randn_like(latents).double()
    assert not bool(matching_direction(latents, real, real).any())
    assert not bool(matching_direction(latents, latents.double(), latents.double()).any())


def test_matching_pulls_latents_to_the_teacher():
    latents = torch.zeros(1, 4, 3, 3, requires_grad=True)
    real, fake = torch.ones(1, 4, 3, 3).double(), -torch.ones(1, 4, 3, 3).double()
    matching_loss(latents, matching_direction(latents.detach(), real, fake)).backward()
    assert latents.grad is not None
    assert bool((latents.grad < 0).all())


def test_timesteps_are_drawn_from_their_ranges():
    torch.manual_seed(0)
    matched, every = matched_timesteps(20_000, CPU), all_timesteps(20_000, CPU)
    assert (int(matched.min()), int(matched.max())) == (20, 980)
    assert (int(every.min()), int(every.max())) == (0, 999)
