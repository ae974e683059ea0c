"""Devices by name, as users give them."""

from __future__ import annotations

import torch

from ..errors import InputError

DEVICE_ADVICE = "Give cpu, or cuda with a GPU."


def device_called(name: torch.device | str | None) -> torch.device | None:
    """The device, if this machine has it; None for None.

    Raises:
        InputError: there is no such device.
    """
    return None if name is None else _checked(name)


def working_device(name: torch.device | str | None) -> torch.device:
    """The device that was asked for, else the GPU if there is one, else the CPU.

    Raises:
        InputError: there is no such device.
    """
    return _checked(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def _checked(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:  # It lists every device that PyTorch could be built for.
        raise InputError("device", f"{name!s}, which is none", DEVICE_ADVICE) from None
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise InputError("device", f"{name!s} ({reason})", DEVICE_ADVICE) from None
