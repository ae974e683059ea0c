"""How much of a base model is on the device; "meta" stands for a GPU."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
import torch
from focuspuller.models import lending
from focuspuller.models.flux.adapters import FLUX_DEV
from focuspuller.models.flux.base import FluxBase, pass_bytes
from focuspuller.models.flux.conditions import Condition
from focuspuller.models.flux.tokens import image_positions
from focuspuller.models.flux_base.files import base_files
from focuspuller.models.flux_base.loading import load_base
from focuspuller.models.lending import PlainLender, weight_bytes
from focuspuller.models.streaming import tensors_of
from oracles.flux import filled_adapter
from oracles.flux_base import prompt_of, tiny_base

DEVICE = torch.device("meta")
GRID = (3, 4)


def bytes_on_device(base: FluxBase) -> int:
    tensors = tensors_of(list(base.transformer.modules())).values()
    return sum(one.nelement() * one.element_size() for one in tensors if one.device == DEVICE)


def peak_of_a_pass(base: FluxBase, room: float) -> int:
    """The most bytes of weights that are on a device with so much room, while it computes."""
    seen: list[int] = []
    hooks = [
        module.register_forward_pre_hook(lambda *_: seen.append(bytes_on_device(base)))
        for module in base.transformer.modules()
        if not list(module.children())
    ]
    lender = PlainLender(lambda device: room - bytes_on_device(base))
    base = replace(base, device=DEVICE, lend=lambda *given: lender.lent(*given))
    adapter = filled_adapter(base.shape, rank=1)
    condition = Condition(torch.zeros(1, 12, 64, device=DEVICE), image_positions(GRID), "bokeh")
    with base.at_work({"bokeh": adapter}, working_bytes=0) as model:
        tokens = torch.zeros(1, 12, 64, device=DEVICE, dtype=base.dtype)
        prompt = base.on_device(prompt_of("text"))
        time = torch.tensor([0.5], device=DEVICE)
        velocity = model(tokens, image_positions(GRID), time, 1.0, prompt, [condition])
    assert velocity.device == DEVICE
    for hook in hooks:
        hook.remove()
    del adapter  # Nothing can come back from this device.
    gc.collect()
    lender.free()
    assert bytes_on_device(base) == 0
    return max(seen)


def of_one_block(base: FluxBase) -> tuple[int, int]:
    """Bytes of the largest block, and of all that is in no block."""
    model = base.transformer
    blocks = [*model.transformer_blocks, *model.single_transformer_blocks]
    sizes = [weight_bytes(block) for block in blocks]
    return max(sizes), weight_bytes(model) - sum(sizes)


@pytest.mark.parametrize("sparing", [True, False])
def test_the_largest_block_sets_the_peak(sparing):
    base = replace(tiny_base(), sparing=sparing)
    largest, outside = of_one_block(base)
    adapter = weight_bytes(filled_adapter(base.shape, rank=1))
    peak = peak_of_a_pass(base, 1e12 if sparing else 0)
    assert largest < peak <= largest + outside + adapter
    assert peak < 0.5 * weight_bytes(base.transformer)


def test_all_of_it_is_there_where_it_fits():
    base = tiny_base()
    assert peak_of_a_pass(base, 1e12) >= weight_bytes(base.transformer)


@pytest.mark.parametrize("file", ["flux1-dev-fp8.safetensors", "flux1-dev-Q8_0.gguf"])
def test_what_is_stored_in_few_bits_comes_in_few_bits(file, folders):
    if file.endswith(".gguf"):
        pytest.importorskip("gguf", reason="GGUF files need the extra 'gguf'")
    base = load_base(base_files(folders / "unet" / file))
    assert weight_bytes(base.transformer) < 0.3 * weight_bytes(tiny_base().transformer)
    if file.endswith(".gguf"):
        return  # Dequantizing looks at values, which the device "meta" has none of.
    peak = peak_of_a_pass(base, 0)
    assert peak < 0.3 * peak_of_a_pass(tiny_base(), 0)


def test_adapters_come_and_go():
    base = tiny_base()
    with base.at_work({"bokeh": filled_adapter(base.shape)}) as model:
        assert list(model.adapters) == ["bokeh"]
    assert not list(base.transformer.adapters)
    with pytest.raises(ZeroDivisionError), base.at_work({"x": filled_adapter(base.shape)}):
        raise ZeroDivisionError
    assert not list(base.transformer.adapters)


def test_the_estimate_of_a_pass_is_that_of_the_published_size():
    """Three megapixels of tokens: a picture of 1024² with two conditions, and the prompt."""
    tokens = 3 * 4096 + 512
    needed = pass_bytes(FLUX_DEV, tokens, torch.bfloat16)
    assert 1.5e9 < needed < 4e9
    assert pass_bytes(FLUX_DEV, tokens, torch.bfloat16, batch=2) == 2 * needed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_never_holds_the_model():
    base = tiny_base()
    largest, outside = of_one_block(base)
    cuda = replace(base, device=torch.device("cuda:0"), sparing=True)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    inputs = torch.randn(1, 12, 64), image_positions(GRID), torch.tensor([0.5]), 1.0
    on_gpu = (one.cuda() if isinstance(one, torch.Tensor) else one for one in inputs)
    with base.at_work({}) as model:
        expected = model(*inputs, prompt_of("text"))
    with cuda.at_work({}) as model:
        found = model(*on_gpu, cuda.on_device(prompt_of("text")))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)
    peak = torch.cuda.max_memory_allocated() - before
    assert peak < 3 * largest + outside
    lending.current_lender().free()
    assert torch.cuda.memory_allocated() - before < largest
