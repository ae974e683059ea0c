"""How sharp a picture is: the variance of its Laplacian."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# Pictures are compared at this length of their longest edge, px: fine detail is weaker in large
# pictures.
COMPARED_PX = 1024
# The weights of grey that OpenCV and Pillow have.
GREY = (0.299, 0.587, 0.114)


def laplacian_variance(image: Tensor) -> float:
    """Variance of the Laplacian of a picture, on grey levels of 0..255.

    The definition is that of `cv2.Laplacian` with its default kernel, as papers use it: the sum of
    the four neighbours minus four times the pixel, mirrored at the edges.

    Args:
        image: `[3,H,W]` sRGB-coded 0..1, at least 2 px wide and high.
    """
    return float((255.0 * laplacian(image.double())).var(correction=0))


def laplacian(image: Tensor) -> Tensor:
    """Laplacian of the grey levels of a picture `[3,H,W]`, `[1,H,W]`."""
    grey = (image * image.new_tensor(GREY).view(3, 1, 1)).sum(0, keepdim=True)
    around = F.pad(grey[None], (1, 1, 1, 1), mode="reflect")[0]
    upright = around[:, :-2, 1:-1] + around[:, 2:, 1:-1]
    level = around[:, 1:-1, :-2] + around[:, 1:-1, 2:]
    return upright + level - 4.0 * grey


def sharpness(image: Tensor) -> float:
    """`laplacian_variance` at a size at which pictures can be compared.

    Args:
        image: `[3,H,W]` sRGB-coded 0..1; larger than 1024 px it is scaled down.
    """
    height, width = image.shape[-2:]
    scale = COMPARED_PX / max(height, width)
    if scale < 1:
        size = (max(2, round(height * scale)), max(2, round(width * scale)))
        image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    return laplacian_variance(image)


def stack_mask(first: Tensor, second: Tensor) -> Tensor:
    """1 where the first of two pictures of a scene is sharper, else 0, `[1,H,W]`.

    Where its Laplacian is larger, whatever the sign (DiffCamera, section 3.4 and appendix C).

    Args:
        first, second: `[3,H,W]` sRGB-coded.
    """
    return (laplacian(first).abs() > laplacian(second).abs()).float()
