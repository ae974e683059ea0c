"""VST (Liu et al. 2021), the Visual Saliency Transformer for an image with its depth."""
