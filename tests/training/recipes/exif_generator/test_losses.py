"""The EXIF-conditioned generator: discriminator, turns, losses and lens by their definitions."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("transformers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.models.exif_generator.denoiser import Denoiser
from focuspuller.models.exif_generator.exif import Exif, exif_conditioned
from focuspuller.models.focus_distance.architecture import FocusPrediction
from focuspuller.models.sdxl.text import PromptEmbedding
from focuspuller.training.dmd2.discriminator import Head, bottleneck, bottleneck_shape
from focuspuller.training.dmd2.distance import energy_distance
from focuspuller.training.dmd2.lens import Cameras, photographed
from focuspuller.training.dmd2.losses import clean, guided, matching_direction
from focuspuller.training.dmd2.settings import (
    PhotographFolder,
    is_shallow,
    is_students_turn,
)
from focuspuller.training.dmd2.tiny import tiny_generator
from focuspuller.training.dmd2.trainee import FAKE, FOCUS, GENERATOR
from focuspuller.training.recipes.exif_generator import (
    PAPER,
)
from torch import Tensor

from .tasks import DEEP, SHALLOW, SMALL, WITH_LENS, batch_of, task_of, trainee_of


class TestDiscriminator:
    def test_its_features_are_those_in_the_middle_of_the_unet(self) -> None:
        unet, _, _ = tiny_generator()
        torch.manual_seed(0)
        latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([3, 700])
        prompt = PromptEmbedding(torch.randn(2, 77, 32), torch.randn(2, 16))
        seen: list[Tensor] = []
        hook = unet.mid_block.register_forward_hook(lambda *call: seen.append(call[-1]))
        with torch.no_grad():
            Denoiser(unet, prompt)(latents, timesteps)
            hook.remove()
            found = bottleneck(unet, latents, timesteps, prompt)
        assert torch.equal(found, seen[0])
        assert tuple(found.shape[1:]) == (*bottleneck_shape(unet, 64)[:1], 2, 2)
        assert bottleneck_shape(unet, 64) == (32, 2)

    def test_its_head_is_the_published_one_for_pictures_of_1024_px(self) -> None:
        with torch.device("meta"):
            head = Head(1280, 32)
            logits = head(torch.empty(3, 1280, 32, 32))
        convolutions = [one for one in head if isinstance(one, torch.nn.Conv2d)]
        shapes = [(one.kernel_size[0], one.stride[0], one.padding[0]) for one in convolutions]
        assert shapes == [(4, 2, 1)] * 3 + [(4, 4, 0), (1, 1, 0)]
        groups = [one.num_groups for one in head if isinstance(one, torch.nn.GroupNorm)]
        assert groups == [32] * 4
        assert logits.shape == (3,)

    @pytest.mark.parametrize("side", [1, 2, 3, 6, 16, 20])
    def test_it_gives_one_number_whatever_the_size(self, side: int) -> None:
        assert Head(16, side)(torch.randn(2, 16, side, side)).shape == (2,)


class TestTurns:
    @pytest.mark.parametrize("updates", [1, 2, 4, 5])
    def test_both_kinds_of_pictures_alternate(self, updates: int) -> None:
        config = replace(WITH_LENS, fake_updates=updates)
        steps = range(8 * updates)
        turns = [is_shallow(config, step) for step in steps if is_students_turn(config, step)]
        assert turns == [False, True] * 4
        assert sum(is_shallow(config, step) for step in steps) == 4 * updates

    def test_without_shallow_pictures_all_are_deep(self) -> None:
        config = replace(PAPER, deep=(PhotographFolder("a", "b"),))
        assert not any(is_shallow(config, step) for step in range(12))

    def test_the_focus_is_trained_in_every_step_once(self) -> None:
        config = replace(WITH_LENS, fake_updates=5)
        task = task_of(config)
        turns = {phase.name: phase.is_due for phase in task.phases}
        for step in range(20):
            is_trained_with_student = turns[GENERATOR](step) and is_shallow(config, step)
            assert turns[FOCUS](step) == (not is_trained_with_student)
            assert turns[FAKE](step)
        assert [step for step in range(20) if turns[GENERATOR](step)] == [0, 5, 10, 15]

    def test_all_processes_take_the_same_step_of_the_student(self) -> None:
        task = task_of(SMALL)
        for step in range(8):
            found = {int(task.example(step, np.random.default_rng(n))["student_step"])
                     for n in range(3)}  # fmt: skip
            assert len(found) == 1
        drawn = {int(task.example(step, np.random.default_rng(0))["student_step"])
                 for step in range(12)}  # fmt: skip
        assert drawn == {0, 1}


class TestLosses:
    def test_a_deep_turn_is_of_the_student_alone(self) -> None:
        task = task_of(WITH_LENS)
        trainee, batch = trainee_of(task), batch_of(task, DEEP)
        losses = trainee(GENERATOR, batch)
        weights = task.config.weights
        expected = losses["matching"] + weights.generator * losses["adversarial"]
        torch.testing.assert_close(losses["loss"], weights.deep * expected)
        losses["loss"].backward()
        assert reached(trainee.student) and reached(trainee.projection)
        assert trainee.lens is not None and not reached(trainee.lens)
        assert not any(reached(one) for one in (trainee.teacher, trainee.vae, trainee.encoders))

    def test_a_shallow_turn_goes_through_the_lens(self) -> None:
        task = task_of(WITH_LENS, weights=replace(WITH_LENS.weights, shallow=3.0, focus=20.0))
        trainee, batch = trainee_of(task), batch_of(task, SHALLOW)
        assert trainee.lens is not None
        with torch.no_grad():  # The copy of VST that the focus is compared with.
            for parameter in trainee.lens.regularization.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        losses = trainee(GENERATOR, batch)
        matched = losses["matching"] + losses["adversarial"]
        torch.testing.assert_close(losses["loss"], 3.0 * matched + 20.0 * losses["focus"])
        assert float(losses["focus"].detach()) > 0
        matched.backward()
        assert reached(trainee.student)
        assert reached(trainee.lens.transformer.vst)
        assert reached(trainee.lens.transformer.scale_head)
        assert not reached(trainee.lens.regularization) and not reached(trainee.vae)

    def test_the_fake_score_learns_with_its_discriminator(self) -> None:
        task = task_of(SMALL)
        trainee = trainee_of(task)
        losses = trainee(FAKE, batch_of(task, SHALLOW))
        weight = task.config.weights.discriminator
        expected = losses["denoising"] + weight * losses["discriminator"]
        torch.testing.assert_close(losses["loss"], expected)
        losses["loss"].backward()
        assert all(reached(one) for one in (trainee.fake, trainee.fake_projection, trainee.head))
        assert not any(reached(one) for one in (trainee.student, trainee.projection))

    @pytest.mark.parametrize("told", ["none", "dof_text"])
    def test_scores_see_the_camera_where_the_teacher_is_told(self, told: Any) -> None:
        task = task_of(SMALL, guidance=4.0, teacher_told=told)
        trainee, batch = trainee_of(task), batch_of(task, SHALLOW)
        latents, seen = torch.randn(2, 2, 4, 8, 8)
        timesteps = torch.tensor([200, 600])
        torch.nn.init.normal_(trainee.fake_projection.linear_2.weight, std=0.1)
        exif = Exif(batch["f_number"][:, 0], batch["focal_length_mm"][:, 0])
        sees = exif_conditioned(trainee.fake, trainee.fake_projection, exif)
        words = trainee.prompt_of(batch, "teacher_tokens")
        nothing = PromptEmbedding(torch.zeros(2, 77, 32), torch.zeros(2, 16))
        with torch.no_grad():
            found = trainee.direction_at(latents, seen, timesteps, batch)
            with_it, without = (
                Denoiser(trainee.teacher, one)(seen, timesteps) for one in (words, nothing)
            )
            with sees if told != "none" else nullcontext():
                fake = Denoiser(trainee.fake, trainee.prompt_of(batch))(seen, timesteps)
        real = clean(seen, guided(without, with_it, 4.0), timesteps)
        expected = matching_direction(latents, real, clean(seen, fake, timesteps))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(batch["tokens"], batch["teacher_tokens"]) == (told == "none")

    def test_behind_a_lens_the_student_is_told_that_all_be_sharp(self) -> None:
        told = {}
        for config in (WITH_LENS, SMALL):
            task = task_of(config)
            for step in (DEEP, SHALLOW):
                batch = batch_of(task, step)
                exif = trainee_of(task).told(batch)
                assert torch.equal(exif.focal_length_mm, batch["focal_length_mm"][:, 0])
                told[config.blur, step] = (exif.f_number, batch["f_number"][:, 0])
        assert set(told["taf", SHALLOW][0].tolist()) == {22.0}
        for place in (("taf", DEEP), ("none", DEEP), ("none", SHALLOW)):
            assert torch.equal(*told[place])
        assert bool((told["none", SHALLOW][0] < 6).all())


def reached(network: torch.nn.Module) -> bool:
    return any(one.grad is not None and bool(one.grad.any()) for one in network.parameters())


class TestLens:
    def test_photographs_are_those_of_the_product(self) -> None:
        torch.manual_seed(0)
        image = torch.rand(1, 3, 32, 32)
        depth = Depth.from_metres(
            torch.linspace(1.0, 5.0, 32).view(1, 1, 1, 32).expand(1, 1, 32, 32)
        )
        scale = torch.tensor([1.5])
        focus = Focus.at_distance(2.0)
        camera = Camera(50.0, 4.0, 36.0, image_width_px=2000)
        defocus = defocus_from_camera(depth, focus, camera, scale)
        expected = linear_to_srgb(render(srgb_to_linear(image), defocus, Lens("taf")))
        told = Cameras(*(torch.tensor([one]) for one in (4.0, 50.0, camera.pixels_per_mm)))
        found = photographed(image, depth, FocusPrediction(focus, scale, image[:, :1]), told)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert (found - image).abs().mean() > 0.05

    def test_a_focus_within_the_lens_is_no_end_of_the_training(self) -> None:
        image = torch.rand(1, 3, 16, 16, requires_grad=True)
        depth = Depth(torch.full((1, 1, 16, 16), 0.5), is_metric=True)
        scale = torch.tensor([0.01], requires_grad=True)
        focus = Focus.at_distance(torch.tensor([0.06], requires_grad=True))
        told = Cameras(*(torch.tensor([one]) for one in (1.2, 200.0, 30.0)))
        found = photographed(image, depth, FocusPrediction(focus, scale, image[:, :1]), told)
        found.mean().backward()
        assert bool(found.isfinite().all())
        assert image.grad is not None and bool(image.grad.isfinite().all())


def test_energy_distance_is_zero_for_one_distribution() -> None:
    torch.manual_seed(0)
    same, other = torch.randn(2, 400, 3), 1.0 + torch.randn(400, 3)
    assert abs(energy_distance(*same)) < 0.02
    assert energy_distance(same[0], other) > 0.3
    line = energy_distance(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [4.0]]))
    assert line == pytest.approx(2 * 2.5 - 1 - 2)
