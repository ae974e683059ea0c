"""The focus distance transformer on its own: it learns where photographs are in focus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")

from focuspuller.lens.depth import Depth
from focuspuller.models.focus_distance.architecture import FocusDistanceTransformer
from focuspuller.models.focus_distance.files import check, load_focus_transformer
from focuspuller.models.focus_distance.handle import find_focus
from focuspuller.models.state_dict import read_metadata
from focuspuller.training.engine.loop import train
from focuspuller.training.recipes.focus_distance import (
    PRESETS,
    RECIPE,
    FocusDistanceTask,
    FocusTrainee,
    tiny_transformer,
)

CPU = torch.device("cpu")
TINY = replace(PRESETS["tiny"], run=replace(PRESETS["tiny"].run, validate_every=0))


def error_of(transformer: FocusDistanceTransformer, task: FocusDistanceTask) -> float:
    """Mean error of the focus distance that the node finds, m."""
    errors = []
    for index in range(8):
        example = task.example(0, np.random.default_rng([55, index]))
        depth = Depth(example["disparity"][None], is_metric=True)
        found = find_focus(transformer, example["image"][None], depth)
        errors.append(float((found.focus.distance_m - example["distance_m"]).abs()))
    return float(np.mean(errors))


def test_what_was_trained_and_loaded_finds_the_focus_better(tmp_path):
    task = FocusDistanceTask(TINY, CPU)
    before = error_of(tiny_transformer().eval(), task)
    file = train(RECIPE, TINY, tmp_path, CPU).weights
    assert file is not None
    loaded = load_focus_transformer(file)
    assert error_of(loaded, task) < 0.7 * before
    assert not check(file)
    said = read_metadata(file)
    assert (said["base"], said["recipe"], said["licence"]) == (
        "tiny",
        "focus-distance",
        TINY.licence,
    )


def batch_of(task: FocusDistanceTask) -> dict[str, torch.Tensor]:
    examples = [task.example(0, np.random.default_rng(index)) for index in range(2)]
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}


def test_the_true_focus_is_that_of_the_photograph():
    task = FocusDistanceTask(TINY, CPU)
    for index in range(6):
        series = task.source.draw(0, np.random.default_rng(index))
        example = task.example(0, np.random.default_rng(index))
        blur, depth = series.photographs[0].blur, series.depth
        assert blur is not None and depth is not None
        radius = blur.defocus(depth).radius[0].abs()
        sharpest = 1.0 / example["disparity"].flatten()[int(radius.argmin())]
        assert float(sharpest) == pytest.approx(float(example["distance_m"]), rel=0.1)


def test_losses_have_their_weights_and_the_copy_stays_frozen():
    task = FocusDistanceTask(replace(TINY, focus_weight=2.0, copy_weight=3.0), CPU)
    trainee = task.trainee
    assert isinstance(trainee, FocusTrainee)
    losses = trainee("focus", batch_of(task))
    torch.testing.assert_close(losses["loss"], 2 * losses["focus"] + 3 * losses["copy"])
    assert float(losses["copy"].detach()) == 0.0
    losses["loss"].backward()
    assert all(one.grad is None for one in trainee.regularization.parameters())
    assert all(one.grad is None for one in trainee.transformer.scale_head.parameters())
    assert all(one.grad is not None for one in trainee.trained_parameters())
