"""The demo: exact presets come out exact, the old bug does not, and the page stands alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mouselift.cli.app import run


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "demo"
    command = ["demo", str(out), "--json", "--workers", "1"]  # a process a dataset takes longer than its 12 samples
    assert run(command) == 0
    said = json.loads(capsys.readouterr().out)
    presets = {r["preset"]: r for r in said["presets"]}
    for name in ("per-sample", "per-view", "canonical"):
        assert presets[name]["iou_worst"] > 0.98
        assert presets[name]["tangency_px"] < 1.0
        assert presets[name]["verdict"] == "pass", presets[name]["sentence"]
    assert presets["legacy"]["iou_mean"] < 0.5
    assert presets["legacy"]["tangency_px"] > 5.0
    assert presets["legacy"]["verdict"] == "fail"
    made = said["reconstruction"]
    assert made["held_out"] == "Camera6"
    assert made["foreground_psnr"] > 14
    assert made["iou"] > 0.7
    assert (out / made["page"]).is_file()
    page = (out / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#|[a-z-]+\.html|reconstructed/[a-z0-9_]+/index\.html)', page), (
        "opens offline: nothing is fetched"
    )
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img[^>]*>", page))
    assert len(page) < 2_000_000
    assert not list(out.glob(".writing*"))
    stamp = (out / "capture/capture.toml").stat().st_mtime_ns
    monkeypatch.setattr("mouselift.report.demo.PRESETS", ("per-sample",))  # the others say nothing new
    assert run(command) == 0
    assert (out / "capture/capture.toml").stat().st_mtime_ns == stamp, "made once, used again"
