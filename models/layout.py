"""Whether a file's names and shapes are a network's, found out without its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# How many names of each kind of mismatch a text lists.
NAMES_IN_TEXTS = 3

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Findings:
    """What does not fit between a file and a network; true if there is anything.

    Args:
        missing: names that the network has and the file lacks.
        unexpected: names that the file has and the network does not know.
        misshaped: names with both shapes, "conv.bias [64] instead of [128]".
        not_finite: names whose values hold NaN or infinity.
        other: further sentences about the file.

    Example:
        >>> str(Findings(missing=("conv.bias",)))
        'missing: conv.bias'
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(names for _, names in self.kinds())

    def __str__(self) -> str:
        return "; ".join(f"{kind}: {listed(names)}" for kind, names in self.kinds() if names)

    def __add__(self, more: Findings) -> Findings:
        return Findings(
            self.missing + more.missing,
            self.unexpected + more.unexpected,
            self.misshaped + more.misshaped,
            self.not_finite + more.not_finite,
            self.other + more.other,
        )

    @property
    def count(self) -> int:
        """How many things do not fit."""
        return sum(len(names) for _, names in self.kinds())

    def kinds(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each kind of mismatch as people call it, with its names."""
        return [
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshaped),
            ("not finite", self.not_finite),
            ("also", self.other),
        ]


def compared(found: Shapes, wanted: Shapes) -> Findings:
    """What does not fit between the shapes of a file and those of a network.

    Example:
        >>> compared({"a": (2,)}, {"a": (3,), "b": (1,)})
        Findings(missing=('b',), unexpected=(), misshaped=('a [2] instead of [3]',), \
not_finite=(), other=())
    """
    return Findings(
        missing=tuple(name for name in wanted if name not in found),
        unexpected=tuple(name for name in found if name not in wanted),
        misshaped=tuple(
            f"{name} {list(found[name])} instead of {list(shape)}"
            for name, shape in wanted.items()
            if name in found and tuple(found[name]) != tuple(shape)
        ),
    )


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes of named tensors."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def wanted_shapes(make: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters of the network that `make` makes, without memory for them."""
    with torch.device("meta"):
        return shapes_of(make().state_dict())


def not_finite(state: Mapping[str, Tensor]) -> Findings:
    """Which tensors hold NaN or infinity. Reads all of them, one by one."""
    return Findings(not_finite=tuple(name for name, one in state.items() if not _is_finite(one)))


def _is_finite(tensor: Tensor) -> bool:
    eight_bits = tensor.is_floating_point() and tensor.element_size() == 1
    # PyTorch cannot ask floats of 8 bits.
    return bool(torch.isfinite(tensor.float() if eight_bits else tensor).all())


def findings(state: Mapping[str, Tensor], make: Callable[[], nn.Module]) -> Findings:
    """All that does not fit between a file's tensors and the network that `make` makes."""
    return compared(shapes_of(state), wanted_shapes(make)) + not_finite(state)


def listed(names: tuple[str, ...] | list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:NAMES_IN_TEXTS])
    more = len(names) - NAMES_IN_TEXTS
    return f"{shown} and {more} more" if more > 0 else shown
