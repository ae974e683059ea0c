"""The recipe of the edge network: its loss, its examples, and what it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.models.edge.architecture import EdgeNetwork, at_places, places
from focuspuller.models.edge.layout import check
from focuspuller.training.engine.loop import train
from focuspuller.training.recipes.edge import (
    PRESETS,
    RECIPE,
    EdgeConfig,
    EdgeTask,
    choice_loss,
    edge_error,
)
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

CPU = torch.device("cpu")
TINY = replace(PRESETS["tiny"], scenes=3)
TINY = replace(TINY, run=replace(TINY.run, steps=4, save_every=2, log_every=2, validate_every=4))


def batch_of(task: EdgeTask, seed: int, count: int) -> dict[str, Tensor]:
    examples = [task.example(0, np.random.default_rng([seed, index])) for index in range(count)]
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}


@pytest.fixture
def dilated_edge() -> dict[str, Tensor]:
    """A vertical edge that the given map has 2 px too far to the right."""
    exact, given = torch.zeros(1, 1, 24, 32), torch.zeros(1, 1, 24, 32)
    exact[..., :16] = 10.0
    given[..., :18] = 10.0
    return {"image": torch.rand(1, 3, 24, 32), "exact": exact, "given": given}


def certain(batch: dict[str, Tensor], place: tuple[int, int]) -> Tensor:
    """Logits that choose one place everywhere."""
    logits = torch.full_like(at_places(batch["given"]), -30.0)
    logits[:, places().index(place)] = 30.0
    return logits


def test_the_loss_is_low_where_the_chosen_place_has_the_true_defocus(dilated_edge):
    keeps, looks_right = (certain(dilated_edge, place) for place in ((0, 0), (0, 2)))
    assert float(choice_loss(looks_right, dilated_edge)) == pytest.approx(0.0, abs=1e-3)
    assert float(choice_loss(keeps, dilated_edge)) > 0.5


def test_places_with_the_same_defocus_are_equally_right(dilated_edge):
    """Odds shared by two right places are as good as all on one of them."""
    one, other, own = (certain(dilated_edge, place) for place in ((0, 2), (0, 4), (0, 0)))
    is_far = torch.arange(32) >= 16
    alone = torch.where(is_far, one, own)
    shared = torch.where(is_far, torch.maximum(one, other), own)
    losses = [float(choice_loss(logits, dilated_edge)) for logits in (alone, shared)]
    assert losses == pytest.approx([0.0, 0.0], abs=2e-3)


def test_the_loss_has_gradients_even_where_the_network_is_certain_and_wrong(dilated_edge):
    logits = (0.2 * certain(dilated_edge, (0, 0))).requires_grad_()
    choice_loss(logits, dilated_edge).backward()
    assert logits.grad is not None
    wrong = logits.grad[0, places().index((0, 2)), :, 16:18]
    assert (wrong < 0).all(), "more of the right place is better"


def test_the_error_is_a_share_of_the_step(dilated_edge):
    assert float(edge_error(dilated_edge["exact"], dilated_edge)) == 0
    # Two columns of 32 are off by 10 of a step of 10 px; the 18 columns within reach count fully.
    expected = (2 * 10 / 11) / (18 + 0.05 * 14)
    assert float(edge_error(dilated_edge["given"], dilated_edge)) == pytest.approx(
        expected, rel=1e-4
    )


def test_examples_are_the_same_for_the_same_seed_and_partly_exact():
    task = EdgeTask(TINY, CPU)
    first, again, other = (batch_of(task, seed, 16) for seed in (1, 1, 2))
    assert torch.equal(first["image"], again["image"])
    assert torch.equal(first["given"], again["given"])
    assert not torch.equal(first["image"], other["image"])
    assert first["image"].shape == (16, 3, TINY.crop_px, TINY.crop_px)
    assert 0 <= first["image"].min() <= first["image"].max() <= 1
    is_exact = [torch.equal(*pair) for pair in zip(first["exact"], first["given"], strict=True)]
    assert 0 < sum(is_exact) < 16


def test_picture_and_depth_stay_on_each_other_when_flipped_and_turned():
    """A scene whose red is its disparity shows it in every crop."""
    task = EdgeTask(replace(TINY, exact_share=1.0), CPU)
    task.images = (255 * task.disparities.float()).byte().expand(-1, 3, -1, -1).clone()
    batch = batch_of(task, 0, 12)
    for image, exact in zip(batch["image"], batch["exact"], strict=True):
        if exact.std() > 0 and image[0].std() > 0:
            both = torch.stack([image.mean(0).flatten(), exact.flatten()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.8


def test_a_run_leaves_weights_that_load_with_their_origin(tmp_path: Path):
    outcome = train(RECIPE, TINY, tmp_path, CPU)
    assert outcome.weights == tmp_path / "weights.safetensors"
    EdgeNetwork().load_state_dict(load_file(outcome.weights))
    assert not check(outcome.weights)
    with safe_open(outcome.weights, "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["config"])["scenes"] == TINY.scenes
    assert metadata["licence"] == "Apache-2.0"
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert all(np.isfinite(line["loss"]) for line in lines[:2])
    assert lines[2]["validation/error"] > 0


def test_training_learns_what_it_sees_again_and_again(tmp_path: Path, monkeypatch):
    run = replace(TINY.run, steps=80, save_every=80, validate_every=0)
    config = replace(TINY, run=run)
    batch = batch_of(EdgeTask(config, CPU), 3, 2)
    numbers = iter(range(1000))

    def repeated(self: EdgeTask, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        index = next(numbers) % 2
        return {name: part[index] for name, part in batch.items()}

    monkeypatch.setattr(EdgeTask, "example", repeated)
    outcome = train(RECIPE, config, tmp_path, CPU)
    assert outcome.weights is not None
    trained = EdgeNetwork()
    trained.load_state_dict(load_file(outcome.weights))

    def loss(network: EdgeNetwork) -> float:
        with torch.no_grad():
            return float(choice_loss(network(batch["image"], batch["given"]), batch))

    assert loss(trained) < 0.9 * loss(EdgeNetwork())


def test_crops_that_the_network_cannot_take_are_refused():
    with pytest.raises(InputError, match="crop_px"):
        EdgeConfig(crop_px=90)


def test_the_network_starts_by_leaving_everything_alone():
    network = EdgeNetwork()
    logits = network(torch.rand(1, 3, 16, 16), torch.randn(1, 1, 16, 16))
    assert (logits.argmax(dim=1) == 0).all()
