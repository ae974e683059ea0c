"""DPDD, the Canon dual-pixel defocus deblurring dataset (Abuolaim and Brown, ECCV 2020).

```
DIR/train_c/source/1P0A0890.png   blurred, 16 bits per colour
DIR/train_c/target/1P0A0891.png   the same view at f/22, all in focus
DIR/val_c/… DIR/test_c/…          likewise
```

Source and target are two shots with different numbers, so that pairs follow from the order. The
folders `*_l` and `*_r` with the two sub-aperture views are not used.
"""

from __future__ import annotations

from pathlib import Path

from ....errors import FileError
from ..records import Pair, PairList, Picture
from .files import folder_at, pictures_in

SPLITS = ("train", "val", "test")


def read(root: Path, split: str) -> PairList:
    """The pairs of a split.

    Args:
        root: holds `train_c`, `val_c` or `test_c`.
        split: "train" (350 pairs), "val" (74) or "test" (76).

    Raises:
        FileError: folders or pictures are missing.
    """
    folder = folder_at(root, f"{split}_c", dataset="DPDD")
    return paired_in_order(folder, split, "DPDD")


def paired_in_order(folder: Path, prefix: str, dataset: str) -> PairList:
    """Pairs of `source/` and `target/`, whose names differ but for their order.

    Raises:
        FileError: there are not as many of both.
    """
    sources, targets = (
        pictures_in(folder_at(folder, name, dataset=dataset), dataset)
        for name in ("source", "target")
    )
    if len(sources) != len(targets):
        raise FileError(
            str(folder),
            f"{len(sources)} pictures in source/ and {len(targets)} in target/",
            f"Copy {dataset} again: both belong together in their order.",
        )
    return PairList(
        tuple(
            Pair(
                name=f"{prefix}/{blurred.stem}",
                scene=f"{prefix}/{blurred.stem}",
                all_in_focus=Picture(sharp),
                bokeh=Picture(blurred),
            )
            for blurred, sharp in zip(sources, targets, strict=True)
        )
    )
