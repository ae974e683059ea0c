"""The EXIF-conditioned generator: prompts, pictures, and the weights that are found."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator import handle
from focuspuller.models.exif_generator.files import (
    save_exif_generator,
)
from focuspuller.models.exif_generator.handle import (
    Generator,
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from focuspuller.models.sdxl.text import LENGTH, PromptEmbedding, embedded_prompt
from focuspuller.models.sdxl.tokenizer import tokenizer_for, words_of
from oracles.tiny_generator import (
    METADATA,
    save_tokenizer,
    trained_projection,
)
from oracles.tiny_sdxl import contiguous
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


CPU = torch.device("cpu")
CAMERA = Camera(50.0, 2.8)
SMALL = Sampling(width=64, height=64)


class TestPrompts:
    def test_a_vocabulary_of_this_machine_counts_the_words(self, base: Path) -> None:
        folder = tokenizer_for(base)
        assert folder == base / "tokenizer"
        ids = words_of("Ab c", folder)
        assert len(ids) == 3
        assert words_of("ab c", folder) == ids

    def test_one_in_the_folder_of_models_serves_single_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
        with pytest.raises(FileError, match="focuspuller models fetch clip-tokenizer"):
            tokenizer_for(tmp_path / "sdxl.safetensors")
        save_tokenizer(tmp_path / "tokenizers" / "clip")
        assert tokenizer_for(tmp_path / "sdxl.safetensors") == tmp_path / "tokenizers" / "clip"
        save_tokenizer(tmp_path / "elsewhere")
        given = tokenizer_for(tmp_path / "sdxl.safetensors", tmp_path / "elsewhere")
        assert given == tmp_path / "elsewhere"

    def test_others_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="without vocab"):
            tokenizer_for(tmp_path, tmp_path)
        save_tokenizer(tmp_path / "clip")
        (tmp_path / "clip" / "vocab.json").write_text("{")
        with pytest.raises(FileError, match="cannot be read"):
            words_of("a", tmp_path / "clip")

    def test_embeddings_are_those_of_the_encoders(self, base: Path, networks) -> None:
        folder = tokenizer_for(base)
        found = embedded_prompts(["ab", ""], Generator(base), CPU)
        encoders = networks["text_encoder"], networks["text_encoder_2"]
        expected = embedded_prompt(words_of("ab", folder), *encoders)
        torch.testing.assert_close(found[0].tokens, expected.tokens)
        torch.testing.assert_close(found[0].pooled, expected.pooled)
        assert found[1].tokens.shape == (1, LENGTH, 40)

    def test_a_prompt_that_is_too_long_is_told(self, base: Path, caplog) -> None:
        with caplog.at_level(logging.WARNING):
            embedded_prompts(["a b " * 50], Generator(base), CPU)
        assert "SDXL reads 75" in caplog.text


class TestGenerating:
    def test_the_same_seed_gives_the_same_pictures(self, base, lora, prompt) -> None:
        generator = Generator(base, lora)
        first = generate(generator, prompt, SMALL, CPU)
        assert first.shape == (1, 3, 64, 64)
        assert first.amin() >= 0
        assert first.amax() <= 1
        assert torch.equal(first, generate(generator, prompt, SMALL, CPU))
        other = generate(generator, prompt, replace(SMALL, seed=1), CPU)
        assert (first - other).abs().max() > 0.01

    def test_any_picture_of_a_batch_can_be_had_alone(self, base, lora, prompt, monkeypatch) -> None:
        monkeypatch.setattr(handle, "PICTURES_AT_ONCE", 2)
        generator = Generator(base, lora)
        sampling = Sampling(96, 64, seed=2**64 - 1, batch=3)
        pictures = generate(generator, prompt, sampling, CPU)
        assert pictures.shape == (3, 3, 64, 96)
        for index, seed in enumerate((2**64 - 1, 0, 1)):
            alone = generate(generator, prompt, replace(sampling, seed=seed, batch=1), CPU)
            torch.testing.assert_close(pictures[index], alone[0], rtol=1e-4, atol=1e-4)

    def test_a_projection_tells_it_of_the_camera(self, base, lora, prompt, root, caplog) -> None:
        generator = Generator(base, lora, root / "exif_generator" / "trained.safetensors")
        wide, narrow, untold = (
            generate(generator, prompt, SMALL, CPU, camera=camera)
            for camera in (CAMERA, Camera(50, 16), None)
        )
        assert (wide - narrow).abs().max() > 0.01
        without = generate(Generator(base, lora), prompt, SMALL, CPU, camera=CAMERA)
        assert torch.equal(untold, without)
        assert not caplog.records
        generate(generator, prompt, SMALL, CPU, camera=Camera(50, 64))
        assert "Not seen in training: f/ 64" in caplog.text

    def test_sdxl_itself_takes_many_steps_and_guidance(self, base, prompt) -> None:
        generator, few = Generator(base), replace(SMALL, steps=3)
        guided = generate(generator, prompt, few, CPU)
        plain = generate(generator, prompt, replace(few, guidance=1.0), CPU)
        assert (guided - plain).abs().max() > 0.01
        # A prompt against itself is no guidance, whatever its factor.
        same = generate(generator, prompt, few, CPU, negative=prompt)
        torch.testing.assert_close(same, plain, rtol=1e-3, atol=1e-3)

    def test_prompts_of_different_length_go_together(self, base, prompt) -> None:
        longer = PromptEmbedding(prompt.tokens.repeat(1, 2, 1), prompt.pooled)
        sampling = replace(SMALL, steps=2)
        picture = generate(Generator(base), longer, sampling, CPU, negative=prompt)
        assert picture.isfinite().all()

    def test_prompts_of_another_model_are_refused(self, base, lora) -> None:
        other = PromptEmbedding(torch.zeros(1, 77, 768), torch.zeros(1, 768))
        with pytest.raises(InputError, match=r"\[1, 77, 768\], not \[1, tokens, 40\]"):
            generate(Generator(base, lora), other, SMALL, CPU)

    def test_progress_comes_after_every_step_and_can_stop(self, base, lora, prompt) -> None:
        told: list[tuple[float, tuple[int, ...]]] = []

        def stop(fraction: float, clean: Tensor) -> None:
            told.append((fraction, tuple(clean.shape)))
            if len(told) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            generate(Generator(base, lora), prompt, SMALL, CPU, on_step=stop)
        assert told == [(0.25, (1, 4, 8, 8)), (0.5, (1, 4, 8, 8))]

    def test_a_student_of_one_step_takes_one(self, base, root, prompt) -> None:
        generator = Generator(base, root / "diffusion_models" / "dmd2_sdxl_1step_unet_fp16.bin")
        steps: list[float] = []
        generate(generator, prompt, SMALL, CPU, on_step=lambda done, _: steps.append(done))
        assert steps == [1.0]
        with pytest.raises(InputError, match="steps: received 4 for a student of a single step"):
            generate(generator, prompt, replace(SMALL, steps=4), CPU)

    @pytest.mark.parametrize(
        "values",
        [
            {"width": 100},
            {"height": 32},
            {"batch": 0},
            {"seed": -1},
            {"steps": 1001},
            {"guidance": float("nan")},
        ],
    )
    def test_what_has_no_meaning_is_refused(self, values: dict[str, Any]) -> None:
        (name,) = values
        with pytest.raises(InputError, match=f"^{name}: "):
            replace(SMALL, **values)


class TestFinding:
    def test_students_and_projections_are_found(self, base: Path, lora: Path) -> None:
        assert open_generator(base) == Generator(base, lora, None)
        assert open_generator(base, "none", "none") == Generator(base)

    def test_a_trained_generator_comes_first(self, base, root, networks, request) -> None:
        path = root / "exif_generator" / "exif_generator.safetensors"
        request.addfinalizer(path.unlink)
        save_exif_generator(path, trained_projection(), METADATA)
        lora = root / "loras" / "dmd2_sdxl_4step_lora_fp16.safetensors"
        assert open_generator(base) == Generator(base, lora, path)
        state = contiguous(networks["unet"].state_dict())
        save_exif_generator(path, trained_projection(), METADATA, state)
        assert open_generator(base) == Generator(base, path, path)
        assert open_generator(base, lora) == Generator(base, lora, path)

    def test_what_is_missing_is_named_with_how_to_get_it(self, tmp_path, base, monkeypatch) -> None:
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
        with pytest.raises(FileError, match="focuspuller models fetch dmd2-sdxl-lora"):
            open_generator(base)
        with pytest.raises(FileError, match="focuspuller models fetch sdxl"):
            open_generator()
        with pytest.raises(FileError, match="does not exist"):
            open_generator(base, "gone.safetensors")
