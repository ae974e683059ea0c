"""Photos refocused from Python and the command line, on tiny weights in the published files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless import deblur_command
from focuspuller.headless.cli import main
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.models.flux.networks import Kind
from focuspuller.models.loaded import forget_models
from focuspuller.models.refocus.model import RefocusModel
from PIL import Image

pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")

from oracles.refocus import FILES, picture, save_models, tiny_model

SIZE = (40, 56)
QUICK = ["--steps", "2", "--device", "cpu"]
LEFT = ["--focus", "0.2,0.5", "--bokeh-level", "8"]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("refocus_models"))


@pytest.fixture
def models(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Has the program look for weights there alone."""
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(weights))
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    yield weights
    forget_models()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo, with its depth beside it: 1 m on the left, 4 m on the right."""
    pixels = (picture(*SIZE)[0].movedim(0, -1).numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    np.save(tmp_path / "depth.npy", metres())
    return tmp_path / "photo.png"


def metres() -> np.ndarray:
    depth = np.full(SIZE, 4.0, np.float32)
    depth[:, : SIZE[1] // 2] = 1.0
    return depth


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255.0


def image() -> np.ndarray:
    return picture(*SIZE)[0].movedim(0, -1).numpy()


class TestPython:
    def test_arrays_come_back_as_they_were_given(self) -> None:
        model = tiny_model()
        for given in (image(), torch.from_numpy(image())):
            sharp = fp.deblur(given, model, steps=2)
            assert isinstance(sharp, type(given))
            assert sharp.shape == (*SIZE, 3)
        batch = fp.deblur(np.stack([image()] * 2), model, steps=2)
        assert batch.shape == (2, *SIZE, 3)
        np.testing.assert_array_equal(batch[0], batch[1])

    def test_linear_light_stays_linear(self) -> None:
        model = tiny_model()
        light = srgb_to_linear(torch.from_numpy(image()))
        sharp = fp.deblur(light, model, steps=2, linear=True)
        coded = fp.deblur(linear_to_srgb(light), model, steps=2)
        torch.testing.assert_close(linear_to_srgb(sharp), coded, atol=1e-5, rtol=0)

    def test_refocus_photo_keeps_what_is_sharp(self) -> None:
        given = image()
        result = fp.refocus_photo(
            given,
            tiny_model(),
            metres(),
            focus_point=(0.2, 0.5),
            bokeh_level=8.0,
            deblur=False,
            steps=2,
        )
        half = SIZE[1] // 2
        np.testing.assert_array_equal(result[:, :half], given[:, :half])
        assert np.abs(result - given)[:, half + 1 :].mean() > 0.02

    def test_no_strength_is_deblur_alone(self) -> None:
        model, given = tiny_model(), image()
        sharp = fp.deblur(given, model, steps=2)
        same = fp.refocus_photo(
            given, model, metres(), focus_distance=1.0, bokeh_level=0.0, steps=2
        )
        np.testing.assert_array_equal(same, sharp)

    def test_a_lens_by_name(self) -> None:
        given = image()
        values = {"focus_distance": 1.0, "bokeh_level": 8.0}
        result = fp.refocus_photo(
            given, tiny_model(), metres(), **values, deblur=False, lens="taf", steps=2
        )
        wanted = fp.render(given, metres(), **values, lens="taf")
        np.testing.assert_array_equal(result, wanted)

    def test_diffcamera(self) -> None:
        model, given = tiny_model(), image()
        values = {"focus_point": (0.5, 0.5), "bokeh_level": 8.0, "steps": 2}
        without, with_depth = (
            fp.diffcamera(given, model, depth, **values) for depth in (None, metres())
        )
        assert without.shape == given.shape
        assert np.abs(without - with_depth).max() > 0.001

    def test_progress_reaches_one(self) -> None:
        told: list[float] = []
        values = {"focus_distance": 1.0, "bokeh_level": 8.0, "steps": 2}
        fp.refocus_photo(image(), tiny_model(), metres(), on_progress=told.append, **values)
        assert told == [0.25, 0.5, 0.75, 1.0]

    def test_what_is_missing_or_given_twice_is_refused(self) -> None:
        model = tiny_model()
        with pytest.raises(InputError, match="camera, bokeh_level"):
            fp.refocus_photo(image(), model, metres(), focus_distance=1.0)
        with pytest.raises(InputError, match="focus_point"):
            fp.refocus_photo(image(), model, metres(), bokeh_level=5.0)
        with pytest.raises(InputError, match="'diffcamera'"):
            fp.diffcamera(image(), tiny_model(Kind.BOKEH), focus_point=(0.5, 0.5), bokeh_level=1.0)

    def test_it_loads_what_is_there(self, models: Path) -> None:
        model = fp.load_refocus_model(device="cpu")
        assert isinstance(model, RefocusModel)
        loaded = fp.deblur(image(), model, steps=2)
        assert loaded.shape == (*SIZE, 3)
        assert Kind.APERTURE not in model.adapters


class TestDeblurCommand:
    def test_a_photo(self, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = photo.with_name("sharp.png")
        assert main(["deblur", str(photo), "-o", str(out), *QUICK]) == 0
        assert capsys.readouterr().out.splitlines() == [str(out)]
        wanted = fp.deblur(pixels_of(photo), fp.load_refocus_model(device="cpu"), steps=2)
        np.testing.assert_allclose(pixels_of(out), wanted, atol=0.6 / 255)

    def test_a_restoration(self, models: Path, photo: Path) -> None:
        outs = [photo.with_name(name) for name in ("with.png", "without.png")]
        restored = ["--pre-deblurred", str(photo)]
        for out, more in zip(outs, (restored, []), strict=True):
            assert main(["deblur", str(photo), "-o", str(out), *QUICK, *more]) == 0
        assert np.abs(pixels_of(outs[0]) - pixels_of(outs[1])).max() > 0.01

    def test_frames(self, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = photo.parent / "frames"
        folder.mkdir()
        for index in (1, 2):
            Image.open(photo).save(folder / f"{index:04}.png")
        out = photo.parent / "sharp" / "%04d.png"
        assert main(["deblur", str(folder), "-o", str(out), *QUICK]) == 0
        written = [out.parent / f"{index:04}.png" for index in (1, 2)]
        assert capsys.readouterr().out.splitlines() == [str(path) for path in written]
        np.testing.assert_array_equal(*map(pixels_of, written))

    def test_an_interrupted_run_leaves_whole_frames_and_goes_on(
        self,
        models: Path,
        photo: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        folder, out = photo.parent / "frames", photo.parent / "sharp"
        folder.mkdir()
        for index in range(3):
            Image.open(photo).save(folder / f"{index}.png")
        deblurred: list[object] = []
        deblur = deblur_command.deblur

        def interrupted(*arguments: Any, **options: Any) -> Any:
            deblurred.append(arguments)
            if len(deblurred) == 2:
                raise KeyboardInterrupt
            return deblur(*arguments, **options)

        monkeypatch.setattr(deblur_command, "deblur", interrupted)
        command = ["deblur", str(folder), "-o", str(out / "%d.png"), *QUICK]
        assert main(command) == 130
        assert [path.name for path in out.iterdir()] == ["0.png"]
        capsys.readouterr()
        assert main([*command, "--resume"]) == 0
        assert capsys.readouterr().out.split() == [str(out / "1.png"), str(out / "2.png")]
        assert len(deblurred) == 4
        assert len(list(out.iterdir())) == 3

    def test_a_video_cannot_be_resumed(
        self, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = str(photo.with_name("sharp.mp4"))
        assert main(["deblur", str(photo), "-o", out, "--resume", *QUICK]) == 1
        assert "--resume" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--steps", "0"], "steps"),
            (["--base", "nowhere.safetensors"], "nowhere.safetensors"),
            (["--deblur-adapter", "nowhere.safetensors"], "nowhere.safetensors"),
            (["--deblur-adapter", "{loras}/bokehNet.safetensors"], "'bokeh'"),
            (["--seed", "-1"], "seed"),
        ],
    )
    def test_refusals(
        self,
        models: Path,
        photo: Path,
        capsys: pytest.CaptureFixture[str],
        more: list[str],
        message: str,
    ) -> None:
        more = [text.format(loras=models / "loras") for text in more]
        out = photo.with_name("sharp.png")
        assert main(["deblur", str(photo), "-o", str(out), *QUICK, *more]) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()

    def test_it_does_not_replace_what_it_reads(
        self, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = photo.read_bytes()
        assert main(["deblur", str(photo), "-o", str(photo), *QUICK]) == 1
        assert "--out" in capsys.readouterr().err
        assert photo.read_bytes() == before

    def test_damaged_adapters(
        self, models: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = tmp_path / "deblurNet.safetensors"
        damaged.write_bytes((models / "loras" / damaged.name).read_bytes()[:-100])
        out = ["-o", str(tmp_path / "sharp.png"), "--deblur-adapter", str(damaged)]
        assert main(["deblur", str(photo), *out, *QUICK]) == 1
        assert str(damaged) in capsys.readouterr().err


class TestRefocusCommand:
    def run(self, photo: Path, *more: str, name: str = "refocused.png") -> np.ndarray:
        out = photo.with_name(name)
        depth = ["--depth", str(photo.with_name("depth.npy"))]
        assert main(["refocus", str(photo), "-o", str(out), *depth, *QUICK, *more]) == 0
        return pixels_of(out)

    def test_a_photo(self, models: Path, photo: Path) -> None:
        result = self.run(photo, *LEFT)
        wanted = fp.refocus_photo(
            pixels_of(photo),
            fp.load_refocus_model(device="cpu"),
            metres(),
            focus_point=(0.2, 0.5),
            bokeh_level=8.0,
            steps=2,
        )
        np.testing.assert_allclose(result, wanted, atol=0.6 / 255)

    def test_a_sharp_photo_keeps_its_sharp_pixels(self, models: Path, photo: Path) -> None:
        half = SIZE[1] // 2
        result = self.run(photo, *LEFT, "--sharp")
        np.testing.assert_array_equal(result[:, :half], pixels_of(photo)[:, :half])
        every = self.run(photo, *LEFT, "--sharp", "--all-pixels")
        assert np.abs(every - pixels_of(photo))[:, :half].max() > 0.02

    def test_a_lens_and_a_camera(self, models: Path, photo: Path) -> None:
        camera = ["--f-number", "1.4", "--focal-length", "50", "--sensor-width", "36"]
        place = ["--focus-distance", "1", "--sharp", "--lens", "taf"]
        result = self.run(photo, *place, *camera)
        wanted = fp.render(
            pixels_of(photo), metres(), focus_distance=1.0, camera=fp.Camera(50, 1.4), lens="taf"
        )
        np.testing.assert_allclose(result, wanted, atol=0.6 / 255)

    def test_a_lens_and_a_sharp_photo_need_no_flux(
        self, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path / "nothing"))
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        blades = ["--blades", "5"]
        result = self.run(photo, *LEFT, "--sharp", "--lens", "layered", *blades)
        strength: dict[str, Any] = {"focus_point": (0.2, 0.5), "bokeh_level": 8.0}
        shape = fp.Aperture(blades=5)
        wanted = fp.render(pixels_of(photo), metres(), **strength, lens="layered", aperture=shape)
        np.testing.assert_allclose(result, wanted, atol=0.6 / 255)

    def test_shapes(self, models: Path, photo: Path) -> None:
        adapter = ["--aperture-adapter", str(models / "loras" / FILES[Kind.APERTURE])]
        plain = self.run(photo, *LEFT, "--sharp")
        shaped = self.run(photo, *LEFT, "--sharp", "--blades", "5", *adapter)
        assert np.abs(plain - shaped).max() > 0.01

    def test_diffcamera(self, models: Path, photo: Path) -> None:
        adapter = models / "loras" / FILES[Kind.DIFFCAMERA]
        result = self.run(photo, *LEFT, "--diffcamera-adapter", str(adapter))
        wanted = fp.diffcamera(
            pixels_of(photo),
            fp.load_refocus_model(device="cpu", diffcamera=adapter),
            metres(),
            focus_point=(0.2, 0.5),
            bokeh_level=8.0,
            steps=2,
        )
        np.testing.assert_allclose(result, wanted, atol=0.6 / 255)

    def test_frames_with_one_depth_for_all(self, models: Path, photo: Path) -> None:
        folder = photo.parent / "frames"
        folder.mkdir()
        for index in (1, 2):
            Image.open(photo).save(folder / f"{index:04}.png")
        out = photo.parent / "soft" / "%04d.png"
        depth = ["--depth", str(photo.with_name("depth.npy"))]
        assert main(["refocus", str(folder), "-o", str(out), *depth, *LEFT, *QUICK]) == 0
        first, second = (pixels_of(out.parent / f"{index:04}.png") for index in (1, 2))
        np.testing.assert_array_equal(first, second)

    @pytest.mark.parametrize(
        "more",
        [
            LEFT,
            [*LEFT, "--diffcamera-adapter", f"{{loras}}/{FILES[Kind.DIFFCAMERA]}"],
        ],
    )
    def test_what_was_interrupted_goes_on_as_if_it_had_not(
        self, models: Path, photo: Path, more: list[str]
    ) -> None:
        frames, maps = photo.parent / "frames", photo.parent / "maps"
        for folder in (frames, maps):
            folder.mkdir()
        nearness = np.tile(np.linspace(0.0, 1.0, SIZE[1]), (SIZE[0], 1))
        # The second map has a range of its own, to which the stabilizer brings the third.
        for index, scale in enumerate((0.5, 1.0, 1.0)):
            pixels = (picture(*SIZE, seed=index)[0].movedim(0, -1).numpy() * 255).astype(np.uint8)
            Image.fromarray(pixels).save(frames / f"{index}.png")
            values = (0.5 + scale * (nearness ** (1 + 0.3 * index) - 0.5) * 0.5) * 65535
            Image.fromarray(values.astype(np.uint16)).save(maps / f"{index}.png")
        out = photo.parent / "soft"
        command = ["refocus", str(frames), "-o", str(out / "%d.png"), "--depth", str(maps)]
        command += [text.format(loras=models / "loras") for text in more] + QUICK
        assert main(command) == 0
        whole = {path.name: path.read_bytes() for path in out.iterdir()}
        assert sorted(whole) == ["0.png", "1.png", "2.png"]
        (out / "2.png").unlink()
        (out / "1.png").write_bytes(b"finished")
        assert main([*command, "--resume"]) == 0
        resumed = {path.name: path.read_bytes() for path in out.iterdir()}
        assert resumed == whole | {"1.png": b"finished"}

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--focus", "0.5,0.5"], "camera"),
            (["--focus", "2,0.5", "--bokeh-level", "5"], "focus_point"),
            (["--focus", "0.2,0.5", "--bokeh-level", "-1"], "bokeh_level"),
            ([*LEFT, "--blades", "5"], "shape of the aperture"),
            (
                ["--focus-distance", "1", "--bokeh-level", "5", *["--diffcamera-adapter", "x"]],
                "X,Y",
            ),
            ([*LEFT, "--sharp", "--diffcamera-adapter", "x"], "--sharp"),
            (
                ["--focus", "0.2,0.5;0.8,0.5", *LEFT[2:], "--diffcamera-adapter", "x"],
                "several points",
            ),
        ],
    )
    def test_refusals(
        self,
        models: Path,
        photo: Path,
        capsys: pytest.CaptureFixture[str],
        more: list[str],
        message: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delattr("focuspuller.models.refocus.deblur.deblur")
        out = ["-o", str(photo.with_name("refocused.png"))]
        depth = ["--depth", str(photo.with_name("depth.npy"))]
        assert main(["refocus", str(photo), *out, *depth, *QUICK, *more]) == 1
        assert message in capsys.readouterr().err

    def test_no_depth_and_no_network_for_it(
        self, models: Path, photo: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = ["-o", str(photo.with_name("refocused.png"))]
        assert main(["refocus", str(photo), *out, *LEFT, "--sharp", *QUICK]) == 1
        assert "depth" in capsys.readouterr().err


def test_missing_base_models_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    with pytest.raises(FileError, match=r"FLUX\.1-dev"):
        fp.load_refocus_model(device="cpu")
