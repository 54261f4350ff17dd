"""A dataset that cannot be read now is neither damaged nor smaller."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import UnreachableError
from mouselift.export.scene import scene_of_sample


@pytest.fixture
def dataset(tmp_path: Path, make_exact, write_sample) -> Path:
    for name in ("sample_000050", "sample_000060"):
        write_sample(tmp_path / "data" / name, make_exact(size=64))
    return tmp_path / "data"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("what", ["images", CAMERAS_FILE, "images/cam_000.png"])
def test_a_sample_that_cannot_be_read_now_has_no_fault(dataset: Path, denied, what: str, code: int) -> None:
    sample = find_samples(dataset)[0]
    denied(sample / what, code)
    with pytest.raises(UnreachableError, match=r"cannot be (read|looked into) now"):
        load_sample(sample, colours=True)
    with pytest.raises(UnreachableError, match=r"cannot be (read|looked into) now"):
        scene_of_sample(sample, hull=False)


def test_a_sample_folder_that_cannot_be_looked_into_is_not_passed_over(dataset: Path, denied) -> None:
    denied(find_samples(dataset)[1], errno.EACCES)
    with pytest.raises(UnreachableError, match=r"sample_\w+: cannot be looked into now"):
        find_samples(dataset)


def test_what_is_not_there_or_damaged_is_a_fault(dataset: Path) -> None:
    first, second = find_samples(dataset)[:2]
    (first / "images/cam_000.png").unlink()
    assert [finding.code for finding in load_sample(first).findings if finding.severity == "error"] == ["missing-image"]
    (second / "images/cam_000.png").write_bytes(np.zeros(50, dtype=np.uint8).tobytes())
    assert "bad-image" in [finding.code for finding in load_sample(second).findings]
