"""Many captures in one command: as alone, what fails is a row, whole recordings validate."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.capture.capture import load_capture
from mouselift.capture.given import captures_given
from mouselift.cli.app import run
from mouselift.dataset.collection import read_collection
from mouselift.dataset.layout import find_samples, split_samples
from mouselift.errors import CaptureError
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset


@pytest.fixture(scope="module")
def three(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sound recordings and one whose video is cut short in its header."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("a", "b", "broken"):
        shutil.copytree(recording, folder / name)
    video = next(path for path in sorted((folder / "broken").rglob("*.mp4")))
    video.write_bytes(video.read_bytes()[:100])
    return folder


def test_one_broken_capture_is_a_row_and_the_others_are_as_alone(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["prepare", str(three / "*"), "--out", str(out), "--size", "64", "--every", "3", "--workers", "1"]
    assert run([*words, "--json"]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["recordings"]}
    assert {name: row["status"] for name, row in rows.items()} == {"a": "prepared", "b": "prepared", "broken": "failed"}
    assert "mp4" in rows["broken"]["error"]
    prepare_dataset(load_capture(three / "a"), tmp_path / "alone", PrepareOptions(size=64, every=3), workers=1)
    alone = find_samples(tmp_path / "alone")
    assert [folder.name for folder in alone] == [folder.name for folder in find_samples(out / "a")]
    for folder in alone:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            assert file.read_bytes() == (out / "a" / file.relative_to(tmp_path / "alone")).read_bytes()

    assert Counter(folder.parent.name for folder in find_samples(out)) == {"a": len(alone), "b": len(alone)}
    validates = {folder.parent.name for folder in split_samples(out, "val")}
    assert len(validates) == 1
    assert validates.isdisjoint({folder.parent.name for folder in split_samples(out, "train")})
    assert audit_dataset(out, workers=1).samples == 2 * len(alone)

    assert run([*words, "--json"]) == 1, "tried again"
    assert [row.status for row in read_collection(out).recordings] == ["prepared", "prepared", "failed"]


def test_captures_are_named_once(three: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{three / 'a'}  # the first\n\n{three / 'b'}\n", encoding="utf-8")
    assert captures_given([listed]) == [three / "a", three / "b"]
    with pytest.raises(CaptureError, match="more than once"):
        captures_given([listed, three / "a"])
    with pytest.raises(CaptureError, match="expected a capture, a list file or a pattern; 0 names match"):
        captures_given([tmp_path / "nowhere*"])
