"""BokehDiff: its losses by the published numbers, and what its training leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import focuspuller as fp
import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

from focuspuller.errors import FileError, InputError
from focuspuller.models import places
from focuspuller.models.bokehdiff.layout import LORA_TARGETS, adapt, files_of, read_lora
from focuspuller.models.bokehdiff.one_step import blurred_latents
from focuspuller.models.bokehdiff.processor import install_pisa
from focuspuller.models.perceptual.backbones import vgg16
from focuspuller.models.perceptual.lpips import CHANNELS, LpipsHeads
from focuspuller.models.perceptual.published import LPIPS_VGG, VGG16
from focuspuller.models.sdxl.lora import lora_shapes
from focuspuller.models.sdxl.text import PromptEmbedding
from focuspuller.models.state_dict import read_metadata, read_state_dict, write_weights
from focuspuller.training.bokehdiff.discriminator import (
    Discriminator,
    SpectralConv,
    adversarial_loss,
    discriminator_loss,
    load_backbone,
    tiny_backbone,
)
from focuspuller.training.bokehdiff.edge_loss import SCALES, edge_loss, edge_loss_at
from focuspuller.training.bokehdiff.trainee import BokehDiffTrainee, LossWeights, hardness_at
from focuspuller.training.engine.loop import train
from focuspuller.training.evaluation.metrics import METRICS
from focuspuller.training.recipes.bokehdiff import PAPER, PRESETS, RECIPE, BokehDiffTask
from focuspuller.training.tiny_sdxl import tiny_base
from oracles.weights import filled
from torch import Tensor

CPU = torch.device("cpu")
CONFORMANCE = Path(__file__).parents[4] / "shared" / "conformance" / "bokehdiff_edge_loss"
TINY = replace(PRESETS["tiny"], run=replace(PRESETS["tiny"].run, validate_every=0))


@pytest.mark.parametrize("case", ["c0", "c1"])
def test_edge_loss_has_the_published_numbers(case):
    if not CONFORMANCE.exists():
        pytest.skip("the conformance set bokehdiff_edge_loss is not here")
    with np.load(CONFORMANCE / "io.npz") as arrays:
        known = {
            name.removeprefix(f"{case}_"): torch.from_numpy(arrays[name])
            for name in arrays
            if name.startswith(case)
        }
    made = known["pred_unclamped"].requires_grad_()
    bokeh, sharp = known["bokeh"], known["aif"]
    for scale in SCALES:
        addend = edge_loss_at(made.clamp(-1, 1), bokeh, sharp, scale)
        torch.testing.assert_close(addend, known[f"edge_loss_scale{scale}_only"], atol=1e-6, rtol=0)
    loss = edge_loss(made, bokeh, sharp)
    torch.testing.assert_close(loss, known["edge_loss"], atol=2e-6, rtol=0)
    (gradient,) = torch.autograd.grad(loss, made)
    torch.testing.assert_close(gradient, known["edge_grad_wrt_pred"], atol=1e-8, rtol=1e-4)


def test_edge_loss_by_its_formula_at_full_size():
    made, bokeh, sharp = torch.rand(3, 1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = 0.0
    for rows, columns in ((1, 0), (0, 1)):
        places = [(y, x) for y in range(5 - rows) for x in range(6 - columns)]
        for y, x in places:
            d = [float(one[0, 0, y + rows, x + columns] - one[0, 0, y, x])
                 for one in (made, bokeh, sharp)]  # fmt: skip
            expected += abs(d[0] - d[1]) * (1 + max(abs(d[1]), abs(d[2]))) / len(places)
    assert float(edge_loss_at(made, bokeh, sharp, 1)) == pytest.approx(expected, rel=1e-5)


def test_discriminators_losses_are_those_of_equation_11():
    real, made = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    likely = [1 / (1 + (-logits).exp()) for logits in (real, made)]
    expected = -(likely[0].log().mean() + (1 - likely[1]).log().mean())
    torch.testing.assert_close(discriminator_loss(real, made), expected)
    torch.testing.assert_close(adversarial_loss(made), -likely[1].log().mean())


def test_matrices_of_the_discriminators_head_have_norm_one():
    layer = SpectralConv(6, 4)
    assert layer.bias is not None
    torch.nn.init.normal_(layer.weight, std=3.0)
    values = torch.linalg.svdvals(layer(torch.eye(6)[..., None, None])[..., 0, 0] - layer.bias)
    assert float(values.detach().max()) == pytest.approx(1.0, rel=1e-5)


def test_the_discriminator_learns_to_tell_noise_from_light():
    torch.manual_seed(0)
    network = Discriminator(tiny_backbone())
    optimizer = torch.optim.Adam(network.head.parameters(), 1e-1)
    losses = []
    for _ in range(60):
        real, made = torch.full((2, 3, 64, 64), 0.5), torch.randn(2, 3, 64, 64)
        loss = discriminator_loss(network(real), network(made))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    light, noise = torch.full((1, 3, 64, 64), 0.5), torch.randn(1, 3, 64, 64)
    assert float((network(light).mean() - network(noise).mean()).detach()) > 0.01
    assert all(one.grad is None for one in network.backbone.parameters())


def task_of(**changes: Any) -> BokehDiffTask:
    torch.manual_seed(0)
    return BokehDiffTask(replace(TINY, **changes), CPU)


def batch_of(task: BokehDiffTask, count: int = 4) -> dict[str, Tensor]:
    examples = [task.example(9, np.random.default_rng([77, index])) for index in range(count)]
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}


@torch.no_grad()
def error_of(unet: Any, vae: Any, prompt: PromptEmbedding, batch: dict[str, Tensor]) -> float:
    """Of pictures that the lens makes with these networks."""
    processor, errors = install_pisa(unet), []
    for index in range(len(batch["bokeh"])):
        one = {name: values[index, None] for name, values in batch.items()}
        scaling = vae.config.scaling_factor
        latents = vae.encode(2 * one["all_in_focus"] - 1).latent_dist.mode() * scaling
        maps = (one["disparity"], one["radius"])
        blurred = blurred_latents(unet, processor, latents, maps, prompt, 16, lambda _: None)
        made = (vae.decode(blurred / scaling).sample / 2 + 0.5).clamp(0, 1)
        errors.append(float((made - one["bokeh"]).square().mean()))
    return float(np.mean(errors))


def test_what_was_trained_and_loaded_brings_pictures_closer_to_the_target(tmp_path):
    batch = batch_of(task_of())
    before = error_of(*tiny_base(), batch)
    file = train(RECIPE, TINY, tmp_path, CPU).weights
    assert file is not None
    unet, vae, prompt = tiny_base()
    adapt(unet, vae, tmp_path)
    after = error_of(unet, vae, prompt, batch)
    assert after < 0.75 * before


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bokehdiff")
    config = replace(TINY, run=replace(TINY.run, steps=1))
    assert train(RECIPE, config, folder, CPU).weights == folder / RECIPE.product
    return folder


def test_the_files_have_the_published_layout(run):
    lora, vae = files_of(run)
    unet, _, _ = tiny_base()
    state = read_lora(lora)
    assert {name: tuple(one.shape) for name, one in state.items()} == lora_shapes(
        unet, LORA_TARGETS, 8
    )
    said = read_metadata(lora)
    assert (said["recipe"], said["rank"], said["base_model"]) == ("bokehdiff", "8", "tiny")
    assert "ProceduralSimulator" in said["data"]
    assert read_metadata(vae)["licence"] == TINY.licence


def test_verify_knows_the_folder_and_its_file_and_what_is_wrong_with_them(run, tmp_path):
    for place in (run, run / RECIPE.product):
        (verdict,) = fp.verify_model(place)
        assert (verdict.weights.name, str(verdict.findings)) == ("bokehdiff", "")
    for file in files_of(run):
        state = read_state_dict(file)
        name = "encoder.conv_in.bias" if file.stem == "vae" else max(state)
        state[name] = torch.full((3, 3), torch.nan)
        write_weights(tmp_path / file.name, state, read_metadata(file))
    (verdict,) = fp.verify_model(tmp_path)
    assert verdict.weights.name == "bokehdiff"
    assert len(verdict.findings.not_finite) == len(verdict.findings.misshaped) == 2


def test_only_adapter_encoder_and_head_are_trained():
    trainee = task_of().trainee
    assert isinstance(trainee, BokehDiffTrainee)
    trained = {name for name, one in trainee.named_parameters() if one.requires_grad}
    parts = ("encoder.conv_in.", "encoder.mid_block.", "encoder.conv_out.")
    for name in trained:
        assert "lora_" in name or name.startswith(
            (*(f"vae.{part}" for part in parts), "discriminator.head.")
        )
    assert {name.split(".")[0] for name in trained} == {"unet", "vae", "discriminator"}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_loss_is_the_weighted_sum_and_reaches_what_is_trained(checkpointing):
    run = replace(TINY.run, gradient_checkpointing=checkpointing)
    trainee = task_of(run=run).trainee.train()
    losses = trainee("generator", batch_of(task_of(), 1))
    torch.testing.assert_close(
        losses["loss"], losses["mse"] + losses["edge"] + 0.5 * losses["adversarial"]
    )
    losses["loss"].backward()
    assert isinstance(trainee, BokehDiffTrainee)
    # B is zero at first, so that A has no gradient but is reached.
    assert all(one.grad is not None for one in trainee.generator_parameters())
    assert any(bool(one.grad.any()) for one in trainee.generator_parameters())  # pyright: ignore


@pytest.fixture
def lpips_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG16 and LPIPS' heads in the published layouts, filled by the names of their parameters."""
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / kind])
    heads = filled(LpipsHeads(CHANNELS["vgg"])).state_dict()
    states = {
        VGG16: filled(vgg16()).state_dict(),
        LPIPS_VGG: {name: one.abs() for name, one in heads.items()},
    }
    for weights, state in states.items():
        (tmp_path / weights.folders[0]).mkdir(exist_ok=True)
        torch.save(state, tmp_path / weights.folders[0] / weights.file)


@pytest.mark.usefixtures("lpips_files")
def test_lpips_counts_five_times_and_is_what_evaluation_measures():
    task = task_of(weights=LossWeights())
    trainee, batch = task.trainee, batch_of(task, 1)
    assert isinstance(trainee, BokehDiffTrainee)
    torch.manual_seed(0)
    losses = trainee("generator", batch)
    others = losses["mse"] + losses["edge"] + 0.5 * losses["adversarial"]
    torch.testing.assert_close(losses["loss"], others + 5.0 * losses["lpips"])
    torch.manual_seed(0)
    made = trainee.rendered(2.0 * batch["all_in_focus"] - 1.0, batch).detach() / 2.0 + 0.5
    measured = METRICS["lpips-vgg"].make(CPU)(made, batch["bokeh"])
    assert float(losses["lpips"].detach()) == pytest.approx(float(measured), rel=1e-4)
    assert float(measured) > 1e-4
    losses["lpips"].backward()
    gradients = [one.grad for one in trainee.generator_parameters() if one.grad is not None]
    assert max(float(one.abs().max()) for one in gradients) > 0
    assert trainee.lpips is not None
    assert all(one.grad is None for one in trainee.lpips.parameters())


def test_the_papers_settings():
    assert LossWeights() == LossWeights(mse=1, lpips=5, edge=1, adversarial=0.5) == PAPER.weights
    assert (PAPER.rank, PAPER.run.batch_size) == (8, 2)
    assert (PAPER.optimizer.learning_rate, PAPER.optimizer.schedule) == (1e-4, "cosine")


def test_the_masks_edge_hardens():
    assert [hardness_at(step, 1) for step in (0, 1, 1000)] == [3.0, 5.0, 2003.0]
    assert hardness_at(10**9, 1) == 1e6
    example = task_of().example(10, np.random.default_rng(0))
    assert example["hardness"] == 3.0 + 2 * 10 * TINY.run.batch_size


@pytest.mark.parametrize(
    ("told", "least", "most"), [("published", 1 / 3, 1), ("true", 0.657, 0.659)]
)
def test_the_radius_that_the_network_is_told(told, least, most):
    task = task_of(told=told, procedural_scenes=2)
    shares = []
    for index in range(12):
        random = np.random.default_rng(index)
        series = task.source.draw(0, random)
        photograph = series.photographs[0]
        assert photograph.blur is not None and series.depth is not None
        true = photograph.blur.defocus(series.depth).radius.abs().amax()
        told_radius = task.example(0, np.random.default_rng(index))["radius"].amax() * 10
        shares.append(float(told_radius / true))
    assert all(least <= share <= most for share in shares)
    assert (max(shares) - min(shares) > 0.05) == (told == "published")


def test_losses_without_their_networks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / kind])
    with pytest.raises(FileError, match="vgg16"):
        task_of(weights=LossWeights())
    with pytest.raises(InputError, match="backbone"):
        task_of(backbone=None)
    with pytest.raises(FileError, match="ConvNeXt"):
        load_backbone(tmp_path)
    with pytest.raises(InputError, match=r"weights\.edge"):
        LossWeights(edge=-1.0)
