"""What every source of training data gives: pairs of pictures, opened when they are used.

A source is a list without pixels: making it and asking for a record reads names only. Sources and
records can be pickled, so that they reach the processes that make examples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.color import luminance
from ...lens.defocus import Defocus, defocus_from_bokeh_level
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import Camera
from ...photo.depth_files import DepthEncoding, decode_depth_file, load_depth
from ...photo.exif import CameraData
from ...photo.photo import Photo, decode_photo, load_photo


@dataclass(frozen=True)
class Member:
    """A file within a tar file.

    Args:
        shard: the tar file.
        name: of the file within it.
        offset: of its first byte.
        length: bytes.
    """

    shard: Path
    name: str
    offset: int
    length: int

    def read(self) -> bytes:
        """Its content.

        Raises:
            FileError: the tar file is missing or shorter than its index says.
        """
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.length)
        except OSError as error:
            raise FileError(str(self.shard), str(error), "Check the path.") from error
        if len(content) != self.length:
            raise FileError(
                str(self.shard),
                f"a tar file that ends within {self.name}",
                "Copy it again, or remove its .index.json to have it indexed anew.",
            )
        return content


Place = Path | Member


@dataclass(frozen=True)
class Picture:
    """A picture in a file.

    Args:
        place: the file.
    """

    place: Place

    @property
    def name(self) -> str:
        """Of the file, without folders."""
        return self.place.name

    def photo(self) -> Photo:
        """The picture with everything that the file tells.

        Raises:
            FileError: it cannot be read.
        """
        if isinstance(self.place, Path):
            return load_photo(self.place)
        return decode_photo(self.place.read(), Path(self.place.name))

    def image(self) -> Tensor:
        """`[3,H,W]` float32, sRGB-coded 0..1, upright; 16 bits are kept."""
        return self.coded(self.photo())

    @staticmethod
    def coded(photo: Photo) -> Tensor:
        """The pixels of a photo as `image` gives them."""
        return torch.from_numpy(photo.image).movedim(-1, 0).contiguous()

    def image_with_alpha(self) -> tuple[Tensor, Tensor]:
        """`[3,H,W]` as `image`, colours not mixed with a background, and coverage `[1,H,W]`."""
        photo = self.photo()
        image = self.coded(photo)
        if photo.alpha is None:
            return image, torch.ones_like(image[:1])
        return image, torch.from_numpy(photo.alpha)[None]

    def grey(self) -> Tensor:
        """`[1,H,W]` 0..1, such as of a mask or the shape of an aperture."""
        return luminance(self.image()[None])[0]

    def camera_data(self) -> CameraData:
        """What EXIF tells of the camera."""
        return self.photo().camera_data


@dataclass(frozen=True)
class DepthMap:
    """Depth in a file; the arguments are those of `load_depth`."""

    place: Place
    encoding: DepthEncoding | None = None
    near_is_white: bool = True
    near_m: float | None = None
    far_m: float | None = None

    def depth(self) -> Depth:
        """`[1,1,H,W]`, metric or relative.

        Raises:
            FileError: it cannot be read or holds no depth.
        """
        how = (self.encoding, self.near_is_white, self.near_m, self.far_m)
        if isinstance(self.place, Path):
            return load_depth(self.place, *how)
        return decode_depth_file(self.place.read(), Path(self.place.name), *how)


@dataclass(frozen=True)
class Blur:
    """How a picture is blurred: by a radius of `level · |δ − focus_disparity|`.

    Args:
        level: bokeh level K, px of the picture (radius) per unit of disparity.
        focus_disparity: the sharp plane.
        is_metric: whether disparity is in 1/m, else relative (0..1, 1 = nearest).
    """

    level: float
    focus_disparity: float
    is_metric: bool

    def defocus(self, depth: Depth) -> Defocus:
        """The defocus map of a depth of the picture's size.

        Raises:
            InputError: one is metric and the other relative.
        """
        focus = Focus.at_disparity(self.focus_disparity, self.is_metric)
        return defocus_from_bokeh_level(depth, focus, self.level)

    def resized(self, scale: float) -> Blur:
        """The same blur on the picture scaled by a factor."""
        return replace(self, level=self.level * scale)


@dataclass(frozen=True)
class Pair:
    """Pictures of one view; what a source does not have is None.

    Args:
        name: of the blurred picture, once in a source.
        scene: what is shown: pairs of a scene share their all-in-focus picture, and never belong
            to different splits.
        all_in_focus: everything sharp.
        bokeh: blurred by a lens, on purpose or not.
        depth: of the view.
        mask: white where the blurred picture is in focus.
        blur: strength and focus plane of the blurred picture.
        f_number: of the blurred picture.
        camera: that took the blurred picture; its `image_width_px` is the picture's.
        focus_distance_m: as the dataset says, metres.
        focus_point: a point that is in focus, as fractions of width and height.
        aperture: shape of the blur disc, white on black.
    """

    name: str
    scene: str
    all_in_focus: Picture | None = None
    bokeh: Picture | None = None
    depth: DepthMap | None = None
    mask: Picture | None = None
    blur: Blur | None = None
    f_number: float | None = None
    camera: Camera | None = None
    focus_distance_m: float | None = None
    focus_point: tuple[float, float] | None = None
    aperture: Picture | None = None


class Source(Protocol):
    """Pairs by number."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def record(self, index: int) -> Pair:
        """One of them, 0 <= index < length; the same for the same number."""
        ...


@dataclass(frozen=True)
class PairList:
    """A source of pairs that are all known.

    Args:
        pairs: in their order.
    """

    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def record(self, index: int) -> Pair:
        """One of them."""
        return self.pairs[index]


def records_of(source: Source) -> Iterator[Pair]:
    """All pairs, in their order."""
    return (source.record(index) for index in range(len(source)))


def scenes_of(source: Source) -> dict[str, tuple[int, ...]]:
    """Numbers of the pairs of each scene, scenes in the order of their first pair."""
    found: dict[str, list[int]] = {}
    for index, pair in enumerate(records_of(source)):
        found.setdefault(pair.scene, []).append(index)
    return {scene: tuple(numbers) for scene, numbers in found.items()}


def digest_of(source: Source) -> str:
    """SHA-256 of the names and labels of all pairs: what a training was made with, in short."""
    digest = hashlib.sha256()
    for pair in records_of(source):
        labels = (pair.name, pair.scene, pair.blur, pair.f_number, pair.camera, pair.focus_point)
        digest.update(repr(labels).encode())
    return digest.hexdigest()
