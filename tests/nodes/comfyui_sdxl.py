# ruff: noqa: E402, T201 - ComfyUI reads its options before it is imported.
"""Run by ComfyUI's Python in its folder: a CONDITIONING of its CLIP of SDXL beside our prompts.

    python comfyui_sdxl.py FOLDER_OF_OUR_PACKAGE

Both have the same tiny text encoders. Prints, as JSON, how far they are apart. ComfyUI recognises
checkpoints of SDXL by their full size, so the CLIP is made as its loader makes it, with sizes of
our own.
"""

import json
import sys

sys.path[:0] = ["."]
PACKAGE = sys.argv.pop()
sys.argv.append("--cpu")

import comfy.options

comfy.options.enable_args_parsing()

import comfy.sd
import comfy.sdxl_clip
import comfy_api.latest  # noqa: F401 - by which our package knows that it is inside ComfyUI
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

sys.path[:0] = [PACKAGE]

from focuspuller.models.sdxl.text import END, START, embedded_prompt
from focuspuller.nodes.generate import prompt_of_conditioning

TEXT = "a dog on the shore, out of focus lights behind it"
SIZES = {
    "l": {"hidden_size": 32, "intermediate_size": 64, "hidden_act": "quick_gelu"},
    "g": {"hidden_size": 64, "intermediate_size": 128, "hidden_act": "gelu"},
}
ALIKE = {"num_attention_heads": 4, "num_hidden_layers": 3}


class Target:
    """What ComfyUI's loader tells its CLIP of SDXL."""

    params: dict = {}  # noqa: RUF012
    clip = comfy.sdxl_clip.SDXLClipModel
    tokenizer = comfy.sdxl_clip.SDXLTokenizer


def encoder(kind: str) -> CLIPTextModel | CLIPTextModelWithProjection:
    """One with random weights."""
    sizes = SIZES[kind]
    config = CLIPTextConfig(
        **sizes, **ALIKE, projection_dim=sizes["hidden_size"], bos_token_id=START, eos_token_id=END
    )
    model = CLIPTextModel if kind == "l" else CLIPTextModelWithProjection
    return model(config).eval()


torch.manual_seed(0)
ours = {kind: encoder(kind) for kind in SIZES}
options = {f"clip_{kind}_model_config": {**sizes, **ALIKE} for kind, sizes in SIZES.items()}
clip = comfy.sd.CLIP(Target(), model_options={**options, "dtype": torch.float32})
for kind, one in ours.items():
    # Published files have the names of the first transformers, with "text_model.".
    state = {
        name if name.startswith("text_") else f"text_model.{name}": tensor
        for name, tensor in one.state_dict().items()
    }
    target = getattr(clip.cond_stage_model, f"clip_{kind}")
    missing, _ = target.transformer.load_state_dict(state, strict=False)
    assert set(missing) <= {"text_projection.weight"}, missing

tokens = clip.tokenize(TEXT)
found = prompt_of_conditioning(clip.encode_from_tokens_scheduled(tokens), "positive")
row = [int(one[0]) for one in tokens["l"][0]]
words = row[1 : row.index(END)]
wanted = embedded_prompt(words, ours["l"], ours["g"])
assert found is not None
errors = [float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True)]
shapes = [list(one.shape) for one in found]
print(json.dumps({"errors": errors, "shapes": shapes, "words": len(words)}))
