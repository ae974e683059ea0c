"""The forward, the denoising loop and the tiles against GenRefocus' published code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from flux_published import add_peft_adapter, published_forward
from focuspuller.models.flux.adapters import Adapter, FluxShape
from focuspuller.models.flux.conditions import Condition, Prompt, Visibility
from focuspuller.models.flux.denoiser import Denoiser
from focuspuller.models.flux.layout import adapter_state
from focuspuller.models.flux.sampling import Step, denoised, flow_sigmas
from focuspuller.models.flux.tiling import Tiling, blending_weight, tiles
from focuspuller.models.flux.tokens import image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from oracles.flux import conformance, described, filled_adapter, flux
from torch import Tensor

TOLERANCE = {"atol": 1e-4, "rtol": 0}

Arrays = dict[str, Tensor]


def model_with(config: dict[str, Any], gain: float = 1.0) -> tuple[ConditionedFlux, Adapter]:
    model = ConditionedFlux(flux(config))
    adapter = filled_adapter(FluxShape.of(config), gain=gain).requires_grad_(False)
    model.adapters["lora"] = adapter
    return model, adapter


class TestVelocities:
    """genfocus_flux: prompt, picture and conditions on a grid of 4×6 tokens."""

    @pytest.fixture
    def arrays(self) -> Arrays:
        return conformance("genfocus_flux")[0]

    @pytest.fixture
    def layout(self) -> dict[str, Any]:
        return described(conformance("genfocus_flux")[1] / "layout.json")

    @staticmethod
    def conditions(arrays: Arrays, name: str) -> list[Condition]:
        image, defocus = (
            Condition(arrays[f"condition_{which}_tokens"], image_positions((4, 6)), "lora")
            for which in ("image", "defocus")
        )
        aside = replace(defocus, positions=image_positions((4, 6), (0, 32)))
        return {
            "no_condition": [],
            "deblur_one_condition": [image],
            "predeblur_two_conditions": [aside, image],
            "bokeh_two_conditions": [image, defocus],
            "bokeh_adapter_off": [replace(image, adapter=None), replace(defocus, adapter=None)],
            "bokeh_independent_conditions": [image, defocus],
        }[name]

    @staticmethod
    def inputs(arrays: Arrays) -> tuple:
        prompt = Prompt(arrays["text_tokens"], arrays["pooled"])
        guidance = float(arrays["guidance"])
        return arrays["main_tokens"], image_positions((4, 6)), arrays["timestep"], guidance, prompt

    @pytest.mark.parametrize(
        "name",
        [
            "no_condition",
            "deblur_one_condition",
            "predeblur_two_conditions",
            "bokeh_two_conditions",
            "bokeh_adapter_off",
            "bokeh_independent_conditions",
        ],
    )
    @torch.no_grad()
    def test_both_forwards_give_the_published_ones(
        self, arrays: Arrays, layout: dict[str, Any], name: str
    ) -> None:
        model, adapter = model_with(layout["transformer_config"], gain=4.0)
        conditions, inputs = self.conditions(arrays, name), self.inputs(arrays)
        how = Visibility.INDEPENDENT if "independent" in name else Visibility.PUBLISHED
        wanted = arrays[f"velocity_{name}"]
        torch.testing.assert_close(model(*inputs, conditions, how), wanted, **TOLERANCE)
        base = flux(layout["transformer_config"])
        add_peft_adapter(base, "lora", adapter_state(adapter))
        plain = published_forward(base, *inputs, conditions, how)
        torch.testing.assert_close(plain, wanted, **TOLERANCE)

    @torch.no_grad()
    def test_remembered_conditions_give_the_published_ones(
        self, arrays: Arrays, layout: dict[str, Any]
    ) -> None:
        model, _ = model_with(layout["transformer_config"], gain=4.0)
        cache = model.encode(self.conditions(arrays, "bokeh_two_conditions"), arrays["pooled"])
        found = model(*self.inputs(arrays), caches=[cache])
        wanted = arrays["velocity_bokeh_independent_conditions"]
        torch.testing.assert_close(found, wanted, **TOLERANCE)

    def test_adapters_have_the_published_names_and_shapes(self, layout: dict[str, Any]) -> None:
        adapter = filled_adapter(FluxShape.of(layout["transformer_config"]))
        found = {name: list(tensor.shape) for name, tensor in adapter_state(adapter).items()}
        assert found == layout["lora"]


class TestInside:
    """genfocus_transformer: what is in every branch behind every block."""

    @pytest.fixture
    def arrays(self) -> Arrays:
        return conformance("genfocus_transformer")[0]

    @pytest.fixture
    def model(self) -> ConditionedFlux:
        config = described(conformance("genfocus_transformer")[1] / "config.json")
        return model_with(config["transformer"])[0]

    @staticmethod
    def condition(arrays: Arrays, which: str, adapter: str | None = "lora") -> Condition:
        return Condition(arrays[f"cond_{which}_tokens"], arrays[f"cond_{which}_ids"], adapter)

    @staticmethod
    def inputs(arrays: Arrays) -> tuple:
        prompt = Prompt(arrays["text_embeds"], arrays["pooled"])
        guidance = float(arrays["guidance_main"])
        return arrays["main_tokens"], arrays["main_ids"], arrays["timestep_main"], guidance, prompt

    def velocities(self, model: ConditionedFlux, arrays: Arrays) -> dict[str, Tensor]:
        def found(*conditions: Condition) -> Tensor:
            return model(*self.inputs(arrays), conditions)

        image, defocus = (self.condition(arrays, which) for which in ("img", "dmf"))
        shifted = arrays["predeblur_ids_shifted"]
        return {
            "nocond_out": found(),
            "plain_diffusers_forward": found(),
            "bokeh_out_lora": found(image, defocus),
            "bokeh_out_swapped": found(defocus, image),
            "bokeh_out_nolora": found(replace(image, adapter=None), replace(defocus, adapter=None)),
            "deblur_out_lora": found(image),
            "deblur_out_nolora": found(replace(image, adapter=None)),
            "predeblur_out_lora": found(replace(image, positions=shifted), defocus),
            "predeblur_out_swapped_tokens": found(replace(defocus, positions=shifted), image),
        }

    @torch.no_grad()
    def test_velocities(self, model: ConditionedFlux, arrays: Arrays) -> None:
        for name, found in self.velocities(model, arrays).items():
            torch.testing.assert_close(found, arrays[name], **TOLERANCE, msg=name)

    @torch.no_grad()
    def test_what_is_wrong_gives_other_velocities(
        self, model: ConditionedFlux, arrays: Arrays
    ) -> None:
        bokeh = self.velocities(model, arrays)["bokeh_out_lora"]
        for name in ("bokeh_out_fullmask_control", "bokeh_out_lora_on_all_branches_control"):
            assert (bokeh - arrays[name]).abs().amax() > 0.1, name
        together = [replace(self.condition(arrays, which), group=0) for which in ("img", "dmf")]
        found = model(*self.inputs(arrays), together)
        torch.testing.assert_close(found, arrays["bokeh_out_fullmask_control"], **TOLERANCE)

    @torch.no_grad()
    def test_every_branch_behind_every_block(self, model: ConditionedFlux, arrays: Arrays) -> None:
        behind: dict[str, Any] = {}
        for family in (model.transformer_blocks, model.single_transformer_blocks):
            for block in family:
                block.register_forward_hook(
                    lambda block, given, result: behind.update({block.path: (given, result)})
                )
        model(*self.inputs(arrays), [self.condition(arrays, "img"), self.condition(arrays, "dmf")])
        (embedded, text, _), _ = behind["transformer_blocks.0"]
        self.assert_image(embedded, arrays, "bokeh_embed")
        torch.testing.assert_close(text, arrays["bokeh_embed_txt"], **TOLERANCE)
        for index in range(2):
            _, (image, text) = behind[f"transformer_blocks.{index}"]
            self.assert_image(image, arrays, f"bokeh_double{index}")
            torch.testing.assert_close(text, arrays[f"bokeh_double{index}_txt"], **TOLERANCE)
        (_, step, _), first = behind["single_transformer_blocks.0"]
        _, last = behind["single_transformer_blocks.1"]
        self.assert_branches(first, arrays, "bokeh_single0")
        # In a pass the last block is asked for the picture alone.
        self.assert_branches(
            model.single_transformer_blocks[1](first, step), arrays, "bokeh_single1"
        )
        torch.testing.assert_close(last, arrays["bokeh_single1_branch1"], **TOLERANCE)

    @staticmethod
    def assert_image(found: Tensor, arrays: Arrays, prefix: str) -> None:
        """Our order is: first condition, picture, second condition."""
        wanted = torch.cat([arrays[f"{prefix}_img{index}"] for index in (1, 0, 2)], dim=1)
        torch.testing.assert_close(found, wanted, **TOLERANCE)

    @staticmethod
    def assert_branches(found: Tensor, arrays: Arrays, prefix: str) -> None:
        wanted = torch.cat([arrays[f"{prefix}_branch{index}"] for index in (2, 0, 1, 3)], dim=1)
        torch.testing.assert_close(found, wanted, **TOLERANCE)


class TestDenoising:
    """genfocus_loop: whole pictures and tiles, every step."""

    @pytest.fixture
    def arrays(self) -> Arrays:
        return conformance("genfocus_loop")[0]

    @pytest.fixture
    def model(self) -> ConditionedFlux:
        config = described(conformance("genfocus_loop")[1] / "config.json")
        return model_with(config["transformer"])[0]

    @pytest.mark.parametrize(
        "run", ["untiled_bokeh", "untiled_deblur", "tiled_bokeh", "tiled_deblur"]
    )
    def test_every_step(self, model: ConditionedFlux, arrays: Arrays, run: str) -> None:
        def of(name: str) -> Tensor:
            return arrays[f"{run}_{name}"]

        grid = tuple(of("grid").tolist())
        conditions = [
            Condition(of(name), image_positions(grid), "lora")
            for name in ("cond0", "cond1")
            if f"{run}_{name}" in arrays
        ]
        wanted_sigmas = of("sigmas")
        sigmas = flow_sigmas(len(wanted_sigmas) - 1, grid[0] * grid[1])
        torch.testing.assert_close(torch.tensor(sigmas), wanted_sigmas, atol=1e-6, rtol=0)
        denoiser = Denoiser(
            model,
            grid,
            Prompt(of("text"), of("pooled")),
            conditions,
            float(of("guidance")),
            tiling=Tiling() if run.startswith("tiled") else None,
        )
        steps: list[Step] = []
        final = denoised(of("x0"), sigmas, denoiser, steps.append)
        for step in steps:
            wanted = of(f"velocity_step{step.index}")
            torch.testing.assert_close(step.velocity, wanted, **TOLERANCE)
            wanted = of(f"latents_after_step{step.index}")
            torch.testing.assert_close(step.latents, wanted, **TOLERANCE)
        torch.testing.assert_close(final, of("final"), **TOLERANCE)

    @pytest.mark.parametrize("run", ["tiled_bokeh", "tiled_deblur"])
    def test_tiles_and_their_weights(self, arrays: Arrays, run: str) -> None:
        grid = tuple(arrays[f"{run}_grid"].tolist())
        every = tiles(grid, Tiling())
        found = {(tile.top, tile.left, tile.rows, tile.columns) for tile in every}
        assert found == {tuple(rect) for rect in arrays[f"{run}_tile_rects_yxhw"].tolist()}
        weight = blending_weight((32, 32))
        torch.testing.assert_close(weight[..., 0], arrays[f"{run}_tile_weight"])
        total = torch.zeros(1, grid[0] * grid[1], 1)
        for tile in every:
            tile.view(total, grid).add_(weight)
        torch.testing.assert_close(total[0, :, 0], arrays[f"{run}_weight_sum"].flatten())
