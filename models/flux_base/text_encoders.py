"""FLUX' two text encoders and their tokenizers, from files that people have."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FileError, MissingDependencyError
from ..flux.conditions import Prompt
from ..layout import Findings
from ..lending import lent
from .original import without_prefix
from .reading import findings_between, fitted, other_model, read_weights
from .stored import fill, true_shape

T5_TOKENS, CLIP_TOKENS = 512, 77
CLIP_HEAD_CHANNELS = 64
ADVICE_T5 = "Give a T5 XXL encoder, such as t5xxl_fp16.safetensors."
ADVICE_CLIP = "Give CLIP-L, such as clip_l.safetensors."
# Where files keep an encoder's tensors.
_T5_PREFIXES = ("text_encoders.t5xxl.transformer.", "text_encoders.t5xxl.", "")
_CLIP_PREFIXES = ("text_encoders.clip_l.transformer.", "text_encoders.clip_l.", "")
_T5_MARK, _CLIP_MARK = "encoder.block.0.", "encoder.layers.0."
_LAYER = re.compile(r"^encoder\.(?:block|layers)\.(\d+)\.")
# llama.cpp's names, as GGUF files of T5 have them.
_LLAMA = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^token_embd\.", "shared."),
        (r"^enc\.output_norm\.", "encoder.final_layer_norm."),
        (r"^enc\.blk\.(\d+)\.attn_([qkvo])\.", r"encoder.block.\1.layer.0.SelfAttention.\2."),
        (
            r"^enc\.blk\.(\d+)\.attn_rel_b\.",
            r"encoder.block.\1.layer.0.SelfAttention.relative_attention_bias.",
        ),
        (r"^enc\.blk\.(\d+)\.attn_norm\.", r"encoder.block.\1.layer.0.layer_norm."),
        (r"^enc\.blk\.(\d+)\.ffn_gate\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_0."),
        (r"^enc\.blk\.(\d+)\.ffn_up\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_1."),
        (r"^enc\.blk\.(\d+)\.ffn_down\.", r"encoder.block.\1.layer.1.DenseReluDense.wo."),
        (r"^enc\.blk\.(\d+)\.ffn_norm\.", r"encoder.block.\1.layer.1.layer_norm."),
    )
)


@dataclass(frozen=True, eq=False)
class TextEncoders:
    """Encodes prompts as FLUX' publication does: 512 tokens of T5, and CLIP's pooled vector.

    Args:
        clip: transformers' `CLIPTextModel`.
        t5: transformers' `T5EncoderModel`.
        clip_tokenizer: of the first.
        t5_tokenizer: of the second.
        device: where they compute; they are there only meanwhile, one after the other.
    """

    clip: Any
    t5: Any
    clip_tokenizer: Any
    t5_tokenizer: Any
    device: torch.device

    @torch.no_grad()
    def __call__(self, text: str) -> Prompt:
        """The prompt, float32 on the CPU."""
        ids = _ids(self.clip_tokenizer, text, CLIP_TOKENS).to(self.device)
        with lent(self.clip, self.device):
            pooled = self.clip(ids).pooler_output.float().cpu()
        ids = _ids(self.t5_tokenizer, text, T5_TOKENS).to(self.device)
        with lent(self.t5, self.device):
            tokens = self.t5(ids).last_hidden_state.float().cpu()
        return Prompt(tokens, pooled)


def load_t5(path: Path, dtype: torch.dtype) -> nn.Module:
    """T5's encoder on the CPU, from `.safetensors`, `.gguf`, or transformers' folder.

    Raises:
        FileError: the file is missing, damaged, or of another model.
        MissingDependencyError: without the libraries of the extra "diffusion", or "gguf".
    """
    state = _t5_state(path)
    network: Any = fitted(path, state, lambda: _made_t5(path, state), "T5 XXL", ADVICE_T5)
    fill(network, state, dtype)
    network.tie_weights()
    network.streamed_blocks = ("encoder.block",)
    return network


def load_clip(path: Path, dtype: torch.dtype) -> nn.Module:
    """CLIP-L's text encoder on the CPU, from `.safetensors` or transformers' folder.

    Raises:
        FileError: the file is missing, damaged, or of another model.
        MissingDependencyError: without the libraries of the extra "diffusion".
    """
    state = _clip_state(path)
    make = _clip_maker(path, state)
    state = _as_named(state, make)
    network = fitted(path, state, make, "CLIP-L's text encoder", ADVICE_CLIP)
    fill(network, state, dtype)
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:  # Numbers of positions, which no file holds.
            owner, _, own = name.rpartition(".")
            network.get_submodule(owner)._buffers[own] = torch.arange(buffer.shape[-1])[None]
    return network


def load_tokenizer(folder: Path, name: str) -> Any:
    """transformers' `CLIPTokenizer` or `T5TokenizerFast` of a folder.

    Raises:
        FileError: it holds none.
        MissingDependencyError: without the libraries of the extra "networks".
    """
    try:
        import transformers
    except ImportError as error:
        raise _no_transformers(folder) from error
    try:
        return getattr(transformers, name).from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # A damaged file can raise anything.
        reason = str(error).partition("\n")[0]
        received = f"a folder that holds no tokenizer that can be read ({reason})"
        advice = "Copy tokenizer and tokenizer_2 of FLUX.1-dev with all their files."
        raise FileError(str(folder), received, advice) from error


def check_t5(path: Path) -> Findings:
    """What does not fit in a file or folder of T5's encoder."""
    state = _t5_state(path)
    with torch.device("meta"):
        return findings_between(state, _made_t5(path, state))


def check_clip(path: Path) -> Findings:
    """What does not fit in a file or folder of CLIP-L's text encoder."""
    state = _clip_state(path)
    make = _clip_maker(path, state)
    with torch.device("meta"):
        return findings_between(_as_named(state, make), make())


def holds_text_encoders(path: Path) -> bool:
    """Whether a file holds both, beside other models."""
    if path.suffix.lower() != ".safetensors":
        return False
    state = read_weights(path)
    return bool(_own(state, _T5_PREFIXES[:2], _T5_MARK) and _clip_of(state, _CLIP_PREFIXES[:2]))


def _ids(tokenizer: Any, text: str, count: int) -> Tensor:
    return tokenizer(
        text, padding="max_length", max_length=count, truncation=True, return_tensors="pt"
    ).input_ids


def _t5_state(path: Path) -> dict[str, Tensor]:
    own = path / "text_encoder_2" if (path / "text_encoder_2").is_dir() else path
    everything = read_weights(own)
    state = _own(_from_llama(everything), _T5_PREFIXES, _T5_MARK)
    if state is None:
        raise other_model(own, everything, "T5's encoder", ADVICE_T5)
    # The embedding of tokens has two names, and some files hold a decoder's as well.
    table = state.pop("encoder.embed_tokens.weight", None)
    if table is not None:
        state.setdefault("shared.weight", table)
    if "shared.weight" in state:
        state["encoder.embed_tokens.weight"] = state["shared.weight"]
    needless = ("decoder.", "lm_head.", "logit_scale")
    return {name: one for name, one in state.items() if not name.startswith(needless)}


def _clip_state(path: Path) -> dict[str, Tensor]:
    own = path / "text_encoder" if (path / "text_encoder").is_dir() else path
    everything = read_weights(own)
    state = _clip_of(everything, _CLIP_PREFIXES)
    if state is None:
        raise other_model(own, everything, "CLIP-L's text encoder", ADVICE_CLIP)
    needless = ("text_projection", "logit_scale", "embeddings.position_ids", "visual")
    return {name: one for name, one in state.items() if not name.startswith(needless)}


def _clip_of(everything: dict[str, Tensor], prefixes: Sequence[str]) -> dict[str, Tensor] | None:
    with_name = [prefix + "text_model." for prefix in prefixes]
    return _own(everything, [*with_name, *prefixes], _CLIP_MARK)


def _own(
    everything: dict[str, Tensor], prefixes: Sequence[str], mark: str
) -> dict[str, Tensor] | None:
    for prefix in prefixes:
        if any(name.startswith(prefix + mark) for name in everything):
            return without_prefix(everything, prefix)
    return None


def _from_llama(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if "token_embd.weight" not in state:
        return state
    converted = {}
    for name, tensor in state.items():
        own = name
        for pattern, replacement in _LLAMA:
            own = pattern.sub(replacement, own)
        converted[own] = tensor
    return converted


def _as_named(state: dict[str, Tensor], make: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Older versions of transformers put `text_model.` before the names."""
    with torch.device("meta"):
        nested = any(name.startswith("text_model.") for name in make().state_dict())
    return {f"text_model.{name}": one for name, one in state.items()} if nested else state


def _made_t5(path: Path, state: dict[str, Tensor]) -> nn.Module:
    try:
        from transformers import T5Config, T5EncoderModel
    except ImportError as error:
        raise _no_transformers(path) from error
    attention = "encoder.block.0.layer.0.SelfAttention"
    buckets, heads = _shape(state, f"{attention}.relative_attention_bias.weight")
    vocabulary, width = _shape(state, "shared.weight")
    config = T5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=_shape(state, f"{attention}.q.weight")[0] // heads,
        d_ff=_shape(state, "encoder.block.0.layer.1.DenseReluDense.wi_0.weight")[0],
        num_layers=_layers(state),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config)


def _clip_maker(path: Path, state: dict[str, Tensor]) -> Callable[[], nn.Module]:
    try:
        from transformers import CLIPTextConfig, CLIPTextModel
    except ImportError as error:
        raise _no_transformers(path) from error
    vocabulary, width = _shape(state, "embeddings.token_embedding.weight")
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=_shape(state, "encoder.layers.0.mlp.fc1.weight")[0],
        projection_dim=width,
        num_hidden_layers=_layers(state),
        num_attention_heads=max(width // CLIP_HEAD_CHANNELS, 1),
        max_position_embeddings=_shape(state, "embeddings.position_embedding.weight")[0],
        # The end of the text is the token of the highest number; 2 says so for historic reasons.
        bos_token_id=0,
        eos_token_id=2,
    )
    return lambda: CLIPTextModel(config)


def _layers(state: dict[str, Tensor]) -> int:
    return 1 + max(int(match[1]) for name in state if (match := _LAYER.match(name)))


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, int]:
    """Of a matrix; ones where it is missing, which the comparison then reports."""
    shape = true_shape(state[name]) if name in state else ()
    return (shape[0], shape[1]) if len(shape) == 2 else (1, 1)


def _no_transformers(path: Path) -> MissingDependencyError:
    return MissingDependencyError(
        str(path),
        "a text encoder of the library transformers, which is not installed",
        "Run `pip install focuspuller[diffusion]`.",
    )
