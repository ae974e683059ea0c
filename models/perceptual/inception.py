"""The Inception v3 of the Fréchet inception distance: TensorFlow's of 2015-12-05.

Parameter names are those of pytorch-fid's conversion. It differs from torchvision's Inception v3 in
its poolings: averages leave out the padding, and the last block takes the largest value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 299
FEATURES, CLASSES = 2048, 1008


class BasicConv2d(nn.Module):
    """Convolution without bias, normalisation, ReLU."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """`[B,outside,h,w]`."""
        return F.relu(self.bn(self.conv(x)))


def _row(inside: int, outside: int, length: int) -> BasicConv2d:
    return BasicConv2d(inside, outside, (1, length), padding=(0, length // 2))


def _column(inside: int, outside: int, length: int) -> BasicConv2d:
    return BasicConv2d(inside, outside, (length, 1), padding=(length // 2, 0))


def _averaged(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Block(nn.Module):
    """Branches side by side. Subclasses name their convolutions as published."""

    def chain(self, names: Sequence[str], x: Tensor) -> Tensor:
        """One convolution after the other."""
        for name in names:
            x = getattr(self, name)(x)
        return x


class InceptionA(Block):
    """35×35: 1×1, 5×5, twice 3×3, and an average."""

    def __init__(self, inside: int, pool_features: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inside, 64)
        self.branch5x5_1 = BasicConv2d(inside, 48)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inside, 64)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(inside, pool_features)

    def forward(self, x: Tensor) -> Tensor:
        """Same size."""
        branches = [
            self.branch1x1(x),
            self.chain(("branch5x5_1", "branch5x5_2"), x),
            self.chain(("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), x),
            self.branch_pool(_averaged(x)),
        ]
        return torch.cat(branches, 1)


class InceptionB(Block):
    """From 35×35 to 17×17."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(inside, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(inside, 64)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size."""
        branches = [
            self.branch3x3(x),
            self.chain(("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), x),
            F.max_pool2d(x, 3, stride=2),
        ]
        return torch.cat(branches, 1)


class InceptionC(Block):
    """17×17: rows and columns of 7."""

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inside, 192)
        self.branch7x7_1 = BasicConv2d(inside, width)
        self.branch7x7_2 = _row(width, width, 7)
        self.branch7x7_3 = _column(width, 192, 7)
        self.branch7x7dbl_1 = BasicConv2d(inside, width)
        self.branch7x7dbl_2 = _column(width, width, 7)
        self.branch7x7dbl_3 = _row(width, width, 7)
        self.branch7x7dbl_4 = _column(width, width, 7)
        self.branch7x7dbl_5 = _row(width, 192, 7)
        self.branch_pool = BasicConv2d(inside, 192)

    def forward(self, x: Tensor) -> Tensor:
        """Same size."""
        branches = [
            self.branch1x1(x),
            self.chain([f"branch7x7_{index}" for index in range(1, 4)], x),
            self.chain([f"branch7x7dbl_{index}" for index in range(1, 6)], x),
            self.branch_pool(_averaged(x)),
        ]
        return torch.cat(branches, 1)


class InceptionD(Block):
    """From 17×17 to 8×8."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inside, 192)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(inside, 192)
        self.branch7x7x3_2 = _row(192, 192, 7)
        self.branch7x7x3_3 = _column(192, 192, 7)
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Half the size."""
        branches = [
            self.chain(("branch3x3_1", "branch3x3_2"), x),
            self.chain([f"branch7x7x3_{index}" for index in range(1, 5)], x),
            F.max_pool2d(x, 3, stride=2),
        ]
        return torch.cat(branches, 1)


class InceptionE(Block):
    """8×8: rows and columns of 3 side by side.

    Args:
        inside: channels.
        largest: pool by the largest value instead of the average.
    """

    def __init__(self, inside: int, largest: bool) -> None:
        super().__init__()
        self.largest = largest
        self.branch1x1 = BasicConv2d(inside, 320)
        self.branch3x3_1 = BasicConv2d(inside, 384)
        self.branch3x3_2a = _row(384, 384, 3)
        self.branch3x3_2b = _column(384, 384, 3)
        self.branch3x3dbl_1 = BasicConv2d(inside, 448)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _row(384, 384, 3)
        self.branch3x3dbl_3b = _column(384, 384, 3)
        self.branch_pool = BasicConv2d(inside, 192)

    def forward(self, x: Tensor) -> Tensor:
        """Same size."""
        single = self.branch3x3_1(x)
        double = self.chain(("branch3x3dbl_1", "branch3x3dbl_2"), x)
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.largest else _averaged(x)
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(pooled),
        ]
        return torch.cat(branches, 1)


class FidInception(nn.Module):
    """Features of pictures for the Fréchet inception distance."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, largest=False)
        self.Mixed_7c = InceptionE(2048, largest=True)
        self.fc = nn.Linear(FEATURES, CLASSES)  # In the file; features are taken before it.

    def forward(self, image: Tensor) -> Tensor:
        """`[B,2048]` of pictures `[B,3,H,W]`, sRGB-coded 0..1, of any size."""
        size = (SIDE, SIDE)
        x = 2.0 * F.interpolate(image, size, mode="bilinear", align_corners=False) - 1.0
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))
