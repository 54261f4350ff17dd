"""`mouselift audit` and `mouselift profile` as a user meets them: words, exit codes, files that are never replaced."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mouselift.audit.options import AuditOptions
from mouselift.audit.result import read_audit
from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.cli.audit import Audit
from mouselift.cli.profile import Profile
from mouselift.errors import DatasetError, OutputError
from mouselift.framing.framing import Preset
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "mouse"
    rig = scaled_rig(markerless_rig(), 0.5)
    write_capture(folder, CaptureSpec(frames=2, rig=rig, fps=1.0, seed=3, images="png", masks="png"))
    write_capture_toml(folder / "capture.toml", discover(folder).spec)
    return folder


def prepared(capture: Path, out: Path, preset: Preset) -> Path:
    options = PrepareOptions(preset=preset, size=256, on_cut="keep", val=0.0)
    prepare_dataset(load_capture(capture), out, options, workers=1)
    return out


@pytest.fixture(scope="module")
def dataset(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples as `mouselift prepare` makes them. Read only."""
    return prepared(capture, tmp_path_factory.mktemp("out") / "per-sample", "per-sample")


def test_pass_is_zero_and_first(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Audit(dataset, workers=1).run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "PASS"
    assert lines[1] == "The cameras match the pixels in all 2 samples."


def test_several_findings_of_one_code_about_all_samples_give_their_range(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "d"))
    for file in copy.glob("*/opencv_cameras.json"):  # a world three times as large
        content = json.loads(file.read_bytes())
        for frame in content["frames"]:
            for row in frame["w2c"][:3]:
                row[3] *= 3.0
        file.write_text(json.dumps(content))
    Audit(copy, AuditOptions(), out=tmp_path / "a.json", workers=1).run()
    found = [f for f in read_audit(tmp_path / "a.json").findings if f.code == "distribution"]
    said = capsys.readouterr().out
    values = [f.value for f in found if f.value is not None]
    assert len(values) > 1
    assert f"warning distribution: values {min(values):.3g} to {max(values):.3g}, limit" in said


def test_fail_is_one_with_cause_and_sample(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "d"))
    for file in copy.glob("*/opencv_cameras.json"):
        content = json.loads(file.read_bytes())
        content["frames"][2]["fx"] *= 1.3
        content["frames"][2]["fy"] *= 1.3
        file.write_text(json.dumps(content))
    assert Audit(copy, AuditOptions(samples=1), workers=1).run() == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "FAIL"
    assert "The sample fails" in out
    assert "Camera3" in out.splitlines()[1]
    assert "sample_000000" in out
    assert "tangency" in out


def test_legacy_fails(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Audit(prepared(capture, tmp_path / "legacy", "legacy"), workers=1).run() == 1
    said = capsys.readouterr().out
    assert "legacy" in said
    assert re.search(r"tangency: .*worst [\d.]+ times the limit$", said, re.MULTILINE)  # a score has no unit


def test_json_and_out(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(p.relative_to(dataset) for p in dataset.rglob("*"))
    out = tmp_path / "audit.json"
    assert Audit(dataset, workers=1, json=True, out=out).run() == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert captured.err == ""
    assert printed["verdict"] == "pass"
    assert printed == json.loads(out.read_bytes())
    assert read_audit(out).ids == ["sample_000000", "sample_000001"]
    assert sorted(p.relative_to(dataset) for p in dataset.rglob("*")) == before  # nothing was written there


def test_files_are_never_replaced_unasked(dataset: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("mine")
    for verb in (Audit(dataset, out=mine), Profile(dataset, mine)):
        with pytest.raises(OutputError, match="--force"):
            verb.run()
    assert mine.read_text() == "mine"
    with pytest.raises(OutputError, match=r"lies in .*where nothing is written"):
        Audit(dataset, out=dataset / "audit.json").run()
    with pytest.raises(OutputError, match="is a folder"):
        Audit(dataset, out=tmp_path, force=True).run()
    assert Profile(dataset, mine, force=True).run() == 0
    assert json.loads(mine.read_bytes())["views"] == 12


def test_a_profile_of_its_own_is_matched(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "p.json"
    assert Profile(dataset, profile, name="mine").run() == 0
    assert "Profile mine: 12 views" in capsys.readouterr().out
    assert Audit(dataset, AuditOptions(profile=str(profile)), workers=1, json=True).run() == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["profile"] == "mine"
    assert max(ray["wasserstein"] for ray in printed["rays"]) < 1e-6


def test_unusable_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such dataset"):
        Audit(tmp_path / "nowhere").run()
    with pytest.raises(DatasetError, match="--profile"):
        Audit(tmp_path, AuditOptions(profile="nowhere.json")).run()


def test_what_is_no_dataset_is_named(capture: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"this is a capture.*`mouselift prepare .* OUT`"):
        Audit(capture).run()
    with pytest.raises(DatasetError, match="this is a capture"):
        Audit(capture / "capture.toml").run()
    with pytest.raises(DatasetError, match=r"holds datasets \(.*per-sample\): give one of them"):
        Audit(dataset.parent).run()
    (tmp_path / "dataset.json").write_text('{"complete": false}')
    with pytest.raises(DatasetError, match="stopped before the first sample"):
        Audit(tmp_path).run()
    (tmp_path / "dataset.json").write_text('{"complete": true}')
    with pytest.raises(DatasetError, match="kept no sample"):
        Audit(tmp_path).run()


def test_errors_first_and_each_message_once(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "d"))
    for file in copy.glob("*/opencv_cameras.json"):
        content = json.loads(file.read_bytes())
        content["frames"][2]["w"] = 100
        file.write_text(json.dumps(content))
    assert Audit(copy, workers=1).run() == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    marks = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in ("error", "warning", "note")]
    assert marks == sorted(marks, key=["error", "warning", "note"].index)
    assert "error size-mismatch: all 2 samples" in lines
    assert out.count("its camera says w = 100") == 1
    assert "  sample_000000, sample_000001: images/" in out
    assert out.count("A resized image needs") == 1


def test_a_sample_that_a_sentence_names_stays_in_it(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "d"))
    for name in ("data_train.txt", "data_val.txt"):
        (copy / name).write_text(f"{copy / 'sample_000000'}\n")
    assert Audit(copy, workers=1).run() == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "1 samples are in both data_train.txt and data_val.txt, the first: sample_000000" in said


# As anipose writes it, as far as it is recognised; a hint does not read it.
CALIBRATED = '[cam_0]\nname = "A"\nmatrix = []\nrotation = []\ntranslation = []\n'


def _videos(folder: Path, *cameras: str) -> Path:
    """Named as a rig's cameras; a hint does not open them."""
    folder.mkdir(parents=True)
    for camera in cameras:
        (folder / f"{camera}.mp4").touch()
    return folder


def _advised(folder: Path) -> list[str]:
    with pytest.raises(DatasetError) as caught:
        Audit(folder).run()
    return re.findall(r"`(mouselift [^`]*)`", str(caught.value))


@pytest.mark.parametrize("at", [".", "calibration", "calib"])
@pytest.mark.parametrize("videos", ["videos", "videos/A", "session/videos-raw", "calibration"])
def test_a_folder_inside_a_recording_leads_to_the_recording(at: str, videos: str, tmp_path: Path) -> None:
    rec = tmp_path / "a recording"
    (rec / at).mkdir(parents=True)
    (rec / at / "calibration.toml").write_text(CALIBRATED)
    inside = rec / videos
    _videos(inside / "board" if inside.exists() else inside, "A", "B")
    assert _advised(inside) == [f"mouselift init '{rec}'"]
    (rec / "capture.toml").touch()
    assert _advised(inside) == [f"mouselift prepare '{rec}' OUT", f"mouselift inspect '{rec}'"]
    assert _advised(_videos(rec / "figures")) == []  # empty


def test_of_several_recordings_with_one_calibration_both_readings_are_given(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "calibration.toml").write_text(CALIBRATED)
    one, _ = (_videos(tmp_path / "project" / name / "videos-raw", "A", "B") for name in ("mouse1", "mouse2"))
    assert _advised(one) == [f"mouselift init {tmp_path / 'project'}", f"mouselift init {one.parent}"]


def test_a_folder_of_videos_without_a_calibration_is_named_itself(tmp_path: Path) -> None:
    assert _advised(_videos(tmp_path / "videos", "A", "B")) == [f"mouselift init {tmp_path / 'videos'}"]


def test_masks_that_lie_elsewhere_are_no_part_of_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "masks.json").touch()
    assert _advised(tmp_path / "masks") == ["mouselift prepare CAPTURE OUT"]
    (tmp_path / "capture.toml").touch()
    assert _advised(tmp_path / "masks") == [f"mouselift prepare {tmp_path} OUT"]
