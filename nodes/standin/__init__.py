"""A plain stand-in for ComfyUI: enough of its V3 node API and services to run nodes without it.

It accepts what every supported ComfyUI accepts and no more, so that a node that loads here loads
there. `nodes/comfy.py` decides between this and the real thing; nobody else should have to.
"""

from . import io, ui
from .extension import ComfyExtension
from .host import Host, OutputTarget, current_host, installed_host
from .video import VideoComponents, VideoFromComponents, VideoFromFile

__all__ = [
    "ComfyExtension",
    "Host",
    "OutputTarget",
    "VideoComponents",
    "VideoFromComponents",
    "VideoFromFile",
    "current_host",
    "installed_host",
    "io",
    "ui",
]
