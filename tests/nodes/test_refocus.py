"""The nodes that refocus with FLUX, on tiny weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from focuspuller.errors import FocusPullerError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.image import to_planar
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens
from focuspuller.models.flux.networks import Kind
from focuspuller.models.loaded import forget_models
from focuspuller.models.refocus.deblur import deblur
from focuspuller.models.refocus.sampling import Sampling
from focuspuller.nodes import BokehNet, DeblurNet, DiffCameraRefocus, RefocusPhoto
from focuspuller.nodes.standin import Host, installed_host
from oracles.depth_networks import TINY_DEPTH_PRO, by_name
from oracles.refocus import tiny_model
from safetensors.torch import save_file
from torch import Tensor

STEPS, SEED = 2, 5
Picture = Callable[..., Tensor]


@pytest.fixture
def blur() -> Defocus:
    """Sharp in the left half of 24×36 px, blurred behind the focus in the right one."""
    radius = torch.zeros(1, 1, 24, 36)
    radius[..., 18:] = -4.0
    return Defocus(radius)


class TestDeblurNet:
    def test_it_is_deblur(self, picture: Picture) -> None:
        model, photos = tiny_model(), picture(2)
        (result,) = DeblurNet.execute(model, photos, STEPS, SEED).args
        assert result.shape == photos.shape
        adapter = model.adapter(Kind.DEBLUR)
        sampling = Sampling(steps=STEPS, seed=SEED)
        assert torch.equal(
            to_planar(result), deblur(model.base, adapter, to_planar(photos), sampling=sampling)
        )

    def test_a_restoration_is_for_the_variant(self, picture: Picture) -> None:
        model, photos = tiny_model(), picture()
        (without,) = DeblurNet.execute(model, photos, STEPS, SEED).args
        (result,) = DeblurNet.execute(model, photos, STEPS, SEED, pre_deblurred=photos).args
        assert not torch.equal(result, without)

    def test_the_variant_alone_will_do(self, picture: Picture) -> None:
        (result,) = DeblurNet.execute(tiny_model(Kind.PRE_DEBLUR), picture(), STEPS, SEED).args
        assert result.shape == (1, 24, 36, 3)

    def test_refusals(self, picture: Picture, refuses: Callable[..., str]) -> None:
        values = {"image": picture(), "steps": STEPS, "seed": SEED}
        refuses(DeblurNet, "model", model="a model of another pack", **values)
        refuses(DeblurNet, "model", model=tiny_model(Kind.BOKEH), **values)
        model = tiny_model()
        wrong = dataclasses.replace(model, adapters={Kind.DEBLUR: model.adapter(Kind.BOKEH)})
        refuses(DeblurNet, "model", model=wrong, **values)
        refuses(DeblurNet, "pre_deblurred", model=model, pre_deblurred=picture(1, 8, 8), **values)
        refuses(DeblurNet, "steps", model=model, image=picture(), steps=0, seed=0)
        refuses(DeblurNet, "image", model=model, image=torch.rand(3, 3), steps=1, seed=0)


class TestBokehNet:
    def test_sharp_pixels_are_kept_unless_it_shall_not(
        self, picture: Picture, blur: Defocus
    ) -> None:
        model, photos = tiny_model(), picture()
        (kept,) = BokehNet.execute(model, photos, blur, STEPS, SEED).args
        (free,) = BokehNet.execute(model, photos, blur, STEPS, SEED, keep_in_focus=False).args
        assert torch.equal(kept[:, :, :18], photos[:, :, :18])
        assert not torch.equal(free[:, :, :18], photos[:, :, :18])

    def test_a_focus_pull_of_one_picture(self, picture: Picture) -> None:
        maps = Defocus(torch.linspace(0, 3, 3).view(3, 1, 1, 1).expand(3, 1, 24, 36))
        (frames,) = BokehNet.execute(tiny_model(), picture(), maps, STEPS, SEED).args
        assert frames.shape == (3, 24, 36, 3)
        assert torch.equal(frames[:1], picture())

    def test_shapes(self, picture: Picture, blur: Defocus) -> None:
        model, photos = tiny_model(), picture()
        (plain,) = BokehNet.execute(model, photos, blur, STEPS, SEED).args
        (shaped,) = BokehNet.execute(
            model, photos, blur, STEPS, SEED, aperture=Aperture(blades=5)
        ).args
        assert not torch.equal(plain, shaped)

    def test_refusals(self, picture: Picture, blur: Defocus, refuses: Callable[..., str]) -> None:
        values: dict[str, Any] = {"image": picture(), "steps": STEPS, "seed": SEED}
        bare = tiny_model(Kind.BOKEH)
        message = refuses(
            BokehNet, "model", model=bare, defocus=blur, aperture=Aperture(blades=5), **values
        )
        assert "shape of the aperture" in message
        refuses(BokehNet, "defocus", model=bare, defocus=None, **values)
        three = Defocus(torch.ones(3, 1, 24, 36))
        refuses(BokehNet, "defocus", model=bare, defocus=three, **(values | {"image": picture(2)}))


class TestDiffCamera:
    def test_everything_matters(self, picture: Picture, near_and_far: Depth) -> None:
        model, photos = tiny_model(), picture()
        values = {"x": 0.5, "y": 0.5, "bokeh_level": 8.0, "steps": STEPS, "seed": SEED}
        (first,) = DiffCameraRefocus.execute(model, photos, **values).args
        assert first.shape == photos.shape
        for other in ({"x": 0.1}, {"y": 0.9}, {"bokeh_level": 0.0}, {"depth": near_and_far}):
            (result,) = DiffCameraRefocus.execute(model, photos, **(values | other)).args
            assert not torch.equal(result, first)

    def test_refusals(self, picture: Picture, refuses: Callable[..., str]) -> None:
        values = {"image": picture(), "x": 0.5, "y": 0.5, "bokeh_level": 8.0}
        values |= {"steps": STEPS, "seed": SEED}
        refuses(DiffCameraRefocus, "model", model=tiny_model(Kind.BOKEH), **values)
        refuses(DiffCameraRefocus, "x, y", model=tiny_model(), **(values | {"x": 2.0}))
        refuses(DiffCameraRefocus, "depth", model=tiny_model(), depth="depth", **values)


class TestRefocusPhoto:
    def run(self, photos: Tensor, model: Any = None, **others: Any) -> tuple[Any, ...]:
        values = {"x": 0.1, "y": 0.5, "bokeh_level": 6.0, "deblur": True}
        values |= {"steps": STEPS, "seed": SEED} | others
        return RefocusPhoto.execute(model or tiny_model(), photos, **values).args

    @pytest.fixture
    def depth_pro(
        self, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Path]:
        """A folder of models with a tiny Depth Pro."""
        pytest.importorskip("transformers", reason="needs the extra focuspuller[networks]")
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        path = tmp_path / "models" / "depth" / "depth_pro.safetensors"
        path.parent.mkdir(parents=True)
        save_file(by_name(TINY_DEPTH_PRO), path)
        with installed_host(dataclasses.replace(host, model_roots=[tmp_path / "models"])):
            yield path
        forget_models()

    def test_with_given_depth(self, picture: Picture, near_and_far: Depth) -> None:
        refocused, sharp, depth, focus, defocus = self.run(picture(), depth=near_and_far)
        assert refocused.shape == sharp.shape == (1, 24, 36, 3)
        assert torch.equal(refocused[:, :, :18], sharp[:, :, :18])
        assert not torch.equal(refocused, sharp)
        assert float(focus.distance_m) == pytest.approx(1.0)
        assert float(defocus.radius.amin()) == pytest.approx(-4.5)
        assert torch.equal(depth.disparity, near_and_far.disparity)

    def test_with_an_estimate(self, picture: Picture, depth_pro: Path) -> None:
        _, _, depth, _, _ = self.run(picture())
        assert depth.is_metric
        assert depth.size == (24, 36)
        camera = Camera(100.0, 2.0, sensor_width_mm=25.0)
        _, _, seen, _, _ = self.run(picture(), camera=camera, lens=Lens("taf"))
        assert float(seen.split()[0].focal_length_px) == 100.0 * 36 / 25.0

    def test_focus_goes_before_mask_and_mask_before_point(
        self, picture: Picture, near_and_far: Depth
    ) -> None:
        model, mask = tiny_model(), torch.zeros(1, 24, 36)
        mask[..., 30:] = 1.0
        values = {"depth": near_and_far, "mask": mask}
        *_, by_mask, _ = self.run(picture(), model, **values)
        assert float(by_mask.distance_m) == pytest.approx(4.0)
        *_, given, _ = self.run(picture(), model, **values, focus=Focus.at_distance(2.0))
        assert float(given.distance_m) == pytest.approx(2.0)

    def test_a_sharp_photo_and_a_lens_need_no_adapters(
        self, picture: Picture, near_and_far: Depth
    ) -> None:
        model = dataclasses.replace(tiny_model(), adapters={})
        refocused, sharp, *_ = self.run(
            picture(), model, depth=near_and_far, deblur=False, lens=Lens("taf")
        )
        assert torch.equal(sharp, picture())
        assert not torch.equal(refocused, sharp)

    def test_missing_weights_are_missed_before_the_work(
        self, picture: Picture, depth_pro: Path
    ) -> None:
        depth_pro.unlink()
        model = dataclasses.replace(tiny_model(), base=None)
        with pytest.raises(FocusPullerError, match=r"Refocus Photo.*depth_anything"):
            self.run(picture(), model)

    def test_another_depth_network_is_noticed(self, depth_pro: Path) -> None:
        name = "depth_pro.safetensors"
        before = RefocusPhoto.fingerprint_inputs(depth_model=name, x=0.5)
        assert before == RefocusPhoto.fingerprint_inputs(depth_model=name, x=0.5)
        save_file({"other": torch.zeros(1)}, depth_pro)
        assert before != RefocusPhoto.fingerprint_inputs(depth_model=name, x=0.5)

    def test_refusals(
        self, picture: Picture, near_and_far: Depth, refuses: Callable[..., str]
    ) -> None:
        values = {"image": picture(), "x": 0.5, "y": 0.5, "bokeh_level": 8.0, "deblur": True}
        values |= {"steps": STEPS, "seed": SEED, "model": tiny_model(), "depth": near_and_far}
        for name, subject in (("x", "x, y"), ("bokeh_level", "bokeh_level")):
            refuses(RefocusPhoto, subject, **(values | {name: -1.0}))
        for name in ("model", "depth", "focus", "camera", "lens", "aperture"):
            refuses(RefocusPhoto, name, **(values | {name: "of another pack"}))
        refuses(RefocusPhoto, "model", **(values | {"model": tiny_model(Kind.DEBLUR)}))


class TestProgress:
    def test_steps_are_reported(self, picture: Picture, host: Host, near_and_far: Depth) -> None:
        told = []
        reporting = dataclasses.replace(host, on_step=lambda *given: told.append(given))
        with installed_host(reporting):
            DeblurNet.execute(tiny_model(), picture(2), STEPS, SEED)
            TestRefocusPhoto().run(picture(), depth=near_and_far)
        assert told == [(done, 4) for done in (1, 2, 3, 4)] * 2
