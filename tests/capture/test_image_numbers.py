"""Numbers of images: which are one instant, as far as `init` can tell, and what it asks about."""

from __future__ import annotations

from pathlib import Path

import pytest

from discoveries import loaded, said
from mouselift.capture.discovery import discover
from mouselift.errors import CaptureError


def test_image_numbers_with_gaps_are_the_triggers(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        if index == 1:
            (folder / "000002.png").unlink()
    found = discover(tmp_path)
    assert found.spec.numbering == "common"
    assert said(
        found,
        f"Equal image numbers show one instant, since some are missing in between; images lost: {truth[1].name} 1",
    )
    assert loaded(found, tmp_path).numbering == "common"


def test_different_numbers_of_images_are_said(tmp_path: Path, truth, write) -> None:
    """Numbered anew without gaps: which were lost, nothing says."""
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        write.images(tmp_path / f"images/{camera.name}", frames=6 - (index == 1))
    found = discover(tmp_path)
    assert any(
        f"different numbers of images ({truth[0].name} 6, {truth[1].name} 5" in line and "mouselift inspect" in line
        for line in found.assumed
    )
    write.images(tmp_path / f"images/{truth[1].name}", frames=6)
    assert not any("different numbers of images" in line for line in discover(tmp_path).assumed)


def test_image_numbers_that_go_up_by_other_steps_are_asked_about(tmp_path: Path, truth, write) -> None:
    """Every second number: half the rate, or counted by twos."""
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        for number in range(5, -1, -1) if index == 1 else ():
            (folder / f"{number:06d}.png").rename(folder / f"{2 * number:06d}.png")
    with pytest.raises(CaptureError, match=f"{truth[0].name} 1, {truth[1].name} 2.*--numbering common"):
        discover(tmp_path)
    assert discover(tmp_path, numbering="common").spec.numbering == "common"


def test_image_numbers_that_start_elsewhere_are_asked_about(tmp_path: Path, truth, write) -> None:
    write.anipose(tmp_path / "calibration.toml", truth)
    for index, camera in enumerate(truth):
        folder = write.images(tmp_path / f"images/{camera.name}", frames=6)
        if index == 1:
            (folder / "000000.png").rename(folder / "000006.png")
    with pytest.raises(CaptureError, match=r"1 to 6 \(6 images\).*--numbering common or --numbering own"):
        discover(tmp_path)
    assert discover(tmp_path, numbering="own").spec.numbering == "own"
    assert said(discover(tmp_path, numbering="common"), f"as asked; images lost: {truth[0].name} 1, {truth[1].name} 1")
