"""The project's networks as rows of tables, on tiny weights: the pictures are the functions'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.color import linear_to_srgb
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.flux_base.published import FLUX_PROMPTS
from focuspuller.models.loaded import forget_models
from focuspuller.training.evaluation.flux_systems import _camera, _in_unit_of
from focuspuller.training.evaluation.pictures import picture_in
from focuspuller.training.evaluation.scene import Scene, Shot
from focuspuller.training.evaluation.simulated import F_NUMBERS
from focuspuller.training.evaluation.systems import SYSTEMS
from numpy.typing import NDArray
from oracles.benchmark_data import HEIGHT, WIDTH, means
from oracles.weights import filled

pytest.importorskip("diffusers", reason="FLUX and SDXL need the extra 'diffusion'")
pytest.importorskip("pydantic", reason="settings need the extra 'evaluation'")

from oracles.refocus import FILES, save_models
from oracles.tiny_generator import save_pipeline_folders
from oracles.tiny_sdxl import save_model_folders, use_tiny_networks

Picture = NDArray[np.float32]
# DiffCamera's levels, which are px at 512 px.
SCALE = WIDTH / 512


@pytest.fixture(scope="module", autouse=True)
def no_models_afterwards() -> Iterator[None]:
    yield
    forget_models()


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a tiny FLUX with adapters, as `load_refocus_model` and the settings call them."""
    root = save_models(tmp_path_factory.mktemp("flux"))
    adapters = ("deblur", "pre_deblur", "bokeh", "aperture", "diffcamera")
    return {
        "base": root / "diffusion_models" / "flux1-dev.safetensors",
        "autoencoder": root / "vae" / "ae.safetensors",
        "prompts": root / "text_encoders" / FLUX_PROMPTS.file,
        **{name: root / "loras" / FILES[kind] for name, kind in zip(adapters, FILES, strict=True)},
    }


@pytest.fixture
def settings(flux: dict[str, Path]) -> list[str]:
    """The same as a user sets it."""
    files = {f"{name}_adapter": flux[name] for name in ("deblur", "bokeh", "diffcamera")}
    files |= {name: flux[name] for name in ("base", "autoencoder", "prompts")}
    return ["flux.steps=1", *(f"flux.{name}={path}" for name, path in files.items())]


def model(flux: dict[str, Path], *adapters: str) -> Any:
    parts = {name: flux[name] for name in ("base", "autoencoder", "prompts", *adapters)}
    return fp.load_refocus_model(**{"deblur": None, "bokeh": None, **parts}, device="cpu")


def picture(folder: Path, system: str, scene: str, shot: str) -> Picture:
    return fp.load_photo(folder / f"pictures/{system}/{scene}/{shot}.png").image


def image_of(photographs: Path, name: str) -> Picture:
    return fp.load_photo(photographs / f"pictures/{name}.png").image


def assert_same(found: Picture, wanted: Any) -> None:
    np.testing.assert_allclose(found, np.clip(wanted, 0, 1), atol=1.01 / 255)


class TestFlux:
    def test_bokehnet(self, photographs, out, flux, settings) -> None:
        report = fp.evaluate(
            "diffcamera-bokeh",
            out,
            photographs,
            systems=["bokehnet", "input"],
            metrics=["mae"],
            scenes="bird",
            settings=settings,
        )
        assert means(report, "bokehnet")["mae"] > 0
        assert "| bokehnet | " in report.markdown()
        depth = fp.load_depth(photographs / "depth/bird.png")
        wanted = fp.refocus_photo(
            image_of(photographs, "bird"),
            model(flux, "bokeh"),
            depth,
            focus_disparity=float(depth.disparity[0, 0, HEIGHT // 2, int(0.3 * WIDTH)]),
            bokeh_level=20 * SCALE,
            deblur=False,
            steps=1,
        )
        assert_same(picture(out, "bokehnet", "bird", "level20"), wanted)

    def test_deblurnet_with_and_without_a_restoration(
        self, photographs, out, flux, settings
    ) -> None:
        restored = out.parent / "restored"
        restored.mkdir()
        (restored / "bird.png").write_bytes((photographs / "pictures/cat.png").read_bytes())
        second = "deblurnet@pre"
        report = fp.evaluate(
            "diffcamera-deblur",
            out,
            photographs,
            systems=["deblurnet", second],
            metrics=["psnr"],
            scenes="bird",
            settings=[
                *settings,
                f"{second}.deblur_adapter={flux['pre_deblur']}",
                f"{second}.pre_deblurred={restored}",
            ],
        )
        assert [row.system for row in report.rows] == ["deblurnet", second]
        given = picture(out, "given", "bird", "level5")
        assert_same(
            picture(out, "deblurnet", "bird", "level5"),
            fp.deblur(given, model(flux, "deblur"), steps=1),
        )
        wanted = fp.deblur(
            given,
            fp.load_refocus_model(
                flux["base"],
                autoencoder=flux["autoencoder"],
                prompts=flux["prompts"],
                deblur=flux["pre_deblur"],
                bokeh=None,
                device="cpu",
            ),
            pre_deblurred=image_of(photographs, "cat"),
            steps=1,
        )
        assert_same(picture(out, second, "bird", "level5"), wanted)

    def test_the_chain_of_both(self, photographs, out, flux, settings) -> None:
        report = fp.evaluate(
            "diffcamera-refocus",
            out,
            photographs,
            systems=["genrefocus", "genrefocus@direct"],
            metrics=["mae"],
            scenes="bird",
            settings=[*settings, "genrefocus@direct.deblur=false"],
        )
        assert means(report, "genrefocus")["mae"] > 0
        depth = fp.load_depth(photographs / "depth/bird.png")
        for name, deblurs in (("genrefocus", True), ("genrefocus@direct", False)):
            wanted = fp.refocus_photo(
                picture(out, "given", "bird", "to_second"),
                model(flux, "deblur", "bokeh"),
                depth,
                focus_disparity=float(depth.disparity[0, 0, 0, -1]),
                bokeh_level=20 * SCALE,
                deblur=deblurs,
                steps=1,
            )
            assert_same(picture(out, name, "bird", "to_second"), wanted)

    def test_diffcamera_focuses_on_what_is_nearest_to_the_plane(self) -> None:
        disparity = torch.full((1, 1, 4, 8), 0.2)
        disparity[..., 6:] = 0.9
        depth = fp.Depth.from_relative(disparity)
        for plane, is_right in ((0.5, False), (0.6, True)):
            point, level = _camera(depth, fp.Focus.at_disparity(plane, False), 10.0)
            assert (point[0] > 0.75) == is_right
            assert level == pytest.approx(7.0)

    def test_estimated_depth_is_brought_to_the_data_s_unit(self) -> None:
        known = fp.Depth.from_relative(torch.rand(1, 1, 8, 9))
        other = fp.Depth.from_metres(1 / (0.2 + 3 * known.disparity))
        fitted = _in_unit_of(known, other)
        torch.testing.assert_close(fitted.disparity, known.disparity, atol=1e-5, rtol=0)
        assert not fitted.is_metric

    @pytest.mark.parametrize(
        ("benchmark", "metric", "shot", "level"),
        [
            ("diffcamera-bokeh", "lvcorr", "level20", 20.0),
            ("diffcamera-refocus", "mae", "to_first", 10.0),
            ("diffcamera-deblur", "psnr", "level20", 0.0),
        ],
    )
    def test_diffcamera(
        self, benchmark, metric, shot, level, photographs, out, flux, settings
    ) -> None:
        report = fp.evaluate(
            benchmark,
            out,
            photographs,
            systems=["diffcamera"],
            metrics=[metric],
            scenes="bird",
            settings=settings,
        )
        assert means(report, "diffcamera")[metric] is not None
        depth = fp.load_depth(photographs / "depth/bird.png")
        low, high = torch.aminmax(depth.disparity)
        focus_point = (0.5, 0.5)
        if level:
            rows, columns = torch.nonzero(depth.disparity[0, 0] == high, as_tuple=True)
            middle = len(rows) // 2
            focus_point = (
                (float(columns[middle]) + 0.5) / WIDTH,
                (float(rows[middle]) + 0.5) / HEIGHT,
            )
        wanted = fp.diffcamera(
            picture(out, "given", "bird", shot),
            model(flux, "diffcamera"),
            depth,
            focus_point=focus_point,
            bokeh_level=level * SCALE * float(high - low),
            steps=1,
        )
        assert_same(picture(out, "diffcamera", "bird", shot), wanted)


class TestLensesWithNetworks:
    def compared(
        self, name: str, lens: fp.Lens, photographs: Path, out: Path, settings: list[str]
    ) -> None:
        run = {"systems": [name], "metrics": ["mae"], "scenes": "bird", "settings": settings}
        report = fp.evaluate("diffcamera-bokeh", out, photographs, **run)
        assert means(report, name)["mae"] > 0
        depth = fp.load_depth(photographs / "depth/bird.png")
        plane = float(depth.disparity[0, 0, HEIGHT // 2, int(0.3 * WIDTH)])
        wanted = fp.render(
            image_of(photographs, "bird"),
            depth,
            focus_disparity=plane,
            bokeh_level=20 * SCALE,
            lens=lens,
        )
        assert_same(picture(out, name, "bird", "level20"), wanted)

    def test_bokehdiff(self, photographs, out, tmp_path, monkeypatch) -> None:
        use_tiny_networks(monkeypatch)
        save_model_folders(tmp_path / "diff")
        files = {
            "weights": tmp_path / "diff" / "bokehdiff" / "small",
            "base": tmp_path / "diff" / "checkpoints" / "RealVisXL_V5.0_fp16.safetensors",
        }
        lens = fp.bokehdiff_lens(**files, strength=1.5)
        chosen = [f"bokehdiff.{name}={path}" for name, path in files.items()]
        self.compared("bokehdiff", lens, photographs, out, [*chosen, "bokehdiff.strength=1.5"])

    def test_bokehme(self, photographs, out, tmp_path) -> None:
        files = {name: tmp_path / f"{name}.pth" for name in ("arnet", "iunet")}
        for name, network in {"arnet": ARNet(), "iunet": IUNet()}.items():
            torch.save({"model": filled(network).state_dict()}, files[name])
        chosen = [f"bokehme-neural.{name}={path}" for name, path in files.items()]
        self.compared("bokehme-neural", fp.bokehme_lens(**files), photographs, out, chosen)


GENERATORS = tuple(name for name, one in SYSTEMS.items() if "generate" in one.tasks)
# How many pictures a generator draws for eight apertures.
TOLD = {"exif-text": 8, "dof-text": 2, "exif": 8, "exif-fixed": 1, "generator": 1}


def test_a_picture_of_a_scene_stands_for_no_series(tmp_path: Path) -> None:
    fp.save_photo(tmp_path / "a.png", np.full((2, 3, 3), 0.2, np.float32))
    wide, narrow = Shot("f1.8", level=4.0), Shot("f8", level=1.0)
    image = torch.zeros(1, 3, 2, 3)
    single, series = Scene("a", image, (wide,)), Scene("a", image, (wide, narrow))
    found = linear_to_srgb(picture_in(tmp_path, single.request(wide, "bokeh")))
    assert found.mean() == pytest.approx(0.2, abs=1e-6)
    with pytest.raises(FileError, match=r"no a/f8\.png"):
        picture_in(tmp_path, series.request(narrow, "bokeh"))
    (tmp_path / "a").mkdir()
    fp.save_photo(tmp_path / "a" / "f8.png", np.full((2, 3, 3), 0.6, np.float32))
    found = linear_to_srgb(picture_in(tmp_path, series.request(narrow, "bokeh")))
    assert found.mean() == pytest.approx(0.6, abs=1e-6)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipeline")
    save_pipeline_folders(root)
    return {
        "base": root / "diffusers" / "TinyXL",
        "student": root / "loras" / "dmd2_sdxl_4step_lora_fp16.safetensors",
        "exif_projection": root / "exif_generator" / "trained.safetensors",
        "depth_model": root / "depth_pro" / "depth_pro.pt",
        "focus_weights": root / "focus_distance" / "focus_distance.safetensors",
    }


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    said = '{"dog": {"prompt": "a dog", "focal_length_mm": 200, "seed": 3}}'
    (tmp_path / "prompts/prompts.json").write_text(said)
    return tmp_path / "prompts"


class TestGenerators:
    @pytest.mark.parametrize("name", GENERATORS)
    def test_a_row_of_the_table(self, name, prompts, out, pipeline, monkeypatch) -> None:
        from focuspuller.training.evaluation import generator_systems as module

        drawn: list[str] = []

        def counted(*arguments: Any, **options: Any) -> Any:
            drawn.append(name)
            return generate(*arguments, **options)

        generate = module.generate
        monkeypatch.setattr(module, "generate", counted)
        chosen = [f"generator.{key}={path}" for key, path in pipeline.items()]
        report = fp.evaluate(
            "fine-grained-prompts",
            out,
            prompts,
            systems=[name],
            metrics=["light-monotonicity"],
            settings=[*chosen, *(f"generator.{key}" for key in ("width=64", "height=64"))]
            + ["generator.steps=1"],
        )
        assert means(report, name)["light-monotonicity"] is not None
        assert f"| {name} | " in report.markdown()
        told = name.partition("+")[0].removeprefix("sdxl-").removeprefix("distilled-")
        # With a lens each picture is drawn once, without one for each aperture.
        pictures = {picture(out, name, "dog", f"f{one:g}").tobytes() for one in F_NUMBERS}
        assert len(drawn) == (TOLD[told] if "+" in name else 8)
        assert len(pictures) == (TOLD[told] if "+" not in name else len(pictures))
        if told == "generator":
            self.check_scene(out, name, pipeline)

    def check_scene(self, out: Path, name: str, pipeline: dict[str, Path]) -> None:
        """It is what `generate` makes."""
        scene = fp.generate(
            "a dog",
            camera=fp.Camera(200.0, 1.8),
            sampling=fp.Sampling(64, 64, seed=3, steps=1),
            generator=fp.open_generator(
                pipeline["base"], pipeline["student"], pipeline["exif_projection"]
            ),
            depth_model=pipeline["depth_model"],
            focus_weights=pipeline["focus_weights"],
            device="cpu",
        )
        for f_number in (1.8, 22):
            wanted = scene.render(f_number, lens=name.partition("+")[2])
            assert_same(picture(out, name, "dog", f"f{f_number:g}"), wanted)

    @pytest.mark.parametrize(
        "text", ["[]", '{"a": {}}', '{"a": {"prompt": "b", "x": 1}}', '{"a": {"prompt": 1}}']
    )
    def test_prompts_that_are_none(self, text, prompts, out) -> None:
        (prompts / "prompts.json").write_text(text)
        with pytest.raises(fp.FocusPullerError, match=r"prompts\.json.*no prompts"):
            fp.evaluate("fine-grained-prompts", out, prompts, metrics=["light-monotonicity"])


MISSING = {
    "deblurnet": r"deblurNet\.safetensors.*Genfocus",
    "bokehnet": r"bokehNet\.safetensors.*Genfocus",
    "genrefocus": r"bokehNet\.safetensors.*Genfocus",
    "diffcamera": r"diffcamera\.safetensors",
    "bokehdiff": "BokehDiff needs",
    "bokehme-neural": r"arnet\.pth",
    **dict.fromkeys(GENERATORS, r"no such file, which .* needs"),
}


class TestSettings:
    @pytest.mark.parametrize("name", MISSING)
    def test_missing_weights_are_named(self, name, photographs, prompts, out) -> None:
        task = SYSTEMS[name].tasks[-1]
        benchmark = {
            "deblur": ("diffcamera-deblur", "psnr", photographs),
            "bokeh": ("diffcamera-bokeh", "mae", photographs),
            "refocus": ("diffcamera-refocus", "mae", photographs),
            "generate": ("fine-grained-prompts", "light-monotonicity", prompts),
        }
        called, metric, data = benchmark[task]
        with pytest.raises(InputError, match=f"{name.replace('+', '.')}: .*{MISSING[name]}"):
            fp.evaluate(called, out, data, systems=[name], metrics=[metric])

    def test_a_base_model_is_needed_too(self, photographs, out, flux) -> None:
        with pytest.raises(InputError, match=r"flux1-dev\.safetensors"):
            fp.evaluate(
                "diffcamera-bokeh",
                out,
                photographs,
                systems=["bokehnet"],
                metrics=["mae"],
                settings=[f"bokehnet.bokeh_adapter={flux['bokeh']}"],
            )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("steps=4", "Give SYSTEM.NAME=VALUE"),
            ("bokehnet.steps", "Give SYSTEM.NAME=VALUE"),
            ("deblurnet.steps=4", "Compared are bokehdiff, bokehnet, flux"),
            ("taf.steps=4", "It has no settings"),
            ("bokehnet.stepps=4", "stepps.*Give base"),
            ("flux.stepps=4", "flux has base"),
            ("flux.steps=many", "steps.*many"),
        ],
    )
    def test_what_no_row_has_is_refused(self, text, said, photographs, out) -> None:
        rows = ["taf", "bokehnet", "bokehdiff"]
        with pytest.raises(InputError, match=said):
            fp.evaluate("diffcamera-bokeh", out, photographs, systems=rows, settings=[text])

    def test_other_settings_need_another_folder(self, photographs, out, settings) -> None:
        run: dict[str, Any] = {"metrics": ["mae"], "scenes": "bird"}
        one, other = ({**run, "systems": [name]} for name in ("bokehnet", "bokehnet@slow"))
        fp.evaluate("diffcamera-bokeh", out, photographs, **one, settings=settings)
        slow = [*settings, "bokehnet@slow.steps=2"]
        fp.evaluate("diffcamera-bokeh", out, photographs, **other, settings=slow)
        assert np.abs(
            picture(out, "bokehnet", "bird", "level20")
            - picture(out, "bokehnet@slow", "bird", "level20")
        ).max()
        with pytest.raises(InputError, match="differs in settings of bokehnet"):
            changed = [*settings, "bokehnet.seed=1"]
            fp.evaluate("diffcamera-bokeh", out, photographs, **one, settings=changed)
