"""What is known of published weights: one record for each file or folder that people have."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from .layout import Findings

# Suffixes of files that hold weights, in lower case.
WEIGHT_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".gguf")

HUB = "https://huggingface.co"

# What several entries say.
CC_BY_NC = "CC-BY-NC-4.0: not for commercial use"
OWN_SOURCE = "https://github.com/focuspuller/focuspuller"
TRAINED_LICENCE = "that of its metadata: nobody has published weights, they are trained"


class Hub(NamedTuple):
    """A repository on the Hugging Face hub.

    Args:
        repo: owner and name.
        revision: branch, tag or commit.
        folder: where in the repository the files are.
    """

    repo: str
    revision: str = "main"
    folder: str = ""

    def path(self, file: str) -> str:
        """The path of a file within the repository."""
        return str(PurePosixPath(self.folder, file))


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One network's published weights: a file, or a folder of files as diffusers has them.

    Args:
        name: what the command line calls it ("metric3d-vit-small"). Names that share what is before
            a hyphen make a group ("metric3d").
        network: as people call it ("Metric3Dv2 ViT-S").
        files: published names of all files that are needed. Errors name the first.
        folders: kinds of ComfyUI's folders of models ("depthanything"), in the order of search. New
            files go into the first. Empty if the weights come with the package.
        source: page of the publication.
        licence: what is known of the terms.
        hub: where the hub has the files.
        downloads: address below which the files are, where the hub has none.
        subfolder: name of the folder that holds `files`, for weights that are a folder.
        other_names: further names under which people keep the file, or the subfolder.
        packaged: path below `models/` of what comes with the package.
        sha256: digests by file name. Missing for what we have seen no copy of.
        check: "models.metric3d.layout:check", a function that takes the path of the file or folder
            and gives `Findings`. Imported only when it is asked for.
    """

    name: str
    network: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    source: str
    licence: str
    hub: Hub | None = None
    downloads: str = ""
    subfolder: str = ""
    other_names: tuple[str, ...] = ()
    packaged: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict, hash=False)
    check: str = ""

    @property
    def file(self) -> str:
        """The file that errors name."""
        return self.files[0]

    @property
    def title(self) -> str:
        """What has to be put into a folder: the file, or the folder with its files."""
        return self.subfolder or self.file

    def url(self, file: str) -> str | None:
        """Address of one of `files`; None where it can only be had by hand from `source`.

        The environment variable HF_ENDPOINT names a mirror of the hub, as for huggingface_hub.
        """
        if self.hub:
            endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
            path = quote(self.hub.path(file))
            return f"{endpoint}/{self.hub.repo}/resolve/{quote(self.hub.revision, safe='')}/{path}"
        return f"{self.downloads.rstrip('/')}/{quote(file)}" if self.downloads else None

    def findings(self, path: Path) -> Findings | None:
        """What does not fit in a file or folder of these weights; None if there is no check.

        Raises:
            FileError: it is missing, unreadable or could run code.
        """
        if not self.check:
            return None
        module, _, function = self.check.partition(":")
        package = __name__.removesuffix(".models.weights")
        check: Callable[[Path], Findings] = getattr(
            importlib.import_module(f".{module}", package), function
        )
        return check(path)
