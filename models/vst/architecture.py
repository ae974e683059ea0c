"""VST for an image with its depth (Liu et al. 2021), with the published parameter names."""

from __future__ import annotations

from torch import Tensor, nn

from .backbone import Backbone
from .convertor import Convertor
from .decoder import Decoder, TokenTransformer, VstOutput
from .sizes import VstSizes


class VST(nn.Module):
    """Two backbones, a convertor that lets them see each other, and a decoder with task tokens."""

    def __init__(self, sizes: VstSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or VstSizes()
        self.rgb_backbone = Backbone(self.sizes)
        self.depth_backbone = Backbone(self.sizes)
        # The published names put one module around the convertor.
        self.transformer = nn.ModuleDict({"encoderlayer": Convertor(self.sizes)})
        self.token_trans = TokenTransformer(self.sizes)
        self.decoder = Decoder(self.sizes)

    def forward(self, image: Tensor, depth: Tensor) -> VstOutput:
        """Find what is salient.

        Args:
            image: `[B,3,S,S]`, normalised (`preprocessing.network_image`), S being `sizes.image`.
            depth: `[B,3,S,S]`, the same of the grey depth map (`preprocessing.network_depth`).
        """
        image_tokens = self.rgb_backbone(image)
        depth_tokens = self.depth_backbone(depth)
        convertor = self.transformer["encoderlayer"]
        merged = convertor(image_tokens.sixteenth, depth_tokens.sixteenth)
        tokens, views = self.token_trans(*merged)
        return self.decoder(tokens, views, image_tokens)
