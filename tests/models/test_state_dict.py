"""Weight files: what is read, what is refused, and that nothing in them ever runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.bokehme.published import BOKEHME_ARNET, BOKEHME_IUNET
from focuspuller.models.state_dict import load_network, read_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

StateDict = dict[str, Tensor]


def load(path: Path) -> ARNet:
    return load_network(ARNet, path, BOKEHME_ARNET)


@pytest.fixture
def state(arnet: ARNet) -> StateDict:
    return dict(arnet.state_dict())


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[Any], str]:
    """The error with which a file of this content is refused."""

    def check(content: Any) -> str:
        path = tmp_path / "weights.pth"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(FileError) as caught:
            load(path)
        assert caught.value.subject == str(path)
        return str(caught.value)

    return check


class TestReading:
    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
    def test_every_form(self, suffix: str, weight_files, state: StateDict) -> None:
        network = load(weight_files(suffix)["arnet"])
        assert all(torch.equal(network.state_dict()[key], state[key]) for key in state)

    def test_bare_parameters(self, tmp_path: Path, state: StateDict) -> None:
        torch.save(state, tmp_path / "bare.pth")
        assert torch.equal(
            load(tmp_path / "bare.pth").conv0.conv.weight, state["conv0.conv.weight"]
        )

    def test_the_old_format_of_pytorch(self, tmp_path: Path, state: StateDict) -> None:
        path = tmp_path / "old.pth"
        torch.save({"model": state}, path, _use_new_zipfile_serialization=False)
        assert set(read_state_dict(path)) == set(state)

    @pytest.mark.skipif(torch.__version__ < "2.7", reason="older PyTorch opens no such files")
    def test_numpy_numbers_beside_the_weights(self, tmp_path: Path, state: StateDict) -> None:
        scores = {"psnr": np.float64(38.5), "best": np.float32(1), "step": np.int64(7)}
        torch.save({"model": state, **scores}, tmp_path / "scored.pth")
        assert set(read_state_dict(tmp_path / "scored.pth")) == set(state)

    @pytest.mark.skipif(torch.__version__ < "2.7", reason="older PyTorch opens no such files")
    def test_numbers_that_numpy_1_stored(self, tmp_path: Path, state: StateDict) -> None:
        path = tmp_path / "numpy1.pth"
        torch.save(
            {"model": state, "psnr": np.float64(1)}, path, _use_new_zipfile_serialization=False
        )
        content = path.read_bytes().replace(
            b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
        )
        path.write_bytes(content)
        assert set(read_state_dict(path)) == set(state)

    def test_half_precision_is_rendered_in_full(self, tmp_path: Path, state: StateDict) -> None:
        path = tmp_path / "half.safetensors"
        save_file({key: value.half() for key, value in state.items()}, path)
        assert load(path).conv0.conv.weight.dtype == torch.float32

    def test_for_rendering_only(self, weight_files) -> None:
        network = load(weight_files()["arnet"])
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())

    @pytest.mark.parametrize("envelope", ["model", "state_dict", "model_state_dict"])
    def test_in_every_envelope(self, tmp_path: Path, state: StateDict, envelope: str) -> None:
        torch.save({"epoch": 3, envelope: state}, tmp_path / "a.pth")
        assert set(read_state_dict(tmp_path / "a.pth")) == set(state)


class Mixed(nn.Module):
    """A parameter, a counter, a stored table, and one that `__init__` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("scale", torch.ones(2))
        self.inner = nn.Module()
        self.inner.register_buffer("angles", torch.arange(3.0), persistent=False)


MIXED = {"weight": torch.rand(4), "steps": torch.tensor(7), "scale": torch.tensor([2.0, 3.0])}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.safetensors"
    save_file(MIXED, path)
    return path


class TestFilling:
    def test_the_type_is_that_of_the_network_and_counters_keep_theirs(self, mixed: Path) -> None:
        network = load_network(Mixed, mixed, BOKEHME_ARNET, torch.bfloat16)
        state = network.state_dict()
        kinds = {name: tensor.dtype for name, tensor in state.items()}
        assert kinds == {
            "weight": torch.bfloat16,
            "scale": torch.bfloat16,
            "steps": torch.int64,
        }
        assert int(state["steps"]) == 7
        assert torch.equal(state["weight"], MIXED["weight"].bfloat16())

    def test_computed_tables_are_computed(self, mixed: Path) -> None:
        network = load_network(Mixed, mixed, BOKEHME_ARNET)
        assert torch.equal(network.inner.angles, torch.arange(3.0))

    def test_names_can_be_converted(self, tmp_path: Path) -> None:
        path = tmp_path / "old.safetensors"
        save_file({f"module.{name}": tensor for name, tensor in MIXED.items()}, path)
        with pytest.raises(FileError, match="missing: weight, steps, scale"):
            load_network(Mixed, path, BOKEHME_ARNET)

        def convert(state: StateDict) -> StateDict:
            return {name.removeprefix("module."): tensor for name, tensor in state.items()}

        network = load_network(Mixed, path, BOKEHME_ARNET, convert=convert)
        assert torch.equal(network.weight, MIXED["weight"])

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_a_file_may_be_overwritten_afterwards(self, weight_files, suffix: str) -> None:
        path = weight_files(suffix)["arnet"]
        network = load(path)
        before = network.conv0.conv.weight.clone()
        content = path.read_bytes()
        path.write_bytes(bytes(len(content)))
        assert torch.equal(network.conv0.conv.weight, before)

    def test_mapped_tensors_stay_in_the_file(self, mixed: Path) -> None:
        network = load_network(Mixed, mixed, BOKEHME_ARNET, mapped=True)
        assert torch.equal(network.weight, MIXED["weight"])
        with mixed.open("r+b") as file:
            file.seek(-8 - 8 - 16, os.SEEK_END)  # whichever of the tensors lies there
            file.write(bytes(32))
        assert not all(
            torch.equal(network.state_dict()[name], tensor) for name, tensor in MIXED.items()
        )

    def test_a_network_is_made_without_memory(self, mixed: Path) -> None:
        devices = []

        class Watched(Mixed):
            def __init__(self) -> None:
                super().__init__()
                devices.append(self.weight.device.type)

        load_network(Watched, mixed, BOKEHME_ARNET)
        assert devices[0] == "meta"


class TestOtherLayouts:
    def test_missing(self, refusal, state: StateDict) -> None:
        del state["conv1.conv.bias"]
        said = refusal({"model": state})
        assert "do not fit BokehMe's ARNet (missing: conv1.conv.bias)" in said
        assert "Give arnet.pth of https://" in said

    def test_unexpected(self, refusal, state: StateDict) -> None:
        assert "(unexpected: extra.weight)" in refusal(state | {"extra.weight": torch.ones(3)})

    def test_another_shape(self, refusal, state: StateDict) -> None:
        shaped = state | {"conv0.conv.bias": torch.zeros(64)}
        assert "of another shape: conv0.conv.bias [64] instead of [128]" in refusal(shaped)

    def test_not_finite(self, refusal, state: StateDict) -> None:
        broken = state | {"conv0.conv.bias": torch.full((128,), torch.nan)}
        assert "(not finite: conv0.conv.bias)" in refusal(broken)

    def test_everything_at_once_but_not_every_name(self, refusal) -> None:
        said = refusal({f"layer{index}": torch.ones(1) for index in range(9)})
        assert "missing: conv0.conv.weight, conv0.conv.bias, " in said
        assert "and 13 more" in said
        assert "unexpected: layer0, layer1, layer2 and 6 more" in said

    def test_the_two_networks_swapped(self, weight_files) -> None:
        with pytest.raises(FileError, match="do not fit BokehMe's IUNet"):
            load_network(IUNet, weight_files()["arnet"], BOKEHME_IUNET)

    @pytest.mark.parametrize("content", [[1, 2], {}, {"model": {}}, torch.ones(3), {"model": 5}])
    def test_no_named_tensors(self, refusal, content: object) -> None:
        assert "a file without weights" in refusal(content)

    def test_other_things_than_tensors(self, refusal) -> None:
        assert "holds other things than tensors (epoch)" in refusal({"epoch": 3})


class Intruder:
    """What an attacker would store: unpickling it runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


class Settings:
    """A harmless class of somebody's training script."""


class TestDanger:
    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_in_a_pickle_never_runs(
        self, tmp_path: Path, state: StateDict, zipped: bool
    ) -> None:
        marker, path = tmp_path / "ran", tmp_path / "weights.pth"
        content = {"model": state, "extra": Intruder(marker)}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(FileError, match=r"calls (posix|nt)\.system, so .* Do not use it"):
            load(path)
        assert not marker.exists()

    def test_what_is_refused_says_how_to_convert_it(
        self, tmp_path: Path, refusal, state: StateDict, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = refusal({"model": state, "settings": Settings()})
        assert "Settings" in said
        assert "If you trust where it came from" in said
        command = re.search(r'python -c "(.+)"', said)
        assert command is not None
        monkeypatch.chdir(tmp_path)
        exec(command[1], {})
        assert set(read_state_dict(tmp_path / "weights_safe.pth")) == set(state)


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x80\x02junk", b"hello"])
    def test_no_weight_file(self, refusal, content: bytes) -> None:
        said = refusal(content)
        assert "a file that cannot be read as weights (it is damaged, or of another kind)" in said

    def test_a_start_alone(self, refusal) -> None:
        assert "cannot be read as weights (PytorchStreamReader failed" in refusal(b"PK\x03\x04")

    def test_cut_short(self, tmp_path: Path, refusal, weight_files) -> None:
        content = weight_files()["arnet"].read_bytes()
        assert "cannot be read as weights" in refusal(content[: len(content) // 2])

    def test_no_safetensors(self, tmp_path: Path) -> None:
        path = tmp_path / "arnet.safetensors"
        path.write_bytes(b"nothing of the kind")
        with pytest.raises(FileError, match="cannot be read as weights"):
            load(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="a file that does not exist"):
            load(tmp_path / "nowhere.pth")
        with pytest.raises(FileError, match="a file that does not exist"):
            load(tmp_path)
