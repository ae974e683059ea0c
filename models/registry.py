"""The one list of weights: what they are, where they come from and who brings them.

Loaders, errors, nodes, the command line and docs/models.md read it. To add weights, add a `Weights`
here; `models/weights.py` says what its fields mean.
"""

from __future__ import annotations

from ..errors import InputError
from .perceptual.published import JUDGES
from .weights import Hub, Weights

_BOKEHME = "https://github.com/JuewenPeng/BokehMe"
_BOKEHME_LICENCE = "unclear: none of its own; the code was published as MIT and as non-commercial"

BOKEHME_ARNET = Weights(
    name="bokehme-arnet",
    network="BokehMe's ARNet",
    files=("arnet.pth",),
    folders=("bokehme",),
    source=_BOKEHME,
    licence=_BOKEHME_LICENCE,
    downloads=f"{_BOKEHME}/raw/HEAD/checkpoints",
    other_names=("arnet.safetensors",),
    check="models.bokehme.layout:check_arnet",
)
BOKEHME_IUNET = Weights(
    name="bokehme-iunet",
    network="BokehMe's IUNet",
    files=("iunet.pth",),
    folders=("bokehme",),
    source=_BOKEHME,
    licence=_BOKEHME_LICENCE,
    downloads=f"{_BOKEHME}/raw/HEAD/checkpoints",
    other_names=("iunet.safetensors",),
    check="models.bokehme.layout:check_iunet",
)

EDGE = Weights(
    name="edge",
    network="Focus Puller's edge network",
    files=("weights.safetensors",),
    folders=(),
    source="https://github.com/focuspuller/focuspuller",
    licence="Apache-2.0; trained on procedural scenes alone",
    packaged="edge/weights.safetensors",
    check="models.edge.layout:check",
)


def _metric3d(size: str, network: str, check: str) -> Weights:
    file = f"metric_depth_vit_{size}_800k.pth"
    return Weights(
        name=f"metric3d-vit-{size}",
        network=network,
        files=(file,),
        folders=("metric3d", "metric3dv2"),
        source="https://huggingface.co/JUGGHM/Metric3D",
        licence="BSD-2-Clause (the code's; the weights' page names none)",
        hub=Hub("JUGGHM/Metric3D"),
        other_names=(file.replace(".pth", ".safetensors"),),
        check=f"models.metric3d.layout:{check}",
    )


METRIC3D_SMALL = _metric3d("small", "Metric3Dv2 ViT-S", "check_small")
METRIC3D_LARGE = _metric3d("large", "Metric3Dv2 ViT-L", "check_large")
METRIC3D_GIANT = _metric3d("giant2", "Metric3Dv2 ViT-giant2", "check_giant")

_DEPTH_CHECK = "models.depth.handle:check"
_NON_COMMERCIAL = "CC-BY-NC-4.0: not for commercial use"


def _depth_anything(size: str, letter: str) -> Weights:
    stem = f"depth_anything_v2_vit{letter}"
    return Weights(
        name=f"depth-anything-v2-{size}",
        network=f"Depth Anything V2 {size.capitalize()}",
        files=(f"{stem}_fp32.safetensors",),
        folders=("depthanything",),
        source="https://huggingface.co/Kijai/DepthAnythingV2-safetensors",
        licence="Apache-2.0" if size == "small" else _NON_COMMERCIAL,
        hub=Hub("Kijai/DepthAnythingV2-safetensors"),
        other_names=(f"{stem}_fp16.safetensors", f"{stem}.pth", f"{stem}.safetensors"),
        check=_DEPTH_CHECK,
    )


def _depth_anything_folder(size: str) -> Weights:
    title = f"Depth-Anything-V2-{size.capitalize()}-hf"
    return Weights(
        name=f"depth-anything-v2-{size}-hf",
        network=f"Depth Anything V2 {size.capitalize()}",
        files=("model.safetensors", "config.json"),
        folders=("depthanything",),
        source=f"https://huggingface.co/depth-anything/{title}",
        licence="Apache-2.0" if size == "small" else _NON_COMMERCIAL,
        hub=Hub(f"depth-anything/{title}"),
        subfolder=title,
        check=_DEPTH_CHECK,
    )


def _depth_anything_metric(place: str, data: str, size: str) -> Weights:
    stem = f"depth_anything_v2_metric_{data.lower()}_vit{size[0]}"
    repo = f"depth-anything/Depth-Anything-V2-Metric-{data}-{size.capitalize()}"
    return Weights(
        name=f"depth-anything-v2-{place}-{size}",
        network=f"Depth Anything V2 {size.capitalize()}, metres {place}s",
        files=(f"{stem}.pth",),
        folders=("depthanything",),
        source=f"https://huggingface.co/{repo}",
        licence="Apache-2.0" if size == "small" else _NON_COMMERCIAL,
        hub=Hub(repo),
        other_names=(f"{stem}_fp32.safetensors", f"{stem}_fp16.safetensors"),
        check=_DEPTH_CHECK,
    )


_SIZES = ("large", "base", "small")
DEPTH_ANYTHING_SMALL = _depth_anything("small", "s")
DEPTH_ANYTHING_BASE = _depth_anything("base", "b")
DEPTH_ANYTHING_LARGE = _depth_anything("large", "l")
DEPTH_ANYTHING_FOLDERS = tuple(_depth_anything_folder(size) for size in _SIZES)
DEPTH_ANYTHING_METRIC = tuple(
    _depth_anything_metric(place, data, size)
    for place, data in (("indoor", "Hypersim"), ("outdoor", "VKITTI"))
    for size in _SIZES
)

_DEPTH_PRO_LICENCE = (
    "Apple's model research licence (apple-amlr): for research, not for commercial use"
)
DEPTH_PRO = Weights(
    name="depth-pro",
    network="Depth Pro",
    files=("depth_pro.pt",),
    folders=("depth", "depth_pro", "depthpro"),
    source="https://huggingface.co/apple/DepthPro",
    licence=_DEPTH_PRO_LICENCE,
    hub=Hub("apple/DepthPro"),
    other_names=("depth_pro.fp16.safetensors", "depth_pro.safetensors"),
    check=_DEPTH_CHECK,
)
DEPTH_PRO_FOLDER = Weights(
    name="depth-pro-hf",
    network="Depth Pro",
    files=("model.safetensors", "config.json"),
    folders=("depth", "depth_pro", "depthpro"),
    source="https://huggingface.co/apple/DepthPro-hf",
    licence=_DEPTH_PRO_LICENCE,
    hub=Hub("apple/DepthPro-hf"),
    subfolder="DepthPro-hf",
    check=_DEPTH_CHECK,
)

# All that estimate depth, in the order in which they are taken where nobody has chosen: first those
# whose depth needs no choice between rooms and streets, the best of them first.
DEPTH_WEIGHTS = (
    DEPTH_PRO,
    DEPTH_PRO_FOLDER,
    METRIC3D_GIANT,
    METRIC3D_LARGE,
    METRIC3D_SMALL,
    DEPTH_ANYTHING_LARGE,
    DEPTH_ANYTHING_FOLDERS[0],
    DEPTH_ANYTHING_BASE,
    DEPTH_ANYTHING_FOLDERS[1],
    DEPTH_ANYTHING_SMALL,
    DEPTH_ANYTHING_FOLDERS[2],
    *DEPTH_ANYTHING_METRIC,
)

VST = Weights(
    name="vst-rgbd",
    network="RGB-D Visual Saliency Transformer",
    files=("RGBD_VST.pth",),
    folders=("vst",),
    source="https://github.com/nnizhang/VST",
    licence="unclear: the publication names none",
    other_names=("RGBD_VST.safetensors",),
    check="models.vst.layout:check",
)

FOCUS_DISTANCE = Weights(
    name="focus-distance",
    network="Focus distance transformer",
    files=("focus_distance.safetensors",),
    folders=("focus_distance",),
    source="https://github.com/focuspuller/focuspuller",
    licence="that of its metadata: nobody has published weights, they are trained",
    check="models.focus_distance.files:check",
)

BIREFNET = Weights(
    name="birefnet",
    network="BiRefNet",
    files=("model.safetensors",),
    folders=("BiRefNet", "birefnet", "background_removal", "RMBG"),
    source="https://huggingface.co/ZhengPeng7/BiRefNet",
    licence="MIT",
    hub=Hub("ZhengPeng7/BiRefNet"),
    other_names=("BiRefNet-general.safetensors", "General.safetensors", "BiRefNet.safetensors"),
    check="models.birefnet.layout:check",
)

_GENFOCUS_LICENCE = "Apache-2.0 (the code's); made for FLUX.1-dev, which is non-commercial"


def _genfocus(name: str, network: str, file: str, check: str) -> Weights:
    return Weights(
        name=f"genfocus-{name}",
        network=network,
        files=(file,),
        folders=("loras",),
        source="https://huggingface.co/nycu-cplab/Genfocus-Model",
        licence=_GENFOCUS_LICENCE,
        hub=Hub("nycu-cplab/Genfocus-Model"),
        check=f"models.flux.layout:{check}",
    )


def _trained_adapter(name: str, network: str, check: str) -> Weights:
    return Weights(
        name=name,
        network=network,
        files=(f"{name.replace('-', '_')}.safetensors",),
        folders=("loras",),
        source="https://github.com/focuspuller/focuspuller",
        licence="that of its metadata: nobody has published weights, they are trained",
        check=f"models.flux.layout:{check}",
    )


GENFOCUS_DEBLUR = _genfocus(
    "deblur", "Generative Refocusing's DeblurNet", "deblurNet.safetensors", "check_deblur"
)
GENFOCUS_PRE_DEBLUR = _genfocus(
    "pre-deblur",
    "Generative Refocusing's DeblurNet with pre-deblur",
    "deblurNet_with_pre_deblur.safetensors",
    "check_pre_deblur",
)
GENFOCUS_BOKEH = _genfocus(
    "bokeh", "Generative Refocusing's BokehNet", "bokehNet.safetensors", "check_bokeh"
)
APERTURE_SHAPE = _trained_adapter(
    "aperture-shape", "BokehNet's shape of the aperture", "check_aperture"
)
DIFFCAMERA = _trained_adapter("diffcamera", "DiffCamera", "check_diffcamera")

_FLUX_DEV = "black-forest-labs/FLUX.1-dev"
_FLUX_LICENCE = "FLUX.1 [dev] non-commercial licence"
_FLUX_TRANSFORMER_CHECK = "models.flux_base.transformer:check_transformer"
_GGUF_QUANTIZATIONS = ("Q6_K", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_S", "Q4_1", "Q4_0", "Q3_K_S", "Q2_K")
_GGUF_T5 = ("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_L", "Q3_K_M", "Q3_K_S")

FLUX_FILE = Weights(
    name="flux-dev",
    network="FLUX.1-dev",
    files=("flux1-dev.safetensors",),
    folders=("diffusion_models", "unet"),
    source=f"https://huggingface.co/{_FLUX_DEV}",
    licence=_FLUX_LICENCE,
    hub=Hub(_FLUX_DEV),
    other_names=(
        "flux1-dev-fp8.safetensors",
        "flux1-dev-fp8-e4m3fn.safetensors",
        "flux1-dev-fp8-e5m2.safetensors",
        "flux_dev_fp8_scaled_diffusion_model.safetensors",
    ),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_GGUF = Weights(
    name="flux-dev-gguf",
    network="FLUX.1-dev, quantized",
    files=("flux1-dev-Q8_0.gguf",),
    folders=("diffusion_models", "unet"),
    source="https://huggingface.co/city96/FLUX.1-dev-gguf",
    licence=_FLUX_LICENCE,
    hub=Hub("city96/FLUX.1-dev-gguf"),
    other_names=tuple(f"flux1-dev-{one}.gguf" for one in ("F16", *_GGUF_QUANTIZATIONS)),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_CHECKPOINT = Weights(
    name="flux-dev-checkpoint",
    network="FLUX.1-dev with autoencoder and text encoders, 8 bits",
    files=("flux1-dev-fp8.safetensors",),
    folders=("checkpoints",),
    source="https://huggingface.co/Comfy-Org/flux1-dev",
    licence=_FLUX_LICENCE,
    hub=Hub("Comfy-Org/flux1-dev"),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_FOLDER = Weights(
    name="flux-dev-hf",
    network="FLUX.1-dev as diffusers has it",
    files=(
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        *(f"transformer/diffusion_pytorch_model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)),
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors.index.json",
        *(f"text_encoder_2/model-0000{i}-of-00002.safetensors" for i in (1, 2)),
        *(f"tokenizer/{name}" for name in ("vocab.json", "merges.txt", "tokenizer_config.json")),
        *(f"tokenizer_2/{name}" for name in ("tokenizer.json", "tokenizer_config.json")),
    ),
    folders=("diffusers",),
    source=f"https://huggingface.co/{_FLUX_DEV}",
    licence=_FLUX_LICENCE,
    hub=Hub(_FLUX_DEV),
    subfolder="FLUX.1-dev",
    check="models.flux_base.files:check_folder",
)

# Base models, best first.
FLUX_BASES = (FLUX_FILE, FLUX_FOLDER, FLUX_CHECKPOINT, FLUX_GGUF)

FLUX_AUTOENCODER = Weights(
    name="flux-ae",
    network="FLUX.1's autoencoder",
    files=("ae.safetensors",),
    folders=("vae",),
    source="https://huggingface.co/black-forest-labs/FLUX.1-schnell",
    licence="Apache-2.0",
    hub=Hub("black-forest-labs/FLUX.1-schnell"),
    other_names=("flux_vae.safetensors", "flux_ae.safetensors", "FLUX1/ae.safetensors"),
    check="models.flux_base.autoencoder:check_autoencoder",
)
_FLUX_TEXT = "comfyanonymous/flux_text_encoders"
FLUX_CLIP = Weights(
    name="flux-clip-l",
    network="CLIP-L's text encoder",
    files=("clip_l.safetensors",),
    folders=("text_encoders", "clip"),
    source=f"https://huggingface.co/{_FLUX_TEXT}",
    licence="MIT",
    hub=Hub(_FLUX_TEXT),
    check="models.flux_base.text_encoders:check_clip",
)
FLUX_T5 = Weights(
    name="flux-t5xxl",
    network="T5 XXL's encoder",
    files=("t5xxl_fp16.safetensors",),
    folders=("text_encoders", "clip"),
    source=f"https://huggingface.co/{_FLUX_TEXT}",
    licence="Apache-2.0",
    hub=Hub(_FLUX_TEXT),
    other_names=(
        "t5xxl_fp8_e4m3fn_scaled.safetensors",
        "t5xxl_fp8_e4m3fn.safetensors",
        *(f"t5-v1_1-xxl-encoder-{one}.gguf" for one in ("f16", *_GGUF_T5)),
    ),
    check="models.flux_base.text_encoders:check_t5",
)
FLUX_TOKENIZERS = Weights(
    name="flux-tokenizers",
    network="the tokenizers of FLUX.1's text encoders",
    files=FLUX_FOLDER.files[-5:],
    folders=("text_encoders", "clip"),
    source="https://huggingface.co/black-forest-labs/FLUX.1-schnell",
    licence="Apache-2.0",
    hub=Hub("black-forest-labs/FLUX.1-schnell"),
    subfolder="flux_tokenizers",
    check="models.flux_base.files:check_tokenizers",
)
# What a base model's folder may hold as well.
BASE_PARTS = (FLUX_AUTOENCODER, FLUX_CLIP, FLUX_T5, FLUX_TOKENIZERS)
FLUX_PROMPTS = Weights(
    name="flux-prompts",
    network="encoded prompts, in place of text encoders",
    files=("flux_prompts.safetensors",),
    folders=("text_encoders", "clip"),
    source="https://github.com/focuspuller/focuspuller",
    licence="that of the text encoders; `focuspuller flux-prompts` writes it",
    check="models.flux_base.prompts:check_prompts",
)

DMD2_LORA = Weights(
    name="dmd2-sdxl-lora",
    network="DMD2's 4-step LoRA for SDXL",
    files=("dmd2_sdxl_4step_lora_fp16.safetensors",),
    folders=("loras",),
    source="https://huggingface.co/tianweiy/DMD2",
    licence=_NON_COMMERCIAL,
    hub=Hub("tianweiy/DMD2"),
    other_names=("dmd2_sdxl_4step_lora.safetensors",),
    check="models.exif_generator.student:check_lora",
)
DMD2_UNET = Weights(
    name="dmd2-sdxl-unet",
    network="DMD2's 4-step UNet of SDXL",
    files=("dmd2_sdxl_4step_unet_fp16.bin",),
    folders=("diffusion_models", "unet"),
    source="https://huggingface.co/tianweiy/DMD2",
    licence=_NON_COMMERCIAL,
    hub=Hub("tianweiy/DMD2"),
    other_names=("dmd2_sdxl_4step_unet_fp16.safetensors", "dmd2_sdxl_4step_unet.bin"),
    check="models.exif_generator.student:check_unet",
)
DMD2_ONE_STEP_UNET = Weights(
    name="dmd2-sdxl-1step-unet",
    network="DMD2's 1-step UNet of SDXL",
    files=("dmd2_sdxl_1step_unet_fp16.bin",),
    folders=("diffusion_models", "unet"),
    source="https://huggingface.co/tianweiy/DMD2",
    licence=_NON_COMMERCIAL,
    hub=Hub("tianweiy/DMD2"),
    other_names=("dmd2_sdxl_1step_unet_fp16.safetensors", "dmd2_sdxl_1step_unet.bin"),
    check="models.exif_generator.student:check_unet",
)
EXIF_GENERATOR = Weights(
    name="exif-generator",
    network="EXIF-conditioned generator",
    files=("exif_generator.safetensors",),
    folders=("exif_generator",),
    source="https://github.com/focuspuller/focuspuller",
    licence="that of its metadata: nobody has published weights, they are trained",
    check="models.exif_generator.check:check",
)
# Few-step generators, best first: the trained one knows the camera; of the others a LoRA works with
# every SDXL checkpoint.
STUDENTS = (EXIF_GENERATOR, DMD2_LORA, DMD2_UNET, DMD2_ONE_STEP_UNET)

CLIP_TOKENIZER = Weights(
    name="clip-tokenizer",
    network="CLIP's vocabulary",
    files=("vocab.json", "merges.txt"),
    folders=("tokenizers",),
    source="https://huggingface.co/openai/clip-vit-large-patch14",
    licence="MIT (the code's; the weights' page names none)",
    hub=Hub("openai/clip-vit-large-patch14"),
    subfolder="clip",
    other_names=("clip-vit-large-patch14",),
    check="models.sdxl.tokenizer:check",
)

_RAIL = "CreativeML Open RAIL++-M"

SDXL_BASE = Weights(
    name="realvisxl",
    network="SDXL (RealVisXL V5.0)",
    files=("RealVisXL_V5.0_fp16.safetensors",),
    folders=("checkpoints", "diffusers"),
    source="https://huggingface.co/SG161222/RealVisXL_V5.0",
    licence=_RAIL,
    hub=Hub("SG161222/RealVisXL_V5.0"),
    other_names=("RealVisXL_V5.0_fp32.safetensors",),
    check="models.sdxl.base:check",
)

SDXL_ORIGINAL = Weights(
    name="sdxl",
    network="SDXL 1.0",
    files=("sd_xl_base_1.0.safetensors",),
    folders=("checkpoints", "diffusers"),
    source="https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0",
    licence=_RAIL,
    hub=Hub("stabilityai/stable-diffusion-xl-base-1.0"),
    other_names=("sd_xl_base_1.0_0.9vae.safetensors",),
    check="models.sdxl.base:check",
)
# What pictures can be generated with, best first.
GENERATOR_BASES = (SDXL_ORIGINAL, SDXL_BASE)

BOKEHDIFF = Weights(
    name="bokehdiff",
    network="BokehDiff",
    files=("pytorch_lora_weights.safetensors", "vae.ckpt"),
    folders=("bokehdiff",),
    source="https://huggingface.co/zcx65535/bokehdiff",
    licence="unclear: the publication names none",
    hub=Hub("zcx65535/bokehdiff", folder="small"),
    subfolder="small",
    check="models.bokehdiff.layout:check",
)


ALL_WEIGHTS: tuple[Weights, ...] = (
    BOKEHME_ARNET,
    BOKEHME_IUNET,
    EDGE,
    *DEPTH_WEIGHTS,
    VST,
    FOCUS_DISTANCE,
    BIREFNET,
    GENFOCUS_DEBLUR,
    GENFOCUS_PRE_DEBLUR,
    GENFOCUS_BOKEH,
    APERTURE_SHAPE,
    DIFFCAMERA,
    *FLUX_BASES,
    FLUX_AUTOENCODER,
    FLUX_CLIP,
    FLUX_T5,
    FLUX_TOKENIZERS,
    FLUX_PROMPTS,
    DMD2_LORA,
    DMD2_UNET,
    DMD2_ONE_STEP_UNET,
    EXIF_GENERATOR,
    CLIP_TOKENIZER,
    SDXL_BASE,
    SDXL_ORIGINAL,
    BOKEHDIFF,
    *JUDGES,
)


def weights_called(name: str) -> list[Weights]:
    """The weights of a name, or all of a group, such as "metric3d".

    Raises:
        InputError: there are none.

    Example:
        >>> [weights.file for weights in weights_called("bokehme")]
        ['arnet.pth', 'iunet.pth']
    """
    found = [one for one in ALL_WEIGHTS if one.name == name or one.name.startswith(f"{name}-")]
    if not found:
        names = ", ".join(one.name for one in ALL_WEIGHTS)
        raise InputError("name", repr(name), f"Give one of {names}.")
    exact = [one for one in found if one.name == name]
    return exact or found
