"""Tiny weights for every template, in the folders where ComfyUI looks.

python tests/oracles/tiny_models.py COMFYUI/models
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracles.refocus import save_models
from oracles.tiny_generator import save_pipeline_folders


def save_template_models(root: Path) -> Path:
    """A folder of models for all templates; what lies there stays. Returns it."""
    with TemporaryDirectory() as folder:
        for save in (save_models, save_pipeline_folders):
            part = Path(folder) / save.__name__
            part.mkdir()
            save(part)
            shutil.copytree(part, root, dirs_exist_ok=True)
    return root


if __name__ == "__main__":
    save_template_models(Path(sys.argv[1]))
