"""Checkpoints: the released file (`.pt`), and ours (`.safetensors`, or `.pt` in the release's layout).

Loading is strict: every weight of the network must be there with its shape, and nothing else. The frozen VGG of the
release's loss (`loss_calculator.*`) is left out; it is no part of the network.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from mouselift.atomic import whole_file
from mouselift.errors import CheckpointError, why_not
from mouselift.foreign import first_few, json_as
from mouselift.models.gslrm.config import GSLRMConfig, released
from mouselift.models.gslrm.model import GSLRM

State = dict[str, Tensor]

_LOSS_PREFIX = "loss_calculator."
_WRAPPER_PREFIX = "module."  # DistributedDataParallel's
_CONFIG_KEY = "mouselift_gslrm_config"  # in a safetensors file's metadata
_SHOWN = 6  # keys a message names before it counts


def load_gslrm(path: Path, config: GSLRMConfig | None = None) -> GSLRM:
    """The network with a checkpoint's weights, float32, on the CPU, in evaluation mode.

    config: default what the file says of itself (`.safetensors` of `save_gslrm`), else `released()`.
    CheckpointError names the file and what is wrong with it: no file, cut short, holds code, another network (missing
    keys, unexpected keys, shapes), weights that are not finite.
    """
    state, said = read_state(path)
    bare = {key.removeprefix(_WRAPPER_PREFIX): value for key, value in state.items()}
    state = {key: value for key, value in bare.items() if not key.startswith(_LOSS_PREFIX)}
    model = _without_weights(config or said or released())
    _check(path, state, model)
    model.load_state_dict({key: value.float() for key, value in state.items()}, strict=True, assign=True)
    return model.requires_grad_(True).eval()  # assigned tensors come without gradients


def save_gslrm(model: GSLRM, path: Path, overwrite: bool = False, dtype: torch.dtype = torch.float32) -> None:
    """All weights as `dtype`: `.safetensors` with the configuration inside, or `.pt` in the release's layout.

    Whole file or none. CheckpointError for another suffix, or a network whose LoRA factors are not merged
    (`models.lora.merge`); OutputError for an existing file without `overwrite`, or one that cannot be written.
    """
    if path.suffix not in (".safetensors", ".pt"):
        raise CheckpointError(f"{path}: expected a name that ends in .safetensors or .pt, got {path.suffix!r}")
    state = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    _check(path, state, _without_weights(model.config), verb="hold")
    with whole_file(path, overwrite) as temporary:
        if path.suffix == ".pt":
            torch.save({"model": state}, temporary)
        else:
            from safetensors.torch import save_file

            config = msgspec.json.encode(dataclasses.asdict(model.config)).decode()
            save_file(state, temporary, metadata={_CONFIG_KEY: config})


def read_state(path: Path) -> tuple[State, GSLRMConfig | None]:
    """All tensors of a checkpoint file by their full keys, and the configuration where the file says it.

    Of a `.pt` with a "model" entry, that entry. Only tensors and plain values are unpickled, never code.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; expected a .pt or .safetensors file")
    try:
        path.open("rb").close()  # what the libraries raise of a closed file reads like damage
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {why_not(error)}") from error
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_pt(path), None


def _read_safetensors(path: Path) -> tuple[State, GSLRMConfig | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).get(_CONFIG_KEY)
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping: it has no __iter__)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a whole safetensors file, got {path.stat().st_size:,} bytes that are none or are cut "
            f"short ({error}); copy or download it again"
        ) from None
    try:
        return state, None if said is None else json_as(said, GSLRMConfig)
    except ValueError as error:
        raise CheckpointError(f"{path}: its metadata {_CONFIG_KEY} is no configuration: {error}") from None


def _read_pt(path: Path) -> State:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: expected tensors only, got a file whose loading would run code, or no checkpoint at all; it was "
            f"not loaded. Do not trust a file that asks for it ({reason})"
        ) from None
    except Exception as error:  # damaged pickles and archives raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: expected a whole checkpoint, got {path.stat().st_size:,} bytes that are none or are cut short "
            f"({reason}); copy or download it again"
        ) from None
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not content:
        got = "an empty dictionary" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise CheckpointError(f"{path}: expected a dictionary of weights, or one under 'model', got {got}")
    strange = [str(key) for key, value in content.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strange:
        raise CheckpointError(
            f"{path}: expected a dictionary of weights, or one under 'model'; got entries that are no tensors: "
            f"{first_few(strange, _SHOWN)}"
        )
    return content


def _without_weights(config: GSLRMConfig) -> GSLRM:
    with torch.device("meta"):
        return GSLRM(config)


def _check(path: Path, state: State, model: GSLRM, verb: str = "need") -> None:
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    whose = f"the {len(shapes)} weights that this network's checkpoints {verb}"
    check_weights(path, state, shapes, whose, "A checkpoint of another network or configuration?")


def check_weights(path: Path, state: State, shapes: Mapping[str, tuple[int, ...]], whose: str, hint: str) -> None:
    """CheckpointError unless `state` has exactly these keys and shapes, in finite floating-point numbers.

    whose: what was expected, in words. hint: what may have come instead.
    """
    odd = [
        f"{key} (expected {tuple(shape)}, got {tuple(state[key].shape)})"
        for key, shape in shapes.items()
        if key in state and state[key].shape != shape
    ]
    faults = [
        f"{title} {len(keys)}: {first_few(keys, _SHOWN)}"
        for title, keys in (
            ("missing", [key for key in shapes if key not in state]),
            ("unexpected", [key for key in state if key not in shapes]),
            ("of another shape", odd),
        )
        if keys
    ]
    if faults:
        raise CheckpointError(f"{path}: expected {whose}; {'; '.join(faults)}. {hint}")
    bad = [key for key in shapes if not (state[key].is_floating_point() and bool(torch.isfinite(state[key]).all()))]
    if bad:
        raise CheckpointError(
            f"{path}: expected finite numbers, got NaN, infinity or integers in {first_few(bad, _SHOWN)}"
        )
