"""What can go wrong between us and a server."""

from __future__ import annotations

from ...errors import FocusPullerError


class ServerError(FocusPullerError):
    """The server does not answer, or not as a ComfyUI does."""
