"""What examples are made of: simulated in memory, and drawn from datasets on disk."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.depth import Depth
from focuspuller.photo.saving import save_photo
from focuspuller.training.data.records import PairList
from focuspuller.training.data.sampling import Ramp
from focuspuller.training.data.simulate.dataset import write_scene
from focuspuller.training.procedural import ProceduralSimulator
from focuspuller.training.recorded_series import Dataset, RecordedSeries, pairs_of
from focuspuller.training.series import SimulatedSeries, focus_point


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def scenes(tmp_path: Path) -> PairList:
    """Two scenes of 48 px with three photographs each."""
    for index in range(2):
        write_scene(tmp_path, ProceduralSimulator(48, 6.0, shots=3), index)
    return pairs_of([Dataset("scenes", str(tmp_path))], "datasets")


class TestSimulated:
    def test_the_same_generator_draws_the_same(self):
        one, other = (SimulatedSeries(ProceduralSimulator(32, 4.0), 3) for _ in range(2))
        first, second = one.draw(0, random()), other.draw(9, random())
        assert first.name == second.name
        assert torch.equal(first.photographs[0].image, second.photographs[0].image)

    def test_photographs_are_blurred_as_they_say(self):
        source = SimulatedSeries(ProceduralSimulator(48, 8.0), 6)
        for number in range(6):
            series = source.series(number, (0, 1))
            assert series.all_in_focus is not None and series.depth is not None
            for photograph in series.photographs:
                assert photograph.blur is not None
                radius = photograph.blur.defocus(series.depth).radius[0, 0].abs()
                change = (photograph.image - series.all_in_focus).abs().mean(0)
                assert float(radius.amax()) <= 8.0
                # Nothing blurred reaches so far into what is in focus.
                inside = torch.nn.functional.max_pool2d(radius[None, None], 19, 1, 9)[0, 0]
                assert not bool((change[inside < 0.2] > 0.1).any())

    def test_a_copy_for_a_worker_draws_the_same(self):
        source = SimulatedSeries(ProceduralSimulator(32, 4.0), 2)
        drawn = source.draw(0, random(1))
        again = pickle.loads(pickle.dumps(source)).draw(0, random(1))
        assert torch.equal(drawn.photographs[0].image, again.photographs[0].image)


class TestRecorded:
    def test_a_series_is_cut_alike(self, scenes):
        source = RecordedSeries([scenes], 32, "native", photographs=2)
        series = source.draw(0, random(), 2)
        whole = {pair.name: pair for pair in scenes.pairs}[series.name]
        assert whole.all_in_focus is not None and whole.depth is not None
        image, depth = whole.all_in_focus.image(), whole.depth.depth().disparity[0]
        assert series.all_in_focus is not None and series.depth is not None
        found = [
            (top, left)
            for top in range(17)
            for left in range(17)
            if torch.equal(image[:, top : top + 32, left : left + 32], series.all_in_focus)
        ]
        ((top, left),) = found
        cut = (slice(None), slice(top, top + 32), slice(left, left + 32))
        assert torch.equal(series.depth.disparity[0], depth[cut])
        first = next(pair for pair in scenes.pairs if pair.name == series.name)
        assert first.bokeh is not None
        assert torch.equal(series.photographs[0].image, first.bokeh.image()[cut])
        assert series.photographs[1].image.shape == (3, 32, 32)

    @pytest.mark.parametrize(("scale", "factor"), [("whole", 2 / 3), ("native", 1.0)])
    def test_blur_shrinks_with_the_picture(self, scenes, scale, factor):
        series = RecordedSeries([scenes], 32, scale).draw(0, random(3))
        pair = next(pair for pair in scenes.pairs if pair.name == series.name)
        drawn = series.photographs[0].blur
        assert pair.blur is not None and drawn is not None
        assert drawn.level == pytest.approx(factor * pair.blur.level)
        assert drawn.focus_disparity == pair.blur.focus_disparity

    def test_groups_have_their_shares(self, scenes):
        first, second = (
            PairList(tuple(pair for pair in scenes.pairs if pair.scene == f"{index:08d}"))
            for index in range(2)
        )
        source = RecordedSeries([first, second], 48, "whole", Ramp((1, 0), (0, 1), 10, 10))
        before = {source.draw(9, random(index)).name[:8] for index in range(8)}
        after = {source.draw(10, random(index)).name[:8] for index in range(8)}
        assert (before, after) == ({"00000000"}, {"00000001"})

    def test_views_with_too_few_photographs_are_refused(self, scenes):
        with pytest.raises(InputError, match="4 photographs"):
            RecordedSeries([scenes], 48, photographs=4)

    def test_small_pictures_are_refused_by_name(self, scenes):
        with pytest.raises(FileError, match="48×48"):
            RecordedSeries([scenes], 64).draw(0, random())

    def test_pictures_of_several_sizes_are_refused(self, tmp_path):
        for folder, side in (("all_in_focus", 40), ("bokeh", 48)):
            (tmp_path / folder).mkdir()
            save_photo(tmp_path / folder / "a.png", torch.rand(side, side, 3))
        pairs = pairs_of([Dataset("folders", str(tmp_path))], "datasets")
        with pytest.raises(FileError, match="one size"):
            RecordedSeries([pairs], 32).draw(0, random())

    def test_the_digest_knows_the_labels(self, scenes):
        some = PairList(scenes.pairs[:3])
        digests = {RecordedSeries([group], 48).digest for group in (scenes, some)}
        digests |= {RecordedSeries([scenes, some], 48).digest}
        assert len(digests) == 3

    def test_no_datasets_are_refused(self):
        with pytest.raises(InputError, match="synthetic"):
            pairs_of([], "synthetic")


def test_where_nothing_is_in_focus_the_point_is_the_nearest_to_it():
    disparity = torch.zeros(1, 1, 4, 4)
    disparity[..., 2, 1] = 1.0
    depth = Depth(disparity, False)
    assert focus_point(depth, 0.7, random()) == pytest.approx((0.375, 0.625))
    assert focus_point(depth, 0.999, random()) == pytest.approx((0.375, 0.625))
