"""EBB!, Everything is Better with Bokeh! (Ignatov et al., CVPRW 2020): f/16 and f/1.8.

```
DIR/Training/original/0.jpg   f/16, all in focus
DIR/Training/bokeh/0.jpg      f/1.8
```

Only the 4,694 training pairs are published with both pictures. Papers test on the last 294 of
them, Val294, and train on the others. Val294 alone is also passed on as `DIR/test/in/` and
`DIR/test/gt/`.
"""

from __future__ import annotations

from pathlib import Path

from ..records import Pair, PairList, Picture
from .files import check_complete, folder_at, pictures_in

SPLITS = ("train", "val294")
F_NUMBER = 1.8
# Val294 are the pictures from this number on.
FIRST_OF_VAL294 = 4400


def read(root: Path, split: str) -> PairList:
    """The pairs of a split.

    Args:
        root: holds `Training` (or `train`), or for "val294" `test`.
        split: "train" or "val294".

    Raises:
        FileError: folders or pictures are missing.
    """
    is_val294 = split == "val294"
    is_alone = is_val294 and (root / "test" / "in").is_dir()
    folder = root / "test" if is_alone else folder_at(root, "Training", "train", dataset="EBB!")
    sharp_name, bokeh_name = ("in", "gt") if is_alone else ("original", "bokeh")
    sharp, bokeh = (
        {
            path.stem: path
            for path in pictures_in(folder_at(folder, name, dataset="EBB!"), "EBB!")
            if is_alone or _is_in_val294(path) == is_val294
        }
        for name in (sharp_name, bokeh_name)
    )
    check_complete(folder / bokeh_name, [name for name in sharp if name not in bokeh], "EBB!")
    check_complete(folder / sharp_name, [name for name in bokeh if name not in sharp], "EBB!")
    check_complete(folder, [] if sharp else [f"{sharp_name}/ of {split}"], "EBB!")
    return PairList(
        tuple(
            Pair(
                name=f"{split}/{name}",
                scene=f"{split}/{name}",
                all_in_focus=Picture(path),
                bokeh=Picture(bokeh[name]),
                f_number=F_NUMBER,
            )
            for name, path in sharp.items()
        )
    )


def _is_in_val294(path: Path) -> bool:
    return path.stem.isdecimal() and int(path.stem) >= FIRST_OF_VAL294
