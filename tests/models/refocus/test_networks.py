"""DeblurNet, BokehNet and DiffCamera on whole pictures, with tiny or known models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.depth import Depth
from focuspuller.models.flux.camera import CameraSetting
from focuspuller.models.flux.conditions import Visibility
from focuspuller.models.flux.networks import PROMPTS, Kind
from focuspuller.models.flux.tokens import packed
from focuspuller.models.refocus.bokeh import render_bokeh
from focuspuller.models.refocus.deblur import deblur
from focuspuller.models.refocus.diffcamera import refocus
from focuspuller.models.refocus.model import RefocusModel
from focuspuller.models.refocus.sampling import Sampling, Watch
from oracles.flux import filled_adapter
from oracles.flux_base import TinyAutoencoder
from oracles.refocus import SHAPE, adapter_for, known_model, picture, tiny_model
from torch import Tensor

FEW = Sampling(steps=2)
MIDDLE = (0.5, 0.5)
Network = Callable[..., Tensor]


def blurred_right(height: int, width: int, radius: float = 6.0) -> Defocus:
    """Sharp in the left half, blurred behind the focus in the right one."""
    values = torch.zeros(1, 1, height, width)
    values[..., width // 2 :] = -radius
    return Defocus(values)


def deblurred(model: RefocusModel, photo: Tensor, **others: Any) -> Tensor:
    return deblur(model.base, model.adapter(Kind.DEBLUR), photo, **others)


def rendered(model: RefocusModel, photo: Tensor, **others: Any) -> Tensor:
    defocus = others.pop("defocus", blurred_right(*photo.shape[-2:]))
    return render_bokeh(model.base, model.adapter(Kind.BOKEH), photo, defocus, **others)


def refocused(model: RefocusModel, photo: Tensor, **others: Any) -> Tensor:
    adapter = model.adapter(Kind.DIFFCAMERA)
    return refocus(
        model.base, adapter, photo, others.pop("point", MIDDLE), others.pop("level", 10.0), **others
    )


every_network = pytest.mark.parametrize("network", [deblurred, rendered, refocused])


def first_pass(model: RefocusModel) -> dict[str, Any]:
    transformer: Any = model.base.transformer
    return transformer.passes[0]


class TestAnyPicture:
    @every_network
    @pytest.mark.parametrize("size", [(64, 96), (61, 45), (7, 130), (1, 1)])
    def test_it_keeps_its_size(self, network: Network, size: tuple[int, int]) -> None:
        result = network(tiny_model(), picture(*size), sampling=FEW)
        assert result.shape == (1, 3, *size)
        assert result.dtype == torch.float32
        assert result.amin() >= 0.0
        assert result.amax() <= 1.0

    @every_network
    def test_a_seed_gives_the_same_picture_again_and_another_seed_another(
        self, network: Network
    ) -> None:
        photo = picture(40, 56)
        one, same, other = (
            network(tiny_model(), photo, sampling=replace(FEW, seed=seed)) for seed in (3, 3, 4)
        )
        assert torch.equal(one, same)
        assert (one - other).abs().amax() > 0.01

    @every_network
    def test_a_picture_does_not_depend_on_its_batch(self, network: Network) -> None:
        model, photos = tiny_model(), picture(40, 56, batch=3)
        together = network(model, photos, sampling=FEW)
        for photo, result in zip(photos.split(1), together.split(1), strict=True):
            assert torch.equal(network(model, photo, sampling=FEW), result)

    @every_network
    def test_half_precision_pictures(self, network: Network) -> None:
        result = network(tiny_model(), picture(16, 16).half(), sampling=FEW)
        assert result.dtype == torch.float32

    @every_network
    def test_a_model_in_half_precision_gives_nearly_the_same(self, network: Network) -> None:
        photo, exact = picture(32, 48), tiny_model()
        wanted, other = (network(exact, photo, sampling=replace(FEW, seed=seed)) for seed in (0, 1))
        transformer = deepcopy(exact.base.transformer).to(torch.bfloat16)
        base = replace(exact.base, dtype=torch.bfloat16, transformer=transformer)
        result = network(RefocusModel(base, exact.adapters), photo, sampling=FEW)
        assert 0.0 < (result - wanted).abs().mean() < 0.5 * (other - wanted).abs().mean()


class TestTiles:
    SIZE = (560, 700)

    @pytest.mark.parametrize("network", [deblurred, rendered])
    def test_what_looks_at_tokens_alone_gives_the_same_in_tiles(self, network: Network) -> None:
        photo = picture(*self.SIZE)
        whole, tiled, at_once = (
            network(known_model(lambda tokens: tokens[0].sin()), photo, sampling=sampling)
            for sampling in (
                replace(FEW, tile=False),
                FEW,
                replace(FEW, tiles_at_once=3),
            )
        )
        torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)
        torch.testing.assert_close(at_once, whole, atol=1e-5, rtol=0)

    def test_no_pass_has_more_tokens_than_a_tile(self) -> None:
        model = known_model()
        deblurred(model, picture(*self.SIZE), sampling=FEW)
        transformer: Any = model.base.transformer
        assert {one["tokens"] for one in transformer.passes} == {1024}
        assert len(transformer.passes) == 2 * 4

    def test_tiles_that_disagree_leave_no_seam(self) -> None:
        """Each tile is shifted by its own mean: where tiles meet, steps stay within the texture."""

        def shifted(tokens: Sequence[Tensor]) -> Tensor:
            return tokens[0] - 0.5 * tokens[0].mean(1, keepdim=True)

        photo = 0.3 * picture(*self.SIZE) + torch.linspace(0.1, 0.6, self.SIZE[1])
        result = deblurred(known_model(shifted), photo, sampling=FEW, keep_colors=False)
        # Means of 8×8 px are all that the autoencoder keeps.
        kept = torch.nn.functional.avg_pool2d(result, 8)
        original = torch.nn.functional.avg_pool2d(photo, 8)[..., : kept.shape[-2], :]
        shift = (kept - original).mean(1)[0]
        disagreement = float(shift.amax() - shift.amin())
        largest = max(float(shift.diff(dim=axis).abs().amax()) for axis in (0, 1))
        assert disagreement > 0.02
        assert largest < 0.25 * disagreement

    def test_diffcamera_sees_the_whole_picture(self) -> None:
        model = known_model()
        refocused(model, picture(*self.SIZE), sampling=FEW)
        assert first_pass(model)["tokens"] == 35 * 44


class TestDeblurNet:
    def test_it_shows_the_photo_alone(self) -> None:
        model, photo = known_model(), picture(32, 48)
        deblurred(model, photo, sampling=FEW)
        (condition,) = first_pass(model)["conditions"]
        assert condition.adapter == "deblur"
        assert torch.equal(condition.tokens, packed(model.base.encode(2 * photo - 1)))
        assert first_pass(model)["guidance"] == 3.5

    def test_the_known_picture_comes_out(self) -> None:
        photo = picture(32, 48)
        means = torch.nn.functional.avg_pool2d(photo, 8)
        wanted = torch.nn.functional.interpolate(means, scale_factor=8.0)
        result = deblurred(known_model(), photo, sampling=FEW, keep_colors=False)
        torch.testing.assert_close(result, wanted, atol=1e-5, rtol=0)

    def test_guidance_can_be_chosen(self) -> None:
        model = known_model()
        deblurred(model, picture(16, 16), sampling=Sampling(steps=1, guidance=2.0))
        assert first_pass(model)["guidance"] == 2.0

    def test_the_variant_sees_the_restoration_first(self) -> None:
        model, photo, restored = known_model(), picture(32, 48), picture(32, 48, seed=2)
        variant = model.adapter(Kind.PRE_DEBLUR)
        deblur(model.base, variant, photo, restored, FEW)
        first, second = first_pass(model)["conditions"]
        assert first.adapter == second.adapter == "pre_deblur"
        assert torch.equal(first.tokens, packed(model.base.encode(2 * restored - 1)))
        assert first.positions[0].tolist() == [0, 0, 32]
        assert torch.equal(second.tokens, packed(model.base.encode(2 * photo - 1)))

    def test_the_variant_sees_black_without_one(self) -> None:
        model = known_model()
        deblur(model.base, model.adapter(Kind.PRE_DEBLUR), picture(16, 32), sampling=FEW)
        first, _ = first_pass(model)["conditions"]
        black = packed(model.base.encode(2 * torch.zeros(1, 3, 16, 32) - 1))
        assert torch.equal(first.tokens, black)

    def test_restorations_that_do_not_fit_are_refused(self) -> None:
        model, photo = known_model(), picture(32, 48)
        variant = model.adapter(Kind.PRE_DEBLUR)
        for adapter, restored in (
            (variant, picture(32, 40)),
            (variant, picture(32, 48, batch=2)),
            (model.adapter(Kind.DEBLUR), picture(32, 48)),
        ):
            with pytest.raises(InputError) as caught:
                deblur(model.base, adapter, photo, restored, FEW)
            assert caught.value.subject == "pre_deblurred"


class TestBokehNet:
    def test_it_shows_the_picture_and_the_defocus_map(self) -> None:
        model, photo = known_model(), picture(32, 48)
        rendered(model, photo, defocus=blurred_right(32, 48, 25.0), sampling=FEW)
        picture_tokens, map_tokens = first_pass(model)["conditions"]
        assert picture_tokens.adapter == map_tokens.adapter == "bokeh"
        values = torch.zeros(1, 3, 32, 48)
        values[..., 24:] = 0.25
        # Not brought to -1..1, as published.
        assert torch.equal(map_tokens.tokens, packed(model.base.encode(values)))
        assert first_pass(model)["guidance"] == 1.0

    def test_no_blur_gives_the_picture_back_without_the_network(self) -> None:
        model, photo = known_model(), picture(33, 47)
        nothing = Defocus(torch.zeros(1, 1, 33, 47))
        assert torch.equal(rendered(model, photo, defocus=nothing, sampling=FEW), photo)
        transformer: Any = model.base.transformer
        assert not transformer.passes
        everything = rendered(model, photo, defocus=nothing, sampling=FEW, keep_in_focus=False)
        assert not torch.equal(everything, photo)

    def test_sharp_pixels_are_the_pictures_own(self) -> None:
        photo = picture(40, 64)
        result = rendered(tiny_model(), photo, sampling=FEW)
        assert torch.equal(result[..., :32], photo[..., :32])
        assert (result - photo)[..., 33:].abs().mean() > 0.05
        free = rendered(tiny_model(), photo, sampling=FEW, keep_in_focus=False)
        assert (free - photo)[..., :32].abs().mean() > 0.05

    def test_more_blur_changes_more_and_more(self) -> None:
        """A model that fades to grey with the map: what the map says arrives in the picture."""

        def faded(tokens: Sequence[Tensor]) -> Tensor:
            return tokens[0] * (1.0 - tokens[1].amax(-1, keepdim=True).clamp(0, 1))

        photo = picture(32, 48)
        changes = [
            (
                rendered(
                    known_model(faded),
                    photo,
                    defocus=blurred_right(32, 48, radius),
                    sampling=FEW,
                    keep_colors=False,
                )
                - photo
            )
            .abs()
            .mean()
            for radius in (0.0, 10.0, 30.0, 60.0)
        ]
        assert changes[0] == 0.0
        assert changes == sorted(changes)
        assert changes[1] > 0.01
        assert changes[-1] > changes[1] + 0.01

    def test_one_picture_serves_several_maps_and_is_encoded_once(self) -> None:
        model, photo, seen = known_model(), picture(32, 48), []

        class Counting(TinyAutoencoder):
            def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
                seen.append(pixels)
                return super().encode(pixels, generator)

        model = replace(model, base=replace(model.base, autoencoder=Counting()))
        maps = Defocus(
            torch.cat([blurred_right(32, 48, radius).radius for radius in (0.0, 5.0, 9.0)])
        )
        result = rendered(model, photo, defocus=maps, sampling=FEW)
        assert result.shape == (3, 3, 32, 48)
        assert torch.equal(result[:1], photo)
        assert len(seen) == 1 + 2

    def test_maps_of_another_size_are_resampled(self) -> None:
        photo = picture(32, 48)
        small = rendered(tiny_model(), photo, defocus=blurred_right(16, 24, 3.0), sampling=FEW)
        assert torch.equal(small[..., :22], photo[..., :22])

    def test_the_aperture_has_its_own_adapter_beside_the_others(self) -> None:
        model, photo = known_model(), picture(32, 48)
        shape = {"aperture": Aperture(blades=5)}
        adapter = model.adapter(Kind.APERTURE)
        rendered(model, photo, **shape, aperture_adapter=adapter, sampling=FEW)
        *others, aperture = first_pass(model)["conditions"]
        assert [one.adapter for one in others] == ["bokeh", "bokeh"]
        assert aperture.adapter == "aperture"
        assert aperture.tokens.shape[1] == 64
        assert not aperture.aligned

    def test_shapes_show_in_the_picture(self) -> None:
        model, photo = tiny_model(), picture(32, 48)
        adapter = model.adapter(Kind.APERTURE)
        five, circle = (
            rendered(model, photo, aperture=shape, aperture_adapter=adapter, sampling=FEW)
            for shape in (Aperture(blades=5), Aperture())
        )
        assert not torch.equal(five, circle)

    def test_a_shape_needs_its_adapter_and_the_other_way_round(self) -> None:
        model, photo = tiny_model(), picture(16, 16)
        with pytest.raises(InputError, match="adapter"):
            rendered(model, photo, aperture=Aperture(blades=5))
        with pytest.raises(InputError, match="aperture"):
            rendered(model, photo, aperture_adapter=model.adapter(Kind.APERTURE))

    @pytest.mark.parametrize(
        "radius",
        [
            torch.full((1, 1, 16, 16), torch.nan),
            torch.zeros(0, 1, 16, 16),
            torch.ones(3, 1, 16, 16),
        ],
    )
    def test_maps_that_are_none_are_refused(self, radius: Tensor) -> None:
        with pytest.raises(InputError) as caught:
            rendered(tiny_model(), picture(16, 16, batch=2), defocus=Defocus(radius))
        assert caught.value.subject == "defocus"


class TestDiffCamera:
    def test_it_shows_photo_depth_and_camera(self) -> None:
        model, photo = known_model(), picture(32, 48)
        depth = Depth.from_relative(torch.linspace(0, 1, 48).expand(1, 1, 32, 48))
        refocused(model, photo, point=(0.25, 0.75), level=12.0, depth=depth, sampling=FEW)
        reference, shown, camera = first_pass(model)["conditions"]
        assert torch.equal(reference.tokens, packed(model.base.encode(2 * photo - 1)))
        values = depth.disparity.expand(1, 3, -1, -1)
        torch.testing.assert_close(shown.tokens, packed(model.base.encode(2 * values - 1)))
        project = model.adapter(Kind.DIFFCAMERA).camera
        assert project is not None
        setting = CameraSetting(0.25, 0.75, 12.0 / 48.0).vector()[None]
        torch.testing.assert_close(camera.tokens, project(setting))

    def test_no_depth_is_a_map_of_zeros(self) -> None:
        model, photo = known_model(), picture(16, 32)
        refocused(model, photo, sampling=FEW)
        _, shown, _ = first_pass(model)["conditions"]
        black = packed(model.base.encode(2 * torch.zeros(1, 3, 16, 32) - 1))
        assert torch.equal(shown.tokens, black)

    def test_the_point_lies_on_the_picture_that_is_shown(self) -> None:
        """40 px are shown as 48: the right edge of the photo is at 40/48 of what is seen."""
        model, photo = known_model(), picture(32, 40)
        refocused(model, photo, point=(1.0, 0.5), level=4.0, sampling=FEW)
        *_, camera = first_pass(model)["conditions"]
        project = model.adapter(Kind.DIFFCAMERA).camera
        assert project is not None
        setting = CameraSetting(40 / 48, 0.5, 4.0 / 48.0).vector()[None]
        torch.testing.assert_close(camera.tokens, project(setting))

    def test_point_level_and_depth_matter(self) -> None:
        model, photo = tiny_model(), picture(32, 48)
        depth = Depth.from_relative(torch.linspace(0, 1, 48).expand(1, 1, 32, 48))
        results = [
            refocused(model, photo, sampling=FEW, **others)
            for others in ({}, {"point": (0.1, 0.9)}, {"level": 40.0}, {"depth": depth})
        ]
        for other in results[1:]:
            assert not torch.equal(results[0], other)

    @pytest.mark.parametrize(
        ("subject", "values"),
        [
            ("focus_point", {"point": (1.5, 0.5)}),
            ("focus_point", {"point": (0.5, float("nan"))}),
            ("bokeh_level", {"level": -1.0}),
            ("depth", {"depth": Depth.from_relative(torch.rand(2, 1, 16, 16))}),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, subject: str, values: dict[str, Any]) -> None:
        with pytest.raises(InputError) as caught:
            refocused(tiny_model(), picture(16, 16), **values)
        assert caught.value.subject == subject

    def test_an_adapter_without_camera_is_refused(self) -> None:
        model = tiny_model()
        bare = replace(model.adapter(Kind.DIFFCAMERA), camera=None)
        with pytest.raises(InputError, match="camera projection"):
            refocus(model.base, bare, picture(16, 16), MIDDLE, 5.0)


class TestRefusing:
    @every_network
    def test_pictures_that_are_none(self, network: Network) -> None:
        for photo in (torch.rand(1, 1, 16, 16), torch.zeros(0, 3, 16, 16), torch.rand(3, 16, 16)):
            with pytest.raises(InputError, match="image"):
                network(tiny_model(), photo, defocus=blurred_right(16, 16)) if (
                    network is rendered
                ) else network(tiny_model(), photo)
        with pytest.raises(InputError, match="NaN"):
            network(tiny_model(), torch.full((1, 3, 16, 16), torch.nan))

    def test_adapters_for_something_else(self) -> None:
        model, photo = tiny_model(), picture(16, 16)
        with pytest.raises(InputError, match="'deblur'"):
            deblur(model.base, model.adapter(Kind.BOKEH), photo)
        with pytest.raises(InputError, match="'bokeh'"):
            render_bokeh(model.base, model.adapter(Kind.DEBLUR), photo, blurred_right(16, 16))

    def test_adapters_for_another_base_model(self) -> None:
        model = tiny_model()
        wider = filled_adapter(replace(SHAPE, width=2 * SHAPE.width))
        adapter = replace(model.adapter(Kind.DEBLUR), adapter=wider)
        with pytest.raises(InputError, match="base model"):
            deblur(model.base, adapter, picture(16, 16))

    def test_adapters_of_different_training(self) -> None:
        model = tiny_model()
        other = adapter_for(Kind.APERTURE, Visibility.INDEPENDENT)
        with pytest.raises(InputError, match="visibility"):
            rendered(model, picture(16, 16), aperture=Aperture(blades=5), aperture_adapter=other)

    def test_a_model_without_the_adapter_says_which_is_missing(self) -> None:
        model = tiny_model(Kind.BOKEH)
        with pytest.raises(InputError, match=r"deblurNet\.safetensors"):
            model.adapter(Kind.DEBLUR, Kind.PRE_DEBLUR)


class TestWatching:
    @every_network
    def test_each_step_is_told_with_a_picture(self, network: Network) -> None:
        told = []
        watch = Watch(on_step=lambda *given: told.append(given))
        network(tiny_model(), picture(32, 48, batch=2), sampling=FEW, watch=watch)
        assert [(done, total) for done, total, _ in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
        preview = told[-1][2]()
        assert preview.shape == (1, 3, 4, 6)
        assert 0.0 <= preview.amin() <= preview.amax() <= 1.0

    def test_the_preview_becomes_the_picture(self) -> None:
        previews = []
        watch = Watch(on_step=lambda done, total, preview: previews.append(preview()))
        photo = picture(64, 96)
        deblurred(known_model(), photo, sampling=FEW, watch=watch)
        wanted = torch.nn.functional.avg_pool2d(photo, 8)
        torch.testing.assert_close(previews[-1], wanted, atol=0.03, rtol=0)

    def test_it_ends_between_the_tiles_of_a_step(self) -> None:
        model, checks = known_model(), []

        def check() -> None:
            checks.append(None)
            if len(checks) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            deblurred(model, picture(560, 700), sampling=FEW, watch=Watch(check=check))
        transformer: Any = model.base.transformer
        assert len(transformer.passes) == 2

    def test_adapters_are_taken_out_after_an_interrupt(self) -> None:
        model = tiny_model()

        def stop() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            deblurred(model, picture(16, 16), watch=Watch(check=stop))
        assert not model.base.transformer.adapters


class TestPasses:
    def test_conditions_are_refreshed_as_asked(self) -> None:
        model = known_model(lambda tokens: tokens[0] if tokens else torch.zeros(()))
        deblurred(model, picture(16, 16), sampling=Sampling(steps=4, refresh_every=2))
        transformer: Any = model.base.transformer
        assert [len(one["conditions"]) for one in transformer.passes] == [1, 0, 1, 0]

    def test_independent_adapters_are_shown_their_conditions_once(self) -> None:
        known = known_model(lambda tokens: tokens[0] if tokens else torch.zeros(()))
        adapter = adapter_for(Kind.DEBLUR, Visibility.INDEPENDENT)
        deblur(known.base, adapter, picture(16, 16), sampling=Sampling(steps=3))
        transformer: Any = known.base.transformer
        assert [len(group) for group in transformer.encoded] == [1]
        assert [len(one["conditions"]) for one in transformer.passes] == [0, 0, 0]

    def test_prompts_are_the_published_ones_and_encoded_once(self) -> None:
        model, asked = known_model(), []
        prompts = model.base.prompts
        base = replace(model.base, prompts=lambda text: asked.append(text) or prompts(text))
        watched = RefocusModel(base, model.adapters)
        for _ in range(2):
            deblurred(watched, picture(16, 16), sampling=FEW)
            rendered(watched, picture(16, 16), sampling=FEW)
        assert asked == [PROMPTS[Kind.DEBLUR], PROMPTS[Kind.BOKEH]]
