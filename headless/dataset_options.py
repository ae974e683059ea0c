"""Options of commands that read a dataset with its depth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..training.data.readers.folders import DepthCoding
    from ..training.data.records import Source


def add_companion_options(parser: argparse.ArgumentParser) -> None:
    """Add `--depth` and `--masks`, which lie beside a dataset."""
    add_depth_options(parser)
    parser.add_argument("--masks", type=Path, metavar="DIR", help="white where it is in focus")


def add_depth_options(parser: argparse.ArgumentParser) -> None:
    """Add `--depth` and what its files hold."""
    parser.add_argument("--depth", type=Path, metavar="DIR", help="depth maps")
    parser.add_argument(
        "--depth-encoding", choices=("depth", "disparity", "relative"), help="what the numbers mean"
    )
    parser.add_argument("--near-is-black", action="store_true", help="small numbers are near")
    parser.add_argument("--near", type=float, metavar="M", help="distance of the nearest code")
    parser.add_argument("--far", type=float, metavar="M", help="distance of the farthest code")


def depth_coding(options: argparse.Namespace) -> DepthCoding:
    """What the options say of the depth files."""
    from ..training.data.readers.folders import DepthCoding

    return DepthCoding(options.depth_encoding, not options.near_is_black, options.near, options.far)


def add_dataset_options(parser: argparse.ArgumentParser, layout: str) -> None:
    """Add the folder of a dataset, `--layout` and `--split`."""
    parser.add_argument("dataset", type=Path, metavar="DIR", help="folder of the dataset")
    parser.add_argument("--layout", default=layout, help=f"how the dataset lies there ({layout})")
    parser.add_argument("--split", help="of the dataset; its first by default")


def dataset_from(options: argparse.Namespace) -> Source:
    """The pairs of the dataset, with the depth and the masks that the options name.

    Raises:
        FileError: files are missing.
        InputError: there is no such layout or split.
    """
    from ..training.data.companions import with_depth, with_masks
    from ..training.data.readers.catalog import open_dataset

    source = open_dataset(options.layout, options.dataset, options.split)
    if options.depth is not None:
        source = with_depth(source, options.depth, depth_coding(options))
    return source if options.masks is None else with_masks(source, options.masks)
