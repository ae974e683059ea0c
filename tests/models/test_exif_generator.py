"""The EXIF-conditioned generator: what it is told, how it steps, and the files of its weights."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.optics import Camera
from focuspuller.models.exif_generator import handle
from focuspuller.models.exif_generator.check import check
from focuspuller.models.exif_generator.conditioning import prompt_for
from focuspuller.models.exif_generator.exif import (
    Exif,
    ExifProjection,
    exif_conditioned,
    sinusoids,
    stops,
)
from focuspuller.models.exif_generator.files import (
    ExifMetadata,
    exif_metadata,
    load_projection,
    save_exif_generator,
)
from focuspuller.models.exif_generator.handle import (
    Generator,
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from focuspuller.models.exif_generator.sampling import (
    FOUR_STEPS,
    ONE_STEP,
    SeededNoise,
    even_timesteps,
    few_step_latents,
    many_step_latents,
    student_timesteps,
)
from focuspuller.models.exif_generator.student import (
    LORA_TARGETS,
    check_lora,
    load_student,
    timesteps_of,
)
from focuspuller.models.layout import Findings
from focuspuller.models.loaded import forget_models
from focuspuller.models.sdxl.lora import DOWN, UP, lora_shapes, merge_lora, read_lora
from focuspuller.models.sdxl.text import LENGTH, PromptEmbedding, embedded_prompt
from focuspuller.models.sdxl.tokenizer import tokenizer_for, words_of
from oracles.tiny_generator import (
    ALPHA,
    METADATA,
    METADATA_OF_STUDENT,
    TIME_EMBEDDING,
    as_comfyui_names,
    as_dmd2_writes,
    lora_by_name,
    save_generator_folders,
    save_tokenizer,
    trained_projection,
)
from oracles.tiny_sdxl import TINY, contiguous, save_single_file, tiny_networks
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

CPU = torch.device("cpu")
CAMERA = Camera(50.0, 2.8)
SMALL = Sampling(width=64, height=64)


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return tiny_networks()


@pytest.fixture(scope="module")
def prompt(networks: dict[str, Any]) -> PromptEmbedding:
    return embedded_prompt([5, 6, 7], networks["text_encoder"], networks["text_encoder_2"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("models")
    save_generator_folders(root)
    yield root
    forget_models()


@pytest.fixture(autouse=True)
def models(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))


@pytest.fixture
def base(root: Path) -> Path:
    return root / "diffusers" / "TinyXL"


@pytest.fixture
def lora(root: Path) -> Path:
    return root / "loras" / "dmd2_sdxl_4step_lora_fp16.safetensors"


def seen_by(unet: Any, prompt: PromptEmbedding, batch: int = 2) -> Tensor:
    """What the UNet makes of some noise."""
    latents = torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    text = prompt.to(latents, batch)
    added = {"text_embeds": text.pooled, "time_ids": torch.zeros(batch, 6)}
    return unet(latents, 500, text.tokens, added_cond_kwargs=added, return_dict=False)[0]


class TestExif:
    def test_a_stop_is_a_step_of_one_and_doubling_is_two(self) -> None:
        apertures = torch.tensor([1.0, 2**0.5, 2.0, 22.627417])
        torch.testing.assert_close(stops(apertures), torch.tensor([0.0, 1.0, 2.0, 9.0]))

    def test_sinusoids_are_those_of_their_wavelengths(self) -> None:
        found = sinusoids(torch.tensor([3.25]), 4)
        phases = 2 * torch.pi * 3.25 / torch.tensor([1.0, 64.0])
        torch.testing.assert_close(found, torch.cat([phases.sin(), phases.cos()])[None])

    def test_apertures_a_third_of_a_stop_apart_look_different(self) -> None:
        rows = sinusoids(torch.arange(0, 14, 1 / 3), 256)
        distances = torch.cdist(rows, rows) + 10 * torch.eye(len(rows))
        assert distances.min() > 2.0

    def test_an_untrained_projection_changes_nothing(self, networks, prompt) -> None:
        unet, projection = networks["unet"], ExifProjection(16, 24, TIME_EMBEDDING)
        before = seen_by(unet, prompt)
        with exif_conditioned(unet, projection, Exif.of(CAMERA)):
            assert torch.equal(seen_by(unet, prompt), before)

    def test_a_trained_one_does_and_nothing_is_left_behind(self, networks, prompt) -> None:
        unet = networks["unet"]
        before = seen_by(unet, prompt)
        with exif_conditioned(unet, trained_projection(), Exif.of(CAMERA)):
            wide = seen_by(unet, prompt)
        with exif_conditioned(unet, trained_projection(), Exif.of(Camera(50, 8))):
            narrow = seen_by(unet, prompt)
        assert (wide - before).abs().max() > 1e-3
        assert (wide - narrow).abs().max() > 1e-3
        assert torch.equal(seen_by(unet, prompt), before)

    def test_it_is_what_is_added_to_the_time_embedding(self, networks, prompt) -> None:
        unet, projection = networks["unet"], trained_projection()
        embedding = unet.time_embedding
        plain = embedding.linear_2.bias.clone()
        with exif_conditioned(unet, projection, Exif.of(CAMERA)):
            told = seen_by(unet, prompt)
        embedding.linear_2.bias += projection(Exif.of(CAMERA))[0]
        expected = seen_by(unet, prompt)
        embedding.linear_2.bias.copy_(plain)
        torch.testing.assert_close(told, expected)

    def test_each_picture_is_told_its_own(self, networks, prompt) -> None:
        unet, projection = networks["unet"], trained_projection()
        several = Exif(torch.tensor([2.8, 8.0]), torch.tensor([50.0, 50.0]))
        with exif_conditioned(unet, projection, several):
            both = seen_by(unet, prompt)
        for index, f_number in enumerate((2.8, 8.0)):
            with exif_conditioned(unet, projection, Exif.of(Camera(50, f_number))):
                alone = seen_by(unet, prompt)
            torch.testing.assert_close(both[index], alone[index])

    def test_gradients_reach_the_projection_and_the_numbers(self, networks, prompt) -> None:
        projection = ExifProjection(16, 24, TIME_EMBEDDING)
        with exif_conditioned(networks["unet"], projection, Exif.of(CAMERA)):
            seen_by(networks["unet"], prompt).square().sum().backward()
        # Of a zero last layer, only that one learns in the first step.
        assert projection.linear_2.weight.grad.abs().max() > 0
        assert projection.linear_1.weight.grad.abs().max() == 0
        trained = trained_projection().requires_grad_(True)
        numbers = [torch.tensor([value], requires_grad=True) for value in (2.8, 50.0)]
        trained(Exif(*numbers)).sum().backward()
        assert all(number.grad.abs().max() > 0 for number in numbers)
        assert trained.linear_1.weight.grad.abs().max() > 0


class TestWords:
    def test_of_the_camera(self) -> None:
        text = prompt_for("a dog, ", "exif_text", CAMERA)
        assert text == "a dog, Aperture: f/2.8, Focal Length: 50 mm"

    @pytest.mark.parametrize(
        ("f_number", "depth"), [(1.8, "Shallow"), (8.0, "Shallow"), (11.0, "Deep"), (22.0, "Deep")]
    )
    def test_of_the_depth_of_field(self, f_number: float, depth: str) -> None:
        text = prompt_for("a dog", "dof_text", Camera(50, f_number))
        assert text == f"a dog, {depth} Depth-of-Field"

    def test_fixed_ones_are_the_same_for_all_apertures(self) -> None:
        texts = {prompt_for("a dog", "exif_fixed", Camera(50, one)) for one in (1.8, 4.0, 22.0)}
        assert texts == {prompt_for("a dog", "exif_text", Camera(50, 22))}

    @pytest.mark.parametrize("conditioning", ["automatic", "none"])
    def test_without_words_the_prompt_stays(self, conditioning) -> None:
        assert prompt_for(" a dog, ", conditioning, CAMERA) == " a dog, "

    def test_they_need_a_camera_and_a_known_name(self) -> None:
        with pytest.raises(InputError, match="camera: received none"):
            prompt_for("a dog", "dof_text", None)
        with pytest.raises(InputError, match="Give one of automatic, none"):
            prompt_for("a dog", "iso_text", CAMERA)  # pyright: ignore


class TestSteps:
    def test_a_student_steps_as_diffusers_lcm_scheduler(self) -> None:
        from diffusers import LCMScheduler

        scheduler = LCMScheduler(1000, 0.00085, 0.012, "scaled_linear")
        scheduler.set_timesteps(timesteps=list(FOUR_STEPS), original_inference_steps=1000)
        noises = list(torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(2)))
        seen = list(torch.randn(4, 1, 4, 8, 8, generator=torch.Generator().manual_seed(3)))
        latents = noises[0]
        for index, timestep in enumerate(FOUR_STEPS):
            fresh = noises[index + 1 : index + 2]
            with pytest.MonkeyPatch.context() as patch:
                module = "diffusers.schedulers.scheduling_lcm.randn_tensor"
                patch.setattr(module, lambda *args, fresh=fresh, **kwargs: fresh[0])
                step = scheduler.step(seen[index], torch.tensor(timestep), latents)
            latents = step.prev_sample
        given, told = iter(noises), iter(seen)
        found = few_step_latents(lambda *state: next(told), lambda: next(given), FOUR_STEPS)
        torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-4)

    def test_sdxl_steps_as_diffusers_euler_scheduler(self) -> None:
        from diffusers import EulerDiscreteScheduler

        options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
        scheduler = EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **options)
        scheduler.set_timesteps(10)
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))

        def predict(latents: Tensor, timestep: int) -> Tensor:
            return torch.sin(latents + timestep / 100)

        assert [int(one) for one in scheduler.timesteps] == list(even_timesteps(10))
        latents = noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            seen = predict(scheduler.scale_model_input(latents, timestep), int(timestep))
            latents = scheduler.step(seen, timestep, latents).prev_sample
        found = many_step_latents(predict, noise, even_timesteps(10))
        torch.testing.assert_close(found, latents, rtol=1e-3, atol=1e-3)

    def test_gradients_flow_through_all_steps(self) -> None:
        factor = torch.ones((), requires_grad=True)
        noise = SeededNoise([1], (8, 8))
        few_step_latents(lambda latents, t: factor * latents, noise, FOUR_STEPS).sum().backward()
        assert factor.grad is not None
        assert factor.grad.abs() > 0

    def test_other_numbers_of_steps_begin_where_training_did(self) -> None:
        assert student_timesteps(FOUR_STEPS, 4) == FOUR_STEPS
        assert student_timesteps(FOUR_STEPS, 1) == (999,)
        assert student_timesteps(FOUR_STEPS, 2) == (999, 499)

    def test_every_picture_of_a_batch_has_its_own_noise(self) -> None:
        both, second = SeededNoise([7, 8], (2, 3)), SeededNoise([8], (2, 3))
        for _ in range(3):
            assert torch.equal(both()[1:], second())

    @pytest.mark.parametrize(
        ("name", "timesteps"),
        [
            ("dmd2_sdxl_1step_unet_fp16.bin", ONE_STEP),
            ("dmd2_sdxl_4step_lora_fp16.safetensors", FOUR_STEPS),
            ("my_11step.safetensors", FOUR_STEPS),
        ],
    )
    def test_a_students_steps_follow_from_its_published_name(self, name, timesteps) -> None:
        assert timesteps_of(Path(name)) == timesteps


class TestFiles:
    def test_what_is_saved_is_loaded(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.safetensors"
        metadata = replace(METADATA, timesteps=(999, 499))
        save_exif_generator(path, trained_projection(), metadata)
        assert exif_metadata(path) == metadata
        assert not check(path)
        exif = Exif.of(CAMERA)
        found = load_projection(path, TIME_EMBEDDING)
        assert torch.equal(found(exif), trained_projection()(exif))
        assert not any(one.requires_grad for one in found.parameters())

    def test_a_student_can_be_in_it(self, tmp_path: Path, base: Path, networks, prompt) -> None:
        path = tmp_path / "whole.safetensors"
        changed = {name: one + 0.01 for name, one in networks["unet"].state_dict().items()}
        save_exif_generator(path, trained_projection(), METADATA_OF_STUDENT, changed)
        assert not check(path)
        found = load_student(path, base, torch.float32).state_dict()
        assert all(torch.equal(found[name], one) for name, one in changed.items())

    @pytest.mark.parametrize("is_adapter", [False, True])
    def test_its_student_is_checked(self, tmp_path: Path, networks, is_adapter: bool) -> None:
        path, projection = tmp_path / "whole.safetensors", trained_projection()
        unet = networks["unet"]
        good = lora_by_name(unet) if is_adapter else contiguous(unet.state_dict())
        name = next(name for name in good if "to_q" in name)

        def found(student: dict[str, Tensor], metadata: ExifMetadata) -> Findings:
            save_exif_generator(path, projection, metadata, student)
            return check(path)

        assert not found(good, METADATA_OF_STUDENT)
        assert found(good, METADATA).misshaped  # It is none for SDXL.
        lacking = {key: one for key, one in good.items() if key != name}
        assert found(lacking, METADATA_OF_STUDENT).missing == (name,)
        cut = {**good, name: good[name][:, :-1]}
        assert name.rpartition(".lora")[0] in found(cut, METADATA_OF_STUDENT).misshaped[0]
        spoiled = {**good, name: torch.full_like(good[name], torch.nan)}
        assert found(spoiled, METADATA_OF_STUDENT).not_finite == (name,)
        more = {**good, "more": torch.zeros(1)}
        assert found(more, METADATA_OF_STUDENT).unexpected == ("more",)

    def test_cameras_beyond_training_are_told(self) -> None:
        assert METADATA.outside(CAMERA) == ""
        assert METADATA.outside(Camera(300, 0.9)) == (
            "Not seen in training: f/ 0.9 (seen: 1.4 to 22), "
            "focal length in mm 300 (seen: 24 to 200)."
        )

    def test_files_of_other_kinds_are_refused(self, tmp_path: Path, lora: Path) -> None:
        with pytest.raises(FileError, match="do not say that its format"):
            load_projection(lora)
        assert "format" in str(check(lora))
        later = tmp_path / "later.safetensors"
        state = {"exif_projection.linear_1.weight": torch.zeros(24, 32)}
        said = {"format": "focus-puller/exif-generator", "format_version": "9"}
        save_file(state, later, said)
        with pytest.raises(FileError, match="unknown format version '9'"):
            load_projection(later)
        save_file(state, later, said | {"format_version": "1", "f_numbers": "1.4, x"})
        with pytest.raises(FileError, match=r"f_numbers is '1\.4, x'"):
            load_projection(later)
        numbers = {"f_numbers": "1, 2", "focal_lengths_mm": "3, 4", "timesteps": "999"}
        save_file(state, later, said | numbers | {"format_version": "1", "unet": "[1"})
        with pytest.raises(FileError, match=r"unet is '\[1'"):
            load_projection(later)

    def test_a_projection_for_another_unet_is_refused(self, root: Path) -> None:
        path = root / "exif_generator" / "trained.safetensors"
        with pytest.raises(FileError, match="for a UNet that wants 1280"):
            load_projection(path, 1280)

    def test_damage_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.safetensors"
        broken = trained_projection()
        broken.linear_1.bias[0] = torch.nan
        save_exif_generator(path, broken, METADATA, {"more": torch.zeros(1)})
        assert check(path).not_finite == ("linear_1.bias",)
        with pytest.raises(FileError, match="not finite"):
            load_projection(path)

    def test_a_file_needs_the_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"Give it \.safetensors"):
            save_exif_generator(tmp_path / "mine.pt", trained_projection(), METADATA)


class TestStudents:
    @pytest.mark.parametrize("names", ["diffusers", "ComfyUI", "pickle"])
    def test_whole_unets(self, names, tmp_path: Path, base: Path, networks) -> None:
        state = contiguous(networks["unet"].state_dict())
        path = tmp_path / "unet.safetensors"
        if names == "pickle":
            path = tmp_path / "dmd2_sdxl_4step_unet_fp16.bin"
            torch.save(state, path)
        else:
            named = state if names == "diffusers" else as_comfyui_names(networks["unet"])
            save_file(contiguous(named), path)
        found = load_student(path, base, torch.float32).state_dict()
        assert list(found) == list(state)
        assert all(torch.equal(found[name], one) for name, one in state.items())

    def test_on_a_single_file_too(self, tmp_path: Path, lora: Path, networks) -> None:
        save_single_file(networks, tmp_path / "base.safetensors")
        found = load_student(lora, tmp_path / "base.safetensors", torch.float32, TINY)
        unet = tiny_networks()["unet"]
        scaled = {
            name: one * (ALPHA / 4 if name.endswith(UP) else 1.0)
            for name, one in lora_by_name(unet).items()
        }
        merge_lora(unet, scaled)
        for name, one in unet.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], one)

    def test_a_lora_computes_what_diffusers_makes_of_it(
        self, base: Path, lora: Path, prompt
    ) -> None:
        pytest.importorskip("peft")
        found = seen_by(load_student(lora, base, torch.float32), prompt)
        unet = tiny_networks()["unet"]
        state = {f"unet.{name}": one for name, one in lora_by_name(unet).items()}
        alphas = {f"{name.removesuffix(DOWN)}.alpha": ALPHA for name in state if DOWN in name}
        unet.load_lora_adapter(state, network_alphas=alphas, prefix="unet")
        expected = seen_by(unet, prompt)
        assert (expected - seen_by(tiny_networks()["unet"], prompt)).abs().max() > 1e-2
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("prefix", ["", "unet.", "base_model.model."])
    def test_other_names_of_the_same_adapter(self, prefix, networks) -> None:
        adapter = lora_by_name(networks["unet"])
        named = {prefix + name: one for name, one in adapter.items()}
        found, problems = read_lora(named, networks["unet"])
        assert not problems
        assert found.keys() == adapter.keys()

    def test_every_tensor_is_accounted_for(self, networks) -> None:
        state = as_dmd2_writes(lora_by_name(networks["unet"]))
        flat = "lora_unet_mid_block_attentions_0_proj_in"
        broken = {name: one for name, one in state.items() if name != f"{flat}.lora_up.weight"}
        broken["lora_te1_text_model_encoder.lora_down.weight"] = torch.zeros(4, 4)
        broken["lora_unet_mid_block_attentions_0_proj_out.lora_down.weight"] = torch.zeros(4, 5)
        problems = read_lora(broken, networks["unet"])[1]
        assert problems.missing == (f"mid_block.attentions.0.proj_in{UP}",)
        assert problems.unexpected == ("lora_te1_text_model_encoder.lora_down.weight",)
        assert len(problems.misshaped) == 1

    def test_an_adapter_for_another_network_is_refused(self, tmp_path: Path, base: Path) -> None:
        path = tmp_path / "flux.safetensors"
        save_file({"transformer.x_embedder.lora_A.weight": torch.zeros(4, 4)}, path)
        with pytest.raises(FileError, match="does not fit SDXL's UNet"):
            load_student(path, base, torch.float32)

    def test_the_published_layout_of_dmd2s_lora_fits_sdxl(self, tmp_path: Path) -> None:
        from diffusers import UNet2DConditionModel
        from focuspuller.models.sdxl.config import UNET

        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(dict(UNET))
        shapes = lora_shapes(unet, LORA_TARGETS, 1)  # 64 would be a file of 0.4 GB.
        path = tmp_path / "lora.safetensors"
        save_file(as_dmd2_writes({name: torch.zeros(one) for name, one in shapes.items()}), path)
        assert len(shapes) == 2 * 788
        assert not check_lora(path)


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
