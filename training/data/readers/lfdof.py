"""LFDOF, views refocused from light fields (Ruan et al., AIFNet, IEEE TCI 2021).

```
DIR/train_data/input/IMG_1275/IMG_1275_ap1_00.png   blurred, several of each scene
DIR/train_data/ground_truth/IMG_1275.png            all in focus
DIR/test_data/…                                     likewise
```
"""

from __future__ import annotations

from pathlib import Path

from ..records import Pair, PairList, Picture
from .files import check_complete, folder_at, natural, pictures_in

SPLITS = ("train", "test")


def read(root: Path, split: str) -> PairList:
    """The pairs of a split: 11,261 for training, 725 to test with.

    Args:
        root: holds `train_data` or `test_data`.
        split: "train" or "test".

    Raises:
        FileError: folders or pictures are missing.
    """
    folder = folder_at(root, f"{split}_data", dataset="LFDOF")
    truth = folder_at(folder, "ground_truth", dataset="LFDOF")
    inputs = folder_at(folder, "input", dataset="LFDOF")
    sharp = {path.stem: path for path in pictures_in(truth, "LFDOF")}
    scenes = sorted(
        (path.name for path in inputs.iterdir() if path.is_dir() and path.name[0] != "."),
        key=natural,
    )
    check_complete(inputs, [name for name in sharp if name not in scenes], "LFDOF")
    check_complete(truth, [f"{name}.png" for name in scenes if name not in sharp], "LFDOF")
    return PairList(
        tuple(
            Pair(
                name=f"{split}/{blurred.stem}",
                scene=f"{split}/{scene}",
                all_in_focus=Picture(sharp[scene]),
                bokeh=Picture(blurred),
            )
            for scene in scenes
            for blurred in pictures_in(inputs / scene, "LFDOF")
        )
    )
