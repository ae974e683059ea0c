"""Devices by name, as users give them."""

from __future__ import annotations

import torch

from ..errors import InputError


def device_called(name: torch.device | str | None) -> torch.device | None:
    """The device, if this machine has it; None for None.

    Raises:
        InputError: there is no such device.
    """
    if name is None:
        return None
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            "device", f"{name!s} ({reason})", "Give cpu, or cuda with a GPU."
        ) from None
