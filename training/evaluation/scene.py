"""What benchmarks are made of: scenes, and the pictures that are asked for of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import Camera, camera_bokeh_level

# "bokeh": all in focus to blurred. "refocus": blurred to another focus. "deblur": blurred to sharp.
# "generate": a text to a picture.
Task = Literal["bokeh", "refocus", "deblur", "generate"]
TASKS: tuple[Task, ...] = get_args(Task)
# In place of what is given, where nothing but a text is.
NOTHING = torch.zeros(1, 3, 0, 0)


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture that is asked for.

    Args:
        name: unique in its scene; the stem of the picture's file.
        target: what it should look like, linear light `[1,3,H,W]`; None if nobody knows.
        level: bokeh level K in px per unit of the depth's disparity; None if it is unknown, or
            follows from the camera.
        f_number: of the scene's camera; None for the camera's own.
        focus: if it differs from the scene's.
        source: if another picture than the scene's is given, linear light `[1,3,H,W]`.
    """

    name: str
    target: Tensor | None = None
    level: float | None = None
    f_number: float | None = None
    focus: Focus | None = None
    source: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What is known of a scene.

    Args:
        name: unique in its benchmark.
        image: what systems are given, linear light `[1,3,H,W]`: all in focus, or blurred if the
            task is to refocus or to deblur; `NOTHING` if it is to generate.
        shots: the pictures that are asked for.
        depth: of the image's size.
        focus: of the same kind as `depth`.
        camera: that of the shots, if known.
        margin: px along the frame that are not compared, since light from outside gets there.
        prompt: what the picture shows that is to be generated.
        seed: of it.
    """

    name: str
    image: Tensor
    shots: tuple[Shot, ...]
    depth: Depth | None = None
    focus: Focus | None = None
    camera: Camera | None = None
    margin: int = 0
    prompt: str = ""
    seed: int = 0

    def request(self, shot: Shot, task: Task, level: float | None = None) -> Request:
        """What a system is asked for.

        Args:
            shot: one of this scene's.
            task: the benchmark's.
            level: K, if it was searched.
        """
        request = self._request(shot, task, level)
        return replace(request, is_only_shot=len(self.shots) == 1)

    def _request(self, shot: Shot, task: Task, level: float | None) -> Request:
        source = self.image if shot.source is None else shot.source
        focus = shot.focus or self.focus
        if task == "deblur":
            return Request(self.name, shot.name, task, source, self.depth)
        if task == "generate":
            camera = None if self.camera is None else self._camera(shot, self.camera)
            return Request(
                *(self.name, shot.name, task, source),
                prompt=self.prompt,
                seed=self.seed,
                camera=camera,
            )
        if level is None:
            level = shot.level if shot.level is not None else self._camera_level(shot, focus)
        return Request(self.name, shot.name, task, source, self.depth, focus, level)

    def _camera_level(self, shot: Shot, focus: Focus | None) -> float:
        if self.camera is None or focus is None:
            raise InputError(
                f"{self.name}, {shot.name}",
                "neither a bokeh level nor a camera with a focus",
                "Say how strong the blur is.",
            )
        camera = self._camera(shot, self.camera).for_image(*self.image.shape[-2:])
        return float(camera_bokeh_level(camera, focus.plane[0]))

    def _camera(self, shot: Shot, camera: Camera) -> Camera:
        """That of a shot."""
        return replace(camera, f_number=shot.f_number or camera.f_number)

    def compared(self, picture: Tensor) -> Tensor:
        """The part of a picture that is compared."""
        edge = self.margin
        return picture[..., edge:-edge, edge:-edge] if edge else picture


@dataclass(frozen=True, eq=False)
class Request:
    """A picture that a system shall make.

    Args:
        scene, shot: names.
        task: what is to be done.
        image: linear light `[1,3,H,W]`.
        depth: of its size; None if nobody knows.
        focus: the plane that shall be sharp.
        level: bokeh level K, px per unit of the depth's disparity.
        prompt: what the picture shows that is to be generated.
        seed: of it.
        camera: that takes it.
        is_only_shot: whether the scene has no other.
    """

    scene: str
    shot: str
    task: Task
    image: Tensor
    depth: Depth | None = None
    focus: Focus | None = None
    level: float = 0.0
    prompt: str = ""
    seed: int = 0
    camera: Camera | None = None
    is_only_shot: bool = True

    def geometry(self, system: str) -> tuple[Depth, Focus]:
        """Depth and focus.

        Args:
            system: that needs them.

        Raises:
            InputError: one of them is unknown.
        """
        if self.depth is None or self.focus is None:
            missing = "depth" if self.depth is None else "focus"
            raise InputError(
                f"{self.scene}, {self.shot}",
                f"no {missing}, which {system} needs",
                "Add depth maps with --depth DIR, or leave the system out with --systems.",
            )
        return self.depth, self.focus


@dataclass(frozen=True)
class SceneFile:
    """A scene that is read when it is wanted.

    Args:
        name: of the scene.
        load: reads it.
        groups: by which results are averaged separately, such as the kind of depth.
    """

    name: str
    load: Callable[[], Scene]
    groups: Mapping[str, str] = field(default_factory=dict)
