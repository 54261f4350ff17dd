"""The file for FaceLift's own loader has exactly the release's keys and shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from mouselift.errors import CheckpointError, ModelError
from mouselift.models.gslrm.config import released, tiny
from mouselift.models.gslrm.facelift import load_gslrm, read_state, save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.models.lora import LoRAConfig, inject, merged_state
from mouselift.train.config import TrainConfig
from mouselift.train.facelift_file import FACELIFT, facelift_state
from mouselift.train.loop import train_model
from mouselift.train.options import TrainOptions
from mouselift.train.perceptual import PREFIX, _shapes

KEYS = Path(__file__).parents[1] / "golden/state_dict_keys.json"


def test_all_keys_of_the_release_and_no_other() -> None:
    """Of the released sizes, with LoRA merged as it is saved; no memory is taken."""
    with torch.device("meta"):
        model = GSLRM(released())
        vgg = {name: torch.empty(shape) for name, shape in _shapes().items()}
    wanted = {key: tuple(value["shape"]) for key, value in json.loads(KEYS.read_text())["keys"].items()}
    assert len(wanted) == 183
    found = facelift_state(model.state_dict(), vgg)
    assert {key: tuple(value.shape) for key, value in found.items()} == wanted
    small = GSLRM(tiny())
    names = set(small.state_dict())
    inject(small, LoRAConfig(rank=2))
    assert set(merged_state(small)) == names  # factors leave no key behind


def test_a_run_leaves_the_file(config: Callable[..., TrainConfig], dataset: Path, tmp_path: Path) -> None:
    start, loss = tmp_path / "start.safetensors", tmp_path / "release.pt"
    config = partial(config, updates=1, checkpoint=start)
    network = GSLRM(config().network)
    vgg = {PREFIX + name: torch.full(shape, 0.5, dtype=torch.float16) for name, shape in _shapes().items()}
    save_gslrm(network, start)
    torch.save({"model": {**network.state_dict(), **vgg}}, loss)
    train_model(config(vgg=loss), dataset, tmp_path / "run", checked=False)
    assert not (tmp_path / "run" / FACELIFT).exists()
    later = TrainOptions(facelift_file=True)
    train_model(config(vgg=loss), dataset, tmp_path / "run", later, checked=False)
    content = torch.load(tmp_path / "run" / FACELIFT, weights_only=True)
    assert set(content) == {"model"}
    last = read_state(tmp_path / "run/last.safetensors")[0]
    assert set(content["model"]) == set(last) | set(vgg)
    assert all(value.dtype == torch.float32 for value in content["model"].values())
    assert all(torch.equal(content["model"][key], value) for key, value in last.items())
    assert float(content["model"][PREFIX + "conv16.bias"][0]) == 0.5
    assert load_gslrm(tmp_path / "run" / FACELIFT, config().network).config == config().network
    with pytest.raises(CheckpointError, match=r"conv1.weight"):
        train_model(config(), dataset, tmp_path / "no", later, checked=False)
    assert not (tmp_path / "no").exists()  # before hours are spent
    with pytest.raises(ModelError, match="wants VGG19's weights"):
        train_model(config(checkpoint=None), dataset, tmp_path / "none", later)


def test_half_the_bytes(tmp_path: Path) -> None:
    model, whole, half = GSLRM(tiny()), tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_gslrm(model, whole)
    save_gslrm(model, half, dtype=torch.float16)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    found = load_gslrm(half).state_dict()
    assert all(found[key].dtype == torch.float32 for key in found)
    assert all(torch.equal(found[key], value.half().float()) for key, value in model.state_dict().items())
