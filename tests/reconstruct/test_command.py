"""`mouselift reconstruct` as a user gives it: what it writes, that it goes on, and everything that it refuses."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import tyro

from mouselift.calibration.facelift import read_cameras_json
from mouselift.cli import reconstruct as command
from mouselift.cli.reconstruct import Reconstruct
from mouselift.dataset.sample import read_sample
from mouselift.errors import CheckpointError, DatasetError, ModelError, MouseliftError, OutputError
from mouselift.gaussians.files import read_ply
from mouselift.geometry.camera import Camera
from mouselift.models.gslrm import config as network_config
from mouselift.models.gslrm.config import GSLRMConfig, tiny
from mouselift.models.gslrm.facelift import save_gslrm
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.plan import BYTES_A_SPLAT
from mouselift.run_lock import LOCK

FILES = ["cameras.json", "gaussians.ply", "index.html", "metrics.json", "renders", "turntable.jpg", "turntable.mp4"]


def run(*arguments: object) -> int:
    return tyro.cli(Reconstruct, args=[str(argument) for argument in arguments]).run()


@pytest.fixture
def quick(checkpoint: Path) -> list[object]:
    """Options that every run here needs."""
    return ["--checkpoint", checkpoint, "--turntable", 4]


def test_everything_is_there(
    make_sample: Callable[..., Path], tmp_path: Path, quick: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(2):
        make_sample(tmp_path / f"data/sample_{k}")
    out = tmp_path / "out"
    assert run(tmp_path / "data", out, *quick, "--views", "cam0", "cam2") == 0
    for name in ("sample_0", "sample_1"):
        assert sorted(path.name for path in (out / name).iterdir()) == FILES
    assert sorted(path.name for path in out.iterdir() if path.is_file() and path.name != LOCK) == [
        "manifest.jsonl",
        "metrics.csv",
        "reconstruction.json",
    ]
    assert len(read_ply(out / "sample_0/gaussians.ply")) == 2 + 2 * 48 * 48
    rows = list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))
    assert [row["role"] for row in rows] == ["input", "held-out", "input"] * 2
    metrics = json.loads((out / "sample_0/metrics.json").read_text())
    assert float(rows[0]["iou"]) == pytest.approx(metrics["views"][0]["iou"], abs=1e-5)
    assert set(metrics["means"]) == {"input", "held-out"}
    said = capsys.readouterr()
    assert "2 samples: at most 2 input views of 48 x 48 pixels, 74 tokens, 4,610 Gaussians" in said.err
    assert "memory: about" in said.err
    assert "time: about" in said.err
    assert "network: 4 of 4" in said.err
    assert "images: 14 of 14" in said.err
    assert said.out.index("Views that were held out") < said.out.index("Views that went in")


def test_its_cameras_are_the_samples(sample: Path, tmp_path: Path, quick: list[object]) -> None:
    """cameras.json: what the renders were drawn with. At another size, resized exactly."""
    run(sample, tmp_path / "out", *quick, "--size", 24)
    written, _ = read_cameras_json(tmp_path / "out/sample_000007/cameras.json")
    own = [view.camera for view in read_sample(sample).views]

    def off(wanted: list[Camera]) -> float:
        p_world = np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3))
        pairs = zip(wanted, written, strict=True)
        return max(float(np.abs(v.camera.project(p_world) - 0.5 * c.project(p_world)).max()) for c, v in pairs)

    assert off(own) < 1e-9
    assert off([Camera(c.width, c.height, c.fx, c.fy, c.cx + 0.5, c.cy, c.T_cam_world) for c in own]) > 0.2
    assert off([Camera(c.width, c.height, 1.01 * c.fx, c.fy, c.cx, c.cy, c.T_cam_world) for c in own]) > 0.02
    image = cv2.imread(str(tmp_path / "out/sample_000007/renders/cam_001.png"))
    assert image is not None
    assert image.shape == (24, 24, 3)


def test_json_is_one_document(
    sample: Path, tmp_path: Path, quick: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    run(sample, tmp_path / "out", *quick, "--json")
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["samples"][0]["id"] == "sample_000007"
    assert set(found["means"]["input"]) == {"foreground_psnr", "foreground_ssim", "iou", "psnr", "ssim"}
    assert said.err == ""


def test_a_ply_alone(sample: Path, tmp_path: Path, quick: list[object]) -> None:
    assert run(sample, tmp_path / "mouse.ply", *quick) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mouse.ply"]
    assert len(read_ply(tmp_path / "mouse.ply")) == 2 + 3 * 48 * 48
    header = 3000
    foretold = (2 + 3 * 48 * 48) * BYTES_A_SPLAT
    assert foretold < (tmp_path / "mouse.ply").stat().st_size < foretold + header
    with pytest.raises(OutputError, match=r"mouse\.ply: exists already"):
        run(sample, tmp_path / "mouse.ply", *quick)


def test_colours_as_bytes_on_request(sample: Path, tmp_path: Path, quick: list[object]) -> None:
    for flags, word in (([], b"uchar"), (["--colour-bytes"], b"\nproperty float nx")):
        out = tmp_path / f"out{len(flags)}"
        run(sample, out, *quick, *flags)
        header = (out / "sample_000007/gaussians.ply").read_bytes().split(b"end_header")[0]
        assert word not in header
        assert (b"property uchar red" in header) == bool(flags)


def test_whole_samples_are_skipped_and_broken_ones_made_again(
    make_sample: Callable[..., Path],
    tmp_path: Path,
    quick: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = [make_sample(tmp_path / f"data/sample_{k}") for k in range(3)]
    out = tmp_path / "out"
    whole = Engine.reconstruct
    calls: list[str] = []

    def stops(self: Engine, sample, *args, **more):
        calls.append(sample.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, sample, *args, **more)

    monkeypatch.setattr(Engine, "reconstruct", stops)
    with pytest.raises(KeyboardInterrupt):
        run(*folders, out, *quick)
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["sample_0"]
    before = (out / "sample_0/metrics.json").stat().st_mtime_ns
    run(*folders, out, *quick)
    assert calls == ["sample_0", "sample_1", "sample_1", "sample_2"]
    assert (out / "sample_0/metrics.json").stat().st_mtime_ns == before
    assert len((out / "metrics.csv").read_text().splitlines()) == 1 + 9
    assert "1 found whole and left" in capsys.readouterr().out
    run(*folders, out, *quick)
    assert len(calls) == 4
    (out / "sample_2/metrics.json").unlink()
    run(*folders, out, *quick)
    assert calls[4:] == ["sample_2"]


def test_some_samples_first_then_the_rest(
    make_sample: Callable[..., Path], tmp_path: Path, quick: list[object]
) -> None:
    for k in range(4):
        make_sample(tmp_path / f"data/sample_{k}")
    out = tmp_path / "out"
    run(tmp_path / "data", out, *quick, "--samples", 2)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["sample_0", "sample_3"]
    before = (out / "sample_3/metrics.json").stat().st_mtime_ns
    run(tmp_path / "data", out, *quick)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [f"sample_{k}" for k in range(4)]
    assert (out / "sample_3/metrics.json").stat().st_mtime_ns == before


def test_runs_are_not_mixed(
    make_sample: Callable[..., Path], sample: Path, tmp_path: Path, quick: list[object]
) -> None:
    out = tmp_path / "out"
    run(sample, out, *quick)
    with pytest.raises(DatasetError, match=r"options\.size: there None, now 24.*Nothing was changed"):
        run(sample, out, *quick, "--size", 24)
    other = make_sample(tmp_path / "elsewhere/sample_000007", views=4)
    with pytest.raises(DatasetError, match="was made from other cameras"):
        run(other, out, *quick)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep")
    with pytest.raises(DatasetError, match=r"is not empty and holds no reconstruction\.json"):
        run(sample, full, *quick)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this would have run",))


def bad_checkpoint(kind: str, good: Path, folder: Path) -> Path:
    path = folder / f"{kind.replace(' ', '_')}.pt"
    if kind == "code":
        path.write_bytes(pickle.dumps(Code(), protocol=2))
    elif kind == "half":
        path = path.with_suffix(".safetensors")
        path.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    elif kind == "half of the weights":
        state = GSLRM(tiny()).state_dict()
        torch.save({"model": dict(list(state.items())[::2])}, path)
    elif kind == "another network":
        save_gslrm(GSLRM(GSLRMConfig(width=32, head_width=16, layers=1)), path)  # a .pt: taken for the released one
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "no such checkpoint"),
        ("code", "would run code"),
        ("half", "cut short"),
        ("half of the weights", "missing"),
        ("another network", "of another shape"),
    ],
)
def test_bad_checkpoints(
    sample: Path, checkpoint: Path, tmp_path: Path, kind: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bad_checkpoint(kind, checkpoint, tmp_path)
    with pytest.raises(CheckpointError, match=words):
        run(sample, tmp_path / "out", "--checkpoint", path)
    assert not (tmp_path / "out").exists()
    assert "this would have run" not in capsys.readouterr().out


def not_square(folder: Path) -> None:
    content = json.loads((folder / "opencv_cameras.json").read_text())
    content["frames"][1]["h"] = 40
    (folder / "opencv_cameras.json").write_text(json.dumps(content))


def no_image(folder: Path) -> None:
    (folder / "images/cam_001.png").unlink()


def no_images_end(folder: Path) -> None:
    file = folder / "images/cam_001.png"
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (not_square, [], r"sample_3.*frames\[1\]: expected a square image"),
        (no_image, [], r"sample_3.*frames\[1\]: file_path: no such image"),
        (no_images_end, [], r"sample_3.*cam_001\.png"),
        (None, ["--size", 50], r"sample_3: .*divisible by 8, got 50 x 50 .*--size 48"),
        (None, ["--views", "cam0", "top"], r"sample_3: expected the view top; the sample has cam0, cam1, cam2"),
        (None, ["--background", "300", "0", "0"], "--background: expected 0 to 255, got 300"),
        (None, ["--device", "tpu"], "expected cpu or cuda"),
    ],
)
def test_bad_samples_and_options(
    make_sample: Callable[..., Path],
    tmp_path: Path,
    quick: list[object],
    spoil: Callable[[Path], None] | None,
    options: list[object],
    words: str,
) -> None:
    folder = make_sample(tmp_path / "sample_3")
    if spoil is not None:
        spoil(folder)
    with pytest.raises(MouseliftError, match=words):
        run(folder, tmp_path / "out", *quick, *options)
    assert not (tmp_path / "out/sample_3").exists()


def test_more_views_than_memory(
    sample: Path, tmp_path: Path, quick: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_config, "available_bytes", lambda device: 1_000_000)
    with pytest.raises(ModelError, match=r"3 views at 48 x 48: expected at most the .* free, needed are about"):
        run(sample, tmp_path / "out", *quick)
    assert not (tmp_path / "out").exists()


def test_places_that_are_refused(sample: Path, tmp_path: Path, quick: list[object]) -> None:
    with pytest.raises(OutputError, match="where nothing is written"):
        run(sample, sample / "out", *quick)
    with pytest.raises(DatasetError, match="at least one sample, and last the folder"):
        run(tmp_path / "out", *quick)
    twin = tmp_path / "again/sample_000007"
    shutil.copytree(sample, twin)
    with pytest.raises(DatasetError, match="expected samples of different names"):
        run(sample, twin, tmp_path / "out", *quick)
    with pytest.raises(DatasetError, match="is given twice"):
        run(sample, sample, tmp_path / "out", *quick)
    other = twin.rename(tmp_path / "again/sample_000008")
    with pytest.raises(DatasetError, match=r"a \.ply holds one sample, got 2"):
        run(sample, other, tmp_path / "out.ply", *quick)


def test_words_for_times_and_sizes() -> None:
    assert [command.duration(s) for s in (0.2, 45.0, 570.0, 9000.0)] == ["1 s", "45 s", "10 min", "2.5 h"]
    assert [command.size(b) for b in (3_000, 45_000_000, 2_430_000_000)] == ["1 MB", "45 MB", "2.4 GB"]
