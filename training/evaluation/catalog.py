"""All benchmarks by name."""

from __future__ import annotations

from functools import partial

from ...errors import InputError
from .benchmark import Benchmark, Column
from .blb import blb_files
from .generated import prompt_files
from .photographs import Dataset, bokeh_files, deblur_files, refocus_files
from .scene import Shot
from .simulated import added_bokeh, apertures, refocused, removed_bokeh
from .truth import SHIPPED, degraded_files, truth_files

TRUTH_LAYOUT = "`DIR/*.npz` of `benchmarks/truth_scenes.py`; default: the small set `tests/truth`"
PICTURES_LAYOUT = "`DIR/pictures/NAME.jpg`, `DIR/depth/NAME.npy`, optional `DIR/points.json`"
LIGHT_FIELD_LAYOUT = (
    "`DIR/all_in_focus/NAME.png`, `DIR/bokeh/NAME/ANY.png`, `DIR/depth/NAME.npy`, optional "
    "`DIR/mask/NAME.png`"
)
SHARPNESS = (Column("clip-iqa"), Column("maniqa"), Column("musiq"))


def _small_apertures(shot: Shot) -> bool:
    """Those of Content Consistency and LPIPS: f/4 to f/22."""
    return (shot.f_number or 0) >= 4


def _deep(shot: Shot) -> bool:
    return (shot.f_number or 0) > 10


def _shallow(shot: Shot) -> bool:
    return 0 < (shot.f_number or 0) < 10


def _of_series(shot: Shot) -> bool:
    return shot.target is None


FINE_GRAINED = (
    Column("blur-monotonicity"),
    Column("light-monotonicity"),
    Column("content-consistency", shots=_small_apertures),
    Column("lpips-neighbours", "LPIPS", shots=_small_apertures),
    Column("fid", "FID DDoF", shots=_deep, reference="reference/deep"),
    Column("fid", "FID SDoF", shots=_shallow, reference="reference/shallow"),
)

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "truth",
            "Focus Puller",
            "path-traced scenes with exact depth: which lens is right",
            TRUTH_LAYOUT,
            "bokeh",
            (Column("psnr"), Column("ssim"), Column("lpips"), Column("dists")),
            truth_files,
            coding="gamma 2.2",
            sweeps=("scene",),
            default_folder=SHIPPED,
        ),
        Benchmark(
            "truth-depth",
            "BokehDiff Fig. 7, on Focus Puller's path-traced scenes",
            "the same with the disparity eroded, dilated, blurred and quantised",
            TRUTH_LAYOUT,
            "bokeh",
            (Column("psnr"), Column("lpips")),
            degraded_files,
            coding="gamma 2.2",
            sweeps=("depth",),
            default_folder=SHIPPED,
        ),
        Benchmark(
            "fine-grained",
            "Fine-grained Defocus Tables 1 and 2",
            "blur at eight apertures, and whether the scene stays what it is: lenses",
            f"{PICTURES_LAYOUT}; for FID `DIR/reference/deep/` and `DIR/reference/shallow/`",
            "bokeh",
            FINE_GRAINED,
            apertures,
        ),
        Benchmark(
            "fine-grained-prompts",
            "Fine-grained Defocus Tables 1 and 2",
            "the same of pictures that are generated from prompts",
            "`DIR/prompts.json`; for FID `DIR/reference/deep/` and `DIR/reference/shallow/`",
            "generate",
            FINE_GRAINED,
            prompt_files,
        ),
        Benchmark(
            "diffcamera-refocus",
            "DiffCamera Table 1, refocus",
            "from one focus and bokeh level to another, both simulated by BokehMe",
            PICTURES_LAYOUT,
            "refocus",
            (Column("clip-i"), Column("mae"), Column("clip-iqa")),
            refocused,
        ),
        Benchmark(
            "diffcamera-bokeh",
            "DiffCamera Table 1, bokeh",
            "four bokeh levels added to a sharp picture, simulated by BokehMe",
            PICTURES_LAYOUT,
            "bokeh",
            (Column("clip-i"), Column("mae"), Column("lvcorr"), Column("clip-iqa")),
            added_bokeh,
        ),
        Benchmark(
            "diffcamera-deblur",
            "DiffCamera Table 2",
            "four bokeh levels removed",
            PICTURES_LAYOUT,
            "deblur",
            tuple(map(Column, ("clip-i", "mae", "lpips", "psnr", "clip-iqa"))),
            removed_bokeh,
        ),
        Benchmark(
            "dpdd",
            "Generative Refocusing Table 2, DPDD",
            "defocus deblurring of 76 photographs",
            "`DIR/test_c/source/`, `DIR/test_c/target/`",
            "deblur",
            (Column("lpips"), Column("dists"), *SHARPNESS),
            partial(deblur_files, Dataset("dpdd", "test")),
        ),
        Benchmark(
            "dpdd-crop",
            "Generative Refocusing Table 7",
            "the same in the middle 512×512 px",
            "`DIR/test_c/source/`, `DIR/test_c/target/`",
            "deblur",
            (Column("lpips"), Column("dists"), *SHARPNESS),
            partial(deblur_files, Dataset("dpdd", "test", crop=512)),
        ),
        Benchmark(
            "realdof",
            "Generative Refocusing Table 2, RealDOF",
            "defocus deblurring of 50 photographs",
            "`DIR/source/`, `DIR/target/`",
            "deblur",
            (Column("lpips"), Column("dists"), *SHARPNESS),
            partial(deblur_files, Dataset("realdof", "test")),
        ),
        Benchmark(
            "lf-bokeh",
            "Generative Refocusing Table 3",
            "bokeh at each system's best level, and how evenly it follows the level",
            LIGHT_FIELD_LAYOUT,
            "bokeh",
            (
                Column("lpips"),
                Column("dists"),
                Column("clip-i"),
                Column("lvcorr", shots=_of_series),
            ),
            partial(bokeh_files, Dataset("folders", "all", has_series=True)),
            searches_level=True,
        ),
        Benchmark(
            "lf-refocus",
            "Generative Refocusing Table 4",
            "from one photograph of a view to another, at each system's best level",
            LIGHT_FIELD_LAYOUT,
            "refocus",
            tuple(map(Column, ("lpips", "dists", "clip-i", "clip-iqa", "musiq"))),
            partial(refocus_files, Dataset("folders", "all")),
            searches_level=True,
        ),
        Benchmark(
            "ebb-val294",
            "BokehDiff Table 1, EBB! Val294",
            "f/1.8 from f/16, exposure aligned, at each system's best level",
            "`DIR/Training/original/`, `DIR/Training/bokeh/`, depth maps with `--depth`",
            "bokeh",
            tuple(map(Column, ("psnr", "ssim", "dists", "lpips"))),
            partial(bokeh_files, Dataset("ebb", "val294", aligns_exposure=True)),
            searches_level=True,
        ),
        Benchmark(
            "blb",
            "BokehDiff Table 1, BLB level 5",
            "Blender renderings with exact depth",
            "`DIR/NUMBER/image.exr`, `depth.exr`, `info.json`, `bokeh_04_*.exr`",
            "bokeh",
            tuple(map(Column, ("psnr", "ssim", "lpips"))),
            partial(blb_files, 5),
            coding="gamma 2.2",
        ),
    )
}


def benchmark_called(name: str) -> Benchmark:
    """A benchmark.

    Raises:
        InputError: there is none of that name.
    """
    if name not in BENCHMARKS:
        raise InputError("benchmark", repr(name), f"Give one of {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]
