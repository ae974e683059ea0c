"""Simulated datasets: what is written is what its labels say, again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import focuspuller
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import FileError, InputError
from focuspuller.headless.cli import main
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.depth import Depth
from focuspuller.lens.render import Lens, render
from focuspuller.training.data.readers.catalog import open_dataset
from focuspuller.training.data.readers.folders import pictures
from focuspuller.training.data.records import Source, records_of, scenes_of
from focuspuller.training.data.simulate.bokehdiff import (
    BokehDiffSettings,
    BokehDiffSimulator,
    background_plane,
    foreground_plane,
    placed,
)
from focuspuller.training.data.simulate.catalog import KINDS, Ingredients
from focuspuller.training.data.simulate.diffcamera import (
    DiffCameraSettings,
    DiffCameraSimulator,
    relative_to_view,
)
from focuspuller.training.data.simulate.genrefocus import GenRefocusSettings, GenRefocusSimulator
from focuspuller.training.data.simulate.pictures import picture_number, sharp_picture
from focuspuller.training.data.simulate.point_lights import (
    PointLightSettings,
    PointLightSimulator,
)
from focuspuller.training.data.simulate.run import Plan, simulate
from focuspuller.training.data.simulate.scene import focus_at_pixel, point_in_focus
from focuspuller.training.data.simulate.shapes import (
    DRAWN,
    drawn_aperture,
    picture_of,
    points_in,
    random_aperture,
)
from PIL import Image
from torch import Tensor

SIZE = 40
SETTINGS = {
    "diffcamera": DiffCameraSettings(SIZE, shots=3),
    "genrefocus": GenRefocusSettings(SIZE, shots=2),
    "shapes": GenRefocusSettings(SIZE, largest_level=8.0, highlight_stops=3.0),
    "point-lights": PointLightSettings(SIZE, shots=2, largest_radius=6.0, most_points=64),
    "bokehdiff": BokehDiffSettings(SIZE, level=4.0, largest_octave=0.0, most_points_per_side=9),
}
every_kind = pytest.mark.parametrize("kind", SETTINGS)


@pytest.fixture
def sharp(tmp_path: Path) -> Source:
    """Two pictures with metric depth and a light."""
    folder, depth = tmp_path / "sharp", tmp_path / "depth"
    folder.mkdir()
    depth.mkdir()
    for index, name in enumerate(("a", "b")):
        random = np.random.default_rng(index)
        coarse = random.integers(0, 200, (8, 10, 3), np.uint8)
        picture = np.array(Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC))
        picture[10:13, 20:23] = 255
        Image.fromarray(picture).save(folder / f"{name}.png")
        np.save(depth / f"{name}.npy", np.linspace(1, 8, 2880, dtype=np.float32).reshape(48, 60))
    return pictures(folder, depth)


def made(kind: str, sharp: Source, out: Path, count: int = 2, seed: int = 0, **changes) -> Plan:
    given = Ingredients(images=sharp if KINDS[kind].needs_images else None)
    plan = Plan(kind, replace(SETTINGS[kind], **changes), given, out, count, seed)
    outcome = simulate(plan)
    assert not outcome.problems
    return plan


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def similarity(first: Tensor, second: Tensor) -> float:
    """Largest difference."""
    return float((first - second).abs().max())


@every_kind
def test_a_dataset_is_read_as_it_was_made(kind, sharp, tmp_path):
    made(kind, sharp, tmp_path / "out")
    source = open_dataset("scenes", tmp_path / "out")
    assert list(scenes_of(source)) == ["00000000", "00000001"]
    assert len(source) == 2 * SETTINGS[kind].shots
    for pair in records_of(source):
        depth = pair.depth.depth()
        assert depth.is_metric == pair.blur.is_metric
        assert pair.all_in_focus.image().shape == pair.bokeh.image().shape == (3, SIZE, SIZE)
        assert depth.size == (SIZE, SIZE)


@every_kind
def test_the_seed_decides_everything(kind, sharp, tmp_path):
    made(kind, sharp, tmp_path / "one", seed=4)
    made(kind, sharp, tmp_path / "two", seed=4)
    made(kind, sharp, tmp_path / "three", seed=5)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    scenes = [contents(tmp_path / name / "00000") for name in ("one", "three")]
    assert scenes[0].keys() & scenes[1].keys()
    assert scenes[0]["00000000.json"] != scenes[1]["00000000.json"]


@every_kind
def test_a_run_goes_on_where_it_was_interrupted(kind, sharp, tmp_path):
    made(kind, sharp, tmp_path / "whole")
    made(kind, sharp, tmp_path / "part", count=1)
    # Killed within the second scene: its JSON is not there, nor its last picture.
    later = tmp_path / "part/00000"
    for name in ("00000001.aif.png", "00000001.depth.png"):
        (later / name).write_bytes((tmp_path / f"whole/00000/{name}").read_bytes())
    made(kind, sharp, tmp_path / "part")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_pictures_that_are_there_are_not_made_again(sharp, tmp_path):
    plan = made("diffcamera", sharp, tmp_path / "out", count=1)
    scene = tmp_path / "out/00000"
    (scene / "00000000.json").unlink()
    (scene / "00000000.bokeh001.png").unlink()
    (scene / "00000000.bokeh000.png").write_bytes(b"made before")
    outcome = simulate(plan)
    assert (outcome.scenes, outcome.pictures, outcome.kept) == (1, 1, 0)
    assert (scene / "00000000.bokeh000.png").read_bytes() == b"made before"
    outcome = simulate(replace(plan, count=2))
    assert (outcome.scenes, outcome.pictures, outcome.kept) == (1, 3, 1)


def test_another_dataset_in_the_folder_is_refused(sharp, tmp_path):
    made("genrefocus", sharp, tmp_path / "out")
    with pytest.raises(InputError, match=r"made otherwise \(seed, settings\)"):
        made("genrefocus", sharp, tmp_path / "out", seed=1, shots=3)


def test_a_picture_that_cannot_be_used_stops_only_its_scenes(sharp, tmp_path):
    (tmp_path / "sharp/a.png").write_bytes(b"no picture")
    given = Ingredients(images=sharp)
    plan = Plan("diffcamera", SETTINGS["diffcamera"], given, tmp_path / "out", count=4)
    outcome = simulate(plan)
    assert (outcome.scenes, len(outcome.problems)) == (2, 2)
    assert all("a.png" in problem for problem in outcome.problems.values())
    assert len(open_dataset("scenes", tmp_path / "out")) == 2 * 3


@pytest.mark.parametrize("kind", ["diffcamera", "genrefocus"])
def test_pictures_are_blurred_as_their_labels_say(kind, sharp, tmp_path):
    made(kind, sharp, tmp_path / "out", lens="bokehme")
    for pair in records_of(open_dataset("scenes", tmp_path / "out")):
        light = srgb_to_linear(pair.all_in_focus.image())[None]
        defocus = pair.blur.defocus(pair.depth.depth())
        again = linear_to_srgb(render(light, defocus, Lens("bokehme")).clamp(0, 1))[0]
        assert similarity(again, pair.bokeh.image()) < 0.02
        assert similarity(pair.all_in_focus.image(), pair.bokeh.image()) > 0.05


@pytest.mark.parametrize("kind", ["point-lights", "bokehdiff"])
def test_exact_photographs_agree_best_with_their_own_labels(kind, tmp_path):
    settings = {
        "point-lights": replace(SETTINGS["point-lights"], shapes=False, least_radius=3.0),
        "bokehdiff": BokehDiffSettings(
            64, shots=2, level=6.0, least_octave=0.0, largest_octave=0.0
        ),
    }
    plan = Plan(kind, settings[kind], Ingredients(), tmp_path / "out", count=3)
    assert not simulate(plan).problems
    error = dict.fromkeys(("as labelled", "half", "double", "nearer", "farther"), 0.0)
    for pair in records_of(open_dataset("scenes", tmp_path / "out")):
        light, depth, blur = pair.all_in_focus.image(), pair.depth.depth(), pair.blur
        others = {
            "as labelled": blur,
            "half": replace(blur, level=blur.level / 2),
            "double": replace(blur, level=blur.level * 2),
            "nearer": replace(blur, focus_disparity=min(blur.focus_disparity + 0.3, 1.0)),
            "farther": replace(blur, focus_disparity=max(blur.focus_disparity - 0.3, 0.0)),
        }
        for name, other in others.items():
            rendered = render(srgb_to_linear(light)[None], other.defocus(depth))[0]
            difference = linear_to_srgb(rendered.clamp(0, 1)) - pair.bokeh.image()
            error[name] += float(difference.abs().mean())
    assert min(error, key=error.__getitem__) == "as labelled", error


def test_what_lies_in_the_focus_plane_stays_sharp(sharp, tmp_path):
    made("genrefocus", sharp, tmp_path / "out", count=4, lens="bokehme")
    for pair in records_of(open_dataset("scenes", tmp_path / "out")):
        x, y = pair.focus_point
        column, row = int(x * SIZE), int(y * SIZE)
        radius = pair.blur.defocus(pair.depth.depth()).radius[0, 0]
        assert abs(float(radius[row, column])) < 0.5


def test_diffcamera_takes_planes_and_levels_of_the_grid(sharp):
    scene = DiffCameraSimulator(DiffCameraSettings(SIZE, shots=420), sharp, seed=0).scene(0)
    found = {(shot.blur.focus_disparity, shot.blur.level) for shot in scene.shots}
    assert found == {(round(p * 0.05, 2), float(k)) for p in range(21) for k in range(1, 21)}
    disparity = scene.depth.disparity[0, 0]
    points = [shot for shot in scene.shots if shot.focus_point is not None]
    assert len(points) > 400
    for shot in points:
        x, y = shot.focus_point
        seen = float(disparity[int(y * SIZE), int(x * SIZE)])
        assert seen == pytest.approx(shot.blur.focus_disparity, abs=0.026)


def test_relative_depth_spans_what_is_in_view():
    depth = relative_to_view(Depth(torch.rand(1, 1, 4, 4) * 0.3 + 0.2, is_metric=True))
    assert not depth.is_metric
    assert (float(depth.disparity.min()), float(depth.disparity.max())) == pytest.approx((0, 1))


def test_genrefocus_levels_keep_radii_within_the_condition(sharp):
    settings = GenRefocusSettings(SIZE, shots=50, least_level=400.0, largest_level=500.0)
    scene = GenRefocusSimulator(settings, sharp, seed=0).scene(0)
    for shot in scene.shots:
        assert float(shot.blur.defocus(scene.depth).radius.abs().max()) <= 100.0 + 1e-3


def test_every_picture_is_used_before_one_comes_again():
    for first in (0, 7, 14):
        assert {picture_number(3, first + index, 7) for index in range(7)} == set(range(7))
    orders = [[picture_number(3, 7 * turn + i, 7) for i in range(7)] for turn in range(3)]
    assert orders[0] != orders[1]


def test_picture_and_depth_are_cut_alike(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (30, 1))
    Image.fromarray(ramp).convert("RGB").save(tmp_path / "ramp.png")
    np.save(tmp_path / "ramp.npy", (ramp / 255.0).astype(np.float32))
    from focuspuller.training.data.readers.folders import DepthCoding

    pair = pictures(tmp_path, tmp_path, DepthCoding("relative")).record(0)
    image, depth = sharp_picture(pair, 20, np.random.default_rng(1))
    assert image.shape == (3, 20, 20)
    assert similarity(image[:1], depth.disparity[0]) < 0.02


def test_small_pictures_and_missing_depth_are_refused(sharp, tmp_path):
    with pytest.raises(FileError, match=r"60×48 px.*smaller size_px"):
        sharp_picture(sharp.record(0), 64, np.random.default_rng(0))
    alone = pictures(tmp_path / "sharp").record(0)
    with pytest.raises(FileError, match="without depth"):
        sharp_picture(alone, 16, np.random.default_rng(0))


def test_focus_points():
    depth = Depth(torch.linspace(0, 1, 400).view(1, 1, 20, 20), is_metric=False)
    plane, point = focus_at_pixel(depth, 10, 5)
    assert plane == pytest.approx(205 / 399)
    assert point == (5.5 / 20, 10.5 / 20)
    x, y = point_in_focus(depth, 0.5, choice=0.99)
    assert float(depth.disparity[0, 0, int(y * 20), int(x * 20)]) == pytest.approx(0.5, abs=0.025)
    assert point_in_focus(depth, 1.2, choice=0.5) is None


class TestShapes:
    @pytest.mark.parametrize("name", DRAWN)
    def test_shapes_fill_their_circle_and_are_not_round(self, name):
        shape = drawn_aperture(name).image
        assert 0.15 < float(shape.mean()) < 0.75
        rows = torch.nonzero(shape.amax(1))
        assert int(rows.max() - rows.min()) > 0.6 * len(shape)

    def test_hearts_have_their_tip_down(self):
        shape = drawn_aperture("heart").image
        widths = shape.sum(1)
        rows = torch.nonzero(widths)[:, 0]
        assert float(widths[rows[5]]) > 3 * float(widths[rows[-5]])

    def test_the_picture_of_an_aperture_is_upright(self):
        picture = picture_of(drawn_aperture("heart"))
        assert picture.shape == (97, 97)
        assert float(picture[:48].sum()) > 1.3 * float(picture[49:].sum())

    def test_points_cover_the_aperture_and_nothing_else(self):
        points = torch.tensor(points_in(Aperture(blades=3), 600))
        assert 480 < len(points) < 720
        # Corner up in the background's discs: down in the lens, y down.
        assert float(points[:, 1].max()) > 0.9
        assert float(points[:, 1].min()) > -0.56
        assert float(points.norm(dim=1).max()) <= 1.0
        assert float(points[:, 0].mean()) == pytest.approx(0.0, abs=0.03)

    def test_random_apertures_are_of_all_kinds(self):
        random = np.random.default_rng(0)
        drawn = [random_aperture(random) for _ in range(60)]
        assert 10 < sum(aperture.image is None for aperture in drawn) < 30


class TestPointLights:
    def test_lamps_behind_the_focus_become_upright_apertures(self):
        from focuspuller.training.scenes import SUPERSAMPLING, Layer, Scene

        side = SUPERSAMPLING * (SIZE + 24)
        lamp = torch.zeros(3, side, side)
        lamp[:, side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2] = 50.0
        ones = torch.ones(1, side, side)
        scene = Scene((Layer(lamp, ones, (0.0, 0.0, 0.0)),), (SIZE, SIZE), 12)
        heart = drawn_aperture("heart")
        seen = scene.defocused(1.0, 14.0, points_in(heart, 600))[0]
        expected = F.interpolate(picture_of(heart)[None, None], (28, 28), mode="area")[0, 0]
        window = seen[6:34, 6:34] / seen.max()
        agreement = torch.corrcoef(torch.stack([window.flatten(), expected.flatten()]))[0, 1]
        turned = torch.corrcoef(torch.stack([window.flip(0).flatten(), expected.flatten()]))[0, 1]
        assert float(agreement) > 0.93
        assert float(turned) < 0.85

    def test_nights_are_dark_and_have_lamps(self):
        scene = PointLightSimulator(SETTINGS["point-lights"], seed=1).scene(0)
        image = scene.all_in_focus
        assert float(image.median()) < 0.4
        assert float((image.amin(0) > 0.999).float().mean()) > 0.001

    def test_apertures_are_round_on_demand(self):
        settings = replace(SETTINGS["point-lights"], shapes=False)
        scene = PointLightSimulator(settings, seed=1).scene(0)
        assert all(shot.aperture.is_circle for shot in scene.shots)

    def test_blur_is_as_strong_as_told(self):
        settings = replace(SETTINGS["point-lights"], least_radius=3.0, largest_radius=6.0)
        scene = PointLightSimulator(settings, seed=2).scene(0)
        for shot in scene.shots:
            plane = shot.blur.focus_disparity
            assert 3.0 <= shot.blur.level * max(plane, 1 - plane) <= 6.0


class TestBokehDiff:
    def test_planes_keep_their_ranges(self):
        random = np.random.default_rng(0)
        for _ in range(50):
            behind = background_plane(SIZE, random)
            front = foreground_plane(torch.ones(1, SIZE, SIZE), behind, 0.2, random)
            corners = [
                [p[0] + p[1] * x + p[2] * y for x in (0, SIZE - 1) for y in (0, SIZE - 1)]
                for p in (behind, front)
            ]
            assert min(corners[0]) == pytest.approx(1 / 1000)
            assert max(corners[0]) <= 0.25
            assert min(corners[1]) >= max(corners[0]) - 1e-6
            assert max(corners[1]) <= 1.0 + 1e-6
            assert max(corners[1]) - min(corners[1]) <= 0.2 + 1e-6

    def test_foregrounds_are_cut_to_what_they_show(self):
        image, alpha = torch.rand(3, 30, 40), torch.zeros(1, 30, 40)
        alpha[:, 10:14, 5:35] = 1.0
        color, coverage = placed(image, alpha, 60, np.random.default_rng(0))
        rows, columns = torch.nonzero(coverage[0] > 0.5, as_tuple=True)
        height, width = (int(v.max() - v.min()) + 1 for v in (rows, columns))
        assert color.shape == (3, 60, 60)
        assert width / height == pytest.approx(30 / 4, rel=0.25)

    def test_one_of_the_layers_is_in_focus(self):
        simulator = BokehDiffSimulator(SETTINGS["bokehdiff"], None, None, seed=0)
        for index in range(4):
            scene = simulator.scene(index)
            (shot,) = scene.shots
            x, y = shot.focus_point
            seen = float(scene.depth.disparity[0, 0, int(y * SIZE), int(x * SIZE)])
            assert seen == pytest.approx(shot.blur.focus_disparity, abs=0.2)

    def test_without_blur_the_photograph_is_the_sharp_picture(self):
        settings = replace(SETTINGS["bokehdiff"], least_octave=-12.0, largest_octave=-12.0)
        scene = BokehDiffSimulator(settings, None, None, seed=3).scene(0)
        photograph = scene.photograph(scene.shots[0])
        assert similarity(photograph, scene.all_in_focus) < 0.02

    def test_pictures_of_folders_are_used(self, sharp, tmp_path):
        folder = tmp_path / "cutouts"
        folder.mkdir()
        leaf = np.zeros((20, 20, 4), np.uint8)
        leaf[5:15, 5:15] = (0, 255, 0, 255)
        Image.fromarray(leaf).save(folder / "leaf.png")
        simulator = BokehDiffSimulator(SETTINGS["bokehdiff"], sharp, pictures(folder), seed=0)
        scene = simulator.scene(0)
        assert scene.source in ("leaf before a", "leaf before b")
        green = scene.all_in_focus[:, 20, 20]
        near = scene.depth.disparity[0, 0] > 0.3
        assert float(scene.all_in_focus[1][near].median()) > 0.95
        assert green.shape == (3,)

    def test_opaque_foregrounds_are_refused(self, sharp):
        simulator = BokehDiffSimulator(SETTINGS["bokehdiff"], None, sharp, seed=0)
        with pytest.raises(FileError, match="alpha channel"):
            simulator.scene(0)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("diffcamera", {"shots": 421}),
        ("diffcamera", {"lens": "pinhole"}),
        ("genrefocus", {"shots": 0}),
        ("genrefocus", {"least_level": 9.0, "largest_level": 3.0}),
        ("point-lights", {"least_radius": 0.0}),
        ("bokehdiff", {"foreground_range": 1.0}),
        ("bokehdiff", {"least_octave": 4.0}),
    ],
)
def test_settings_without_meaning_are_refused(kind, changes):
    with pytest.raises(InputError):
        replace(KINDS[kind].settings, **changes)


class TestWorkers:
    def test_several_processes_make_the_same(self, tmp_path):
        settings = SETTINGS["bokehdiff"]
        for processes, name in ((1, "one"), (2, "two")):
            plan = Plan("bokehdiff", settings, Ingredients(), tmp_path / name, count=3)
            assert simulate(plan, processes=processes).scenes == 3
        assert contents(tmp_path / "one") == contents(tmp_path / "two")

    def test_ray_makes_the_same(self, tmp_path, monkeypatch):
        pytest.importorskip("ray", reason="Ray is not installed")
        monkeypatch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")
        settings = SETTINGS["bokehdiff"]
        for address, name in ((None, "here"), ("local", "ray")):
            plan = Plan("bokehdiff", settings, Ingredients(), tmp_path / name, count=3)
            assert simulate(plan, ray_address=address).scenes == 3
        assert contents(tmp_path / "here") == contents(tmp_path / "ray")

    def test_no_workers_are_refused(self, tmp_path):
        plan = Plan("bokehdiff", SETTINGS["bokehdiff"], Ingredients(), tmp_path / "out", count=1)
        with pytest.raises(InputError, match="--workers"):
            simulate(plan, processes=0)

    def test_a_kill_loses_only_what_was_being_written(self, tmp_path):
        out = tmp_path / "out"
        arguments = [
            "simulate",
            "bokehdiff",
            "--count",
            "40",
            "--out",
            str(out),
            "-s",
            "size_px=64",
        ]
        arguments += ["-s", "largest_octave=0", "-s", "most_points_per_side=9"]
        environment = os.environ | {"PYTHONPATH": str(Path(focuspuller.__file__).parents[1])}
        command = [sys.executable, "-m", "focuspuller.headless.cli", *arguments]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while len(list(out.glob("*/*.json"))) < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = len(list(out.glob("*/*.json")))
        assert 3 <= killed < 40
        # Every scene that is there is whole.
        for pair in records_of(open_dataset("scenes", out)):
            assert pair.bokeh.image().shape == (3, 64, 64)


class TestTheCommand:
    def test_it_lists_the_kinds(self, capsys):
        assert main(["simulate", "--list"]) == 0
        listed = capsys.readouterr().out
        assert all(kind in listed for kind in KINDS)

    def test_it_makes_a_dataset_and_says_so(self, sharp, tmp_path, capsys):
        out = tmp_path / "out"
        arguments = ["simulate", "genrefocus", "--images", str(tmp_path / "sharp")]
        arguments += ["--depth", str(tmp_path / "depth"), "--count", "2", "--out", str(out)]
        arguments += ["--set", f"size_px={SIZE}", "--set", "lens=taf", "--seed", "3"]
        assert main(arguments) == 0
        assert "2 scenes, 2 pictures made" in capsys.readouterr().out
        assert main(arguments) == 0
        assert "0 scenes, 0 pictures made, 2 were there" in capsys.readouterr().out
        assert json.loads((out / "dataset.json").read_text())["seed"] == 3

    def test_it_prints_its_settings(self, capsys):
        assert main(["simulate", "diffcamera", "--print-config", "--set", "shots=7"]) == 0
        assert "shots: 7" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["simulate"], "--list"),
            (["simulate", "blur", "--out", "x"], "diffcamera"),
            (["simulate", "diffcamera", "--out", "x"], "--images"),
            (["simulate", "point-lights"], "--out"),
            (["simulate", "point-lights", "--out", "x", "--set", "colour=red"], "size_px"),
            (["simulate", "point-lights", "--out", "x", "--count", "0"], "--count"),
        ],
    )
    def test_it_says_what_is_missing(self, arguments, text, capsys, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert main(arguments) == 1
        assert text in capsys.readouterr().err

    def test_it_fails_where_scenes_could_not_be_made(self, sharp, tmp_path, capsys):
        (tmp_path / "sharp/b.png").write_bytes(b"no picture")
        arguments = ["simulate", "diffcamera", "--images", str(tmp_path / "sharp")]
        arguments += ["--depth", str(tmp_path / "depth"), "--count", "2"]
        arguments += ["--set", f"size_px={SIZE}", "--out", str(tmp_path / "out")]
        assert main(arguments) == 1
        captured = capsys.readouterr()
        assert "1 scenes" in captured.out
        assert "b.png" in captured.err
