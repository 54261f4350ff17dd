"""`make gpu` on a CPU: the same steps with small sizes, and what it does where there is no card."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from mouselift.models.lora import LoRAConfig
from mouselift.render.base import WHITE, Colour, Gaussians, RenderCamera, Rendering
from mouselift.render.cpu import CpuRenderer
from mouselift.train.config import TrainConfig, rtx3060
from scripts import script as load

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return load("benchmarks/gpu_check.py")


class HalfAPixel:
    """A renderer whose pixel centres are off."""

    def render(self, gaussians: Gaussians, camera: RenderCamera, background: Colour = WHITE) -> Rendering:
        off = camera.intrinsics + torch.tensor([0.0, 0.0, 0.5, 0.5])
        return CpuRenderer().render(gaussians, replace(camera, intrinsics=off), background)


def sizes_of(script: ModuleType, config: Callable[..., TrainConfig]) -> Any:
    small = config()
    step = replace(rtx3060(), network=small.network, size=32, inputs=3, lora=LoRAConfig(rank=2), precision="float32")
    return script.Sizes(small.network, step, 300, 32, (2, 32), config(updates=10, warmup=1), 4)


@pytest.mark.slow  # trains three times: 40 s of one core
def test_every_step_runs_on_a_cpu(
    script: ModuleType, config: Callable[..., TrainConfig], dataset: Path, tmp_path: Path
) -> None:
    sizes = sizes_of(script, config)
    rows = script.run(CPU, CpuRenderer(), sizes, dataset, tmp_path)
    assert [row.what for row in rows if row.good is False] == []
    assert sum(row.good is True for row in rows) == 8  # values, five gradients, the loss, the resumed run
    assert rows[-1].found == "0.0e+00"
    script.write(rows, {"card": "none"}, tmp_path)
    assert len(json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["rows"]) == len(rows)
    assert "| training step, peak of memory | not measured on a CPU | 0.0" in (tmp_path / "gpu.md").read_text()


def test_a_wrong_renderer_and_a_wrong_estimate_are_seen(script: ModuleType, config: Callable[..., TrainConfig]) -> None:
    sizes = sizes_of(script, config)
    right = script.compare_renderers(CPU, CpuRenderer(), sizes)
    assert [row.good for row in right] == [True] * 6
    wrong = script.compare_renderers(CPU, HalfAPixel(), sizes)
    assert wrong[0].good is False
    assert wrong[1].good is False
    assert script.memory("a step", 10**9, 13 * 10**8).good is False


def test_without_a_card_nothing_is_done(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path / "gpu")])
    assert script.main() == 2
    assert "no CUDA device" in capsys.readouterr().err
    assert "gsplat" not in sys.modules
    assert not (tmp_path / "gpu").exists()
