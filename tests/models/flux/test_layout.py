"""Files of adapters: every way in which people have them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.models.flux.adapters import FLUX_DEV, Adapter, FluxShape, adaptable_layers
from focuspuller.models.flux.camera import CameraProjection
from focuspuller.models.flux.conditions import Visibility
from focuspuller.models.flux.layout import (
    AdapterInfo,
    adapter_state,
    check,
    load_adapter,
    save_adapter,
)
from focuspuller.models.flux.names import native_layers
from focuspuller.models.flux.networks import Kind
from focuspuller.models.state_dict import read_metadata
from oracles.flux import SHAPE, filled_adapter
from safetensors.torch import load_file, save_file
from torch import Tensor

State = dict[str, Tensor]


@pytest.fixture
def state() -> State:
    return adapter_state(filled_adapter())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(state: State, name: str = "lora.safetensors") -> Path:
        save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / name)
        return tmp_path / name

    return written


def change_of(adapter: Adapter, layer: str) -> Tensor:
    """The whole change of a layer's weight, as a matrix."""
    low_rank = adapter.get_submodule(layer)
    factors = (low_rank.get_parameter(f"lora_{side}.weight") for side in "BA")
    up, down = factors
    return adapter.scales[layer] * up @ down


def assert_same(found: Adapter, wanted: Adapter) -> None:
    assert set(found.ranks) == set(wanted.ranks)
    for layer in wanted.ranks:
        torch.testing.assert_close(change_of(found, layer), change_of(wanted, layer), msg=layer)


class TestNames:
    def test_published_names_and_number_of_parameters_at_the_size_of_flux_dev(self) -> None:
        with torch.device("meta"):
            deblurnet = Adapter(adaptable_layers(FLUX_DEV), 128)
        shapes = {name: tuple(tensor.shape) for name, tensor in deblurnet.state_dict().items()}
        assert len(shapes) == 2 * (1 + 19 * 6 + 38 * 6)
        assert shapes["x_embedder.lora_A.weight"] == (128, 64)
        assert shapes["transformer_blocks.18.norm1.linear.lora_B.weight"] == (18432, 128)
        assert shapes["transformer_blocks.0.attn.to_out.0.lora_A.weight"] == (128, 3072)
        assert shapes["single_transformer_blocks.37.proj_out.lora_A.weight"] == (128, 15360)

    def test_layers_have_the_sizes_of_the_base_model(self) -> None:
        from oracles.flux import flux

        base = flux()
        for name, (inputs, outputs) in adaptable_layers(SHAPE).items():
            layer = base.get_submodule(name)
            assert (layer.in_features, layer.out_features) == (inputs, outputs), name

    @pytest.mark.parametrize("prefix", ["transformer.", "base_model.model.", ""])
    def test_prefixes(self, write: Callable[..., Path], state: State, prefix: str) -> None:
        renamed = {prefix + key.removeprefix("transformer."): one for key, one in state.items()}
        assert_same(load_adapter(write(renamed), SHAPE).adapter, filled_adapter())

    @pytest.mark.parametrize(
        "sides",
        [("lora_A.default", "lora_B.default"), ("lora_down", "lora_up"), ("lora.down", "lora.up")],
    )
    def test_names_of_the_factors(
        self, write: Callable[..., Path], state: State, sides: tuple[str, str]
    ) -> None:
        renamed = {
            key.replace("lora_A", sides[0]).replace("lora_B", sides[1]): value
            for key, value in state.items()
        }
        assert_same(load_adapter(write(renamed), SHAPE).adapter, filled_adapter())

    def test_names_of_kohyas_scripts(self, write: Callable[..., Path], state: State) -> None:
        renamed = {}
        for key, value in state.items():
            layer, _, side = key.removeprefix("transformer.").partition(".lora_")
            side = side.replace("A", "down").replace("B", "up")
            renamed[f"lora_transformer_{layer.replace('.', '_')}.lora_{side}"] = value
        assert_same(load_adapter(write(renamed), SHAPE).adapter, filled_adapter())

    @pytest.mark.parametrize("flat", [False, True])
    def test_layers_of_black_forest_labs(self, write: Callable[..., Path], flat: bool) -> None:
        """Several layers of diffusers are one: one first factor, second factors stacked."""
        adapter = filled_adapter()
        joined: State = {}
        for native, parts in native_layers(SHAPE).items():
            layers = [adapter.get_submodule(name) for name, _ in parts]
            downs = [layer.get_parameter("lora_A.weight") for layer in layers]
            ups = [layer.get_parameter("lora_B.weight") for layer in layers]
            name = f"diffusion_model.{native}"
            if flat:
                name = f"lora_unet_{native.replace('.', '_')}"
            joined[f"{name}.lora_down.weight"] = torch.cat(downs).detach()
            joined[f"{name}.lora_up.weight"] = torch.block_diag(*ups).detach()
        assert_same(load_adapter(write(joined), SHAPE).adapter, adapter)

    def test_alpha_scales_by_the_rank(self, write: Callable[..., Path], state: State) -> None:
        state["transformer.x_embedder.alpha"] = torch.tensor(2.0)
        found = load_adapter(write(state), SHAPE).adapter
        assert found.scales["x_embedder"] == 0.5
        assert set(found.scales.values()) == {0.5, 1.0}


class TestOurFiles:
    @pytest.mark.parametrize("kind", Kind)
    def test_what_is_written_is_read(self, tmp_path: Path, kind: Kind) -> None:
        adapter = filled_adapter(rank=3)
        camera = CameraProjection(SHAPE.width) if kind is Kind.DIFFCAMERA else None
        info = AdapterInfo(kind, Visibility.INDEPENDENT, "tests/tiny", "CC0", rank=3)
        save_adapter(tmp_path / "ours.safetensors", adapter, info, camera)
        found = load_adapter(tmp_path / "ours.safetensors", SHAPE)
        assert found.info == info
        assert_same(found.adapter, adapter)
        if camera is None:
            assert found.camera is None
        else:
            assert found.camera is not None
            assert torch.equal(found.camera.weight, camera.weight)
            assert torch.equal(found.camera.bias, camera.bias)
        assert [path.name for path in tmp_path.iterdir()] == ["ours.safetensors"]

    def test_other_programs_find_the_published_names(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.safetensors"
        save_adapter(path, filled_adapter(), AdapterInfo(Kind.BOKEH))
        assert all(name.startswith("transformer.") for name in load_file(path))
        from diffusers import FluxPipeline

        found, _ = FluxPipeline.lora_state_dict(path, return_alphas=True)
        assert len(found) == 2 * len(adaptable_layers(SHAPE))

    def test_scales_come_back(self, tmp_path: Path) -> None:
        layers = adaptable_layers(SHAPE)
        adapter = Adapter(layers, 4, {"x_embedder": 0.5})
        save_adapter(tmp_path / "a.safetensors", adapter, AdapterInfo(None))
        assert_same(load_adapter(tmp_path / "a.safetensors", SHAPE).adapter, adapter)

    def test_precision_is_kept_and_nothing_trains(self, tmp_path: Path) -> None:
        save_adapter(tmp_path / "a.safetensors", filled_adapter().bfloat16(), AdapterInfo(None))
        found = load_adapter(tmp_path / "a.safetensors", SHAPE).adapter
        assert {one.dtype for one in found.parameters()} == {torch.bfloat16}
        assert not any(one.requires_grad for one in found.parameters())

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"kind": "watercolour"}, "watercolour"),
            ({"visibility": "foggy"}, "foggy"),
            ({"format_version": "9"}, "version 9"),
        ],
    )
    def test_metadata_that_cannot_be_understood(
        self, tmp_path: Path, state: State, changed: dict[str, str], reason: str
    ) -> None:
        path = tmp_path / "a.safetensors"
        save_adapter(path, filled_adapter(), AdapterInfo(Kind.BOKEH))
        save_file(state, path, read_metadata(path) | changed)
        with pytest.raises(FileError, match=reason):
            load_adapter(path, SHAPE)

    def test_metadata_that_are_incomplete(self, tmp_path: Path, state: State) -> None:
        path = tmp_path / "a.safetensors"
        save_file(state, path, {"format": "focus-puller/flux-adapter", "format_version": "1"})
        with pytest.raises(FileError, match="metadata that cannot be understood"):
            load_adapter(path, SHAPE)

    def test_the_metadata(self, tmp_path: Path) -> None:
        info = AdapterInfo(Kind.BOKEH, Visibility.INDEPENDENT, licence="CC0")
        save_adapter(tmp_path / "a.safetensors", filled_adapter(), info)
        assert read_metadata(tmp_path / "a.safetensors") == {
            "format": "focus-puller/flux-adapter",
            "format_version": "1",
            "kind": "bokeh",
            "visibility": "independent",
            "base_model": "black-forest-labs/FLUX.1-dev",
            "licence": "CC0",
            "rank": "4",
        }

    def test_nothing_half_written_is_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(state: State, path: Path, metadata: dict[str, str]) -> None:
            Path(path).write_bytes(b"half")
            raise OSError("disk full")

        monkeypatch.setattr("safetensors.torch.save_file", fail)
        with pytest.raises(FileError, match="disk full"):
            save_adapter(tmp_path / "a.safetensors", filled_adapter(), AdapterInfo(None))
        assert list(tmp_path.iterdir()) == []

    def test_another_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"the suffix '\.pt'"):
            save_adapter(tmp_path / "a.pt", filled_adapter(), AdapterInfo(None))


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("deblurNet", Kind.DEBLUR),
            ("deblurNet_with_pre_deblur", Kind.PRE_DEBLUR),
            ("bokehNet", Kind.BOKEH),
            ("genfocus_bokehnet (1)", Kind.BOKEH),
            ("my_lora", None),
        ],
    )
    def test_published_files_are_known_by_name(
        self, write: Callable[..., Path], state: State, name: str, kind: Kind | None
    ) -> None:
        info = load_adapter(write(state, f"{name}.safetensors"), SHAPE).info
        assert info.kind == kind
        assert info.visibility is Visibility.PUBLISHED
        assert info.rank == 4

    def test_another_kind_than_was_asked_for(
        self, write: Callable[..., Path], state: State
    ) -> None:
        path = write(state, "deblurNet.safetensors")
        with pytest.raises(FileError, match=r"an adapter for 'deblur'.*Give one for 'bokeh'"):
            load_adapter(path, SHAPE, Kind.BOKEH)
        assert load_adapter(write(state), SHAPE, Kind.BOKEH).info.kind is Kind.BOKEH

    def test_diffcamera_needs_its_camera(self, write: Callable[..., Path], state: State) -> None:
        with pytest.raises(FileError, match=r"camera projection.*none.*\[32, 3\]"):
            load_adapter(write(state), SHAPE, Kind.DIFFCAMERA)
        state["camera.weight"], state["camera.bias"] = torch.zeros(64, 3), torch.zeros(64)
        with pytest.raises(FileError, match=r"camera projection.*\[64, 3\]"):
            load_adapter(write(state), SHAPE)


class TestWhatIsRefused:
    def error(self, path: Path, shape: FluxShape = SHAPE) -> str:
        with pytest.raises(FileError) as caught:
            load_adapter(path, shape)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert "does not exist" in self.error(tmp_path / "nothing.safetensors")

    def test_a_truncated_file(self, write: Callable[..., Path], state: State) -> None:
        path = write(state)
        path.write_bytes(path.read_bytes()[:-100])
        assert "cannot be read as weights" in self.error(path)

    def test_an_adapter_for_a_wider_model(self, write: Callable[..., Path]) -> None:
        wide = FluxShape(16, 64, 2, 2)
        text = self.error(write(adapter_state(filled_adapter(wide))))
        assert "of another shape: x_embedder [4, 16] and [64, 4] instead of [rank, 16] and" in text

    def test_an_adapter_for_a_deeper_model(self, write: Callable[..., Path]) -> None:
        deep = FluxShape(16, 32, 3, 2)
        text = self.error(write(adapter_state(filled_adapter(deep))))
        assert "of a larger model: transformer_blocks.2." in text

    def test_an_adapter_for_a_shallower_model(self, write: Callable[..., Path]) -> None:
        shallow = FluxShape(16, 32, 2, 1)
        text = self.error(write(adapter_state(filled_adapter(shallow))))
        assert "missing: single_transformer_blocks.1.norm.linear" in text

    def test_a_lora_of_another_purpose(self, write: Callable[..., Path], state: State) -> None:
        name = "transformer_blocks.0.ff_context.net.2"
        state[f"transformer.{name}.lora_A.weight"] = torch.zeros(4, 128)
        state[f"transformer.{name}.lora_B.weight"] = torch.zeros(32, 4)
        assert f"conditions do not pass, or of a larger model: {name}" in self.error(write(state))

    def test_factors_of_different_rank(self, write: Callable[..., Path], state: State) -> None:
        state["transformer.x_embedder.lora_A.weight"] = torch.zeros(5, 16)
        text = self.error(write(state))
        assert "x_embedder [5, 16] and [32, 4] instead of [rank, 16] and [32, rank]" in text

    def test_half_of_an_update(self, write: Callable[..., Path], state: State) -> None:
        del state["transformer.x_embedder.lora_B.weight"]
        assert "half of an update: x_embedder" in self.error(write(state))

    def test_broken_numbers(self, write: Callable[..., Path], state: State) -> None:
        state["transformer.x_embedder.lora_A.weight"][0, 0] = torch.nan
        assert "not finite: x_embedder" in self.error(write(state))

    def test_a_full_model(self, write: Callable[..., Path]) -> None:
        from oracles.flux import flux

        assert "unexpected: context_embedder.bias" in self.error(write(flux().state_dict()))

    def test_ranks_may_differ_from_layer_to_layer(
        self, write: Callable[..., Path], state: State
    ) -> None:
        state["transformer.x_embedder.lora_A.weight"] = torch.ones(7, 16)
        state["transformer.x_embedder.lora_B.weight"] = torch.ones(32, 7)
        found = load_adapter(write(state), SHAPE)
        assert found.adapter.ranks["x_embedder"] == 7
        assert found.info.rank == 7


def test_the_check_of_the_list_of_weights_is_for_flux_dev(
    write: Callable[..., Path], state: State
) -> None:
    problems = check(write(state))
    assert "x_embedder [4, 16] and [32, 4] instead of [rank, 64]" in str(problems.misshaped)
    assert "transformer_blocks.18.norm1.linear" in problems.missing


def test_adapters_of_ours_for_another_base_model_are_checked_against_its_sizes(
    tmp_path: Path,
) -> None:
    small = tmp_path / "small.safetensors"
    save_adapter(small, filled_adapter(), AdapterInfo(Kind.BOKEH, base_model="small"))
    assert not check(small)
    wrong = tmp_path / "wrong.safetensors"
    save_adapter(wrong, filled_adapter(), AdapterInfo(Kind.BOKEH))
    assert check(wrong).misshaped
    state = load_file(small)
    state["transformer.transformer_blocks.1.attn.to_q.lora_B.weight"] = torch.zeros(3, 4)
    save_file(state, small, read_metadata(small))
    assert check(small).misshaped


def test_notes_stand_beside_what_the_format_needs(tmp_path: Path) -> None:
    path = tmp_path / "noted.safetensors"
    info = AdapterInfo(Kind.BOKEH)
    save_adapter(path, filled_adapter(), info, notes={"data": "nothing", "kind": "deblur"})
    assert read_metadata(path)["data"] == "nothing"
    assert read_metadata(path)["kind"] == "bokeh"
