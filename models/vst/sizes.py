"""The sizes of a VST, which its weights tell."""

from __future__ import annotations

from dataclasses import dataclass

# Pixels along the side of what one token of the coarsest scale sees.
STRIDE = 16
# Width of a head in the layers that have several, in every T2T-ViT.
HEAD_WIDTH = 64


@dataclass(frozen=True)
class VstSizes:
    """Sizes of the network; the defaults are those of the published weights.

    Args:
        image: side of its input and output, px, a multiple of `STRIDE`.
        width: of the tokens at 1/16 of the size, a multiple of `HEAD_WIDTH`.
        token_width: of the tokens at 1/8 and 1/4.
        backbone_blocks: layers of each backbone.
        convertor_blocks: layers in which image and depth look at each other.
        token_blocks: layers of the decoder at 1/16.
        decoder_blocks: layers of the decoder at 1/8, and at 1/4.
        mlp_ratio: hidden width of a layer's perceptron, in widths.
        classes: of the backbones' unused classifier.
    """

    image: int = 224
    width: int = 384
    token_width: int = 64
    backbone_blocks: int = 14
    convertor_blocks: int = 4
    token_blocks: int = 4
    decoder_blocks: int = 2
    mlp_ratio: int = 3
    classes: int = 1000

    @property
    def heads(self) -> int:
        """How many heads the layers at 1/16 have."""
        return self.width // HEAD_WIDTH
