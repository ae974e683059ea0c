"""The published weights of the networks that judge pictures."""

from __future__ import annotations

from typing import Any

from ..weights import Hub, Weights


def _judge(
    name: str, network: str, file: str, kind: str, source: str, licence: str, **more: Any
) -> Weights:
    """A network in one file."""
    return Weights(
        name=name,
        network=network,
        files=(file,),
        folders=(kind,),
        source=source,
        licence=licence,
        check=f"models.perceptual.layout:check_{name.replace('-', '_')}",
        **more,
    )


_TORCHVISION = {
    "source": "https://github.com/pytorch/vision",
    "licence": "BSD-3-Clause (the code's); trained on ImageNet",
    "downloads": "https://download.pytorch.org/models",
}
_LPIPS = {
    "source": "https://github.com/richzhang/PerceptualSimilarity",
    "licence": "BSD-2-Clause",
    "downloads": "https://github.com/richzhang/PerceptualSimilarity/raw/HEAD/lpips/weights/v0.1",
}
VGG16 = _judge("vgg16", "VGG16", "vgg16-397923af.pth", "perceptual", **_TORCHVISION)
ALEXNET = _judge("alexnet", "AlexNet", "alexnet-owt-7be5be79.pth", "perceptual", **_TORCHVISION)
LPIPS_VGG = _judge(
    "lpips-vgg",
    "LPIPS on VGG16",
    "vgg.pth",
    "lpips",
    sha256={"vgg.pth": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"},
    **_LPIPS,
)
LPIPS_ALEX = _judge(
    "lpips-alex",
    "LPIPS on AlexNet",
    "alex.pth",
    "lpips",
    sha256={"alex.pth": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"},
    **_LPIPS,
)
DISTS = _judge(
    "dists",
    "DISTS",
    "weights.pt",
    "dists",
    "https://github.com/dingkeyan93/DISTS",
    "MIT",
    downloads="https://github.com/dingkeyan93/DISTS/raw/HEAD/DISTS_pytorch",
    sha256={"weights.pt": "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218"},
)
FID_INCEPTION = _judge(
    "fid-inception",
    "the Inception v3 of the Fréchet inception distance",
    "pt_inception-2015-12-05-6726825d.pth",
    "perceptual",
    "https://github.com/mseitzer/pytorch-fid",
    "Apache-2.0; trained on ImageNet",
    downloads="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights",
    other_names=("weights-inception-2015-12-05-6726825d.pth",),
)
_IQA = {
    "source": "https://huggingface.co/chaofengc/IQA-PyTorch-Weights",
    "hub": Hub("chaofengc/IQA-PyTorch-Weights"),
}
MUSIQ = _judge(
    "musiq",
    "MUSIQ, trained on KonIQ-10k",
    "musiq_koniq_ckpt-e95806b9.pth",
    "perceptual",
    licence="Apache-2.0 (the original's)",
    **_IQA,
)
MANIQA = _judge(
    "maniqa",
    "MANIQA, trained on KonIQ-10k",
    "ckpt_koniq10k.pt",
    "perceptual",
    licence="Apache-2.0 (the original's)",
    **_IQA,
)
CLIP_RN50 = _judge(
    "clip-rn50",
    "CLIP with a ResNet-50",
    "open_clip_model.safetensors",
    "clip_rn50",
    "https://huggingface.co/timm/resnet50_clip.openai",
    "MIT",
    hub=Hub("timm/resnet50_clip.openai"),
    other_names=("resnet50_clip.openai.safetensors",),
)
CLIP_VIT = Weights(
    name="clip-vit-large",
    network="CLIP ViT-L/14",
    files=("model.safetensors", "config.json"),
    folders=("clip_vision",),
    source="https://huggingface.co/openai/clip-vit-large-patch14",
    licence="MIT (the code's; the weights' page names none)",
    hub=Hub("openai/clip-vit-large-patch14"),
    subfolder="clip-vit-large-patch14",
)
SEGFORMER = Weights(
    name="segformer-b5-ade",
    network="SegFormer B5, trained on ADE20K",
    files=("pytorch_model.bin", "config.json"),
    folders=("segformer",),
    source="https://huggingface.co/nvidia/segformer-b5-finetuned-ade-640-640",
    licence="NVIDIA Source Code License for SegFormer: not for commercial use",
    hub=Hub("nvidia/segformer-b5-finetuned-ade-640-640"),
    subfolder="segformer-b5-finetuned-ade-640-640",
)

ALL = (
    VGG16,
    ALEXNET,
    LPIPS_VGG,
    LPIPS_ALEX,
    DISTS,
    FID_INCEPTION,
    MUSIQ,
    MANIQA,
    CLIP_RN50,
    CLIP_VIT,
    SEGFORMER,
)
