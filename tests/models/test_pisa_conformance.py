"""Physics-inspired self-attention against the published processor."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.models.bokehdiff.condition import PisaCondition
from focuspuller.models.bokehdiff.processor import PisaProcessor, conditioned
from oracles.pisa import visibility
from oracles.weights import filled
from torch import Tensor

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
# The published frame is so wide, from the first token's centre to the last one's.
FRAME = 51.2
TOLERANCE = 1e-4


def published(name: str) -> dict[str, Tensor]:
    path = CONFORMANCE / name / "io.npz"
    if not path.exists():
        pytest.skip(f"the conformance set {name} is not here")
    with np.load(path) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def attention(**options: Any) -> Any:
    from diffusers.models.attention_processor import Attention

    return filled(Attention(bias=False, **options))


def condition(maps: Tensor, rows: int, columns: int, **options: Any) -> PisaCondition:
    """As published: without supersamples, and a frame that is as wide as it is high."""
    step = (FRAME / (rows - 1), FRAME / (columns - 1))
    chosen: dict[str, Any] = {"supersamples": 1, "token_step": step, **options}
    return PisaCondition(maps[:, :1], maps[:, 1:], **chosen)


def attended(
    layer: Any, hidden: Tensor, scene: PisaCondition, text: Tensor | None = None
) -> Tensor:
    processor = PisaProcessor()
    layer.set_processor(processor)
    with torch.no_grad(), conditioned(processor, scene):
        return layer(hidden, encoder_hidden_states=text)


@pytest.mark.parametrize("hardness", [3.0, 1e7])
@pytest.mark.parametrize(
    ("grid", "rows", "columns", "segments"),
    # The published places of the rays are only right in square grids.
    [("square", 8, 8, 0), ("square", 8, 8, 7), ("wide", 12, 16, 0)],
)
def test_the_processor_gives_the_published_numbers(
    grid: str, rows: int, columns: int, segments: int, hardness: float
) -> None:
    arrays = published("bokehdiff_pisa")
    scene = condition(
        arrays[f"{grid}_disp_coc"], rows, columns, hardness=hardness, segments=segments
    )
    found = attended(
        attention(query_dim=64, heads=2, dim_head=32), arrays[f"{grid}_hidden_states"], scene
    )
    expected = arrays[f"{grid}_hard{hardness:g}_segments{segments}_output"]
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


RUNS = {
    "eval_nosuper": (1e7, 7),
    "eval_nosuper_K20": (1e7, 7),
    "soft_nosuper": (3.0, 4),
    "soft1000_nosuper": (1000.0, 5),
    "noocc": (1e7, 0),
}


def detail(grid: str, run: str) -> tuple[dict[str, Tensor], PisaCondition]:
    arrays = published("bokehdiff_pisa_detail")
    rows, columns = (int(side) for side in grid.removeprefix("g").split("x"))
    maps = arrays[f"{grid}_disp_coc"].clone()
    if run.endswith("K20"):
        config = json.loads((CONFORMANCE / "bokehdiff_pisa_detail" / "config.json").read_text())
        maps[:, 1] = (maps[:, 0] - config["grids"][grid]["disp_focus"]).abs() * 2.0
    hardness, segments = RUNS[run]
    return arrays, condition(maps, rows, columns, hardness=hardness, segments=segments)


@pytest.mark.parametrize(("grid", "run"), [*(("g8x8", run) for run in RUNS), ("g16x12", "noocc")])
def test_every_setting_gives_the_published_numbers(grid: str, run: str) -> None:
    arrays, scene = detail(grid, run)
    found = attended(attention(query_dim=32, heads=2, dim_head=16), arrays[f"{grid}_hidden"], scene)
    torch.testing.assert_close(found, arrays[f"{grid}_{run}_out"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("run", ["eval_nosuper", "soft_nosuper"])
def test_what_is_hidden_is_what_was_hidden(run: str) -> None:
    arrays, scene = detail("g8x8", run)
    paths = scene.for_tokens(64)
    (group,) = paths.groups
    hidden = 1 - paths.visible(group)[:, :, 0]
    torch.testing.assert_close(hidden, arrays[f"g8x8_{run}_occ_map"], atol=1e-6, rtol=0)
    assert 0.01 < float(hidden.mean()) < 0.99


def test_the_definition_gives_the_published_random_rays() -> None:
    arrays = published("bokehdiff_pisa_detail")
    jitter = (arrays["g8x8_eval_released_jitter_uniform"] - 0.5) * 2 / 8
    with_first = torch.cat([torch.zeros_like(jitter[:1]), jitter])
    fine = arrays["g8x8_disp_3x"][:, None]
    visible = visibility(arrays["g8x8_disp_low"], fine, 8, 8, 7, with_first)
    hidden = 1 - visible[:, None]
    torch.testing.assert_close(
        hidden, arrays["g8x8_eval_released_nodrop_occ_map"], atol=1e-6, rtol=0
    )


def test_with_text_it_is_plain_attention() -> None:
    arrays, scene = detail("g16x12", "noocc")
    layer = attention(query_dim=32, heads=2, dim_head=16, cross_attention_dim=24)
    found = attended(layer, arrays["g16x12_hidden"], scene, arrays["cross_text"])
    torch.testing.assert_close(found, arrays["cross_out"], atol=TOLERANCE, rtol=0)


def test_the_slope_is_the_logarithm_of_the_hardness() -> None:
    arrays, scene = detail("g8x8", "soft1000_nosuper")
    assert scene.for_tokens(64).scene.slope == pytest.approx(
        float(arrays["g8x8_soft1000_nosuper_log_hard"])
    )
    assert math.log(1000.0) == pytest.approx(scene.for_tokens(64).scene.slope)
