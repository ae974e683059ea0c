"""The forward over all tokens against the plain one, for conditions of every sort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from flux_published import add_peft_adapter, published_forward
from focuspuller.errors import InputError
from focuspuller.models.flux.adapters import Adapter, adaptable_layers, new_adapter
from focuspuller.models.flux.attention import ConditionCache
from focuspuller.models.flux.blocks import limited
from focuspuller.models.flux.conditions import Condition, Prompt, Visibility
from focuspuller.models.flux.layout import adapter_state
from focuspuller.models.flux.tokens import image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from oracles.flux import CONFIG, SHAPE, condition, flux, inputs
from torch import Tensor

SETS: dict[str, list[Condition]] = {
    "none": [],
    "one": [condition(2)],
    "two": [condition(2), condition(3)],
    "without adapter": [condition(2, adapter=None), condition(3)],
    "three, one small with its own adapter": [
        condition(2),
        condition(3),
        condition(4, (2, 2), adapter="aperture", positions=image_positions((2, 2), (0, -2))),
    ],
    "another timestep and guidance": [condition(2, timestep=0.3), condition(3, guidance=4.0)],
    "four": [condition(seed) for seed in range(4)],
}
pytestmark = pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
TOLERANCE = {"atol": 2e-5, "rtol": 1e-5}


def plain_base(model: ConditionedFlux):
    base = flux()
    for name, adapter in model.adapters.items():
        add_peft_adapter(base, name, adapter_state(adapter))
    base.set_adapters(list(model.adapters))
    return base


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("name", SETS)
@torch.no_grad()
def test_it_is_the_plain_forward(model: ConditionedFlux, name: str, visibility: Visibility) -> None:
    given = inputs().arguments
    wanted = published_forward(plain_base(model), *given, SETS[name], visibility)
    torch.testing.assert_close(model(*given, SETS[name], visibility), wanted, **TOLERANCE)


@torch.no_grad()
def test_conditions_and_their_adapters_matter(model: ConditionedFlux) -> None:
    given = inputs().arguments
    one = condition(2)
    found = [
        model(*given, conditions)
        for conditions in (
            [],
            [one],
            [replace(one, adapter=None)],
            [replace(one, adapter="aperture")],
            [replace(one, positions=image_positions((4, 6), (0, 6)))],
            [replace(one, timestep=0.5)],
            [replace(one, tokens=-one.tokens)],
        )
    ]
    for index, first in enumerate(found):
        for second in found[index + 1 :]:
            assert (first - second).abs().amax() > 1e-3


@torch.no_grad()
def test_pictures_of_a_batch_do_not_know_each_other(model: ConditionedFlux) -> None:
    batch = inputs(batch=3)
    conditions = [condition(2, batch=3), condition(3)]
    together = model(*batch.arguments, conditions)
    for index in range(3):
        own = slice(index, index + 1)
        prompt = Prompt(batch.prompt.tokens[own], batch.prompt.pooled[own])
        first = replace(conditions[0], tokens=conditions[0].tokens[own])
        alone = model(
            batch.picture[own],
            batch.positions,
            batch.timestep[own],
            batch.guidance,
            prompt,
            [first, conditions[1]],
        )
        torch.testing.assert_close(together[own], alone, **TOLERANCE)


@torch.no_grad()
def test_one_prompt_serves_a_batch(model: ConditionedFlux) -> None:
    given, one = inputs(batch=2), inputs().prompt
    twice = Prompt(one.tokens.repeat(2, 1, 1), one.pooled.repeat(2, 1))
    found = model(*replace(given, prompt=one).arguments, SETS["two"])
    torch.testing.assert_close(
        found, model(*replace(given, prompt=twice).arguments, SETS["two"]), **TOLERANCE
    )


@torch.no_grad()
def test_embedded_tokens_skip_the_embedding_only(model: ConditionedFlux) -> None:
    given, plain = inputs().arguments, condition(2)
    tokens = model.x_embedder(plain.tokens)
    model.adapters["bokeh"].add_updates(["x_embedder"], plain.tokens, [tokens])
    embedded = replace(plain, tokens=tokens, embedded=True)
    torch.testing.assert_close(model(*given, [embedded]), model(*given, [plain]), **TOLERANCE)


@torch.no_grad()
def test_updates_are_scaled(model: ConditionedFlux) -> None:
    """Half the scale is half the second factor."""
    given, conditions = inputs().arguments, SETS["two"]
    layers = adaptable_layers(SHAPE)
    scaled = Adapter(layers, 4, dict.fromkeys(layers, 0.5))
    scaled.load_state_dict(model.adapters["bokeh"].state_dict())
    for name, parameter in model.adapters["bokeh"].named_parameters():
        parameter.mul_(0.5 if "lora_B" in name else 1.0)
    wanted = model(*given, conditions)
    model.adapters["bokeh"] = scaled
    torch.testing.assert_close(model(*given, conditions), wanted, **TOLERANCE)


@torch.no_grad()
def test_models_without_guidance() -> None:
    model = ConditionedFlux(flux({**CONFIG, "guidance_embeds": False}))
    given, conditions = inputs(), [condition(2, adapter=None)]
    found = model(*given.arguments, conditions)
    assert torch.equal(found, model(*replace(given, guidance=9.0).arguments, conditions))


@torch.no_grad()
def test_half_precision_is_no_farther_from_the_truth_than_the_plain_forward(
    model: ConditionedFlux,
) -> None:
    # A timestep and a guidance whose thousandths bfloat16 holds.
    given, conditions = replace(inputs(), timestep=torch.tensor([0.5]), guidance=2.0), SETS["two"]
    exact = model(*given.arguments, conditions)
    base = plain_base(model).bfloat16()
    model.bfloat16()
    prompt = Prompt(given.prompt.tokens.bfloat16(), given.prompt.pooled.bfloat16())
    rounded = replace(given, picture=given.picture.bfloat16(), prompt=prompt).arguments
    conditions = [replace(one, tokens=one.tokens.bfloat16()) for one in conditions]
    half = model(*rounded, conditions)
    assert half.dtype == torch.bfloat16
    off, plain_off, between = (
        float((one.float() - other.float()).square().mean().sqrt())
        for one, other in [
            (half, exact),
            (published_forward(base, *rounded, conditions), exact),
            (half, published_forward(base, *rounded, conditions)),
        ]
    )
    assert off < 1.1 * plain_off
    assert between < 1.5 * plain_off
    assert off < 0.03 * float(exact.square().mean().sqrt())


def test_float16_stays_within_its_range() -> None:
    found = limited(torch.tensor([-torch.inf, 1.5, torch.inf], dtype=torch.float16))
    assert found.tolist() == [-65504.0, 1.5, 65504.0]
    assert limited(torch.tensor([torch.inf])).isinf().all()


@torch.no_grad()
def test_blocks_limit_float16(model: ConditionedFlux) -> None:
    """A block whose result is too large: as in diffusers it does not become infinite."""
    given, conditions = inputs(), SETS["two"]
    for block in (*model.transformer_blocks, *model.single_transformer_blocks):
        for name in ("ff.net.2", "proj_out", "ff_context.net.2"):
            if name in dict(block.block.named_modules()):
                block.block.get_submodule(name).bias.fill_(6e4)
    behind = []
    for block in (*model.transformer_blocks, *model.single_transformer_blocks):
        block.register_forward_hook(lambda _, __, found: behind.append(found))
    model.half()
    model(
        given.picture.half(),
        given.positions,
        given.timestep,
        given.guidance,
        Prompt(given.prompt.tokens.half(), given.prompt.pooled.half()),
        [replace(one, tokens=one.tokens.half()) for one in conditions],
    )
    tensors = [one for found in behind for one in (found if isinstance(found, tuple) else [found])]
    assert max(float(one.abs().amax()) for one in tensors) == 65504.0


class TestRemembering:
    @pytest.mark.parametrize("name", [name for name in SETS if name != "none"])
    @torch.no_grad()
    def test_independent_conditions_are_the_same_in_every_step(
        self, model: ConditionedFlux, name: str
    ) -> None:
        conditions, given = SETS[name], inputs()
        cache = model.encode(conditions, given.prompt.pooled)
        record = ConditionCache()
        model(*given.arguments, conditions, Visibility.INDEPENDENT, record=record)
        later = replace(given, timestep=torch.tensor([0.2]), picture=given.picture.flip(1))
        wanted = model(*later.arguments, conditions, Visibility.INDEPENDENT)
        for remembered in (cache, record):
            found = model(*later.arguments, caches=[remembered])
            torch.testing.assert_close(found, wanted, **TOLERANCE)

    @torch.no_grad()
    def test_published_conditions_are_those_of_the_step_that_was_recorded(
        self, model: ConditionedFlux
    ) -> None:
        conditions, given = SETS["two"], inputs()
        record = ConditionCache()
        wanted = model(*given.arguments, conditions, record=record)
        torch.testing.assert_close(model(*given.arguments, caches=[record]), wanted, **TOLERANCE)
        later = replace(given, timestep=torch.tensor([0.2]))
        off = model(*later.arguments, caches=[record]) - model(*later.arguments, conditions)
        assert off.abs().amax() > 1e-3

    @torch.no_grad()
    def test_one_cache_serves_a_batch(self, model: ConditionedFlux) -> None:
        given = inputs(batch=2)
        cache = model.encode(SETS["two"], inputs().prompt.pooled)
        same = replace(given, prompt=inputs().prompt)
        wanted = model(*same.arguments, SETS["two"], Visibility.INDEPENDENT)
        torch.testing.assert_close(model(*same.arguments, caches=[cache]), wanted, **TOLERANCE)

    @torch.no_grad()
    def test_a_cache_holds_the_tokens_of_conditions_alone(self, model: ConditionedFlux) -> None:
        record = ConditionCache()
        model(*inputs().arguments, SETS["two"], record=record)
        blocks, tokens = 4, 48
        assert record.bytes() == blocks * 2 * tokens * SHAPE.width * 4

    def test_conditions_beside_a_cache_are_refused(self, model: ConditionedFlux) -> None:
        with pytest.raises(InputError, match="Give one of the two"):
            model(*inputs().arguments, SETS["one"], caches=[ConditionCache()])


def test_an_adapter_that_is_not_there_is_named(model: ConditionedFlux) -> None:
    with pytest.raises(InputError, match=r"'deblur' \(loaded: bokeh, aperture\)"):
        model(*inputs().arguments, [condition(2, adapter="deblur")])


class TestOffloading:
    """diffusers' hooks take weights to a disk and bring them back when a module is called."""

    @pytest.mark.parametrize("kind", ["block_level", "leaf_level"])
    @torch.no_grad()
    def test_weights_are_there_when_they_are_needed(
        self, model: ConditionedFlux, tmp_path: Path, kind: str
    ) -> None:
        from diffusers.hooks import apply_group_offloading

        given, conditions = inputs(), SETS["two"]
        wanted = model(*given.arguments, conditions, Visibility.INDEPENDENT)
        apply_group_offloading(
            model,
            onload_device=torch.device("cpu"),
            offload_device=torch.device("cpu"),
            offload_type=kind,
            num_blocks_per_group=1 if kind == "block_level" else None,
            offload_to_disk_path=str(tmp_path),
        )
        assert list(tmp_path.iterdir())
        cache = model.encode(conditions, given.prompt.pooled)
        for found in (
            model(*given.arguments, caches=[cache]),
            model(*given.arguments, conditions, Visibility.INDEPENDENT),
        ):
            torch.testing.assert_close(found, wanted, **TOLERANCE)


class TestTraining:
    @staticmethod
    def gradients(model: ConditionedFlux, name: str) -> dict[str, Tensor]:
        for adapter in model.adapters.values():
            adapter.requires_grad_(True).zero_grad()
        model(*inputs().arguments, SETS[name]).square().sum().backward()
        return {
            f"{which}.{key}": parameter.grad.clone()
            for which, adapter in model.adapters.items()
            for key, parameter in adapter.named_parameters()
            if parameter.grad is not None
        }

    @pytest.mark.parametrize("name", ["two", "three, one small with its own adapter"])
    def test_gradients_are_those_of_the_plain_forward(
        self, model: ConditionedFlux, name: str
    ) -> None:
        found = self.gradients(model, name)
        base = plain_base(model)
        published_forward(base, *inputs().arguments, SETS[name]).square().sum().backward()
        wanted = dict(base.named_parameters())
        assert any(key.startswith("aperture") for key in found) == ("own adapter" in name)
        for key, gradient in found.items():
            which, _, parameter = key.partition(".")
            theirs = wanted[parameter.removesuffix("weight") + f"{which}.weight"].grad
            scale = max(float(theirs.abs().amax()), 1.0)
            torch.testing.assert_close(gradient / scale, theirs / scale, atol=1e-4, rtol=1e-4)

    def test_checkpointing_changes_no_gradient(self, model: ConditionedFlux) -> None:
        wanted = self.gradients(model, "two")
        model.gradient_checkpointing = True
        found = self.gradients(model, "two")
        assert found.keys() == wanted.keys()
        for key, gradient in found.items():
            torch.testing.assert_close(gradient, wanted[key], msg=key)

    def test_the_base_model_gets_no_gradient(self, model: ConditionedFlux) -> None:
        self.gradients(model, "two")
        own = {id(parameter) for parameter in model.adapters.parameters()}
        others = [one for one in model.parameters() if id(one) not in own]
        assert others
        assert all(one.grad is None for one in others)

    @torch.no_grad()
    def test_a_new_adapter_changes_nothing_until_it_is_trained(
        self, model: ConditionedFlux
    ) -> None:
        seeded = torch.Generator().manual_seed(4)
        model.adapters["new"] = new_adapter(adaptable_layers(SHAPE), 4, seeded)
        given, one = inputs().arguments, condition(2, adapter="new")
        without = model(*given, [replace(one, adapter=None)])
        torch.testing.assert_close(model(*given, [one]), without)
        assert model.adapters["new"].get_parameter("x_embedder.lora_A.weight").std() > 0.1

    def test_training_lowers_the_loss(self, model: ConditionedFlux) -> None:
        adapter = new_adapter(adaptable_layers(SHAPE), 4, torch.Generator().manual_seed(4))
        model.adapters["new"] = adapter
        given, one = inputs(), condition(2, adapter="new")
        optimizer = torch.optim.Adam(adapter.parameters(), 1e-2)
        losses = []
        for _ in range(12):
            loss = (model(*given.arguments, [one]) - one.tokens).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.8 * losses[0]
