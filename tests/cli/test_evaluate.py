"""`mouselift evaluate` from the command line; what is unusable is refused before any work, and said why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.cli.evaluate import Evaluate
from mouselift.errors import CheckpointError, DatasetError, ModelError, OptionError
from mouselift.geometry.camera import Camera
from mouselift.media.png import encode_png
from mouselift.models.gslrm import config as network_config
from mouselift.reconstruct.options import EvaluateOptions
from mouselift.run_lock import LOCK
from pickled_code import Opens

SIDE = 32


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def write_sample(folder: Path, views: int = 4) -> Path:
    """A disc in every view."""
    (folder / "images").mkdir(parents=True)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    rgba = np.full((SIDE, SIDE, 4), 90, dtype=np.uint8)
    rgba[..., 3] = 255 * (np.hypot(x - SIDE / 2, y - SIDE / 2) < 9)
    frames = []
    for k in range(views):
        T = np.eye(4)
        T[2, 3] = 2.7 + 0.1 * k
        frames.append(ViewEntry(Camera(SIDE, SIDE, 40.0, 40.0, 16.0, 16.0, T, name=f"c{k}"), f"images/{k}.png", k))
        (folder / frames[-1].file_path).write_bytes(encode_png(rgba))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, frames, {}))
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for k in range(2):
        write_sample(tmp_path / "ds" / f"sample_{k}")
    return tmp_path / "ds"


def evaluate(
    dataset: Path,
    checkpoint: Path | None = None,
    gaussians: Path | None = None,
    out: Path | None = None,
    json: bool = False,
    **options: Any,
) -> int:
    asked = EvaluateOptions(checkpoint=checkpoint, gaussians=gaussians, device="cpu", **options)
    return Evaluate(dataset, asked, out, json=json).run()


def test_tables_page_and_words(
    dataset: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert evaluate(dataset, checkpoint, out=out) == 0
    found = {path.name for path in out.iterdir() if path.name != LOCK}
    assert {"evaluation.json", "views.csv", "samples.csv", "index.html", "sample_0", "sample_1"} <= found
    said = capsys.readouterr()
    assert said.out.index("foreground PSNR") < said.out.index("\nPSNR")
    assert said.out.index("held-out views") < said.out.index("input views")
    assert "c3 (held-out)" in said.out
    assert "at 32 px (scores of other sizes differ)" in " ".join(said.out.split())
    page = (out / "index.html").read_text()
    assert "; all at 32 px.</p>" in page
    assert "<td>32 px a side, as stored; scores of other sizes differ</td>" in page
    assert "50 tokens" in said.err  # 2 + 3 views of 4 x 4 patches, before the work
    assert "held out: c3" in said.err


def test_json_is_one_document(dataset: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(dataset, checkpoint, rotate=True, samples=1, json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["samples"] == 1
    assert len(found["records"][0]["views"]) == 16
    assert found["means"][0]["role"] == "held-out"


def refused(error: type[Exception], words: str, *given: Any, **options: Any) -> None:
    with pytest.raises(error, match=words):
        evaluate(*given, **options)


def test_one_source_of_gaussians(dataset: Path, checkpoint: Path, tmp_path: Path) -> None:
    refused(ModelError, "expected --checkpoint FILE, or --gaussians", dataset, checkpoint, tmp_path)
    refused(DatasetError, "--rotate makes a reconstruction a view", dataset, None, tmp_path, rotate=True)
    refused(DatasetError, r"expected one of sample_0/gaussians.ply", dataset, None, tmp_path)


def test_checkpoints_that_cannot_be_used(
    dataset: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(CheckpointError, "no such checkpoint", dataset, tmp_path / "none.pt")
    (tmp_path / "half.safetensors").write_bytes(checkpoint.read_bytes()[:-1000])
    refused(CheckpointError, "cut short", dataset, tmp_path / "half.safetensors")
    torch.save({"layer.weight": torch.ones(3)}, tmp_path / "other.pt")
    refused(CheckpointError, "missing 151: .*unexpected 1: layer.weight", dataset, tmp_path / "other.pt")
    torch.save({"model": Opens()}, tmp_path / "code.pt")
    refused(CheckpointError, "would run code", dataset, tmp_path / "code.pt")
    assert not (tmp_path / "pwned").exists()


def test_samples_that_cannot_be_used(dataset: Path, checkpoint: Path, tmp_path: Path) -> None:
    refused(DatasetError, "no such dataset", tmp_path / "nowhere", checkpoint)
    refused(DatasetError, "expected the view c9; the sample has c0, c1", dataset, checkpoint, hold_out=("c9",))
    refused(ModelError, "divisible by 8, got 30 x 30.*--size 32", dataset, checkpoint, size=30)
    missing = shutil.copytree(dataset, tmp_path / "missing")
    (missing / "sample_1/images/2.png").unlink()
    refused(DatasetError, r"frames\[2\]: file_path: no such image", missing, checkpoint)
    wide = shutil.copytree(dataset, tmp_path / "wide")
    content = json.loads((wide / "sample_1/opencv_cameras.json").read_text())
    content["frames"][1]["w"] = 48
    (wide / "sample_1/opencv_cameras.json").write_text(json.dumps(content))
    refused(DatasetError, "expected a square image", wide, checkpoint)


def test_a_damaged_image_is_named(dataset: Path, checkpoint: Path) -> None:
    file = dataset / "sample_1/images/2.png"
    good = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert good is not None
    file.write_bytes(file.read_bytes()[:-30])
    refused(DatasetError, r"sample sample_1 .*2.png", dataset, checkpoint)


def test_more_views_than_memory(dataset: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_config, "available_bytes", lambda device: 1000)
    refused(ModelError, "3 views at 32 x 32.*Take fewer views", dataset, checkpoint)


def test_options_out_of_range(dataset: Path, checkpoint: Path) -> None:
    refused(OptionError, "--background: expected 0 to 255, got 300", dataset, checkpoint, background=(0, 0, 300))
    refused(DatasetError, "one of --hold-out, --views", dataset, checkpoint, hold_out=("c1",), views=("c2",))
    refused(CheckpointError, "no such checkpoint", dataset, checkpoint, lpips=Path("none.pt"))
    refused(OptionError, "--mask-margin: expected 0 to .*, got -1", dataset, checkpoint, mask_margin=-1)


def test_a_second_run_is_refused_where_it_differs(dataset: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluate(dataset, checkpoint, out=out, samples=1)
    evaluate(dataset, checkpoint, out=out, samples=1)
    refused(DatasetError, "another run of `mouselift evaluate`", dataset, checkpoint, out=out, hold_out=("c0",))
