"""Adapters for FLUX: what they learn, and what is in their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")

from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.models.flux.adapters import Adapter, FluxShape, adaptable_layers
from focuspuller.models.flux.conditions import Visibility
from focuspuller.models.flux.layout import (
    BASE_MODEL,
    AdapterFile,
    AdapterInfo,
    check,
    load_adapter,
)
from focuspuller.models.flux.networks import Kind
from focuspuller.models.refocus.bokeh import render_bokeh
from focuspuller.models.refocus.sampling import Sampling
from focuspuller.training.data.records import Blur
from focuspuller.training.data.simulate.point_lights import PointLightSettings, PointLightSimulator
from focuspuller.training.data.simulate.scene import SimulatedScene
from focuspuller.training.data.simulate.shapes import drawn_aperture
from focuspuller.training.engine.config import config_from
from focuspuller.training.engine.loop import train
from focuspuller.training.engine.task import Batch
from focuspuller.training.flux.base import open_base
from focuspuller.training.flux.flow import FlowTrainee
from focuspuller.training.flux.stacking import StackingTrainee, sharper, stack_mask, stacking_loss
from focuspuller.training.flux.task import FlowTask, made_by
from focuspuller.training.recipes.aperture_shape import NETWORK
from focuspuller.training.recipes.catalog import recipe_called
from focuspuller.training.recipes.diffcamera import DiffCameraExamples
from focuspuller.training.series import Photograph, Series
from safetensors import safe_open
from torch import Tensor

CPU = torch.device("cpu")
NAMES = ("deblurnet", "bokehnet", "aperture-shape", "diffcamera")
SMALL = ("run.steps=60", "run.validate_every=0", "validation.examples=8", "validation.steps=0")
DENOISING_STEPS = 6


def task_of(name: str, *changes: str) -> FlowTask:
    recipe = recipe_called(name)
    preset = recipe.presets["tiny"]
    torch.manual_seed(0)
    task = recipe.make(config_from(type(preset), preset, changes=[*SMALL, *changes]), CPU)
    assert isinstance(task, FlowTask)
    return task


def trained(name: str, folder: Path, *changes: str) -> Path:
    recipe = recipe_called(name)
    preset = recipe.presets["tiny"]
    config = config_from(type(preset), preset, changes=[*SMALL, *changes])
    file = train(recipe, config, folder, CPU).weights
    assert file is not None
    return file


def trainee_of(task: FlowTask) -> FlowTrainee:
    assert isinstance(task.trainee, FlowTrainee)
    return task.trainee


def use(task: FlowTask, file: AdapterFile) -> None:
    """Put a loaded adapter in the place of the one that is to be trained."""
    trainee = trainee_of(task)
    trainee.model.adapters[task.network.kind.value] = file.adapter
    if isinstance(trainee, StackingTrainee):
        assert file.camera is not None
        trainee.camera = file.camera


class Quality(NamedTuple):
    """Errors of the velocity, and of pictures made with the right and with wrong conditions."""

    velocity: float
    picture: float
    wrongly_conditioned: float


@torch.no_grad()
def quality(task: FlowTask) -> Quality:
    """Over examples that were not trained with."""
    target = task.network.target
    randoms = [np.random.default_rng([99, index]) for index in range(8)]
    examples = [
        {name: one[None] for name, one in task.example(0, random).items()} for random in randoms
    ]

    def error(index: int, shown: Batch) -> float:
        truth = examples[index][target]
        batch = {**shown, target: truth}
        made = made_by(task.base, trainee_of(task), batch, truth.shape[-2:], DENOISING_STEPS)
        return float((made - truth).square().mean())

    right = [error(index, examples[index]) for index in range(8)]
    wrong = [error(index, examples[(index + 3) % 8]) for index in range(8)]
    velocity = task.validate(trainee_of(task).eval()).metrics["velocity_error"]
    return Quality(velocity, float(np.mean(right)), float(np.mean(wrong)))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_and_loaded_brings_pictures_closer_to_the_target(name, tmp_path):
    before = quality(task_of(name))
    file = trained(name, tmp_path)
    task = task_of(name)
    loaded = load_adapter(file, task.base.shape)
    assert loaded.info.kind is task.network.kind
    use(task, loaded)
    after = quality(task)
    assert after.velocity < 0.9 * before.velocity
    assert after.picture < 0.75 * before.picture
    if name != "aperture-shape":  # BokehNet's adapter, which sees the pictures, does nothing here.
        assert after.picture < 0.8 * after.wrongly_conditioned
    assert not check(file)


def test_the_nodes_function_renders_closer_to_the_simulated_target(tmp_path):
    file = load_adapter(trained("bokehnet", tmp_path), task_of("bokehnet").base.shape)
    empty = AdapterFile(Adapter(adaptable_layers(file_shape()), 1), file.info)

    def error(adapter: AdapterFile) -> float:
        task, errors = task_of("bokehnet"), []
        for index in range(6):
            series = task.source.draw(0, np.random.default_rng([99, index]))
            photograph = series.photographs[0]
            assert series.all_in_focus is not None and series.depth is not None
            assert photograph.blur is not None
            defocus = photograph.blur.defocus(series.depth)
            sampling = Sampling(steps=DENOISING_STEPS)
            made = render_bokeh(
                task.base,
                adapter,
                series.all_in_focus[None],
                defocus,
                sampling=sampling,
                keep_in_focus=False,
                keep_colors=False,
            )
            errors.append(float((made[0] - photograph.image).square().mean()))
        return float(np.mean(errors))

    assert error(file) < 0.75 * error(empty)


# The same lens, its opening turned by half a turn.
CRESCENTS = tuple(drawn_aperture("crescent", degrees) for degrees in (0.0, 180.0))
# What is small enough to learn in half a minute that two pictures differ by their shape alone.
TWO_SHAPES = (
    "run.steps=200",
    "run.batch_size=16",
    "optimizer.learning_rate=8e-3",
    "adapter.visibility=independent",
    "adapter.timesteps=uniform",
    "size_px=32",
)


class TwoShapes:
    """A night scene, photographed with both crescents."""

    digest = "two shapes"

    def __init__(self, scene: SimulatedScene) -> None:
        self.scene = scene
        shots = [replace(scene.shots[0], aperture=one) for one in CRESCENTS]
        self.photographs = [
            Photograph(scene.photograph(shot), shot.blur, shot.aperture) for shot in shots
        ]

    def draw(self, step: int, random: np.random.Generator, count: int = 1) -> Series:
        shown = (self.photographs[int(random.integers(2))],)
        return Series("lamps", self.scene.all_in_focus, shown, self.scene.depth)


def test_an_adapter_for_shapes_makes_the_shape_that_it_is_shown(tmp_path):
    """Closer to each target comes the picture whose network was shown the shape of that target."""
    settings = PointLightSettings(size_px=32, least_radius=6.7, largest_radius=9.6)
    scene = TwoShapes(PointLightSimulator(settings, 0).scene(0))
    targets = torch.stack([one.image for one in scene.photographs])

    def make(config: Any, device: torch.device) -> FlowTask:
        return FlowTask(NETWORK, config, scene, device, {Kind.BOKEH: None})

    recipe = replace(recipe_called("aperture-shape"), make=make)
    preset = recipe.presets["tiny"]
    config = config_from(type(preset), preset, changes=[*SMALL, *TWO_SHAPES])
    file = train(recipe, config, tmp_path, CPU).weights
    assert file is not None
    base = open_base(config.flux, CPU)
    trained = load_adapter(file, base.shape)
    nothing = Adapter(adaptable_layers(base.shape), 1)
    bokehnet = AdapterFile(nothing, AdapterInfo(Kind.BOKEH, Visibility.INDEPENDENT))
    blur = scene.scene.shots[0].blur.defocus(scene.scene.depth)

    def made(adapter: AdapterFile) -> Tensor:
        """The mean over several noises, for each shape."""
        pictures = [
            render_bokeh(
                base,
                bokehnet,
                scene.scene.all_in_focus[None],
                blur,
                aperture,
                adapter,
                Sampling(steps=DENOISING_STEPS, seed=seed),
                keep_in_focus=False,
                keep_colors=False,
            )
            for aperture in CRESCENTS
            for seed in range(4)
        ]
        return torch.cat(pictures).unflatten(0, (2, 4)).mean(1)

    def obedience(pictures: Tensor) -> float:
        """1 where pictures differ as the targets do, 0 where they do not care."""
        differ, wanted = pictures[0] - pictures[1], targets[0] - targets[1]
        return float((differ * wanted).sum() / wanted.square().sum())

    pictures = made(trained)
    errors = (pictures[:, None] - targets).square().mean((-3, -2, -1))
    assert abs(obedience(made(AdapterFile(nothing, trained.info)))) < 0.02
    assert obedience(pictures) > 0.06
    own, others = errors.diagonal(), errors.flip(0).diagonal()
    assert (own < others).all()
    assert own.sum() < 0.95 * others.sum()


def file_shape() -> FluxShape:
    return task_of("bokehnet").base.shape


def metadata_of(file: Path) -> Mapping[str, str]:
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def test_the_file_says_what_it_is_and_how_it_was_made(tmp_path):
    changes = ("run.steps=1", "adapter.visibility=independent", "adapter.licence=CC0-1.0")
    file = trained("bokehnet", tmp_path, *changes)
    said = metadata_of(file)
    expected = {
        "format": "focus-puller/flux-adapter",
        "kind": "bokeh",
        "recipe": "bokehnet",
        "step": "1",
        "rank": "16",
        "base_model": "tiny",
        "visibility": "independent",
        "licence": "CC0-1.0",
    }
    assert {name: said[name] for name in expected} == expected
    assert "16 scenes of ProceduralSimulator(size_px=64" in said["data"]
    assert json.loads(said["config"])["adapter"]["rank"] == 16
    assert load_adapter(file, task_of("bokehnet").base.shape).info.visibility is (
        Visibility.INDEPENDENT
    )


def test_the_papers_settings():
    papers = {name: recipe_called(name).presets["paper"] for name in NAMES}
    ranks = {name: paper.adapter.rank for name, paper in papers.items()}
    assert ranks == {"deblurnet": 128, "bokehnet": 64, "aperture-shape": 64, "diffcamera": 64}
    assert all(paper.flux.name == BASE_MODEL for paper in papers.values())
    deblur, bokeh, camera = (papers[name] for name in ("deblurnet", "bokehnet", "diffcamera"))
    assert (deblur.run.steps, deblur.run.batch_size, deblur.run.accumulate) == (60_000, 1, 8)
    assert (bokeh.synthetic_steps, bokeh.run.steps) == (40_000, 100_000)
    assert (camera.stacking_weight, camera.depth_dropout) == (0.1, 0.5)
    assert (camera.alike_until, camera.generated_from, camera.run.steps) == (1000, 2500, 3600)
    later = recipe_called("diffcamera").presets["paper-1024"]
    assert (later.size_px, later.run.steps) == (1024, 3000)


def adapter_at(task: FlowTask, kind: Kind) -> Adapter:
    adapter = trainee_of(task).model.adapters[kind.value]
    assert isinstance(adapter, Adapter)
    return adapter


def state(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in module.state_dict().items()}


@pytest.fixture
def bokehnet(tmp_path: Path) -> Path:
    return trained("bokehnet", tmp_path / "bokehnet", "run.steps=2")


def test_only_the_adapter_for_shapes_is_trained_beside_bokehnet(bokehnet):
    task = task_of("aperture-shape", f"bokehnet={bokehnet}")
    trainee = trainee_of(task)
    kept = load_adapter(bokehnet, task.base.shape).adapter
    for name, value in state(adapter_at(task, Kind.BOKEH)).items():
        assert torch.equal(value, kept.state_dict()[name])
    batch = {name: one[None] for name, one in task.example(0, np.random.default_rng(0)).items()}
    trainee("flow", batch)["loss"].backward()
    with_gradient = {name for name, one in trainee.named_parameters() if one.grad is not None}
    own = {
        f"model.adapters.aperture.{name}"
        for name, _ in adapter_at(task, Kind.APERTURE).named_parameters()
    }
    assert with_gradient <= own
    # What conditions are after the last block does not matter.
    assert all("single_transformer_blocks.1" in name for name in own - with_gradient)


def test_bokehnets_adapter_takes_part_in_what_shapes_learn(bokehnet):
    losses = []
    for changes in ((), (f"bokehnet={bokehnet}",)):
        task = task_of("aperture-shape", *changes)
        batch = {name: one[None] for name, one in task.example(0, np.random.default_rng(0)).items()}
        torch.manual_seed(1)
        losses.append(float(trainee_of(task)("flow", batch)["loss"].detach()))
    assert losses[0] != losses[1]


def test_an_adapter_that_goes_on_starts_where_the_other_ended(tmp_path, bokehnet):
    task = task_of("bokehnet", f"adapter.start={bokehnet}")
    saved = load_adapter(bokehnet, task.base.shape).adapter.state_dict()
    for name, value in state(adapter_at(task, Kind.BOKEH)).items():
        assert torch.equal(value, saved[name])
    with pytest.raises(InputError, match="rank"):
        task_of("bokehnet", f"adapter.start={bokehnet}", "adapter.rank=4")


def test_the_camera_goes_on_as_well(tmp_path):
    file = trained("diffcamera", tmp_path, "run.steps=2")
    trainee = trainee_of(task_of("diffcamera", f"adapter.start={file}"))
    camera = load_adapter(file, trainee.model.shape).camera
    assert isinstance(trainee, StackingTrainee) and camera is not None
    assert torch.equal(trainee.camera.weight, camera.weight)
    fresh = trainee_of(task_of("diffcamera"))
    assert isinstance(fresh, StackingTrainee)
    assert not torch.equal(fresh.camera.weight, camera.weight)


class Perfect(torch.nn.Module):
    """Knows the answer: the noise with which the example was mixed."""

    def __init__(self, clean: Tensor) -> None:
        super().__init__()
        self.clean = clean

    def forward(self, noisy: Tensor, positions: Tensor, sigma: Tensor, *others: Any) -> Tensor:
        return (noisy - self.clean) / sigma[:, None, None]


@pytest.mark.parametrize("timesteps", ["logit-normal", "uniform"])
def test_the_loss_is_zero_for_the_true_velocity(timesteps):
    task = task_of("deblurnet", f"adapter.timesteps={timesteps}")
    trainee = trainee_of(task)
    batch = {name: one[None] for name, one in task.example(0, np.random.default_rng(0)).items()}
    clean = trainee.encoder.picture(batch["all_in_focus"]).values
    monkey = Perfect(clean)
    monkey.shape = trainee.model.shape  # pyright: ignore
    trainee.model = monkey  # pyright: ignore
    assert float(trainee("flow", batch)["loss"]) == pytest.approx(0.0, abs=1e-7)
    monkey.clean = clean + 0.1
    assert float(trainee("flow", batch)["loss"]) > 0.005


def test_timesteps_are_drawn_as_said():
    even = trainee_of(task_of("deblurnet", "adapter.timesteps=uniform")).sigmas(20_000, CPU)
    logistic = trainee_of(task_of("deblurnet")).sigmas(20_000, CPU)
    assert float(even.std()) == pytest.approx(12**-0.5, abs=0.005)
    assert float(logistic.logit().std()) == pytest.approx(1.0, abs=0.02)


class TestDiffCamera:
    def test_stacked_velocities_are_compared_where_each_picture_is_sharper(self):
        generator = torch.Generator().manual_seed(0)
        mask, e1, e2, x1, x2 = torch.rand(5, 2, 6, 8, generator=generator)
        expected = 0.0
        for place in np.ndindex(2, 6, 8):
            m = mask[place]
            made = m * x1[place] + (1 - m) * x2[place]
            expected += float((m * e1[place] + (1 - m) * e2[place] - made) ** 2) / mask.numel()
        assert float(stacking_loss(mask, (e1, e2), (x1, x2))) == pytest.approx(expected, rel=1e-5)

    def test_the_sharper_picture_is_marked(self):
        checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2
        sharp = checks.float().expand(1, 3, 32, 32).clone()
        left, right = sharp.clone(), sharp.clone()
        left[..., 16:], right[..., :16] = 0.5, 0.5
        marked = sharper(left, right)
        assert float(marked[..., :15].min()) == 1.0
        assert float(marked[..., 17:].max()) == 0.0
        tokens = stack_mask(left, right, (4, 4), 16)
        assert tokens.shape == (1, 4, 64)
        assert tokens[0, 0].min() > 0.8
        assert tokens[0, 1].max() < 0.2

    def test_loss_is_flow_and_a_tenth_of_stacking(self):
        task = task_of("diffcamera")
        batch = {name: one[None] for name, one in task.example(0, np.random.default_rng(0)).items()}
        losses = trainee_of(task)("flow", batch)
        torch.testing.assert_close(losses["loss"], losses["flow"] + 0.1 * losses["stacking"])

    def test_half_of_the_examples_have_no_depth(self):
        task = task_of("diffcamera", "procedural_scenes=2")
        depths = [task.example(0, np.random.default_rng(index))["depth"] for index in range(200)]
        empty = sum(not bool(depth.any()) for depth in depths)
        assert 75 < empty < 125

    def test_the_camera_token_says_where_the_target_is_in_focus(self):
        config = replace(recipe_called("diffcamera").presets["tiny"], sharp_share=0.0)
        for index in range(8):
            example = DiffCameraExamples(config)(TwoPlanes(), 0, np.random.default_rng(index))
            for picture, camera in (("target", "camera"), ("other", "other_camera")):
                x, y, level = example[camera].tolist()
                # Pictures are as bright as the plane they are focused on.
                assert float(example[picture].mean()) == pytest.approx(0.2 if x < 0 else 0.9)
                assert -1 < y < 1
                assert level == pytest.approx(8.0 / 32 / (20 / 1024))

    def test_sharp_targets_have_no_blur(self):
        task = task_of("diffcamera", "sharp_share=1")
        example = task.example(0, np.random.default_rng(0))
        assert example["camera"][2] == 0
        assert torch.equal(example["target"], example["other"])
        assert torch.equal(example["target"], example["reference"])


class TwoPlanes:
    """The left half at disparity 0.2, the right one at 0.9."""

    digest = "two planes"

    def draw(self, step: int, random: np.random.Generator, count: int = 1) -> Series:
        disparity = torch.full((1, 1, 16, 32), 0.2)
        disparity[..., 16:] = 0.9
        planes = random.permutation([0.2, 0.9, 0.2])[:count]
        photographs = tuple(
            Photograph(torch.full((3, 16, 32), plane), Blur(8.0, plane, False)) for plane in planes
        )
        return Series("two planes", torch.zeros(3, 16, 32), photographs, Depth(disparity, False))


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("deblurnet", ["procedural_scenes=0"], "datasets"),
        ("bokehnet", ["procedural_scenes=0"], "synthetic"),
        ("bokehnet", ["procedural_scenes=0", "synthetic_steps=0"], "real"),
        ("diffcamera", ["procedural_scenes=0"], "generated"),
        ("aperture-shape", ["flux.transformer=flux.safetensors"], "bokehnet"),
        ("deblurnet", ["size_px=100"], "size_px"),
        ("deblurnet", ["adapter.rank=0"], "rank"),
        ("diffcamera", ["depth_dropout=1.5"], "depth_dropout"),
        ("deblurnet", ["adapter.visibility=some"], "visibility"),
        ("deblurnet", ["procedural_scenes=0", "datasets=[{layout: x, folder: y}]"], "layout"),
    ],
)
def test_settings_that_cannot_be(name, changes, part):
    with pytest.raises(InputError, match=part):
        task_of(name, *changes)
