"""Generate All-in-Focus, with tiny networks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import focuspuller
import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator.handle import Generator, embedded_prompts
from focuspuller.models.loaded import forget_models
from focuspuller.nodes import GenerateAllInFocus
from focuspuller.nodes.standin import Host, installed_host
from oracles.tiny_generator import save_generator_folders
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

GIVEN = {
    "prompt": "a dog",
    "width": 64,
    "height": 64,
    "seed": 3,
    "batch": 1,
    "steps": 0,
    "guidance": 5.0,
    "conditioning": "automatic",
    "base": "TinyXL",
}
LORA = "dmd2_sdxl_4step_lora_fp16.safetensors"
ONE_STEP = "dmd2_sdxl_1step_unet_fp16.bin"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("models")
    save_generator_folders(root)
    yield root
    forget_models()


@pytest.fixture(autouse=True)
def models(host: Host, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))
    with installed_host(replace(host, model_roots=[root])):
        yield root


def drawn(**changes: Any) -> Tensor:
    return GenerateAllInFocus.execute(**GIVEN | changes)[0]


def encoded(root: Path, prompt: str, **told: object) -> list[Any]:
    """What CLIP Text Encode gives."""
    base = Generator(root / "diffusers" / "TinyXL")
    (embedding,) = embedded_prompts([prompt], base, torch.device("cpu"))
    return [[embedding.tokens, {"pooled_output": embedding.pooled, **told}]]


def test_what_is_in_the_folders_of_models_is_offered() -> None:
    options = {
        port.id: (port.options, port.default)
        for port in GenerateAllInFocus.GET_SCHEMA().inputs
        if hasattr(port, "options")
    }
    students = ["none", "automatic", "trained.safetensors", LORA, ONE_STEP]
    assert options["student"] == (students, "automatic")
    projections = ["none", "automatic", "trained.safetensors"]
    assert options["exif_projection"] == (projections, "automatic")
    assert options["base"] == (["automatic", "TinyXL"], "automatic")


def test_a_seed_gives_the_same_picture_with_what_is_found_and_what_is_chosen() -> None:
    picture = drawn()
    assert picture.shape == (1, 64, 64, 3)
    assert torch.equal(picture, drawn(student=LORA))
    assert (picture - drawn(seed=4)).abs().max() > 0.01
    assert (picture - drawn(student=ONE_STEP)).abs().max() > 0.01
    assert (picture - drawn(prompt="a cat")).abs().max() > 1e-4


def test_a_batch_begins_with_the_same_picture() -> None:
    torch.testing.assert_close(drawn(batch=2)[:1], drawn(), rtol=1e-4, atol=1e-4)


def test_a_prompt_that_is_encoded_already_draws_the_same(root: Path) -> None:
    assert torch.equal(drawn(prompt="", positive=encoded(root, "a dog")), drawn())


def test_negative_prompts_are_for_sdxl_itself(root: Path) -> None:
    negative = encoded(root, "a cat")
    assert torch.equal(drawn(negative=negative), drawn())
    itself = {"student": "none", "steps": 2}
    assert (drawn(**itself, negative=negative) - drawn(**itself)).abs().max() > 1e-3


def test_the_camera_is_told_by_projection_or_in_words() -> None:
    untold, camera = drawn(), Camera(50, 2.8)
    assert torch.equal(drawn(camera=camera), untold)  # There is no projection called as ours.
    projection = {"exif_projection": "trained.safetensors"}
    pictures = [
        drawn(camera=camera, **projection),
        drawn(camera=camera, conditioning="exif_text"),
        drawn(camera=camera, conditioning="dof_text"),
        drawn(camera=camera, conditioning="exif_fixed"),
    ]
    for index, picture in enumerate(pictures):
        for other in [untold, *pictures[:index]]:
            assert (picture - other).abs().max() > 1e-4
    assert torch.equal(drawn(camera=camera, **projection, conditioning="none"), untold)
    fixed = drawn(camera=Camera(50, 8), conditioning="exif_fixed")
    assert torch.equal(fixed, pictures[-1])


def test_it_shows_what_drew_and_what_was_told() -> None:
    output = GenerateAllInFocus.execute(**GIVEN)
    assert output.ui["text"] == (f"{LORA} on TinyXL, not told of the camera",)
    camera, projection = Camera(50, 2.8), "trained.safetensors"
    output = GenerateAllInFocus.execute(**GIVEN, camera=camera, exif_projection=projection)
    assert output.ui["text"] == (f"{LORA} on TinyXL, told of 50 mm f/2.8",)


def test_what_cannot_be_used_is_refused(refuses: Any, root: Path) -> None:
    prompt = encoded(root, "a dog")
    words = GIVEN | {"conditioning": "exif_text"}
    assert "disconnect positive" in refuses(
        GenerateAllInFocus, "conditioning", **words, positive=prompt, camera=Camera(50, 2)
    )
    assert "Give a camera" in refuses(GenerateAllInFocus, "camera", **words)
    assert "2 prompts combined" in refuses(
        GenerateAllInFocus, "positive", **GIVEN, positive=prompt * 2
    )
    assert "'mask'" in refuses(
        GenerateAllInFocus, "negative", **GIVEN, negative=encoded(root, "a", mask=1)
    )
    refuses(GenerateAllInFocus, "positive", **GIVEN, positive=[[prompt[0][0], {}]])
    assert "multiple of 8" in refuses(GenerateAllInFocus, "width", **GIVEN | {"width": 100})


def test_missing_weights_are_named(host: Host, tmp_path: Path) -> None:
    empty = installed_host(replace(host, model_roots=[tmp_path]))
    with empty, pytest.raises(FileError, match="models fetch sdxl") as caught:
        drawn(base="automatic")
    assert caught.value.subject == "sd_xl_base_1.0.safetensors"
    assert caught.value.node == "Generate All-in-Focus"


def test_progress_is_reported(host: Host, root: Path) -> None:
    told: list[tuple[int, int]] = []
    watched = replace(host, model_roots=[root], on_step=lambda *step: told.append(step))
    with installed_host(watched):
        drawn()
    assert told == [(25, 100), (50, 100), (75, 100), (100, 100)]


def test_a_changed_file_is_noticed_and_a_changed_lens_is_not(models: Path) -> None:
    def fingerprint(**changes: Any) -> Any:
        return GenerateAllInFocus.fingerprint_inputs(**GIVEN | changes)

    before = fingerprint()
    assert fingerprint() == before
    assert fingerprint(seed=4) != before
    lora = models / "loras" / LORA
    lora.write_bytes(lora.read_bytes() + b" ")
    assert fingerprint() != before
    lora.write_bytes(lora.read_bytes()[:-1])


@pytest.mark.skipif(
    "FOCUSPULLER_COMFYUI_FOLDER" not in os.environ, reason="needs a checkout of ComfyUI"
)
def test_a_conditioning_of_a_real_comfyui_is_our_own_prompt() -> None:
    script = Path(__file__).parent / "comfyui_sdxl.py"
    done = subprocess.run(
        [
            os.environ.get("FOCUSPULLER_COMFYUI_PYTHON", "python"),
            str(script),
            str(Path(focuspuller.__file__).parents[1]),
        ],
        cwd=os.environ["FOCUSPULLER_COMFYUI_FOLDER"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert max(result["errors"]) < 1e-5
    assert result["shapes"] == [[1, 77, 96], [1, 64]]
