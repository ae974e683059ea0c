"""The EXIF-conditioned generator: its parts by their definitions, and what its training leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
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
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.models.exif_generator.check import check
from focuspuller.models.exif_generator.denoiser import Denoiser
from focuspuller.models.exif_generator.exif import Exif, exif_conditioned
from focuspuller.models.exif_generator.files import exif_metadata, load_projection
from focuspuller.models.exif_generator.handle import (
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from focuspuller.models.exif_generator.student import load_student
from focuspuller.models.focus_distance.architecture import FocusPrediction
from focuspuller.models.focus_distance.files import check as check_focus
from focuspuller.models.loaded import forget_models
from focuspuller.models.sdxl.base import load_vae
from focuspuller.models.sdxl.text import PromptEmbedding
from focuspuller.models.state_dict import read_metadata, read_state_dict
from focuspuller.nodes import GenerateAllInFocus
from focuspuller.nodes.standin import Host, installed_host
from focuspuller.training.dmd2.discriminator import Head, bottleneck, bottleneck_shape
from focuspuller.training.dmd2.distance import energy_distance
from focuspuller.training.dmd2.lens import Cameras, photographed
from focuspuller.training.dmd2.losses import clean, guided, matching_direction
from focuspuller.training.dmd2.photographs import ProceduralPhotographs, RecordedPhotographs
from focuspuller.training.dmd2.settings import (
    ExifGeneratorConfig,
    PhotographFolder,
    is_shallow,
    is_students_turn,
)
from focuspuller.training.dmd2.tiny import TINY_GENERATOR, tiny_generator
from focuspuller.training.dmd2.trainee import FAKE, FOCUS, GENERATOR, ExifGeneratorTrainee
from focuspuller.training.engine.loop import train
from focuspuller.training.recipes.exif_generator import (
    FOCUS_FILE,
    PAPER,
    PRESETS,
    RECIPE,
    ExifGeneratorTask,
)
from oracles.tiny_generator import save_tokenizer
from oracles.tiny_sdxl import save_diffusers_folder
from PIL import Image
from torch import Tensor

CPU = torch.device("cpu")
WITHOUT_LENS = replace(PRESETS["tiny"], run=replace(PRESETS["tiny"].run, validate_every=0))
WITH_LENS = replace(
    PRESETS["tiny-lens"],
    run=replace(WITHOUT_LENS.run, batch_size=2),
    weights=replace(WITHOUT_LENS.weights, generator=1.0),
)
SMALL = replace(WITHOUT_LENS, run=replace(WITHOUT_LENS.run, batch_size=2), procedural_scenes=4)
NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
DEEP, SHALLOW = 0, 1


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of models with the tiny SDXL, in the layout of diffusers."""
    root = tmp_path_factory.mktemp("models")
    unet, vae, encoders = tiny_generator()
    networks: dict[str, Any] = dict(zip(NETWORKS, (unet, vae, *encoders), strict=True))
    save_diffusers_folder(networks, root / "diffusers" / "TinyXL", config=TINY_GENERATOR)
    save_tokenizer(root / "diffusers" / "TinyXL" / "tokenizer")
    (root / "exif_generator").mkdir()
    yield root
    forget_models()


@pytest.fixture
def base(root: Path) -> Path:
    return root / "diffusers" / "TinyXL"


def task_of(config: ExifGeneratorConfig, **changes: Any) -> ExifGeneratorTask:
    torch.manual_seed(0)
    return ExifGeneratorTask(replace(config, **changes), CPU)


def trainee_of(task: ExifGeneratorTask) -> ExifGeneratorTrainee:
    assert isinstance(task.trainee, ExifGeneratorTrainee)
    return task.trainee


def batch_of(task: ExifGeneratorTask, step: int, count: int = 2) -> dict[str, Tensor]:
    examples = [task.example(step, np.random.default_rng([77, index])) for index in range(count)]
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}


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


def trained_weights(task: ExifGeneratorTask) -> dict[str, Tensor]:
    parameters = task.trainee.named_parameters()
    return {name: one.detach().clone() for name, one in parameters if one.requires_grad}


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


def test_depth_has_to_be_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"nothing\.safetensors"):
        task_of(WITH_LENS, depth=str(tmp_path / "nothing.safetensors"))
    with pytest.raises(InputError, match="no photographs"):
        task_of(SMALL, procedural_scenes=0)


class TestPhotographs:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> PhotographFolder:
        """Two wide open and a broken one, of which the list does not tell all."""
        lines = []
        for number, camera in enumerate(
            ({"f_number": 1.8, "focal_length_mm": 85.0, "sensor_width_mm": 23.5}, {}, {})
        ):
            file = tmp_path / "album" / f"{number}.png"
            file.parent.mkdir(exist_ok=True)
            pixels = np.zeros((64, 96, 3), np.uint8)
            pixels[:, 32:64] = 200
            Image.fromarray(pixels).save(file)
            file.with_suffix(".txt").write_text(" a dog \n")
            told = {"f_number": 4.0, "focal_length_mm": 35.0} if number == 1 else camera
            name = f"{number}.png"
            lines.append(json.dumps({"file": name, "bytes": 1, "kept": True, **told}))
        lines.append(json.dumps({"file": "gone.png", "bytes": 1, "kept": False, "f_number": 2.0}))
        curated = tmp_path / "list.jsonl"
        curated.write_text("\n".join(lines))
        return PhotographFolder(str(tmp_path / "album"), str(curated))

    def test_they_have_caption_and_camera(self, folder: PhotographFolder) -> None:
        photographs = RecordedPhotographs([folder], "deep", 32)
        assert photographs.cameras == [(1.8, 85.0), (4.0, 35.0)]
        drawn = [photographs.draw(np.random.default_rng(seed)) for seed in range(8)]
        cameras = {one.camera for one in drawn}
        # Where the sensor is not known it is full frame.
        assert cameras == {Camera(85.0, 1.8, 23.5), Camera(35.0, 4.0, 36.0)}
        assert {one.caption for one in drawn} == {"a dog"}
        # The middle: half of the picture's thirds on both sides are cut off.
        assert drawn[0].image.shape == (3, 32, 32)
        dark = drawn[0].image[0, 0] < 0.4
        assert int(dark.sum()) == 16
        assert bool(dark[:8].all()) and bool(dark[-8:].all())

    def test_what_is_missing_is_named(self, folder: PhotographFolder) -> None:
        (Path(folder.folder) / "1.txt").unlink()
        with pytest.raises(FileError, match=r"1 photographs without caption, such as 1\.png"):
            RecordedPhotographs([folder], "deep", 32)
        Path(folder.curated).write_text(json.dumps({"file": "0.png", "bytes": 1, "kept": True}))
        with pytest.raises(FileError, match="f-number and focal length"):
            RecordedPhotographs([folder], "deep", 32)

    def test_examples_say_it_in_clips_words(self, folder: PhotographFolder, base: Path) -> None:
        task = task_of(SMALL, procedural_scenes=0, deep=(folder,), base=str(base))
        examples = [task.example(DEEP, np.random.default_rng(seed)) for seed in range(8)]
        by_length = {float(one["focal_length_mm"]): one for one in examples}
        assert float(by_length[85.0]["px_per_mm"]) == pytest.approx(64 / 23.5)
        tokens = by_length[85.0]["tokens"]
        assert tokens.shape == (2, 77)
        assert tokens[0, 0] == 49406 and int((tokens[0] == 49407).sum()) == 77 - 5
        assert int((tokens[1] == 0).sum()) == 77 - 6
        trainee = trainee_of(task)
        said, nothing = (trainee.prompt_of(batch_of(one, DEEP)) for one in (task, task_of(SMALL)))
        assert not torch.equal(said.tokens, nothing.tokens)
        assert not torch.equal(said.pooled, nothing.pooled)

    def test_procedural_ones_are_blurred_where_the_aperture_is_open(self) -> None:
        source = ProceduralPhotographs(64, 12, is_shallow=True)
        drawn = [source.draw(np.random.default_rng(seed)) for seed in range(24)]
        sharp = ProceduralPhotographs(64, 12, is_shallow=False)
        scenes = [sharp.draw(np.random.default_rng(seed)) for seed in range(24)]
        detail, most = (
            [float(one.image.diff(dim=-1).square().mean()) for one in every]
            for every in (drawn, scenes)
        )
        assert all(1.8 <= one.camera.f_number <= 5.41 for one in drawn)
        assert all(one.camera.f_number >= 11 for one in scenes)
        assert np.mean(detail) < 0.5 * np.mean(most)


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
