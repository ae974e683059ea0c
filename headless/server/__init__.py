"""Client of a running ComfyUI: the same workflow files, run over there."""

from .client import submit_workflow
from .errors import ServerError

__all__ = ["ServerError", "submit_workflow"]
