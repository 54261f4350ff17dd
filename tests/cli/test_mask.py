"""`mouselift mask`: which masks capture.toml names afterwards, and what is said of those that it named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mouselift.capture.capture import Capture, load_capture
from mouselift.capture.capture_toml import set_masks
from mouselift.cli.app import run
from mouselift.masks.segment_capture import MaskReport


@pytest.fixture
def capture(tmp_path: Path, truth, write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Masks are made in no time."""

    def made(capture: Capture, out: Path, *_: object, **__: object) -> MaskReport:
        names = {camera.name: camera.name for camera in capture.cameras}
        for name in names:
            (out / name).mkdir(parents=True, exist_ok=True)
            (out / name / "000000.png").write_bytes(b"")
        return MaskReport(names, 1, "none", (), None, None, (), ())

    monkeypatch.setattr("mouselift.masks.segment_capture.segment_capture", made)
    monkeypatch.setattr("mouselift.report.sheet.mask_sheet", lambda *_, **__: tmp_path / "contact_sheet.png")
    return write.dannce_capture(tmp_path / "mouse", truth)


def masks(capture: Path) -> set[Path]:
    named = [camera.mask for camera in load_capture(capture).cameras]
    assert None not in named
    return {mask.parent for mask in named if mask is not None}


def test_masks_that_were_deleted_are_made_again(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mask", str(capture)]) == 0
    shutil.rmtree(capture / "masks")
    assert run(["prepare", str(capture), str(capture / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"no such file or folder: {capture}/masks/Camera1; bring it back" in said
    assert f", or `mouselift mask {capture}` makes new ones" in said
    assert run(["mask", str(capture)]) == 0
    assert masks(capture) == {capture / "masks"}


def test_masks_from_elsewhere_keep_their_place_until_asked(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mask", str(capture)]) == 0
    assert "names these masks now" not in capsys.readouterr().out
    new = tmp_path / "new"
    assert run(["mask", str(capture), "--out", str(new)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    named = f"those of Camera1, Camera2, Camera3, Camera4 in {capture}/masks"
    assert f"names masks already: {named}; --force makes it name the new ones (the old files stay)" in said
    assert run(["mask", str(capture), "--out", str(new), "--force"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"capture.toml names these masks now; before, {named}" in said
    assert masks(capture) == {new}


def test_a_capture_that_cannot_be_written_is_said_before_any_work(
    capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recordings lie on drives that can only be read; masks of hours would be named nowhere."""
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != capture)
    assert run(["mask", str(capture), "--out", str(tmp_path / "new")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "capture.toml: cannot be written: permission denied" in said
    assert "make one elsewhere (mouselift init FOLDER --out PLACE)" in said
    assert not (tmp_path / "new").exists()
    assert run(["init", str(capture), "--force"]) == 2
    assert "(--out PLACE)" in capsys.readouterr().err


def test_masks_that_are_not_there_keep_their_place_too(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a disk that is not mounted, say."""
    set_masks(capture, {"Camera1": tmp_path / "disk/Camera1"})
    text = (capture / "capture.toml").read_text()
    assert run(["mask", str(capture)]) == 2
    assert "those of Camera1 in" in " ".join(capsys.readouterr().err.split())
    assert (capture / "capture.toml").read_text() == text
