"""Drawing pairs: shares, schedules and order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.training.data.readers.catalog import open_dataset
from focuspuller.training.data.records import Pair, PairList, Source, digest_of
from focuspuller.training.data.sampling import Ramp
from focuspuller.training.data.shards import write_shards
from focuspuller.training.engine.config import Optimizer, Run
from focuspuller.training.engine.examples import batches
from focuspuller.training.engine.task import Phase, Task
from oracles import datasets


def named(prefix: str, count: int) -> PairList:
    return PairList(tuple(Pair(f"{prefix}{index}", f"{prefix}{index}") for index in range(count)))


PHOTOS, GENERATED = named("photo", 3), named("generated", 9)


def test_diffcameras_schedule():
    ramp = Ramp((1, 1), (0, 1), 1000, 2500)
    for step, share in ((0, 0.5), (1000, 0.5), (1750, 0.25), (2500, 0.0), (9000, 0.0)):
        assert ramp.shares(step).tolist() == pytest.approx([share, 1 - share])


def test_a_step_changes_shares_at_once_where_the_ramp_has_no_length():
    ramp = Ramp((1, 0), (0, 1), 100, 100)
    assert ramp.shares(99).tolist() == [1, 0]
    assert ramp.shares(100).tolist() == [0, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ramp((1, -1), (1, 1)),
        lambda: Ramp((0, 0), (1, 1)),
        lambda: Ramp((1, 1), (1,)),
        lambda: Ramp((1, 1), (1, 1), 5, 4),
    ],
)
def test_what_has_no_meaning_is_refused(make):
    with pytest.raises(InputError):
        make()


def test_digests_tell_sources_apart():
    assert digest_of(PHOTOS) == digest_of(named("photo", 3))
    assert len({digest_of(PHOTOS), digest_of(GENERATED), digest_of(named("photo", 4))}) == 3
    labelled = PairList((Pair("photo0", "photo0", f_number=2.0), *PHOTOS.pairs[1:]))
    assert digest_of(labelled) != digest_of(PHOTOS)


class PairTask(Task):
    """Examples that say which pair they were made of."""

    def __init__(self, source: Source, workers: int) -> None:
        self.source, self.run = source, Run(steps=6, batch_size=2, workers=workers, seed=9)
        self.phases = [Phase("only", lambda trainee: (), Optimizer())]

    def example(self, step: int, random: np.random.Generator) -> dict[str, torch.Tensor]:
        image = self.source.record(int(random.integers(len(self.source)))).bokeh.image()
        return {"image": image, "step": torch.tensor(step)}

    def export(self, weights, file, metadata) -> None:
        raise NotImplementedError


def test_the_engine_sees_the_same_pairs_from_shards_with_workers_and_when_it_goes_on(tmp_path):
    source = open_dataset("lfdof", datasets.lfdof(tmp_path / "LFDOF"), "train")
    write_shards(source, tmp_path / "shards", 1)

    def seen(source: Source, workers: int = 0, first_step: int = 0) -> list[torch.Tensor]:
        task = PairTask(source, workers)
        return [batch["image"] for batch in batches(task, first_step, 0, 1, False)]

    expected, packed = seen(source), open_dataset("shards", tmp_path / "shards")
    assert len(expected) == 6
    assert any(not torch.equal(expected[0], other) for other in expected[1:])
    for other in (seen(packed), seen(packed, workers=2)):
        assert all(torch.equal(*pair) for pair in zip(expected, other, strict=True))
    late = seen(packed, first_step=4)
    assert all(torch.equal(*pair) for pair in zip(expected[4:], late, strict=True))
