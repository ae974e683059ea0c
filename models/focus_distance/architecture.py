"""The focus distance transformer: focus distance and focus scale of a picture.

Fine-grained Defocus (Shrivastava et al.), section 3.2. VST finds what is salient; the focus
distance is the mean depth of that (eq. 4), the focus scale comes from VST's saliency token through
a perceptron (eq. 5). There are no published weights. Where the paper leaves a choice, the choice
is made here, and what a file has to know of it is in its metadata (`files.py`):

- The token "from the first layer of the decoder" is that of the decoder's layers at 1/16, after
  them. The other reading, after the layers at 1/8, can be chosen.
- The perceptron has one hidden layer. A scale has to be above zero, so that it gives the logarithm,
  which is bounded softly. Its last layer starts at zero: the scale starts at exactly 1.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from ...lens.depth import Depth
from ...lens.focus import Focus, focus_on_mean
from ..vst.architecture import VST
from ..vst.decoder import VstOutput
from ..vst.preprocessing import network_depth, network_image, saliency_at

# After which of the decoder's layers the saliency token is taken.
SaliencyToken = Literal["1/16", "1/8"]
SALIENCY_TOKENS: tuple[SaliencyToken, ...] = get_args(SaliencyToken)
# Focus scales lie between this and its inverse.
LARGEST_SCALE = 100.0

# Parts of VST that neither the finest saliency map nor the saliency token depend on.
UNUSED_PARTS = (
    "rgb_backbone.head",
    "depth_backbone.head",
    "token_trans.saliency_token_pre",
    "token_trans.contour_token_pre",
    "decoder.norm",
    "decoder.mlp",
    "decoder.norm_c",
    "decoder.mlp_c",
    "decoder.token_pre_1_8.saliency_token_pre",
    "decoder.token_pre_1_8.contour_token_pre",
    "decoder.token_pre_1_8.norm2",
    "decoder.token_pre_1_8.mlp2",
    "decoder.token_pre_1_8.norm2_c",
    "decoder.token_pre_1_8.mlp2_c",
    "decoder.token_pre_1_4.contour_token_pre",
    "decoder.token_pre_1_4.norm2_c",
    "decoder.token_pre_1_4.mlp2_c",
    "decoder.decoder3_c",
    "decoder.pre_1_16",
    "decoder.pre_1_8",
    "decoder.pre_1_4",
    "decoder.pre_1_16_c",
    "decoder.pre_1_8_c",
    "decoder.pre_1_4_c",
    "decoder.pre_1_1_c",
)


class FocusPrediction(NamedTuple):
    """What the transformer says of each picture.

    Args:
        focus: focus planes, metric if the depth is.
        scale: `[B]` focus scale f_s; 1 where the depth is relative, for which there is none.
        saliency: `[B,1,H,W]` how salient each pixel is, 0..1.
    """

    focus: Focus
    scale: Tensor
    saliency: Tensor


class FocusDistanceTransformer(nn.Module):
    """VST with a head for the focus scale.

    Args:
        vst: published or fine-tuned; it becomes a part of this.
        saliency_token: after which of the decoder's layers the token for the scale is taken.
    """

    def __init__(self, vst: VST, saliency_token: SaliencyToken = "1/16") -> None:
        super().__init__()
        self.vst = vst
        self.saliency_token: SaliencyToken = saliency_token
        width = vst.sizes.width
        last = nn.Linear(width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.scale_head = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)

    def forward(self, image: Tensor, depth: Depth) -> FocusPrediction:
        """Find where to focus.

        Args:
            image: `[B,3,H,W]` sRGB-coded 0..1.
            depth: of each picture, of the same size.

        Raises:
            InputError: nothing at all is salient.
        """
        output, saliency = predicted_saliency(self.vst, image, depth)
        focus = focus_on_mean(depth, saliency)
        return FocusPrediction(focus, self.focus_scale(output, depth), saliency)

    def focus_scale(self, output: VstOutput, depth: Depth) -> Tensor:
        """The focus scale `[B]` (eq. 5)."""
        token = output.tokens[SALIENCY_TOKENS.index(self.saliency_token)].saliency[:, 0]
        if not depth.is_metric:
            return torch.ones(len(token), device=token.device)
        bound = math.log(LARGEST_SCALE)
        exponent = self.scale_head(token)[:, 0].float()
        return (bound * torch.tanh(exponent / bound)).exp()

    def unfreeze(self) -> FocusDistanceTransformer:
        """Let exactly those parameters be trained that focus and scale depend on."""
        for name, parameter in self.named_parameters():
            part = name.removeprefix("vst.")
            is_unused = any(part.startswith(f"{unused}.") for unused in UNUSED_PARTS)
            parameter.requires_grad_(not is_unused)
        return self.train()


def predicted_saliency(vst: VST, image: Tensor, depth: Depth) -> tuple[VstOutput, Tensor]:
    """All that VST says, and its saliency map at the size of the picture, `[B,1,H,W]` 0..1.

    Args:
        vst: the network.
        image: `[B,3,H,W]` sRGB-coded 0..1.
        depth: of each picture.
    """
    side = vst.sizes.image
    like = vst.token_trans.saliency_token
    shown = network_image(image, side).to(like), network_depth(depth, side).to(like)
    output = vst(*shown)
    return output, saliency_at(output.saliency[-1].float(), *image.shape[-2:])
