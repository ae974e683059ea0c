"""The hybrid picture: what comes from the scatter, what from the networks, and from how large."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import FileError, InputError
from focuspuller.lens.aperture import CIRCLE
from focuspuller.lens.bokehme import BokehMeOptions, brighten_highlights, render_bokehme
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import Lens, render, working_memory
from focuspuller.models.bokehme.dilation import defocus_dilated
from focuspuller.models.bokehme.handle import HybridOptions, bokehme_lens
from focuspuller.models.bokehme.hybrid import (
    render_hybrid,
    render_neural,
    softened,
)
from torch import Tensor


class StandIns:
    """Networks that paint grey pictures and write down what they were given."""

    def __init__(self, error: float = 1.0, grey: float = 0.5) -> None:
        self.error, self.grey = error, grey
        self.calls: list[dict[str, Tensor | float]] = []

    def arnet(self, image: Tensor, defocus: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        self.calls.append({"image": image, "defocus": defocus, "gamma": gamma})
        return torch.full_like(image, self.grey), torch.full_like(defocus, self.error)

    def iunet(self, image: Tensor, defocus: Tensor, coarse: Tensor, gamma: float) -> Tensor:
        self.calls.append({"image": image, "defocus": defocus, "coarse": coarse, "gamma": gamma})
        return torch.full_like(image, self.grey)

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width that each network saw, in order."""
        images = [call["image"] for call in self.calls]
        return [tuple(image.shape[-2:]) for image in images if isinstance(image, Tensor)]


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


def ramp(height: int, width: int, largest: float) -> Tensor:
    return torch.linspace(-largest, largest, width).expand(1, 1, height, width).clone()


def hybrid(
    image: Tensor, defocus: Tensor, networks: StandIns, options: BokehMeOptions | None = None
) -> Tensor:
    chosen = options or BokehMeOptions()
    return render_hybrid(image, defocus, CIRCLE, chosen, networks.arnet, networks.iunet)


def neural(
    image: Tensor, defocus: Tensor, networks: StandIns, gamma: float = 4.0
) -> tuple[Tensor, Tensor]:
    return render_neural(image, defocus, gamma, networks.arnet, networks.iunet, lambda part: None)


class TestBlending:
    @pytest.mark.parametrize("gamma", [None, 1.0, 4.0])
    def test_where_there_is_no_error_the_picture_is_classical(self, gamma: float | None) -> None:
        image, defocus, options = noise(1, 3, 24, 30), ramp(24, 30, 6.0), BokehMeOptions(gamma)
        classical = render_bokehme(image, defocus, CIRCLE, options)
        picture = hybrid(image, defocus, StandIns(error=0.0), options)
        torch.testing.assert_close(picture, classical, atol=1e-5, rtol=0)

    def test_where_all_is_error_it_is_the_networks_picture_decoded(self) -> None:
        picture = hybrid(noise(1, 3, 24, 30), ramp(24, 30, 6.0), StandIns(error=1.0, grey=0.4))
        expected = srgb_to_linear(torch.full((1, 3, 24, 30), 0.4))
        torch.testing.assert_close(picture, expected, atol=1e-5, rtol=0)

    def test_between_it_is_blended_as_coded(self) -> None:
        image, defocus = noise(1, 3, 24, 30), ramp(24, 30, 6.0)
        coded = linear_to_srgb(render_bokehme(image, defocus, CIRCLE, BokehMeOptions()))
        picture = linear_to_srgb(hybrid(image, defocus, StandIns(error=0.25, grey=0.8)))
        torch.testing.assert_close(picture, 0.75 * coded + 0.25 * 0.8, atol=1e-5, rtol=0)

    def test_the_picture_is_no_brighter_than_white_or_than_the_image(self) -> None:
        image, defocus = noise(1, 3, 24, 30), ramp(24, 30, 6.0)
        assert hybrid(image, defocus, StandIns(grey=3.0)).max() == 1.0
        assert hybrid(4 * image, defocus, StandIns(grey=3.0)).max() > 3.0
        assert hybrid(image, defocus, StandIns(grey=-1.0)).min() == 0.0


class TestSizes:
    def test_small_blur_is_rendered_at_full_size_and_refined_once(self) -> None:
        networks = StandIns()
        neural(noise(1, 3, 30, 41), ramp(30, 41, 7.0), networks)
        assert networks.sizes() == [(30, 41), (30, 41)]

    def test_larger_blur_starts_small_and_doubles(self) -> None:
        networks = StandIns()
        neural(noise(1, 3, 200, 300), ramp(200, 300, 50.0), networks)
        assert networks.sizes() == [(40, 60), (80, 120), (160, 240), (200, 300)]

    def test_networks_get_defocus_in_units_of_their_own_size(self) -> None:
        networks = StandIns()
        neural(noise(1, 3, 40, 60), ramp(40, 60, 25.0), networks)
        for call in networks.calls:
            assert isinstance(call["defocus"], Tensor)
            assert float(call["defocus"].abs().amax()) == pytest.approx(1.0)
        # ±25 px at ratio 0.8 are ±2 units, of which half the picture is cut to ±1.
        middle, full = (call["defocus"][0, 0, 0] for call in networks.calls[1:])
        torch.testing.assert_close(middle, torch.linspace(-2, 2, 48).clamp(-1, 1))
        torch.testing.assert_close(full, torch.linspace(-2.5, 2.5, 60).clamp(-1, 1))

    @pytest.mark.parametrize(
        ("gamma", "level"), [(1.0, 0.0), (2.2, 0.3), (3.0, 0.5), (4.0, 0.75), (5.0, 1.0)]
    )
    def test_gamma_1_to_5_is_0_to_1_for_the_networks(self, gamma: float, level: float) -> None:
        networks = StandIns()
        neural(noise(1, 3, 20, 20), ramp(20, 20, 25.0), networks, gamma)
        assert [call["gamma"] for call in networks.calls] == pytest.approx([level] * 3)

    def test_linear_light_is_gamma_2_2_for_the_networks(self) -> None:
        networks = StandIns()
        hybrid(noise(1, 3, 20, 20), ramp(20, 20, 5.0), networks, BokehMeOptions(gamma=None))
        assert networks.calls[0]["gamma"] == pytest.approx(0.3)

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (37, 2), (33, 47)])
    def test_any_size(self, arnet, iunet, height: int, width: int) -> None:
        image, defocus = noise(1, 3, height, width), ramp(height, width, 12.0)
        picture = render_hybrid(image, defocus, CIRCLE, BokehMeOptions(), arnet, iunet)
        assert picture.shape == image.shape
        assert bool(torch.isfinite(picture).all())

    def test_without_blur(self, arnet, iunet) -> None:
        image, defocus = noise(1, 3, 20, 31), torch.zeros(1, 1, 20, 31)
        picture, error_map = render_neural(image, defocus, 4.0, arnet, iunet, lambda part: None)
        small, error = arnet(image, defocus, 0.75)
        refined = iunet(image, defocus, small.clamp(min=0), 0.75).clamp(min=0)
        torch.testing.assert_close(picture, refined)
        torch.testing.assert_close(error_map, error)


class TestRefining:
    def test_only_what_lies_in_small_discs_is_rendered_anew(self) -> None:
        networks = StandIns(grey=0.2)
        networks.iunet = lambda image, defocus, coarse, gamma: torch.full_like(image, 0.9)
        # The right half is far out of focus, behind a sharp left half.
        defocus = torch.zeros(1, 1, 60, 120)
        defocus[..., 60:] = -19.0
        picture, _ = neural(noise(1, 3, 60, 120), defocus, networks)
        torch.testing.assert_close(picture[..., :50], torch.full((1, 3, 60, 50), 0.9))
        torch.testing.assert_close(picture[..., 70:], torch.full((1, 3, 60, 50), 0.2))

    def test_sharp_parts_under_a_large_disc_in_front_are_left_alone(self) -> None:
        networks = StandIns(grey=0.2)
        networks.iunet = lambda image, defocus, coarse, gamma: torch.full_like(image, 0.9)
        defocus = torch.zeros(1, 1, 60, 120)
        defocus[..., 60:] = 19.0
        picture, _ = neural(noise(1, 3, 60, 120), defocus, networks)
        torch.testing.assert_close(picture[..., :35], torch.full((1, 3, 60, 35), 0.9))
        torch.testing.assert_close(picture[..., 45:], torch.full((1, 3, 60, 75), 0.2))

    def test_soft_edges_are_a_gaussian(self) -> None:
        mask = torch.zeros(1, 1, 200, 400)
        mask[..., 100, 200] = 1.0
        soft = softened(mask)[0, 0]
        assert float(soft.sum()) == pytest.approx(1.0)
        assert int((soft > 0).sum()) == 7 * 7  # radius 0.005 · 600
        variance = 1.4**2
        ratio = float(soft[100, 202] / soft[100, 200])
        assert ratio == pytest.approx(np.exp(-4 / (2 * variance)), rel=1e-4)


class TestHighlights:
    def test_only_blurred_light_is_brightened(self) -> None:
        coded = torch.tensor([1.0, 0.9, 0.5]).view(1, 3, 1, 1).expand(1, 3, 4, 40)
        defocus = ramp(4, 40, 10.0)
        brightened = linear_to_srgb(brighten_highlights(srgb_to_linear(coded), defocus))
        gain = (brightened / coded)[0, :, 0]
        in_focus, blurred = defocus[0, 0, 0].abs() < 2.0, defocus[0, 0, 0].abs() > 9.0
        torch.testing.assert_close(gain[:, in_focus], torch.ones(3, int(in_focus.sum())))
        by_light = 1 + 0.4 * np.tanh(10 * (np.array([1.0, 0.9]) - 220 / 255))
        for channel, expected in enumerate(by_light):
            assert float(gain[channel, blurred].amin()) == pytest.approx(expected, abs=1e-4)
        torch.testing.assert_close(gain[2], torch.ones(40))

    def test_no_blur_no_change(self) -> None:
        image = torch.ones(1, 3, 8, 8)
        for radius in (0.0, 0.05):
            assert torch.equal(brighten_highlights(image, torch.full((1, 1, 8, 8), radius)), image)

    def test_discs_get_brighter(self) -> None:
        image = torch.full((1, 3, 41, 41), 0.01)
        image[..., 20, 20] = 1.0
        defocus = torch.full((1, 1, 41, 41), 5.0)
        plain, bright = (
            render_bokehme(image, defocus, CIRCLE, BokehMeOptions(4.0, highlights=on))
            for on in (False, True)
        )
        assert float(bright[0, 0, 20, 20]) > 1.5 * float(plain[0, 0, 20, 20])

    def test_the_networks_see_them(self) -> None:
        networks = StandIns()
        image = torch.ones(1, 3, 12, 30)
        hybrid(image, ramp(12, 30, 5.0), networks, BokehMeOptions(highlights=True))
        seen = networks.calls[0]["image"]
        assert isinstance(seen, Tensor)
        assert float(seen.amax()) == pytest.approx(1.0 + 0.4 * np.tanh(350 / 255), abs=1e-3)


class TestTheLens:
    def test_without_weights_it_is_the_classical_lens(self) -> None:
        assert bokehme_lens() == Lens("bokehme")
        options = BokehMeOptions(gamma=3.0)
        assert bokehme_lens(options) == Lens("bokehme", options)

    def test_with_weights_it_renders_the_hybrid(self, weight_files, arnet, iunet) -> None:
        options = BokehMeOptions(gamma=4.0)
        lens = bokehme_lens(options, **weight_files())
        image, defocus = noise(1, 3, 40, 60), ramp(40, 60, 12.0)
        expected = render_hybrid(image, defocus, CIRCLE, options, arnet, iunet)
        picture = render(image, Defocus(defocus), lens)
        torch.testing.assert_close(picture, expected)
        assert not torch.allclose(
            picture, render(image, Defocus(defocus), Lens("bokehme", options))
        )

    def test_one_network_alone_is_refused(self, weight_files) -> None:
        for name, path in weight_files().items():
            with pytest.raises(InputError, match=f"^arnet, iunet: received only {name}. Give both"):
                bokehme_lens(**{name: path})

    def test_swapped_files_are_refused(self, weight_files) -> None:
        files = weight_files()
        with pytest.raises(FileError, match="do not fit BokehMe's ARNet"):
            bokehme_lens(arnet=files["iunet"], iunet=files["arnet"])

    def test_files_are_read_once_and_again_when_they_change(self, weight_files, iunet) -> None:
        files = weight_files()
        first, again = (bokehme_lens(**files).options for _ in range(2))
        assert isinstance(first, HybridOptions)
        assert first.iunet is again.iunet
        state = iunet.state_dict() | {"conv1.conv.bias": torch.ones(12)}
        torch.save(state, files["iunet"])
        changed = bokehme_lens(**files).options
        assert changed.arnet is first.arnet
        assert torch.equal(changed.iunet.conv1.conv.bias, torch.ones(12))

    def test_a_batch_progress_and_types(self, weight_files) -> None:
        lens = bokehme_lens(**weight_files())
        seen: list[float] = []
        images, maps = noise(2, 3, 30, 41).double(), Defocus(ramp(30, 41, 22.0))
        pictures = render(images, maps, lens, on_progress=seen.append)
        assert pictures.dtype == torch.float64
        assert pictures.shape == images.shape
        assert seen == sorted(seen)
        assert seen[-1] == 1.0
        torch.testing.assert_close(pictures[1:], render(images[1:], maps, lens))

    def test_progress_can_stop_it(self, weight_files) -> None:
        def stop(fraction: float) -> None:
            if fraction > 0.6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render(
                noise(1, 3, 30, 41),
                Defocus(ramp(30, 41, 8.0)),
                bokehme_lens(**weight_files()),
                on_progress=stop,
            )

    def test_gradients_flow_to_the_image(self, weight_files) -> None:
        image = noise(1, 3, 16, 20).requires_grad_()
        lens = bokehme_lens(**weight_files())
        render(image, Defocus(ramp(16, 20, 3.0)), lens).sum().backward()
        assert image.grad is not None
        assert float(image.grad.abs().amax()) > 0

    def test_it_asks_for_more_memory(self, weight_files) -> None:
        lens = bokehme_lens(**weight_files())
        assert working_memory(1000, 1000, lens) > working_memory(1000, 1000)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_the_same_picture_on_a_gpu_which_the_networks_leave(self, weight_files) -> None:
        lens = bokehme_lens(**weight_files())
        image, defocus = noise(1, 3, 60, 80), Defocus(ramp(60, 80, 20.0))
        picture = render(image, defocus, lens, device=torch.device("cuda"))
        torch.testing.assert_close(picture, render(image, defocus, lens), atol=5e-3, rtol=0)
        assert lens.options.arnet.conv0.conv.weight.device.type == "cpu"


def published_pipeline(image: Tensor, defocus: Tensor, gamma: float, arnet, iunet) -> Tensor:
    """`renderers.md` 3.3 step by step, without what `hybrid` shares between steps."""
    level = (gamma - 1) / 4
    units = defocus / 10
    dilated = defocus_dilated(defocus) / 10
    scale = max(float(units.abs().max()), 1)

    def sized(maps: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(maps, (height, width), mode="bilinear", align_corners=True)

    def blurred(mask: Tensor) -> Tensor:
        radius = round(0.005 * sum(mask.shape[-2:]))
        sigma = 0.3 * (radius - 1) + 0.8
        y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        kernel = torch.from_numpy(np.exp(-(x**2 + y**2) / 2 / sigma**2)).float()
        padded = F.pad(mask, (radius,) * 4, mode="replicate")
        return F.conv2d(padded, (kernel / kernel.sum())[None, None])

    shrunk = {"scale_factor": 1 / scale, "mode": "bilinear", "align_corners": True}
    bokeh, error_map = arnet(
        F.interpolate(image, **shrunk), F.interpolate(units, **shrunk) / scale, level
    )
    bokeh = bokeh.clamp(0, 1e5)
    full = tuple(image.shape[-2:])
    for step in range(int(np.log2(scale))):
        ratio = 2 ** (step + 1) / scale
        size = int(ratio * full[0]), int(ratio * full[1])
        refined = iunet(
            sized(image, *size), (ratio * sized(units, *size)).clamp(-1, 1), bokeh, level
        ).clamp(0, 1e5)
        reach = ratio * sized(dilated, *size)
        mask = blurred(((reach < 1) * (reach > -1)).float())
        bokeh = mask * refined + (1 - mask) * sized(bokeh, *size)
    refined = iunet(image, units.clamp(-1, 1), bokeh, level).clamp(0, 1e5)
    mask = blurred(((dilated < 1) * (dilated > -1)).float())
    bokeh = mask * refined + (1 - mask) * sized(bokeh, *full)
    classical = linear_to_srgb(
        render_bokehme(srgb_to_linear(image), defocus, CIRCLE, BokehMeOptions(gamma))
    )
    error_map = sized(error_map, *full)
    return (classical * (1 - error_map) + bokeh * error_map).clamp(0, 1)


@pytest.mark.parametrize("largest", [4.0, 20.0, 37.0])
@pytest.mark.parametrize("gamma", [1.0, 4.0, 5.0])
def test_step_by_step_the_published_way(arnet, iunet, gamma: float, largest: float) -> None:
    image, defocus = noise(1, 3, 150, 203), ramp(150, 203, largest)
    defocus[..., 40:90, 30:120] = largest / 3
    picture = render_hybrid(
        srgb_to_linear(image), defocus, CIRCLE, BokehMeOptions(gamma), arnet, iunet
    )
    expected = published_pipeline(image, defocus, gamma, arnet, iunet)
    torch.testing.assert_close(linear_to_srgb(picture), expected, atol=2e-4, rtol=0)
