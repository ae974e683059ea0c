# ruff: noqa: E402, T201 - ComfyUI reads its options before it is imported.
"""Run by ComfyUI's Python in its folder: its own FLUX beside our forward over the same modules.

    python comfyui_flux.py FOLDER_OF_OUR_PACKAGE

Prints, as JSON, how far both are apart, and what ComfyUI had loaded.
"""

import json
import sys

sys.path[:0] = ["."]
PACKAGE = sys.argv.pop()
sys.argv.append("--cpu")

import comfy.options

comfy.options.enable_args_parsing()

import comfy.ldm.flux.model
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import comfy_api.latest  # noqa: F401 - by which our package knows that it is inside ComfyUI
import torch

sys.path[:0] = [PACKAGE]

from focuspuller.models.flux.adapters import adaptable_layers, new_adapter
from focuspuller.models.flux.conditions import Condition, Prompt
from focuspuller.models.flux.tokens import grid_of, image_positions, packed, unpacked
from focuspuller.nodes.native_flux import native_base

CONFIG = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "vec_in_dim": 64,
    "context_in_dim": 32,
    "hidden_size": 256,
    "mlp_ratio": 4.0,
    "num_heads": 2,
    "depth": 2,
    "depth_single_blocks": 2,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
    "guidance_embed": True,
}


def comfyui_model() -> comfy.model_patcher.ModelPatcher:
    """A MODEL with random weights."""
    config = comfy.supported_models.Flux(dict(CONFIG))
    config.unet_config |= {"dtype": torch.float32}
    if "txt_ids_dims" in comfy.ldm.flux.model.FluxParams.__dataclass_fields__:
        config.unet_config["txt_ids_dims"] = []  # Later versions ask for it.
    config.set_inference_dtype(torch.float32, None)
    model = comfy.model_base.Flux(config)
    torch.manual_seed(0)
    for parameter in model.diffusion_model.parameters():
        spread = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.data = spread * torch.randn_like(parameter)
    device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.ModelPatcher(model, device, torch.device("cpu"))


@torch.inference_mode()
def main() -> None:
    patcher = comfyui_model()
    base = native_base(patcher, None, None)
    latent, text, pooled = torch.randn(1, 16, 8, 12), torch.randn(1, 10, 32), torch.randn(1, 64)
    time, guidance = torch.tensor([0.5]), torch.tensor([3.5])
    positions = image_positions(grid_of(8, 12))
    adapter = new_adapter(adaptable_layers(base.shape), 4)
    with base.at_work({"bokeh": adapter}) as transformer:
        theirs = patcher.model.diffusion_model(latent, time, text, pooled, guidance)
        inputs = packed(latent), positions, time, 3.5, base.on_device(Prompt(text, pooled))
        ours = unpacked(transformer(*inputs), 8, 12)
        condition = Condition(packed(latent), positions, "bokeh")
        conditioned = unpacked(transformer(*inputs, [condition]), 8, 12)
    loaded = [
        type(one.model.model).__name__ for one in comfy.model_management.current_loaded_models
    ]
    size = theirs.abs().max()
    result = {
        "error": float((ours - theirs).abs().max() / size),
        "change": float((conditioned - theirs).abs().max() / size),
        "loaded": loaded,
    }
    print(json.dumps(result))


main()
