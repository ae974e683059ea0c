"""RealDOF, 50 test pairs from two cameras behind one lens (Lee et al., CVPR 2021).

```
DIR/source/NAME.png   blurred
DIR/target/NAME.png   all in focus
```
"""

from __future__ import annotations

from pathlib import Path

from ..records import PairList
from .dpdd import paired_in_order

SPLITS = ("test",)


def read(root: Path, split: str) -> PairList:
    """All pairs; there is only a test split.

    Raises:
        FileError: folders or pictures are missing.
    """
    return paired_in_order(root, split, "RealDOF")
