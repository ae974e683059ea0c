"""Training of the edge network: its loss, its examples, and runs that go on where they stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.models.edge.architecture import EdgeNetwork, at_places, places
from focuspuller.training.edge import (
    PRESETS,
    Batch,
    EdgeConfig,
    Examples,
    choice_loss,
    edge_error,
    learning_rate,
    train,
)
from safetensors import safe_open
from torch import Tensor

CPU = torch.device("cpu")
TINY = replace(PRESETS["tiny"], scenes=3, steps=4, checkpoint_every=2)


@pytest.fixture
def dilated_edge() -> Batch:
    """A vertical edge that the given map has 2 px too far to the right."""
    exact, given = torch.zeros(1, 1, 24, 32), torch.zeros(1, 1, 24, 32)
    exact[..., :16] = 10.0
    given[..., :18] = 10.0
    return Batch(torch.rand(1, 3, 24, 32), exact, given)


def certain(batch: Batch, place: tuple[int, int]) -> Tensor:
    """Logits that choose one place everywhere."""
    logits = torch.full_like(at_places(batch.given), -30.0)
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
    assert float(edge_error(dilated_edge.exact, dilated_edge)) == 0
    # Two columns of 32 are off by 10 of a step of 10 px; the 18 columns within reach count fully.
    expected = (2 * 10 / 11) / (18 + 0.05 * 14)
    assert float(edge_error(dilated_edge.given, dilated_edge)) == pytest.approx(expected, rel=1e-4)


def test_examples_are_the_same_for_the_same_step_and_partly_exact():
    examples = Examples(replace(TINY, batch=16))
    first, again, other = (examples.batch(step) for step in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.given, again.given)
    assert not torch.equal(first.image, other.image)
    assert first.image.shape == (16, 3, TINY.crop_px, TINY.crop_px)
    assert 0 <= first.image.min() <= first.image.max() <= 1
    is_exact = [torch.equal(*pair) for pair in zip(first.exact, first.given, strict=True)]
    assert 0 < sum(is_exact) < 16


def test_picture_and_depth_stay_on_each_other_when_flipped_and_turned():
    """A scene whose red is its disparity shows it in every crop."""
    config = replace(TINY, exact_share=1.0, batch=12)
    examples = Examples(config)
    examples.images = (255 * examples.disparities.float()).byte().expand(-1, 3, -1, -1).clone()
    batch = examples.batch(0)
    for image, exact in zip(batch.image, batch.exact, strict=True):
        if exact.std() > 0 and image[0].std() > 0:
            both = torch.stack([image.mean(0).flatten(), exact.flatten()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.8


def test_the_learning_rate_rises_and_falls():
    config = EdgeConfig(steps=400)
    rates = [learning_rate(step, config) for step in range(400)]
    assert max(rates) == pytest.approx(config.learning_rate, rel=0.01)
    assert rates[0] < 0.2 * config.learning_rate
    assert rates[-1] < 0.001 * config.learning_rate
    assert np.argmax(rates) < 20


def test_a_run_leaves_weights_with_their_origin_and_a_log(tmp_path: Path):
    network = train(TINY, tmp_path, CPU)
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert EdgeConfig(**json.loads(file.metadata()["config"])) == TINY
        assert file.metadata()["licence"] == "Apache-2.0"
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, stored[name])
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [2, 4]
    assert all(np.isfinite(entry["loss"]) for entry in entries)


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch):
    whole = train(TINY, tmp_path / "whole", CPU)

    class StopError(Exception):
        pass

    def stops(self: Examples, step: int) -> Batch:
        if step == 3:
            raise StopError
        return batch(self, step)

    batch = Examples.batch
    monkeypatch.setattr(Examples, "batch", stops)
    with pytest.raises(StopError):
        train(TINY, tmp_path / "parts", CPU)
    monkeypatch.setattr(Examples, "batch", batch)
    resumed = train(TINY, tmp_path / "parts", CPU)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor)


def test_training_learns_what_it_sees_again_and_again(tmp_path: Path, monkeypatch):
    config = replace(TINY, steps=30, learning_rate=3e-3)
    batch = Examples(config).batch(2)
    monkeypatch.setattr(Examples, "batch", lambda self, step: batch)
    trained = train(config, tmp_path, CPU)

    def loss(network: EdgeNetwork) -> float:
        with torch.no_grad():
            return float(choice_loss(network(batch.image, batch.given), batch))

    assert loss(trained) < 0.9 * loss(EdgeNetwork())


def test_the_network_starts_by_leaving_everything_alone():
    network = EdgeNetwork()
    logits = network(torch.rand(1, 3, 16, 16), torch.randn(1, 1, 16, 16))
    assert (logits.argmax(dim=1) == 0).all()
