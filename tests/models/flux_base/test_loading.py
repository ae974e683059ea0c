"""Every layout of a base model gives the same model; other files are refused with the reason."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.models.flux.base import FluxBase
from focuspuller.models.flux.conditions import Condition
from focuspuller.models.flux.tokens import grid_of, image_positions, packed
from focuspuller.models.flux_base.files import base_files, install_tokenizers
from focuspuller.models.flux_base.loading import load_base
from focuspuller.models.flux_base.prompts import Prompts, load_prompts, save_prompts
from focuspuller.models.flux_base.stored import StoredLinear
from oracles.flux import filled_adapter, flux
from oracles.flux_base import (
    BASE_CONFIG,
    clip,
    encoder_tensors,
    original_transformer,
    prompt_of,
    save_file_of,
    save_gguf,
    t5,
    vae,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

TEXT = "a sharp photo with everything in focus"


def picture() -> Tensor:
    return torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))


def velocity(base: FluxBase, adapted: bool = True) -> Tensor:
    """A pass with one condition."""
    latents = base.encode(2 * picture() - 1)
    grid = grid_of(*latents.shape[-2:])
    tokens = packed(latents).to(base.dtype)
    condition = Condition(tokens, image_positions(grid), "bokeh" if adapted else None)
    adapters = {"bokeh": filled_adapter(base.shape)} if adapted else {}
    noise = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(2))
    with base.at_work(adapters) as model:
        return model(
            noise.to(tokens),
            image_positions(grid),
            torch.tensor([0.5]),
            1.0,  # Thousandths of this and of 0.5 are exact in bfloat16.
            base.encode_prompt(TEXT),
            [condition],
        )


@pytest.fixture(scope="module")
def expected() -> Tensor:
    """Of the model as it is in memory."""
    from focuspuller.models.flux.transformer import ConditionedFlux
    from focuspuller.models.flux_base.autoencoder import FluxAutoencoder
    from focuspuller.models.flux_base.text_encoders import TextEncoders

    cpu = torch.device("cpu")
    network = vae()
    base = FluxBase(
        "memory",
        ConditionedFlux(flux(BASE_CONFIG)),
        FluxAutoencoder(network, cpu, torch.float32),
        TextEncoders(clip(), t5(), as_tokenizer(CLIP_IDS), as_tokenizer(T5_IDS), cpu),
        cpu,
        torch.float32,
    )
    return velocity(base)


# What the tokenizers of `save_tokenizers` make of TEXT, written by hand: letters, the last of a
# word apart; and numbers of words.
LETTERS = sorted(set("".join(TEXT.split())))
CLIP_IDS = [
    38,
    *(
        LETTERS.index(letter) + (len(LETTERS) if place == len(word) - 1 else 0)
        for word in TEXT.split()
        for place, letter in enumerate(word)
    ),
]
CLIP_IDS += [39] * (77 - len(CLIP_IDS))
T5_IDS = [3, 4, 5, 6, 7, 8, 9, 1] + [0] * 504


def as_tokenizer(ids: list[int]):
    """Gives these."""

    class Encoded:
        input_ids = torch.tensor([ids])

    return lambda text, **settings: Encoded()


LAYOUTS = {
    "diffusers/FLUX.1-dev": 1e-5,
    "unet/flux1-dev.safetensors": 1e-5,
    "checkpoints/flux1-dev-fp8.safetensors": 1e-5,
    "unet/flux1-dev-bf16.safetensors": 0.02,
    "unet/flux1-dev-fp8.safetensors": 0.2,
    "unet/flux1-dev-Q8_0.gguf": 0.03,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same(layout, expected, folders, monkeypatch):
    if layout.endswith(".gguf"):
        pytest.importorskip("gguf", reason="GGUF files need the extra 'gguf'")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    base = load_base(base_files(folders / layout))
    error = (velocity(base) - expected).norm() / expected.norm()
    assert error < LAYOUTS[layout]


def refuse(*_: object) -> None:
    pytest.fail("asked the network")


def test_files_are_found_by_their_names(folders):
    files = base_files()
    assert files.transformer == folders / "unet" / "flux1-dev.safetensors"
    assert files.autoencoder == folders / "vae" / "ae.safetensors"
    assert files.clip == folders / "text_encoders" / "clip_l.safetensors"
    assert files.t5 == folders / "text_encoders" / "t5xxl_fp16.safetensors"


def test_all_in_one_files_bring_their_parts(folders):
    path = folders / "checkpoints" / "flux1-dev-fp8.safetensors"
    files = base_files(path)
    assert [files.autoencoder, files.clip, files.t5] == [path] * 3


@pytest.mark.parametrize("file", ["flux1-dev-fp8.safetensors", "flux1-dev-bf16.safetensors"])
def test_weights_stay_as_they_are_stored(file, folders):
    stored = load_file(folders / "unet" / file)
    base = load_base(base_files(folders / "unet" / file))
    layers = [one for one in base.transformer.modules() if isinstance(one, StoredLinear)]
    dtype = next(one.dtype for one in stored.values() if one.ndim == 2)
    assert len(layers) > 40
    assert {layer.stored.dtype for layer in layers} == {dtype}
    norms = base.transformer.transformer_blocks[0].get_submodule("block.attn.norm_q")
    assert norms.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["scale_weight", "weight_scale"])
def test_scaled_eight_bits(name, folders, expected, tmp_path):
    """As ComfyUI writes them: weights divided by a number of each layer, to use the range."""
    state = original_transformer(flux(BASE_CONFIG).state_dict())
    scaled = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for key, tensor in state.items():
        scaled[key] = tensor
        if tensor.ndim == 2:
            scale = tensor.abs().max() / 448
            scaled[key] = (tensor / scale).to(torch.float8_e4m3fn)
            scaled[key.replace(".weight", f".{name}")] = scale
            scaled[key.replace(".weight", ".input_scale")] = torch.tensor(1.0)
    save_file(scaled, tmp_path / "scaled.safetensors")
    found = velocity(load_base(base_files(tmp_path / "scaled.safetensors")))
    assert (found - expected).norm() / expected.norm() < 0.1


def test_computes_in_bfloat16(folders, expected):
    base = load_base(base_files(folders / "unet" / "flux1-dev.safetensors"), dtype=torch.bfloat16)
    assert base.encode_prompt(TEXT).tokens.dtype == torch.bfloat16
    found = velocity(base)
    assert found.dtype == torch.bfloat16
    assert (found - expected).norm() / expected.norm() < 0.05


def test_the_text_encoder_may_be_gguf_or_eight_bits(folders, tmp_path):
    state = encoder_tensors()
    llama = {llama_name(name): tensor for name, tensor in state.items()}
    exact = load_base(base_files()).encode_prompt(TEXT).tokens
    pytest.importorskip("gguf", reason="GGUF files need the extra 'gguf'")
    few = save_gguf(tmp_path / "t5.gguf", llama)
    small = save_file_of(tmp_path / "t5.safetensors", state, torch.float8_e4m3fn)
    for path, most in ((few, 0.03), (small, 0.2)):
        tokens = load_base(base_files(t5=path)).encode_prompt(TEXT).tokens
        error = (tokens - exact).norm() / exact.norm()
        assert 0 < error < most


def llama_name(name: str) -> str:
    names = {"shared.weight": "token_embd.weight"}
    names["encoder.final_layer_norm.weight"] = "enc.output_norm.weight"
    for index in range(2):
        block = f"encoder.block.{index}.layer"
        own = {
            **{f"0.SelfAttention.{one}": f"attn_{one}" for one in "qkvo"},
            "0.SelfAttention.relative_attention_bias": "attn_rel_b",
            "0.layer_norm": "attn_norm",
            "1.DenseReluDense.wi_0": "ffn_gate",
            "1.DenseReluDense.wi_1": "ffn_up",
            "1.DenseReluDense.wo": "ffn_down",
            "1.layer_norm": "ffn_norm",
        }
        for ours, theirs in own.items():
            names[f"{block}.{ours}.weight"] = f"enc.blk.{index}.{theirs}.weight"
    return names[name]


def test_the_autoencoder_is_that_of_the_publication(folders):
    base = load_base(base_files())
    network = vae()
    with torch.no_grad():
        mean = network.encode(2 * picture() - 1).latent_dist.mean
    latents = base.encode(2 * picture() - 1)
    torch.testing.assert_close(latents, (mean - 0.1159) * 0.3611)
    with torch.no_grad():
        pixels = network.decode(mean).sample
    torch.testing.assert_close(base.decode(latents), (pixels / 2 + 0.5).clamp(0, 1))


def test_a_generator_draws_from_the_latents_distribution(folders):
    base = load_base(base_files())
    pixels = 2 * picture() - 1
    one, same, other = (base.encode(pixels, torch.Generator().manual_seed(n)) for n in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_sizes_have_to_fit_the_latents(folders):
    with pytest.raises(InputError, match=r"20×16 px.*multiples of 8"):
        load_base(base_files()).encode(2 * torch.rand(1, 3, 16, 20) - 1)


def test_stored_prompts_need_no_encoders(folders, tmp_path):
    encoded = load_base(base_files()).encode_prompt(TEXT)
    save_prompts(tmp_path / "prompts.safetensors", {TEXT: encoded})
    (files,) = [base_files(prompts=tmp_path / "prompts.safetensors", t5=None)]
    known = Prompts(load_prompts(files.prompts), None)
    torch.testing.assert_close(known(TEXT).tokens, encoded.tokens, rtol=0.01, atol=0.01)
    torch.testing.assert_close(known(TEXT).pooled, encoded.pooled, rtol=0.01, atol=0.01)
    with pytest.raises(InputError, match=r"'another'.*'a sharp photo"):
        known("another")


def test_files_of_prompts_are_checked(tmp_path):
    save_file({"0.tokens": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(FileError, match="something else than encoded prompts"):
        load_prompts(tmp_path / "other.safetensors")
    with pytest.raises(FileError, match=r"suffix '\.txt'"):
        save_prompts(tmp_path / "prompts.txt", {"": prompt_of("")})


def test_a_prompt_is_encoded_once():
    asked = []
    prompts = Prompts({}, lambda: lambda text: asked.append(text) or prompt_of(text))
    assert prompts("one") is prompts("one")
    assert asked == ["one"]


def test_missing_parts_say_where_they_belong(folders, tmp_path):
    from focuspuller.models import places

    places.install_model_folders(lambda kind: [tmp_path / kind])
    with pytest.raises(FileError, match=r"flux1-dev\.safetensors.*non-commercial"):
        base_files()
    file = folders / "unet" / "flux1-dev.safetensors"
    with pytest.raises(FileError, match=r"ae\.safetensors.*vae"):
        base_files(file)
    base = load_base(base_files(file, folders / "vae" / "ae.safetensors"))
    with pytest.raises(FileError, match=r"clip_l\.safetensors.*text_encoders"):
        base.encode_prompt(TEXT)
    encoders = folders / "text_encoders"
    files = base_files(
        file,
        folders / "vae" / "ae.safetensors",
        encoders / "clip_l.safetensors",
        encoders / "t5xxl_fp16.safetensors",
    )
    with pytest.raises(FileError, match=r"flux_tokenizers: received no such folder"):
        load_base(files).encode_prompt(TEXT)
    tokenizers = tuple(encoders / "flux_tokenizers" / name for name in ("tokenizer", "tokenizer_2"))
    install_tokenizers(lambda: tokenizers)
    try:
        assert base_files(file, files.autoencoder).tokenizers == tokenizers
    finally:
        install_tokenizers(lambda: None)


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: one for key, one in state.items() if key != name}


WRONG = {
    "SDXL": (
        {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)},
        r"Stable Diffusion or SDXL, where FLUX' transformer belongs",
    ),
    "adapter": (
        {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.zeros(1, 1)},
        r"an adapter \(LoRA\)",
    ),
    "T5": ({"encoder.block.0.layer.0.SelfAttention.q.weight": torch.zeros(1, 1)}, "a T5 text"),
    "FLUX.2": (
        {
            "double_blocks.0.img_attn.qkv.weight": torch.zeros(3, 1),
            "double_stream_modulation_img.lin.weight": torch.zeros(3, 1),
        },
        r"FLUX\.2",
    ),
    "something": ({"weight": torch.zeros(1)}, "something else"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_other_models_are_named(kind, folders, tmp_path):
    state, message = WRONG[kind]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(FileError, match=message):
        load_base(base_files(tmp_path / "model.safetensors"))


def test_fill_and_the_like_are_refused(folders, tmp_path):
    config = {**BASE_CONFIG, "in_channels": 384, "out_channels": 64}
    state = original_transformer(flux(config).state_dict())
    save_file_of(tmp_path / "flux1-fill-dev.safetensors", state)
    with pytest.raises(FileError, match="reads 384 channels instead of 64, as Fill"):
        load_base(base_files(tmp_path / "flux1-fill-dev.safetensors"))


def test_schnell_takes_no_guidance(folders, tmp_path):
    state = {
        name: one
        for name, one in original_transformer(flux(BASE_CONFIG).state_dict()).items()
        if not name.startswith("guidance_in")
    }
    save_file_of(tmp_path / "flux1-schnell.safetensors", state)
    base = load_base(base_files(tmp_path / "flux1-schnell.safetensors"))
    assert not base.transformer.has_guidance
    assert velocity(base).isfinite().all()


def test_incomplete_files_are_refused(folders, tmp_path):
    state = original_transformer(flux(BASE_CONFIG).state_dict())
    lacking = without(state, "double_blocks.1.img_attn.qkv.weight")
    save_file_of(tmp_path / "lacking.safetensors", lacking)
    with pytest.raises(FileError, match=r"missing: transformer_blocks\.1\.attn\.to_q\.weight"):
        load_base(base_files(tmp_path / "lacking.safetensors"))
    whole = (folders / "unet" / "flux1-dev.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="cannot be read as weights"):
        base_files(tmp_path / "cut.safetensors")
    copy = shutil.copytree(folders / "diffusers" / "FLUX.1-dev", tmp_path / "folder")
    sorted((copy / "transformer").glob("*.safetensors"))[1].unlink()
    with pytest.raises(FileError, match=r"00002-of-.*does not exist"):
        load_base(base_files(copy))


def test_a_cut_gguf_file_is_refused(folders, tmp_path):
    pytest.importorskip("gguf", reason="GGUF files need the extra 'gguf'")
    whole = (folders / "unet" / "flux1-dev-Q8_0.gguf").read_bytes()
    path = Path(tmp_path / "cut.gguf")
    for length in (len(whole) // 2, 100):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match="GGUF file that cannot be read"):
            load_base(base_files(path))


def test_four_bits_of_other_kinds_are_refused(folders, tmp_path):
    state = original_transformer(flux(BASE_CONFIG).state_dict())
    state["single_blocks.0.linear2.weight"] = torch.zeros(256, 640, dtype=torch.uint8)
    save_file_of(tmp_path / "nf4.safetensors", without(state, ""))
    with pytest.raises(FileError, match=r"proj_out\.weight is stored in uint8"):
        load_base(base_files(tmp_path / "nf4.safetensors"))
