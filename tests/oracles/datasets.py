"""Tiny copies of the published layouts, in which every picture has a colour of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_picture(path: Path, seed: int, size: tuple[int, int] = (12, 16)) -> np.ndarray:
    """A noisy picture `[H,W,3]` uint8; JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path, quality=100)
    return pixels


def write_png16(path: Path, colours: np.ndarray) -> None:
    """A PNG with 16 bits per colour, which Pillow cannot write."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), colours[..., ::-1])


def dpdd(root: Path) -> Path:
    for split, first in (("train", 890), ("val", 700), ("test", 916)):
        for index in range(3):
            number = first + 12 * index
            folder = root / f"{split}_c"
            write_picture(folder / f"source/1P0A{number + 1:04d}.png", number + 1)
            write_picture(folder / f"target/1P0A{number:04d}.png", number)
        (root / f"{split}_l/source").mkdir(parents=True)
    return root


def realdof(root: Path) -> Path:
    for index in range(2):
        write_picture(root / f"source/{index:02d}.png", 2 * index)
        write_picture(root / f"target/{index:02d}.png", 2 * index + 1)
    return root


def lfdof(root: Path) -> Path:
    for split in ("train", "test"):
        for scene in (988, 1275):
            folder = root / f"{split}_data"
            write_picture(folder / f"ground_truth/IMG_{scene}.png", scene)
            for focus in range(3):
                blurred = folder / f"input/IMG_{scene}/IMG_{scene}_ap1_{focus:02d}.png"
                write_picture(blurred, scene + focus + 1)
    return root


def ebb(root: Path) -> Path:
    for number in (0, 2, 10, 4399, 4400, 4693):
        write_picture(root / f"Training/original/{number}.jpg", number)
        write_picture(root / f"Training/bokeh/{number}.jpg", number + 1)
    return root


def ebb_val294(root: Path) -> Path:
    for number in (4400, 4401):
        write_picture(root / f"test/in/{number}.jpg", number)
        write_picture(root / f"test/gt/{number}.jpg", number + 1)
    return root


def realbokeh(root: Path) -> Path:
    for split in ("train", "validation", "test"):
        for scene, f_numbers in ((9, (2.0, 20.0)), (10, (2.0, 4.0, 7.1))):
            names = [f"gt/{scene}/{scene}_f{f_number}.JPG" for f_number in f_numbers]
            metadata = {
                "id": scene,
                "source_image": f"in/{scene}_f22.JPG",
                "source_av": 22.0,
                "target_images": names,
                "target_avs": list(f_numbers),
                "focal_length": 49,
                "ISO": 100,
                "EV": 12.875,
                "focus_plane_distance": 0.585,
                "focus_plane_uncertainty": 0.015,
            }
            folder = root / split
            (folder / "metadata").mkdir(parents=True, exist_ok=True)
            (folder / f"metadata/{scene}.json").write_text(json.dumps(metadata))
            write_picture(folder / metadata["source_image"], scene)
            for index, name in enumerate(names):
                write_picture(folder / name, 100 * scene + index)
    return root


def folders(root: Path) -> Path:
    for index, name in enumerate(("bird", "cat")):
        write_picture(root / f"all_in_focus/{name}.png", index)
        write_picture(root / f"mask/{name}.png", 5)
        (root / "depth").mkdir(exist_ok=True)
        np.save(
            root / f"depth/{name}.npy", np.linspace(1, 8, 192, dtype=np.float32).reshape(12, 16)
        )
    write_picture(root / "bokeh/bird.png", 10)
    write_picture(root / "bokeh/cat/f2.png", 11)
    write_picture(root / "bokeh/cat/f10.png", 12)
    return root
