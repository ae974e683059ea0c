"""How a pack hands its nodes to ComfyUI."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .io import ComfyNode


class ComfyExtension(ABC):
    """A pack of nodes; ComfyUI's entry point returns one."""

    async def on_load(self) -> None:  # noqa: B027 - an optional hook, empty by design
        """Called once after loading."""

    @abstractmethod
    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The node classes of this pack."""
