"""The weights of few-step generators: those of the EXIF-conditioned one, and DMD2's."""

from __future__ import annotations

from ..weights import CC_BY_NC, OWN_SOURCE, TRAINED_LICENCE, Hub, Weights

_DMD2 = "tianweiy/DMD2"


def _dmd2(name: str, network: str, folders: tuple[str, ...], files: tuple[str, ...]) -> Weights:
    """Weights of DMD2 in one file; `files` are the names that people give it, its own first."""
    return Weights(
        name=name,
        network=network,
        files=files[:1],
        folders=folders,
        source=f"https://huggingface.co/{_DMD2}",
        licence=CC_BY_NC,
        hub=Hub(_DMD2),
        other_names=files[1:],
        check=f"models.exif_generator.student:check_{name.rpartition('-')[2]}",
    )


def _dmd2_unet(name: str, steps: int) -> Weights:
    stem = f"dmd2_sdxl_{steps}step_unet"
    files = (f"{stem}_fp16.bin", f"{stem}_fp16.safetensors", f"{stem}.bin")
    return _dmd2(name, f"DMD2's {steps}-step UNet of SDXL", ("diffusion_models", "unet"), files)


DMD2_LORA = _dmd2(
    "dmd2-sdxl-lora",
    "DMD2's 4-step LoRA for SDXL",
    ("loras",),
    ("dmd2_sdxl_4step_lora_fp16.safetensors", "dmd2_sdxl_4step_lora.safetensors"),
)
DMD2_UNET = _dmd2_unet("dmd2-sdxl-unet", 4)
DMD2_ONE_STEP_UNET = _dmd2_unet("dmd2-sdxl-1step-unet", 1)
EXIF_GENERATOR = Weights(
    name="exif-generator",
    network="EXIF-conditioned generator",
    files=("exif_generator.safetensors",),
    folders=("exif_generator",),
    source=OWN_SOURCE,
    licence=TRAINED_LICENCE,
    check="models.exif_generator.check:check",
)
# Few-step generators, best first: the trained one knows the camera; of the others a LoRA works with
# every SDXL checkpoint.
STUDENTS = (EXIF_GENERATOR, DMD2_LORA, DMD2_UNET, DMD2_ONE_STEP_UNET)

ALL = (DMD2_LORA, DMD2_UNET, DMD2_ONE_STEP_UNET, EXIF_GENERATOR)
