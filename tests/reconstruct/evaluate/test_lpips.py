"""LPIPS against a slow twin in NumPy, and weights that do not fit.

The numbers were also compared, once and from outside, with the public `lpips` package 0.1.4 (random weights): the
largest difference is in docs/guides/evaluate.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from torch import Tensor

from mouselift.errors import CheckpointError
from mouselift.reconstruct.lpips import CHANNELS, CONVOLUTIONS, SCALE, SHIFT, Lpips
from pickled_code import Opens

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Random weights under the public names, scaled so that features neither die nor explode."""
    rng = torch.Generator().manual_seed(0)
    out: State = {"scaling_layer.shift": torch.tensor(SHIFT).reshape(1, 3, 1, 1)}
    out["scaling_layer.scale"] = torch.tensor(SCALE).reshape(1, 3, 1, 1)
    before = 3
    for s, (layers, channels) in enumerate(zip(CONVOLUTIONS, CHANNELS, strict=True)):
        for k in layers:
            spread = (2 / (9 * before)) ** 0.5
            out[f"net.slice{s + 1}.{k}.weight"] = spread * torch.randn(channels, before, 3, 3, generator=rng)
            out[f"net.slice{s + 1}.{k}.bias"] = 0.05 * torch.randn(channels, generator=rng)
            before = channels
        for name in (f"lin{s}", f"lins.{s}"):
            out[f"{name}.model.1.weight"] = torch.linspace(0, 1, channels).reshape(1, channels, 1, 1)
    return out


@pytest.fixture(scope="module")
def file(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lpips") / "vgg.pt"
    torch.save(state, path)
    return path


def images(height: int = 18, width: int = 20) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    a = torch.rand(3, height, width, generator=rng)
    return a, (a + 0.3 * torch.rand(3, height, width, generator=rng)).clamp(0, 1)


def twin(state: State, pair: tuple[Tensor, Tensor]) -> float:
    """The definition in NumPy and SciPy, float64, a channel at a time. Two groups: the rest is slow."""
    w = {key: value.double().numpy() for key, value in state.items()}
    shift, scale = np.array(SHIFT)[:, None, None], np.array(SCALE)[:, None, None]
    x = [((2 * p.double().numpy() - 1) - shift) / scale for p in pair]
    total = 0.0
    for s, layers in enumerate(CONVOLUTIONS[:2]):
        if s:
            x = [p[:, : p.shape[1] // 2 * 2, : p.shape[2] // 2 * 2] for p in x]
            x = [p.reshape(len(p), p.shape[1] // 2, 2, p.shape[2] // 2, 2).max(axis=(2, 4)) for p in x]
        for k in layers:
            kernel, bias = w[f"net.slice{s + 1}.{k}.weight"], w[f"net.slice{s + 1}.{k}.bias"]
            x = [
                np.maximum(
                    0,
                    np.stack(
                        [
                            correlate(np.pad(p, ((0, 0), (1, 1), (1, 1))), one, mode="valid", method="direct")[0] + b
                            for one, b in zip(kernel, bias, strict=True)
                        ]
                    ),
                )
                for p in x
            ]
        unit = [p / (np.sqrt((p**2).sum(axis=0)) + 1e-10) for p in x]
        total += float((w[f"lin{s}.model.1.weight"][0] * (unit[0] - unit[1]) ** 2).sum(axis=0).mean())
    return total


def test_the_twin_agrees(state: State, tmp_path: Path) -> None:
    """The first two groups; the others run the same code (their weights are zero here)."""
    quiet = {key: value if not key.startswith(("lin2", "lin3", "lin4", "lins")) else 0 * value
             for key, value in state.items() if not key.startswith("lins")}  # fmt: skip
    torch.save(quiet, tmp_path / "two.pt")
    assert Lpips.load(tmp_path / "two.pt")(*images()) == pytest.approx(twin(state, images()), rel=1e-4)


def test_equal_is_zero_and_further_is_more(file: Path) -> None:
    lpips = Lpips.load(file)
    a, b = images(48, 48)
    assert lpips(a, a) == 0.0
    found = [lpips(a, a + share * (b - a)) for share in (0.25, 0.5, 1.0)]
    assert found == sorted(found)
    assert found[0] > 0


def test_either_name_of_the_linear_layers_will_do(state: State, file: Path, tmp_path: Path) -> None:
    whole = Lpips.load(file)(*images())
    for name in ("lin", "lins."):
        other = "lins." if name == "lin" else "lin"
        kept = {k: v for k, v in state.items() if not (k.startswith(other) and (other == "lins." or k[3] != "s"))}
        torch.save(kept, tmp_path / "one.pt")
        assert Lpips.load(tmp_path / "one.pt")(*images()) == whole


def changed(state: State, **changes: Tensor | None) -> State:
    out = dict(state)
    for key, value in changes.items():
        if value is None:
            del out[key]
        else:
            out[key] = value
    return out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net.slice5.28.bias": None}, "missing 1: net.slice5.28.bias"),
        ({"net.slice6.30.bias": torch.ones(3)}, "unexpected 1: net.slice6.30.bias"),
        ({"net.slice1.0.bias": torch.ones(3)}, "of another shape 1: net.slice1.0.bias"),
        ({"net.slice1.0.bias": torch.full((64,), float("nan"))}, "expected finite numbers"),
        ({"lin0.model.1.weight": torch.ones(1, 64, 1, 1)}, "two names, but differ"),
        ({"scaling_layer.shift": torch.zeros(1, 3, 1, 1)}, r"scaling_layer.shift: expected \(-0.03"),
    ],
)
def test_other_weights_are_refused(state: State, changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    torch.save(changed(state, **changes), tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=words):
        Lpips.load(tmp_path / "other.pt")


def test_code_and_half_files_are_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"net": Opens()}, tmp_path / "code.pt")
    with pytest.raises(CheckpointError, match="would run code"):
        Lpips.load(tmp_path / "code.pt")
    assert not (tmp_path / "pwned").exists()
    (tmp_path / "half.pt").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="cut short"):
        Lpips.load(tmp_path / "half.pt")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        Lpips.load(tmp_path / "none.pt")


def test_too_small_a_image_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="at least 16 x 16 pixels, got 20 x 15"):
        Lpips.load(file)(*images(15, 20))
