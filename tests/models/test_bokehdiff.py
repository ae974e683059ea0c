"""BokehDiff's files, its one step, and the lens that it makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import render
from focuspuller.models.bokehdiff import handle
from focuspuller.models.bokehdiff.handle import BokehDiffOptions, bokehdiff_lens, load_networks
from focuspuller.models.bokehdiff.layout import LORA_TARGETS, adapt, check
from focuspuller.models.bokehdiff.one_step import (
    TIMESTEP,
    TRUE_PER_TOLD,
    blurred_latents,
    condition_maps,
    overlap_for,
)
from focuspuller.models.bokehdiff.processor import PisaProcessor, install_pisa
from focuspuller.models.loaded import forget_models
from focuspuller.models.sdxl.config import SDXL
from focuspuller.models.sdxl.lora import DOWN, lora_shapes
from focuspuller.models.sdxl.schedule import alphas_cumprod, clean_from_noise
from focuspuller.models.sdxl.text import PromptEmbedding
from oracles.tiny_sdxl import (
    TINY,
    save_bokehdiff,
    save_single_file,
    tiny_networks,
    use_tiny_networks,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return tiny_networks()


@pytest.fixture
def unet(networks: dict[str, Any]) -> Any:
    return tiny_networks()["unet"]


@pytest.fixture(scope="module")
def files(networks: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base checkpoint and, below "small", BokehDiff's files as published."""
    folder = tmp_path_factory.mktemp("models")
    save_single_file(networks, folder / "sdxl.safetensors")
    save_bokehdiff(networks, folder / "small")
    return folder


@pytest.fixture
def own_files(files: Path, tmp_path: Path) -> Path:
    """Copies of BokehDiff's files, to be spoilt."""
    for path in (files / "small").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


class TestTheFiles:
    def test_the_published_adapter_has_so_many_tensors(self) -> None:
        from diffusers import UNet2DConditionModel

        with torch.device("meta"):
            real = UNet2DConditionModel.from_config(dict(SDXL.unet))
        shapes = lora_shapes(real, LORA_TARGETS, 8)
        layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
        assert len(shapes) == 1576
        assert sum(int(np.prod(shape)) for shape in shapes.values()) == pytest.approx(
            24.594e6, rel=1e-4
        )
        assert shapes[f"{layer}.lora_A.weight"] == (8, 640)
        assert shapes["down_blocks.0.resnets.0.conv1.lora_A.weight"] == (8, 320, 3, 3)
        assert shapes["down_blocks.0.resnets.0.conv1.lora_B.weight"] == (320, 8, 1, 1)

    def test_adapted_layers_compute_as_with_peft(self, files: Path, unet: Any) -> None:
        pytest.importorskip("peft")
        from diffusers.loaders.peft import PeftAdapterMixin

        assert isinstance(unet, PeftAdapterMixin)
        reference = tiny_networks()["unet"]
        lora = load_file(files / "small" / "pytorch_lora_weights.safetensors")
        reference.load_lora_adapter(dict(lora), prefix=None)
        adapt(unet, tiny_networks()["vae"], files / "small")
        given: dict[str, Any] = {
            "sample": noise(1, 4, 8, 8),
            "timestep": 499,
            "encoder_hidden_states": noise(1, 77, 40, seed=1),
            "added_cond_kwargs": {"text_embeds": noise(1, 24), "time_ids": torch.ones(1, 6)},
            "return_dict": False,
        }
        plain = tiny_networks()["unet"](**given)[0]
        with torch.no_grad():
            expected, found = reference(**given)[0], unet(**given)[0]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        assert float((found - plain).abs().amax()) > 0.01

    def test_prefixes_of_other_tools_are_taken_off(self, own_files: Path) -> None:
        path = own_files / "pytorch_lora_weights.safetensors"
        adapted = []
        for prefix in ("", "unet.", "base_model.model."):
            lora = {f"{prefix}{name}": one for name, one in load_file(path).items()}
            save_file(lora, own_files / "prefixed.safetensors")
            network = tiny_networks()
            adapt(network["unet"], network["vae"], own_files / "prefixed.safetensors")
            adapted.append(network["unet"].state_dict())
        assert all(
            torch.equal(one[name], adapted[0][name]) for one in adapted for name in adapted[0]
        )

    def test_the_vaes_trained_parts_are_replaced_and_nothing_else(
        self, files: Path, networks: dict[str, Any]
    ) -> None:
        vae = tiny_networks()["vae"]
        adapt(tiny_networks()["unet"], vae, files / "small")
        before = networks["vae"].state_dict()
        changed = {
            name for name, one in vae.state_dict().items() if not torch.equal(one, before[name])
        }
        assert len(changed) == 30
        assert all(name.startswith("encoder.") for name in changed)

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda lora: lora.pop(f"mid_block.resnets.0.conv1{DOWN}"), "missing: mid_block"),
            (lambda lora: lora.update(more=torch.ones(1)), "unexpected: more"),
            (
                lambda lora: lora.update({f"mid_block.resnets.0.conv1{DOWN}": torch.ones(8, 3)}),
                "of another shape: mid_block",
            ),
        ],
    )
    def test_an_adapter_that_does_not_fit_is_refused(
        self, own_files: Path, spoil: Callable[[dict[str, Tensor]], object], message: str
    ) -> None:
        path = own_files / "pytorch_lora_weights.safetensors"
        lora = load_file(path)
        spoil(lora)
        save_file(lora, path)
        network = tiny_networks()
        with pytest.raises(FileError, match=f"do not fit BokehDiff.*{message}"):
            adapt(network["unet"], network["vae"], own_files)

    def test_parts_of_the_vae_that_do_not_fit_are_refused(self, own_files: Path) -> None:
        parts = torch.load(own_files / "vae.ckpt", weights_only=True)
        parts["decoder.conv_in.bias"] = parts.pop("encoder.conv_in.bias")
        torch.save(parts, own_files / "vae.ckpt")
        network = tiny_networks()
        message = r"missing: encoder\.conv_in\.bias; unexpected: decoder\.conv_in\.bias"
        with pytest.raises(FileError, match=message):
            adapt(network["unet"], network["vae"], own_files)

    def test_a_folder_without_one_of_them_is_refused(self, own_files: Path) -> None:
        (own_files / "vae.ckpt").unlink()
        with pytest.raises(FileError, match=r"without vae\.ckpt"):
            bokehdiff_lens(own_files, own_files / "pytorch_lora_weights.safetensors")

    def test_the_check_sees_what_is_not_bokehdiffs(self, files: Path) -> None:
        # They are those of the tiny network: names as in the real one, shapes not.
        problems = check(files / "small")
        assert len(problems.misshaped) > 30
        assert not problems.not_finite


class TestTheStep:
    def test_the_noise_schedule_is_that_of_sdxl(self) -> None:
        from diffusers import DDPMScheduler

        scheduler = DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        )
        torch.testing.assert_close(alphas_cumprod().float(), scheduler.alphas_cumprod)
        assert float(alphas_cumprod()[499]) == pytest.approx(0.277669, abs=1e-6)
        latents, eps = noise(1, 4, 6, 6), noise(1, 4, 6, 6, seed=1)
        scheduler.set_timesteps(timesteps=[TIMESTEP])
        stepped: Any = scheduler.step(eps, TIMESTEP, latents)
        found = clean_from_noise(latents, eps, TIMESTEP)
        torch.testing.assert_close(found, stepped.prev_sample, atol=1e-5, rtol=1e-5)

    def test_the_model_is_told_normalised_disparity_and_tenths_of_the_radius(self) -> None:
        defocus = torch.tensor([-30.4, 0.0, 7.6]).repeat_interleave(3).expand(1, 1, 3, 9)
        disparity, radius = condition_maps(defocus, 1.0)
        assert disparity[0, 0, 1, ::3].tolist() == pytest.approx([0.0, 0.8, 1.0])
        assert radius[0, 0, 1, ::3].tolist() == pytest.approx([2.0, 0.0, 0.5])
        # As told by the published code with its own K.
        told = condition_maps(defocus, TRUE_PER_TOLD)[1]
        assert told[0, 0, 1, ::3].tolist() == pytest.approx([3.04, 0.0, 0.76])

    def test_a_stray_pixel_does_not_change_the_disparity_of_all_others(self) -> None:
        defocus = torch.linspace(-10, 0, 64).expand(1, 1, 64, 64).clone()
        clean = condition_maps(defocus, 1.0)[0]
        defocus[0, 0, 30, 30] = 1000.0
        spoilt = condition_maps(defocus, 1.0)[0]
        assert float(spoilt[0, 0, 30, 30]) == 1.0
        torch.testing.assert_close(spoilt[..., 40:, :], clean[..., 40:, :], atol=0.02, rtol=0)

    def test_without_blur_there_is_no_disparity_either(self) -> None:
        disparity, radius = condition_maps(torch.zeros(1, 1, 2, 2), 1.0)
        assert float(disparity.abs().amax()) == float(radius.abs().amax()) == 0.0

    def test_true_blur_is_so_much_wider_than_what_training_told(self) -> None:
        # As the published training data are drawn.
        random = np.random.default_rng(0)
        count = 200_000
        spread = random.uniform(0, 1 / 4 - 1 / 1000, count)
        background = 1 / 1000 + spread / 2
        foreground = random.uniform(1 / 1000 + spread, 1)
        focus = np.where(random.random(count) < 0.5, foreground, background)
        told = random.uniform(2 / 3, 1, count)
        ratio = 1 / np.maximum(focus, 1 - focus) / told
        assert ratio.mean() == pytest.approx(TRUE_PER_TOLD, abs=0.01)
        assert np.quantile(ratio, [0.05, 0.95]) == pytest.approx([1.1, 2.3], abs=0.03)

    def test_wide_blur_makes_tiles_share_more(self) -> None:
        assert [overlap_for(radius) for radius in (0.0, 60.0, 100.0, 500.0)] == [16, 16, 26, 32]


class StandIn:
    """A network that takes what it is shown for noise, in its own way, and writes down the rest."""

    dtype = torch.float32

    def __init__(self, see: Callable[[Tensor], Tensor]) -> None:
        self.see = see
        self.calls: list[dict[str, Any]] = []
        self.processor = PisaProcessor()

    def __call__(self, sample: Tensor, timestep: int, **others: Any) -> tuple[Tensor]:
        condition = self.processor.condition
        self.calls.append({"sample": sample, "condition": condition, "t": timestep, **others})
        return (self.see(sample),)


PROMPT_OF_ONES = PromptEmbedding(torch.ones(1, 77, 40), torch.ones(1, 24))


def blurred(network: StandIn, latents: Tensor, overlap: int = 16) -> Tensor:
    height, width = (8 * side for side in latents.shape[-2:])
    disparity = torch.linspace(0, 1, width).expand(1, 1, height, width)
    maps = disparity, 3 * disparity
    return blurred_latents(
        network, network.processor, latents, maps, PROMPT_OF_ONES, overlap, lambda part: None
    )


class TestTiles:
    @pytest.mark.parametrize("size", [(64, 64), (12, 50), (64, 66), (100, 150), (40, 130)])
    def test_any_size_is_covered_without_seams(self, size: tuple[int, int]) -> None:
        latents = noise(1, 4, *size)
        found = blurred(StandIn(lambda seen: 0.5 * seen), latents)
        torch.testing.assert_close(found, clean_from_noise(latents, 0.5 * latents, TIMESTEP))

    def test_tiles_that_disagree_fade_into_each_other(self) -> None:
        # Each call, and in it each tile, sees another brightness: the steps would be 1.
        def own_brightness(seen: Tensor) -> Tensor:
            steps = torch.arange(len(seen), dtype=torch.float32) % 2
            return torch.ones_like(seen) * steps.view(-1, 1, 1, 1)

        latents = torch.zeros(1, 4, 64, 64 + 3 * 48)
        found = blurred(StandIn(own_brightness), latents)[0, 0, 32]
        step = float((found[1:] - found[:-1]).abs().amax() / (found.amax() - found.amin()))
        assert step < 0.12

    def test_each_tile_is_told_its_own_part_of_the_scene(self) -> None:
        network = StandIn(torch.zeros_like)
        latents = noise(1, 4, 70, 100)
        blurred(network, latents)
        (call,) = network.calls
        places = [(0, 0), (0, 36), (6, 0), (6, 36)]
        assert call["t"] == TIMESTEP
        assert call["added_cond_kwargs"]["time_ids"].tolist() == [
            [560, 800, top, left, 560, 800] for top, left in places
        ]
        for index, (top, left) in enumerate(places):
            seen = latents[0, :, top : top + 64, left : left + 64]
            assert torch.equal(call["sample"][index], seen)
            row = call["condition"].disparity[index, 0, 0]
            assert float(row[0]) == pytest.approx(8 * left / 799, abs=1e-4)
        assert torch.equal(call["condition"].radius, 3 * call["condition"].disparity)

    def test_the_real_network_sees_tiles_as_it_would_see_them_alone(self, unet: Any) -> None:
        processor = install_pisa(unet)
        latents = noise(1, 4, 10, 16)
        disparity = torch.linspace(0, 0.9, 128).expand(1, 1, 80, 128)
        outputs = [
            blurred_latents(
                unet,
                processor,
                latents,
                (disparity, strength * (0.9 - disparity)),
                PROMPT_OF_ONES,
                16,
                lambda part: None,
            )
            for strength in (1.0, 1.0, 20.0)
        ]
        assert torch.equal(outputs[0], outputs[1])
        # The scene reaches the network through its two self-attentions alone.
        assert float((outputs[0] - outputs[2]).abs().amax()) > 1e-4
        assert processor.condition is None

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_gives_nearly_the_same(self, unet: Any, dtype: torch.dtype) -> None:
        processor = install_pisa(unet)
        disparity = torch.linspace(0, 0.9, 128).expand(1, 1, 80, 128)
        given = (
            *(noise(1, 4, 10, 16), (disparity, 3 * (0.9 - disparity)), PROMPT_OF_ONES, 16),
            lambda part: None,
        )
        exact = blurred_latents(unet, processor, *given)
        half = blurred_latents(unet.to(dtype), processor, *given)
        assert half.dtype == torch.float32
        error = (half - exact).abs().amax() / exact.abs().amax()
        assert float(error) < 6 * torch.finfo(dtype).eps


@pytest.fixture
def tiny_lens(files: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lens with the tiny network."""
    use_tiny_networks(monkeypatch)
    forget_models()
    yield bokehdiff_lens(files / "small", files / "sdxl.safetensors")
    forget_models()


class TestTheLens:
    def test_it_renders_any_size_as_any_lens_does(self, tiny_lens: Any) -> None:
        for height, width in ((33, 47), (64, 48), (5, 90)):
            image = noise(1, 3, height, width)
            defocus = torch.linspace(-9, 5, width).expand(1, 1, height, width)
            progress: list[float] = []
            picture = render(image, Defocus(defocus), tiny_lens, on_progress=progress.append)
            assert picture.shape == image.shape
            assert bool(torch.isfinite(picture).all())
            assert 0.0 <= float(picture.amin()) < float(picture.amax()) <= 1.0
            assert progress == sorted(progress)
            assert progress[-1] == 1.0

    def test_pixels_are_not_resampled(self, tiny_lens: Any, monkeypatch) -> None:
        # The VAE and the step as they are, without the model: the picture comes back.
        seen: list[Tensor] = []

        def encoded(vae: Any, picture: Tensor) -> Tensor:
            seen.append(picture)
            return picture

        monkeypatch.setattr(handle, "encoded", encoded)
        monkeypatch.setattr(handle, "decoded", lambda vae, latents: latents)
        monkeypatch.setattr(handle, "blurred_latents", lambda *given: given[2])
        image = noise(1, 3, 33, 47)
        picture = render(image, Defocus(torch.ones(1, 1, 33, 47)), tiny_lens)
        torch.testing.assert_close(picture, image, atol=1e-5, rtol=0)
        assert seen[0].shape == (1, 3, 48, 48)
        torch.testing.assert_close(seen[0][..., :33, :47], linear_to_srgb(image))

    def test_it_is_eq_1_between_encoder_and_decoder(self, tiny_lens: Any, files: Path) -> None:
        parts = load_networks(files / "small", files / "sdxl.safetensors", torch.float32, TINY)
        image, defocus = noise(1, 3, 32, 48), torch.full((1, 1, 32, 48), 4.0)
        found = render(image, Defocus(defocus), tiny_lens)
        with torch.no_grad():
            vae, scale = parts.vae, TINY.vae["scaling_factor"]
            latents = vae.encode(linear_to_srgb(image) * 2 - 1).latent_dist.mode() * scale
            parts.processor.condition = handle_condition(defocus)
            eps = parts.unet(
                latents,
                499,
                encoder_hidden_states=parts.prompt.tokens,
                added_cond_kwargs={
                    "text_embeds": parts.prompt.pooled,
                    "time_ids": torch.tensor([[32.0, 48.0, 0.0, 0.0, 32.0, 48.0]]),
                },
            ).sample
            clean = (latents - 0.849900 * eps) / 0.526944
            picture = vae.decode(clean / scale).sample / 2 + 0.5
        torch.testing.assert_close(found, srgb_to_linear(picture.clamp(0, 1)), atol=1e-4, rtol=0)

    def test_strength_tells_the_model_another_radius(self, tiny_lens: Any, files: Path) -> None:
        paths = files / "small", files / "sdxl.safetensors"
        image, defocus = (
            noise(1, 3, 64, 64),
            Defocus(torch.linspace(-60, 0, 64).expand(1, 1, 64, 64)),
        )
        plain = render(image, defocus, tiny_lens)
        weak = render(image, defocus, bokehdiff_lens(*paths, strength=0.1))
        assert float((plain - weak).abs().amax()) > 1e-4

    def test_it_says_that_it_knows_round_discs_only(
        self, tiny_lens: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        image, defocus = noise(1, 3, 16, 16), Defocus(torch.ones(1, 1, 16, 16))
        for aperture, count in ((CIRCLE, 0), (Aperture(6), 1), (Aperture(6), 1)):
            render(image, defocus, tiny_lens, aperture)
            assert caplog.text.count("round discs") == count

    def test_it_needs_colour(self, tiny_lens: Any) -> None:
        with pytest.raises(InputError, match="received 1 channels"):
            render(noise(1, 1, 16, 16), Defocus(torch.ones(1, 1, 16, 16)), tiny_lens)

    def test_the_networks_are_loaded_once(self, tiny_lens: Any, monkeypatch) -> None:
        load, calls = handle.load_networks, []

        def counted(*given: Any) -> Any:
            calls.append(given)
            return load(*given)

        monkeypatch.setattr(handle, "load_networks", counted)
        for _ in range(2):
            render(noise(1, 3, 16, 16), Defocus(torch.ones(1, 1, 16, 16)), tiny_lens)
        assert len(calls) == 1

    @pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
    def test_strengths_that_mean_nothing_are_refused(self, files: Path, strength: float) -> None:
        with pytest.raises(InputError, match="strength: received"):
            bokehdiff_lens(files / "small", files / "sdxl.safetensors", strength)

    def test_missing_weights_are_named(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
        with pytest.raises(FileError, match="models fetch bokehdiff"):
            bokehdiff_lens()

    def test_options_are_what_was_given(self, tiny_lens: Any, files: Path) -> None:
        assert tiny_lens.name == "bokehdiff"
        assert tiny_lens.options == BokehDiffOptions(files / "small", files / "sdxl.safetensors")


def handle_condition(defocus: Tensor) -> Any:
    from focuspuller.models.bokehdiff.condition import PisaCondition

    return PisaCondition(torch.zeros_like(defocus), defocus / 10 / TRUE_PER_TOLD)
