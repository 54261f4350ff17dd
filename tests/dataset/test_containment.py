"""A dataset of others names images: none outside the sample's folder is opened, by `..`, absolutely, or by a link."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import CAMERAS_FILE, is_file, lies_inside
from mouselift.dataset.sample import read_sample
from mouselift.errors import DatasetError
from mouselift.geometry.camera import Camera
from mouselift.media.png import encode_png
from mouselift.repair.dataset import repair_dataset


def by_dots(sample: Path, secret: Path) -> str:
    return f"../../{secret.parent.name}/{secret.name}"


def absolutely(sample: Path, secret: Path) -> str:
    return str(secret)


def by_a_link(sample: Path, secret: Path) -> str:
    (sample / "images/link.png").symlink_to(secret)
    return "images/link.png"


def by_a_linked_folder(sample: Path, secret: Path) -> str:
    (sample / "more").symlink_to(secret.parent)
    return f"more/{secret.name}"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Two views of one disc, from two sides."""
    folder = tmp_path / "set/sample_1"
    (folder / "images").mkdir(parents=True)
    views: list[ViewEntry] = []
    for index, (x, z) in enumerate(((0.0, 1.0), (1.0, 0.0))):
        T = np.eye(4)
        T[:3, :3] = [[z, 0, -x], [0, 1, 0], [x, 0, z]]
        T[2, 3] = 3.0
        views.append(
            ViewEntry(Camera(32, 32, 40.0, 40.0, 16.0, 16.0, T, name=f"c{index}"), f"images/{index}.png", index)
        )
        image = np.zeros((32, 32, 4), np.uint8)
        image[8:24, 8 + index : 24] = (200, 90, 30, 255)
        (folder / views[-1].file_path).write_bytes(encode_png(image))
    (folder / CAMERAS_FILE).write_bytes(sample_json("sample_1", views, {}))
    return folder


@pytest.mark.parametrize("way", [by_dots, absolutely, by_a_link, by_a_linked_folder])
def test_outside_is_never_opened(way: Callable[[Path, Path], str], sample: Path, tmp_path: Path) -> None:
    content = json.loads((sample / CAMERAS_FILE).read_text())
    whole = len(load_sample(sample).views)
    secret = tmp_path / "private/secret.png"
    secret.parent.mkdir()
    secret.write_bytes((sample / content["frames"][0]["file_path"]).read_bytes())
    content["frames"][0]["file_path"] = way(sample, secret)
    (sample / CAMERAS_FILE).write_text(json.dumps(content))
    found = load_sample(sample, colours=True)
    assert len(found.views) == whole - 1
    said = [finding for finding in found.findings if finding.code == "file-path"]
    assert [finding.severity for finding in said] == ["error"]
    assert "not opened" in said[0].message
    with pytest.raises(DatasetError, match=r"frames\[0\]: file_path .*outside the sample's folder"):
        read_sample(sample)


def test_a_link_within_the_sample_is_opened(sample: Path) -> None:
    content = json.loads((sample / CAMERAS_FILE).read_text())
    (sample / "images/link.png").symlink_to(sample / content["frames"][0]["file_path"])
    content["frames"][0]["file_path"] = "images/link.png"
    (sample / CAMERAS_FILE).write_text(json.dumps(content))
    assert not [finding for finding in load_sample(sample).findings if finding.code == "file-path"]
    read_sample(sample)


def test_a_repaired_dataset_holds_links_not_what_they_lead_to(sample: Path, tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("SECRET")
    (sample / "notes.txt").symlink_to(secret)
    repair_dataset(sample.parent, tmp_path / "out", workers=1)
    copied = tmp_path / "out/sample_1/notes.txt"
    assert copied.is_symlink()
    copied.unlink()
    assert secret.read_text() == "SECRET"


def test_paths_that_are_none(tmp_path: Path) -> None:
    assert not is_file(tmp_path / ("a" * 300))
    assert not is_file(tmp_path / "a\0b")
    assert not lies_inside(tmp_path, tmp_path / "a\0b")
    (tmp_path / "loop").symlink_to("loop")
    assert lies_inside(tmp_path, tmp_path / "loop")
    assert not is_file(tmp_path / "loop")


@pytest.mark.parametrize("named", ["images/" + "a" * 300, "images/a\0b"])
def test_an_image_at_a_path_that_is_none_is_refused(named: str, sample: Path) -> None:
    file = sample / CAMERAS_FILE
    content = json.loads(file.read_bytes())
    content["frames"][1]["file_path"] = named
    file.write_text(json.dumps(content))
    assert {finding.severity for finding in load_sample(sample).findings} >= {"error"}
    with pytest.raises(DatasetError, match=r"frames\[1\]: file_path"):
        read_sample(sample)
