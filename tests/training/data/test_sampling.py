"""Drawing pairs: shares, schedules and order."""

from __future__ import annotations

import numpy as np
import pytest
from focuspuller.errors import InputError
from focuspuller.training.data.records import Pair, PairList, digest_of
from focuspuller.training.data.sampling import Mixture, Ramp


def named(prefix: str, count: int) -> PairList:
    return PairList(tuple(Pair(f"{prefix}{index}", f"{prefix}{index}") for index in range(count)))


def share_of(mixture: Mixture, step: int, prefix: str) -> float:
    drawn = [mixture.draw(step, np.random.default_rng(index)).name for index in range(2000)]
    return sum(name.startswith(prefix) for name in drawn) / len(drawn)


PHOTOS, GENERATED = named("photo", 3), named("generated", 9)


def test_diffcameras_schedule():
    mixture = Mixture((PHOTOS, GENERATED), Ramp((1, 1), (0, 1), 1000, 2500))
    for step, share in ((0, 0.5), (1000, 0.5), (1750, 0.25), (2500, 0.0), (9000, 0.0)):
        assert mixture.ramp.shares(step).tolist() == pytest.approx([share, 1 - share])
        assert share_of(mixture, step, "photo") == pytest.approx(share, abs=0.03)


def test_without_a_schedule_every_pair_is_as_likely():
    assert share_of(Mixture((PHOTOS, GENERATED)), 7, "photo") == pytest.approx(0.25, abs=0.03)


def test_the_generator_decides():
    mixture = Mixture((PHOTOS, GENERATED))
    names = [mixture.draw(0, np.random.default_rng([5, number])).name for number in range(50)]
    again = [mixture.draw(0, np.random.default_rng([5, number])).name for number in range(50)]
    assert names == again
    assert len(set(names)) > 8


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
        lambda: Mixture(()),
        lambda: Mixture((PairList(()),)),
        lambda: Mixture((PHOTOS,), Ramp((1, 1), (1, 1))),
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
