"""Checkpoints: strict, safe, and the same after a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mouselift.errors import CheckpointError, OutputError
from mouselift.models.gslrm.config import tiny
from mouselift.models.gslrm.facelift import load_gslrm, save_gslrm
from mouselift.models.gslrm.model import GSLRM
from pickled_code import Opens

State = dict[str, Tensor]


@pytest.fixture
def model() -> GSLRM:
    torch.manual_seed(1)
    return GSLRM(tiny())


@pytest.fixture
def state(model: GSLRM) -> State:
    return dict(model.state_dict())


def write(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def equal(a: GSLRM, b: GSLRM) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_round_trip(model: GSLRM, name: str, tmp_path: Path) -> None:
    save_gslrm(model, tmp_path / name)
    back = load_gslrm(tmp_path / name, tiny())
    assert equal(model, back)
    assert not back.training
    assert all(parameter.requires_grad for parameter in back.parameters())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_our_files_say_their_configuration(model: GSLRM, tmp_path: Path) -> None:
    save_gslrm(model, tmp_path / "a.safetensors")
    assert load_gslrm(tmp_path / "a.safetensors").config == tiny()


def test_as_the_trainer_writes_it(model: GSLRM, state: State, tmp_path: Path) -> None:
    vgg = {"loss_calculator.perceptual_loss_module.net.conv1.weight": torch.rand(64, 3, 3, 3)}
    content = {"model": {f"module.{k}": v for k, v in (state | vgg).items()}, "optimizer": {"lr": 1e-4}, "step": 3}
    assert equal(load_gslrm(write(tmp_path / "ckpt.pt", content), tiny()), model)


def test_half_precision_files_become_float32(model: GSLRM, state: State, tmp_path: Path) -> None:
    file = write(tmp_path / "a.pt", {key: value.bfloat16() for key, value in state.items()})
    back = load_gslrm(file, tiny())
    assert {parameter.dtype for parameter in back.parameters()} == {torch.float32}


def test_missing_unexpected_and_odd_weights_are_named(state: State, tmp_path: Path) -> None:
    missing = state.pop("transformer_layers.1.attn.fc.weight")
    state["transformer_layers.1.attn.out.weight"] = missing
    state["input_layer_norm.weight"] = torch.ones(65)
    with pytest.raises(CheckpointError) as error:
        load_gslrm(write(tmp_path / "a.pt", {"model": state}), tiny())
    for words in (
        "a.pt",
        "missing 1: transformer_layers.1.attn.fc.weight",
        "unexpected 1: transformer_layers.1.attn.out.weight",
        "input_layer_norm.weight (expected (64,), got (65,))",
    ):
        assert words in str(error.value)


def test_another_network(state: State, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected the 151 weights .* missing 132"):
        load_gslrm(write(tmp_path / "a.pt", state))  # tiny weights for the released network
    with pytest.raises(CheckpointError, match="missing 19"):
        load_gslrm(write(tmp_path / "b.pt", {"conv1.weight": torch.rand(3, 3)}), tiny())


def test_half_a_file(model: GSLRM, tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        save_gslrm(model, tmp_path / name)
        data = (tmp_path / name).read_bytes()
        for share in (0, len(data) // 2, len(data) - 20):
            (tmp_path / name).write_bytes(data[:share])
            with pytest.raises(CheckpointError, match=f"{name}: expected"):
                load_gslrm(tmp_path / name, tiny())


def test_a_pickle_with_code_is_not_run(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "a.pt", {"model": state, "extra": Opens()})
    with pytest.raises(CheckpointError, match="would run code"):
        load_gslrm(file, tiny())
    assert not (tmp_path / "pwned").exists()
    torch.load(file, weights_only=False)  # the trap is armed: an unsafe reader runs it
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [{}, [1, 2], {"model": {}}, {"weights": {"a": 1}}])
def test_other_content(content: object, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a dictionary of weights"):
        load_gslrm(write(tmp_path / "a.pt", content), tiny())


def test_not_finite(state: State, tmp_path: Path) -> None:
    state["input_layer_norm.weight"] = state["input_layer_norm.weight"].clone()
    state["input_layer_norm.weight"][3] = torch.nan
    with pytest.raises(CheckpointError, match=r"finite numbers, got NaN.*input_layer_norm.weight"):
        load_gslrm(write(tmp_path / "a.pt", state), tiny())


def test_no_file_and_no_overwriting(model: GSLRM, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_gslrm(tmp_path / "none.pt")
    save_gslrm(model, tmp_path / "a.pt")
    with pytest.raises(OutputError, match="exists already"):
        save_gslrm(model, tmp_path / "a.pt")
    save_gslrm(model, tmp_path / "a.pt", overwrite=True)
    with pytest.raises(CheckpointError, match=r"ends in .safetensors or .pt"):
        save_gslrm(model, tmp_path / "a.ckpt")


def test_metadata_that_is_no_configuration(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "a.safetensors", metadata={"mouselift_gslrm_config": '{"width": 64}'})
    with pytest.raises(CheckpointError, match="is no configuration"):
        load_gslrm(tmp_path / "a.safetensors")
