"""Benchmarks on tiny copies of their data: what they compare and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.defocus import defocus_from_bokeh_level
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.render import LENSES, Lens, render
from focuspuller.training.evaluation.catalog import BENCHMARKS
from focuspuller.training.evaluation.truth import SHIPPED
from numpy.typing import NDArray
from oracles.benchmark_data import (
    blurred,
    disparity,
    means,
    save,
    save_depth,
    sharp,
    usable,
    write_lpips,
)
from oracles.datasets import write_picture
from PIL import Image
from torch import Tensor


class TestTruth:
    def test_it_runs_without_any_data_or_weights(self, out: Path) -> None:
        report = fp.evaluate("truth", out, scenes="*s", sheets=1)
        assert report.scenes == ["hills", "night_lights", "spheres"]
        assert [row.system for row in report.rows] == ["input", *LENSES]
        psnr = {row.system: row.means["psnr"] for row in report.rows}
        assert min(psnr, key=lambda name: psnr[name] or 0) == "input"
        assert max(psnr, key=lambda name: psnr[name] or 0) == "layered"
        reasons = "\n".join(report.skipped)
        assert "LPIPS: alexnet-owt-7be5be79.pth" in reasons
        assert "bokehme-neural: arnet.pth" in reasons

    def test_psnr_is_what_a_screen_shows_within_the_margin(self, out: Path) -> None:
        report = fp.evaluate("truth", out, scenes="spheres", systems=["input"], metrics=["psnr"])
        with np.load(SHIPPED / "spheres.npz") as file:
            edge = int(np.ceil(file["max_radius_px"]))
            coded = [
                file[name].astype(np.float64)[edge:-edge, edge:-edge].clip(0, 1) ** (1 / 2.2)
                for name in ("all_in_focus", "defocused")
            ]
        wanted = -10 * np.log10(((coded[0] - coded[1]) ** 2).mean())
        assert means(report, "input")["psnr"] == pytest.approx(wanted, abs=1e-3)

    def test_worse_depth_makes_worse_pictures(self, out: Path) -> None:
        report = fp.evaluate(
            "truth-depth", out, scenes="portrait@*", systems=["layered"], metrics=["psnr"]
        )
        by_depth = report.rows[0].groups["depth"]["psnr"]
        values = {name: value or 0.0 for name, value in by_depth.items()}
        assert values["exact"] > max(values["quantised 16 levels"], values["blurred 4 px"])
        for kind in ("eroded", "dilated"):
            sweep = [values[f"{kind} {size} px"] for size in (1, 2, 4, 8)]
            assert [values["exact"], *sweep] == sorted([values["exact"], *sweep], reverse=True)
        assert (out / "plots/psnr-by-depth.png").is_file()
        assert "| depth | layered |" in report.markdown()


class TestPublished:
    def test_bokeh_is_compared_at_each_system_s_best_level(
        self, light_field: Path, out: Path
    ) -> None:
        report = fp.evaluate("lf-bokeh", out, light_field, metrics=["lvcorr"], systems=["bokehme"])
        assert len(report.scenes) == 6
        # Series without targets ask for no search; with a figure of fidelity there is one.
        assert means(report, "bokehme")["lvcorr"] > 0.8

    def test_the_search_finds_the_level_a_photograph_was_made_with(
        self, light_field: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(BENCHMARKS, "lf-psnr", with_metrics("lf-bokeh", "psnr", "ssim"))
        report = fp.evaluate("lf-psnr", out, light_field, scenes="*at0.9")
        assert means(report, "bokehme")["ssim"] > 0.97
        assert means(report, "bokehme")["ssim"] > means(report, "input")["ssim"] + 0.1
        for scene in report.scenes:
            stored = json.loads((out / f"results/bokehme/{scene}.json").read_text())
            level = float(scene.split("_k")[1].partition("_")[0])
            assert stored["levels"]["bokeh"] == pytest.approx(level, rel=0.15)

    def test_refocusing_goes_from_each_photograph_to_its_neighbours(
        self, light_field: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(BENCHMARKS, "lf-psnr", with_metrics("lf-refocus", "psnr"))
        report = fp.evaluate("lf-psnr", out, light_field)
        assert len(report.scenes) == 2 * 3 * 2
        assert len(set(report.scenes)) == 12
        assert [row.system for row in report.rows] == ["input"]

    def test_simulated_bokeh_is_the_simulator_s(self, photographs: Path, out: Path) -> None:
        metrics = usable("diffcamera-bokeh")
        report = fp.evaluate("diffcamera-bokeh", out, photographs, metrics=metrics)
        assert means(report, "bokehme")["mae"] == pytest.approx(0, abs=1e-6)
        assert means(report, "bokehme")["lvcorr"] > 0.7
        assert means(report, "input")["mae"] > 0.02
        assert means(report, "input")["lvcorr"] == 0.0
        shots = sorted(path.stem for path in (out / "pictures/bokehme/bird").iterdir())
        assert shots == ["level10", "level15", "level20", "level5"]

    def test_simulated_refocusing_and_deblurring(self, photographs: Path, tmp_path: Path) -> None:
        report = fp.evaluate(
            "diffcamera-deblur", tmp_path / "deblur", photographs, metrics=["mae", "psnr"]
        )
        assert means(report, "input")["psnr"] < 30
        stored = json.loads((tmp_path / "deblur/results/input/cat.json").read_text())
        blur = stored["figures"]["mae"]
        assert blur == sorted(blur), "more blur, more error"
        report = fp.evaluate(
            "diffcamera-refocus", tmp_path / "refocus", photographs, metrics=["mae"]
        )
        assert means(report, "input")["mae"] > 0.02

    def test_eight_apertures(self, photographs: Path, out: Path) -> None:
        report = fp.evaluate("fine-grained", out, photographs, systems=["layered", "input"])
        assert means(report, "layered")["light-monotonicity"] == 100.0
        assert means(report, "input")["light-monotonicity"] == 0.0
        measured = [column.metric for column in report.columns]
        assert measured == ["blur-monotonicity", "light-monotonicity"]
        assert "FID DDoF: no folder" in "\n".join(report.skipped)
        assert len(list((out / "pictures/layered/bird").glob("f*.png"))) == 8

    def test_points_say_where_the_focus_is(self, photographs: Path, out: Path) -> None:
        fp.evaluate("diffcamera-bokeh", out, photographs, systems=["bokehme"], metrics=["mae"])
        near = np.asarray(Image.open(out / "pictures/target/bird/level20.png"), np.float32)
        given = np.asarray(Image.open(out / "pictures/given/bird/level20.png"), np.float32)
        changed = np.abs(near - given).mean(-1)
        assert changed[16:32, 12:28].mean() < 0.2 * changed[:8].mean(), "the square stays sharp"

    def test_defocus_deblurring_of_dpdd_and_realdof(self, tmp_path: Path, out: Path) -> None:
        for index in range(2):
            save(tmp_path / f"D/test_c/source/{index}1.png", blurred(6, seed=index))
            save(tmp_path / f"D/test_c/target/{index}0.png", sharp(index))
            save(tmp_path / f"restored/test_{index}1.png", sharp(index))
        (tmp_path / "D/source").symlink_to(tmp_path / "D/test_c/source")
        (tmp_path / "D/target").symlink_to(tmp_path / "D/test_c/target")
        with pytest.raises(InputError, match="none that can be measured"):
            fp.evaluate("dpdd", out, tmp_path / "D")
        assert not out.exists()
        write_lpips(tmp_path / "models")
        restored = {"restored": tmp_path / "restored"}
        for name in ("dpdd", "dpdd-crop"):
            report = fp.evaluate(name, out / name, tmp_path / "D", pictures=restored)
            assert [column.metric for column in report.columns] == ["lpips"]
            assert report.scenes == ["test_01", "test_11"]
            assert means(report, "restored")["lpips"] == pytest.approx(0, abs=1e-6)
            assert means(report, "input")["lpips"] > 1e-4
        report = fp.evaluate("realdof", out / "realdof", tmp_path / "D")
        assert means(report, "input")["lpips"] > 1e-4

    def test_ebb_val294(self, tmp_path: Path, out: Path) -> None:
        for number in (3, 4400, 4693):
            save(tmp_path / f"E/Training/original/{number}.jpg", sharp(number))
            # Another exposure, which is aligned.
            save(tmp_path / f"E/Training/bokeh/{number}.jpg", 0.8 * blurred(6, seed=number))
            save_depth(tmp_path / f"depth/{number}.png")
        report = fp.evaluate(
            "ebb-val294",
            out,
            tmp_path / "E",
            depth=tmp_path / "depth",
            systems=["bokehme", "input"],
            metrics=["psnr", "ssim"],
        )
        assert report.scenes == ["val294_4400", "val294_4693"]
        assert means(report, "bokehme")["psnr"] > means(report, "input")["psnr"] + 3
        given, target = (
            np.asarray(Image.open(out / f"pictures/{kind}/val294_4400/bokeh.png"), np.float32)
            for kind in ("given", "target")
        )
        assert given.mean((0, 1)) == pytest.approx(target.mean((0, 1)), abs=1.0)
        with pytest.raises(InputError, match="no depth to search"):
            fp.evaluate("ebb-val294", out / "b", tmp_path / "E", systems=["bokehme"])

    def test_blb(self, tmp_path: Path, out: Path) -> None:
        pytest.importorskip("OpenEXR")
        metres = 1 / (0.2 + disparity())
        metres[:4] = 65504.0
        depth = Depth.from_metres(torch.from_numpy(metres)[None, None])
        depth = Depth(torch.where(depth.disparity < 1e-4, 0.0, depth.disparity), True)
        folder = tmp_path / "BLB/277"
        folder.mkdir(parents=True)
        info = {"blur_parameters": [2, 4, 6, 8, 10], "focus_distances": [0.9, 3.3]}
        (folder / "info.json").write_text(json.dumps(info))
        pictures = {"image": sharp()}
        for index, distance in enumerate(info["focus_distances"]):
            defocus = defocus_from_bokeh_level(depth, Focus.at_distance(distance), 10.0)
            pictures[f"bokeh_04_{index:02}"] = render(sharp(), defocus, Lens("taf"))
        for name, light in pictures.items():
            write_exr(folder / f"{name}.exr", light)
        write_depth_exr(folder / "depth.exr", metres)
        report = fp.evaluate("blb", out, tmp_path / "BLB", metrics=["psnr"])
        assert means(report, "taf")["psnr"] > 50
        assert means(report, "input")["psnr"] < 30
        (folder / "info.json").write_text("{}")
        with pytest.raises(FileError, match="no blur_parameters"):
            fp.evaluate("blb", out / "b", tmp_path / "BLB", metrics=["psnr"])


def write_exr(path: Path, light: Tensor) -> None:
    from focuspuller.photo.exr import write_exr as write_channels

    channels = {name: light[0, index].numpy() for index, name in enumerate("RGB")}
    write_channels(path, channels, {})


def write_depth_exr(path: Path, metres: NDArray[np.float32]) -> None:
    from focuspuller.photo.exr import write_exr as write_channels

    write_channels(path, {"Z": metres.astype(np.float32)}, {})


def with_metrics(name: str, *metrics: str) -> Any:
    """A benchmark whose figures need no weights."""
    from dataclasses import replace

    from focuspuller.training.evaluation.benchmark import Column

    return replace(BENCHMARKS[name], columns=tuple(map(Column, metrics)))


class TestPicturesOfOthers:
    """Rows from folders of pictures that other programs have made."""

    def test_they_are_a_row_like_any_other(self, photographs: Path, out: Path) -> None:
        folder = out.parent / "restored"
        for seed, name in enumerate(("bird", "cat")):
            for level in (5, 10, 15, 20):
                save(folder / f"{name}/level{level}.png", sharp(seed))
        report = fp.evaluate(
            "diffcamera-deblur", out, photographs, metrics=["psnr"], pictures={"mine": folder}
        )
        assert [row.system for row in report.rows] == ["input", "mine"]
        assert means(report, "mine")["psnr"] > 50
        assert "**∞**" in report.markdown()

    def test_a_missing_picture_and_a_wrong_size_are_named(
        self, photographs: Path, out: Path
    ) -> None:
        folder = out.parent / "restored"
        folder.mkdir()
        run = {"metrics": ["psnr"], "pictures": {"mine": folder}}
        with pytest.raises(FileError, match=r"no bird/level5\.png"):
            fp.evaluate("diffcamera-deblur", out, photographs, **run)
        write_picture(folder / "bird/level5.png", 1)
        with pytest.raises(FileError, match=r"16×12 px\. It must have 64×48 px"):
            fp.evaluate("diffcamera-deblur", out, photographs, **run)
        with pytest.raises(FileError, match="no folder"):
            fp.evaluate("diffcamera-deblur", out, photographs, pictures={"a": out / "none"})


def test_fid_compares_with_folders_of_pictures(
    photographs: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With features that are easy to follow: mean and spread of a picture's green."""

    def features(device: torch.device) -> Callable[[Tensor], NDArray[np.float64]]:
        del device
        return lambda picture: np.array([float(picture[:, 1].mean()), float(picture[:, 1].std())])

    from dataclasses import replace

    from focuspuller.training.evaluation import metrics

    monkeypatch.setitem(
        metrics.METRICS, "fid", replace(metrics.METRICS["fid"], make=features, digits=6)
    )
    for seed, name in enumerate(("bird", "cat")):
        save(photographs / f"reference/deep/{name}.png", sharp(seed))
        save(photographs / f"reference/shallow/{name}.png", 0.2 * sharp(seed))
    report = fp.evaluate(
        "fine-grained", out, photographs, systems=["input"], metrics=["fid"], sheets=0
    )
    found = means(report, "input")
    assert found["fid (reference/deep)"] == pytest.approx(0, abs=2e-4)
    assert found["fid (reference/shallow)"] > 0.02


class TestBadInput:
    def test_names_that_do_not_exist(self, photographs: Path, out: Path) -> None:
        with pytest.raises(InputError, match="Give one of truth, truth-depth"):
            fp.evaluate("thruth", out)
        with pytest.raises(InputError, match="Give one of input, layered"):
            fp.evaluate("truth", out, systems=["layred"])
        with pytest.raises(InputError, match="truth has psnr"):
            fp.evaluate("truth", out, metrics=["fid"])
        with pytest.raises(InputError, match="No scene has such a name"):
            fp.evaluate("truth", out, scenes="nothing*")
        with pytest.raises(InputError, match="cannot do the task 'deblur'"):
            fp.evaluate("diffcamera-deblur", out, photographs, systems=["taf"], metrics=["mae"])
        with pytest.raises(InputError, match="This name is taken"):
            fp.evaluate("truth", out, pictures={"target": photographs})

    @pytest.mark.parametrize("name", [name for name in BENCHMARKS if not name.startswith("truth")])
    def test_data_that_is_not_there(self, name: str, tmp_path: Path, out: Path) -> None:
        with pytest.raises(InputError, match="Give a folder with"):
            fp.evaluate(name, out)
        with pytest.raises(InputError, match="which is no folder"):
            fp.evaluate(name, out, tmp_path / "none")
        (tmp_path / "empty").mkdir()
        with pytest.raises(FileError) as error:
            fp.evaluate(name, out, tmp_path / "empty")
        assert "empty" in str(error.value)

    def test_truth_scenes_that_are_damaged(self, tmp_path: Path, out: Path) -> None:
        (tmp_path / "bad.npz").write_bytes(b"no zip")
        with pytest.raises(FileError, match="an unreadable file"):
            fp.evaluate("truth", out, tmp_path)
        np.savez(tmp_path / "bad.npz", depth=np.ones((4, 4)))
        with pytest.raises(FileError, match="a file without all_in_focus, defocused"):
            fp.evaluate("truth", out, tmp_path)

    def test_pictures_of_different_size(self, light_field: Path, out: Path) -> None:
        write_picture(light_field / "bokeh/bird/k4_at0.9.png", 1, (12, 16))
        with pytest.raises(FileError, match="pictures of 64×48 and 16×12 px"):
            fp.evaluate("lf-bokeh", out, light_field, metrics=["lvcorr"])

    def test_depth_that_is_missing(self, photographs: Path, out: Path) -> None:
        (photographs / "depth/cat.png").unlink()
        with pytest.raises(FileError, match="no depth map of cat"):
            fp.evaluate("diffcamera-bokeh", out, photographs, metrics=["mae"])

    @pytest.mark.parametrize("text", ["[]", '{"bird": [[0.5, 0.5]]}', '{"bird": [[0, 2], [1, 1]]}'])
    def test_points_that_are_none(self, text: str, photographs: Path, out: Path) -> None:
        (photographs / "points.json").write_text(text)
        with pytest.raises(FileError, match=r"points\.json.*no points to focus on"):
            fp.evaluate("diffcamera-bokeh", out, photographs, metrics=["mae"])


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_all_that_a_user_needs(name: str) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert benchmark.source
    assert benchmark.summary
    assert "`DIR/" in benchmark.layout
    assert benchmark.columns
    assert len({column.name for column in benchmark.columns}) == len(benchmark.columns)
    for column in benchmark.columns:
        assert column.definition.name == column.metric
    text = (Path(__file__).parents[3] / "docs/evaluation.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text
