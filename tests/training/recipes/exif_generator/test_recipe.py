"""The EXIF-conditioned generator: its settings, and what its training leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("transformers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

import focuspuller as fp
from focuspuller.errors import FileError, InputError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator.check import check
from focuspuller.models.exif_generator.denoiser import Denoiser
from focuspuller.models.exif_generator.files import exif_metadata, load_projection
from focuspuller.models.exif_generator.handle import (
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from focuspuller.models.exif_generator.student import load_student
from focuspuller.models.focus_distance.files import check as check_focus
from focuspuller.models.sdxl.base import load_vae
from focuspuller.models.sdxl.text import PromptEmbedding
from focuspuller.models.state_dict import read_metadata, read_state_dict
from focuspuller.nodes import GenerateAllInFocus
from focuspuller.nodes.standin import Host, installed_host
from focuspuller.training.dmd2.distance import energy_distance
from focuspuller.training.dmd2.photographs import ProceduralPhotographs
from focuspuller.training.engine.loop import train
from focuspuller.training.recipes.exif_generator import (
    FOCUS_FILE,
    PAPER,
    RECIPE,
)
from torch import Tensor

from .tasks import (
    SMALL,
    WITH_LENS,
    WITHOUT_LENS,
    task_of,
    trained_weights,
    trainee_of,
)

CPU = torch.device("cpu")


@pytest.fixture
def node_host(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nodes find the folder of models, and nothing else."""
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))
    with installed_host(Host([tmp_path], tmp_path, CPU, model_roots=[root])):
        yield


def drawn_by_the_node(f_number: float) -> Tensor:
    """Pictures of a camera, by the file that is in its folder."""
    settings = {"prompt": "", "width": 64, "height": 64, "seed": 3, "batch": 2, "steps": 0}
    chosen = {"guidance": 1.0, "conditioning": "automatic", "base": "TinyXL"}
    output = GenerateAllInFocus.execute(**settings, **chosen, camera=Camera(50.0, f_number))
    return output[0]


def latents_by_the_loader(base: Path, f_number: float) -> Tensor:
    """What the node draws, `[24,4,8,8]`, before the VAE shows it."""
    generator = open_generator(base)
    (prompt,) = embedded_prompts([""], generator, CPU)
    steps: list[Tensor] = []
    generate(
        *(generator, prompt, Sampling(width=64, height=64, seed=3, batch=24), CPU),
        camera=Camera(50.0, f_number),
        on_step=lambda _, clean: steps.append(clean),
    )
    return torch.cat(steps[len(WITHOUT_LENS.timesteps) - 1 :: len(WITHOUT_LENS.timesteps)])


@torch.no_grad()
def latents_of_photographs(base: Path, f_number: float) -> Tensor:
    """Those of scenes that no training has seen, in the light for such an aperture."""
    is_wide = f_number < 10
    source = ProceduralPhotographs(64, 24, is_shallow=is_wide, is_dim=is_wide, seed=4321)
    taken = [source.draw(np.random.default_rng(number)).image for number in range(24)]
    return load_vae(base).encode(2.0 * torch.stack(taken) - 1.0).latent_dist.mode()


def test_what_was_trained_and_loaded_draws_more_like_photographs(
    node_host: None, root: Path, base: Path, tmp_path: Path
) -> None:
    del node_host
    config = replace(WITHOUT_LENS, base=str(base), run=replace(WITHOUT_LENS.run, steps=40))
    place = root / "exif_generator" / RECIPE.product
    real = {f_number: latents_of_photographs(base, f_number) for f_number in (2.0, 16.0)}

    def distance() -> float:
        return sum(
            energy_distance(latents_by_the_loader(base, f_number), one)
            for f_number, one in real.items()
        )

    task = task_of(config)
    task.export(trained_weights(task), place, {})
    before = distance()
    # An untrained projection says nothing of the camera.
    assert torch.equal(drawn_by_the_node(2.0), drawn_by_the_node(16.0))
    file = train(RECIPE, config, tmp_path / "run", CPU).weights
    assert file is not None
    assert all(verdict.fits for verdict in fp.verify_model(file))
    shutil.copy(file, place)
    assert distance() < 0.75 * before
    assert (drawn_by_the_node(2.0) - drawn_by_the_node(16.0)).abs().mean() > 1e-4


def test_the_papers_settings() -> None:
    weights = PAPER.weights
    assert (weights.deep, weights.shallow, weights.focus) == (1, 1, 200)
    assert (weights.generator, weights.discriminator) == (5e-3, 1e-2)
    assert (PAPER.fake_updates, PAPER.guidance, PAPER.size_px) == (5, 8, 1024)
    assert PAPER.timesteps == (999, 749, 499, 249)
    for optimizer in (PAPER.optimizer, PAPER.fake_optimizer, PAPER.focus_optimizer):
        assert (optimizer.learning_rate, optimizer.weight_decay) == (5e-7, 0.01)
        assert (optimizer.betas, optimizer.clip_norm) == ((0.9, 0.999), 10)
    assert PAPER.run.batch_size == 1


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"timesteps": (249, 499)}, "timesteps"),
        ({"timesteps": ()}, "timesteps"),
        ({"timesteps": (1000,)}, "timesteps"),
        ({"size_px": 100}, "size_px"),
        ({"fake_updates": 0}, "fake_updates"),
        ({"rank": -1}, "rank"),
        ({"discriminator_noise": 0}, "discriminator_noise"),
        ({"guidance": 0.0}, "guidance"),
    ],
)
def test_settings_without_meaning_are_refused(change: dict[str, Any], subject: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(SMALL, **change)
    assert caught.value.subject == subject


def test_a_depth_network_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.safetensors"):
        task_of(WITH_LENS, depth=str(tmp_path / "nothing.safetensors"))


def test_training_needs_photographs() -> None:
    with pytest.raises(InputError, match="no photographs"):
        task_of(SMALL, procedural_scenes=0)


class TestFiles:
    @pytest.mark.parametrize("rank", [0, 4])
    def test_the_student_is_loaded_as_it_was(self, tmp_path: Path, base: Path, rank: int) -> None:
        task = task_of(SMALL, rank=rank)
        trainee = trainee_of(task)
        torch.manual_seed(1)
        with torch.no_grad():
            for network in (trainee.student, trainee.projection):
                for one in network.parameters():
                    one.add_(0.02 * torch.randn_like(one)) if one.requires_grad else None
        file = tmp_path / RECIPE.product
        task.export(trained_weights(task), file, {"recipe": "exif-generator"})
        assert not check(file)
        loaded = load_student(file, base, torch.float32)
        latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([499, 249])
        prompt = PromptEmbedding(torch.randn(2, 77, 32), torch.randn(2, 16))
        with torch.no_grad():
            mine, theirs = (Denoiser(unet, prompt)(latents, timesteps)
                            for unet in (loaded, trainee.student))  # fmt: skip
            untrained = Denoiser(trainee.teacher, prompt)(latents, timesteps)
        torch.testing.assert_close(mine, theirs, atol=5e-3, rtol=5e-3)
        assert (mine - untrained).abs().mean() > 0.02
        projection = load_projection(file).state_dict()
        for name, one in trainee.projection.state_dict().items():
            assert torch.equal(projection[name], one)

    def test_they_say_what_they_are(self, tmp_path: Path) -> None:
        task, file = task_of(SMALL), tmp_path / RECIPE.product
        task.export(trained_weights(task), file, {"recipe": "exif-generator", "step": "3"})
        metadata, said = exif_metadata(file), read_metadata(file)
        assert metadata is not None
        assert (metadata.base, metadata.licence) == ("tiny", SMALL.licence)
        assert metadata.f_numbers == pytest.approx((1.8, 22.0))
        assert metadata.focal_lengths_mm == (35.0, 85.0)
        assert metadata.timesteps == SMALL.timesteps
        assert (said["recipe"], said["step"], said["rank"]) == ("exif-generator", "3", "0")
        assert said["data"].count("ProceduralPhotographs") == 2

    @pytest.mark.parametrize("rank", [0, 4])
    def test_a_training_goes_on_from_one(self, tmp_path: Path, rank: int) -> None:
        task, file = task_of(SMALL, rank=rank), tmp_path / RECIPE.product
        torch.manual_seed(1)
        with torch.no_grad():
            for name, one in task.trainee.named_parameters():
                if one.requires_grad and name.startswith(("student.", "projection.")):
                    one.add_(0.02 * torch.randn_like(one))
        weights = trained_weights(task)
        task.export(weights, file, {})
        begun = trained_weights(task_of(SMALL, rank=rank, start=str(file)))
        for name, one in weights.items():
            if name.startswith(("student.", "projection.")):
                torch.testing.assert_close(begun[name], one, atol=1e-3, rtol=1e-3)
        merged = trained_weights(task_of(SMALL, start=str(file)))
        assert not any("lora" in name for name in merged)

    def test_a_start_that_does_not_fit_is_refused(self, tmp_path: Path) -> None:
        files = {}
        for rank in (0, 4):
            task, files[rank] = task_of(SMALL, rank=rank), tmp_path / f"{rank}.safetensors"
            task.export(trained_weights(task), files[rank], {})
        with pytest.raises(InputError, match="rank 4"):
            task_of(SMALL, rank=4, start=str(files[0]))
        with pytest.raises(FileError, match="adapter of this rank"):
            task_of(SMALL, rank=2, start=str(files[4]))

    def test_the_focus_lies_beside(self, tmp_path: Path) -> None:
        task = task_of(WITH_LENS)
        weights = trained_weights(task)
        name = "lens.transformer.scale_head.2.bias"
        weights[name] = weights[name] + 0.5
        task.export(weights, tmp_path / RECIPE.product, {})
        assert not check(tmp_path / RECIPE.product)
        beside = tmp_path / FOCUS_FILE
        assert not check_focus(beside)
        assert torch.equal(read_state_dict(beside)["scale_head.2.bias"], weights[name])
        metadata = exif_metadata(tmp_path / RECIPE.product)
        # Behind a lens it has not been told of wide apertures.
        assert metadata is not None and metadata.f_numbers == (11.0, 22.0)


def test_an_interrupted_run_ends_in_the_same_weights_bit_by_bit(tmp_path: Path) -> None:
    run = replace(WITH_LENS.run, steps=4, save_every=2, keep=2, validate_every=4)
    config = replace(WITH_LENS, run=run, procedural_scenes=4)
    whole = train(RECIPE, config, tmp_path / "run", CPU).weights
    assert whole is not None
    before = {path: read_state_dict(path) for path in (whole, whole.with_name(FOCUS_FILE))}
    logged = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    distances = ("validation/deep_distance", "validation/shallow_distance")
    assert all(np.isfinite(logged[-1][name]) for name in distances)
    kept = {path: {name: one.clone() for name, one in state.items()}
            for path, state in before.items()}  # fmt: skip
    for path in before:
        path.unlink()
    shutil.rmtree(tmp_path / "run/checkpoints/step_00000004")
    train(RECIPE, config, tmp_path / "run", CPU)
    for path, state in kept.items():
        again = read_state_dict(path)
        assert again.keys() == state.keys()
        assert all(torch.equal(again[name], one) for name, one in state.items())
