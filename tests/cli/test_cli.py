"""The command line as a user meets it: words, files, exit codes, JSON."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.calibration.registry import load_rig
from mouselift.capture.capture import load_capture
from mouselift.capture.source import CaptureSource
from mouselift.cli.app import run
from mouselift.media.video_index import probe
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig
from rig_files import Writers, bent_cameras


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording as a user has it, without capture.toml."""
    path = tmp_path_factory.mktemp("user") / "mouse7"
    rig = scaled_rig(markerless_rig(), 0.25)
    write_capture(path, CaptureSpec(frames=3, rig=rig, fps=1.0, seed=3, supersample=2))
    return path


def test_init_then_prepare(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(folder), "--out", str(tmp_path)]) == 0
    words = capsys.readouterr().out
    assert "Found" in words
    assert "Assumed" in words
    assert "Next: mouselift prepare" in words
    out = tmp_path / "out"
    code = run(["prepare", str(tmp_path), str(out), "--workers", "1", "--on-cut", "keep", "--json"])
    printed = capsys.readouterr().out
    assert code == 0
    summary = json.loads(printed)
    assert summary["kept"] == 3
    run(["prepare", str(tmp_path), str(out), "--workers", "1", "--on-cut", "keep"])
    assert re.search(r"val\s+0\s+data_val.txt is empty", capsys.readouterr().out)
    assert (out / "sample_000002" / "opencv_cameras.json").is_file()


def test_init_never_overwrites_unasked(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "capture.toml").write_text("mine")
    assert run(["init", str(folder), "--out", str(tmp_path)]) == 2
    assert (tmp_path / "capture.toml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err


def test_the_next_step_is_up_where_it_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mask` and `prepare` would refuse."""
    cameras, files = bent_cameras()[:2], Writers()
    files.anipose(tmp_path / "calibration.toml", cameras)
    for camera in cameras:
        files.images(tmp_path / camera.name, 2, (640, 480))
    assert run(["init", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("Next:", "Then:"))]
    assert lines[0].startswith("Next: write up = ... at the head of")
    assert lines[1].startswith("Then: mouselift mask")
    assert len(lines) == 2
    for verb in (["mask", str(tmp_path)], ["prepare", str(tmp_path), str(tmp_path / "out")]):
        assert run(verb) == 2
        assert "`mouselift inspect" in capsys.readouterr().err.replace("\n", " ")


def test_up_is_proposed_as_level_cameras_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never taken unasked."""
    cameras, files = scaled_rig(markerless_rig(), 0.25).cameras, Writers()
    flat = [replace(camera, skew=0.0) for camera in cameras]  # anipose's files hold no skew
    files.anipose(tmp_path / "calibration.toml", flat)
    for camera in flat:
        files.images(tmp_path / camera.name, 2, (camera.width, camera.height))
    assert run(["init", str(tmp_path)]) == 0
    assert 'Next: write up = "+z" at the head of' in capsys.readouterr().out
    assert load_capture(tmp_path).up is None


def test_what_is_to_decide_is_the_next_step(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks of two animals: `prepare` would refuse."""
    place = tmp_path / "two mice"
    shutil.copytree(folder, place)
    shutil.rmtree(place / "masks")
    for camera in load_rig(place / "calibration").cameras:
        video = probe(place / "videos" / camera.name / "0.mp4")
        (place / "masks" / camera.name).mkdir(parents=True)
        labels = np.zeros((video.height, video.width), np.uint8)
        labels[20:60, 20:60], labels[80:120, 80:120] = 1, 2
        for frame in range(video.frames):
            cv2.imwrite(str(place / "masks" / camera.name / f"{frame:06d}.png"), labels)
    assert run(["init", str(place), "--json"]) == 0
    assert "mask_object = 1" in json.loads(capsys.readouterr().out)["to_decide"]
    assert run(["init", str(place), "--force"]) == 0
    said = capsys.readouterr().out
    assert said.index("Next: settle what is TO DECIDE above") < said.index("Then: mouselift prepare")


def test_a_path_with_spaces_without_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "day 1/mouse 3").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert run(["init", "day", "1/mouse", "3"]) == 2
    assert "expected quotes round a path with spaces: 'day 1/mouse 3'" in capsys.readouterr().err
    assert run(["prepare", "day", "1/mouse", "3", "out", "--every", "5"]) == 2
    assert "spaces: 'day 1/mouse 3'" in capsys.readouterr().err
    assert run(["init", "day 1/mouse 3"]) == 2
    assert "quotes" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(["init", "night", "1"])
    assert "quotes" not in capsys.readouterr().err


def test_init_keeps_what_it_writes_over(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(folder), "--out", str(tmp_path)]) == 0
    file = tmp_path / "capture.toml"
    first = file.read_text()
    edited = f"# mine\nfloor = 2.5\n{first}frame_offset = 3\n"  # of the last camera
    file.write_text(edited)
    (tmp_path / "capture.toml.1").write_text("older")
    capsys.readouterr()
    assert run(["init", str(folder), "--out", str(tmp_path), "--force"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "kept as capture.toml.2; it had, or had otherwise: floor, [[camera]] Camera6 frame_offset" in said
    assert (tmp_path / "capture.toml.2").read_text() == edited
    assert (tmp_path / "capture.toml.1").read_text() == "older"
    assert file.read_text() == first
    assert run(["init", str(folder), "--out", str(tmp_path), "--force"]) == 0  # the same again: nothing to keep
    assert not (tmp_path / "capture.toml.3").exists()
    file.write_text("no toml [")
    assert run(["init", str(folder), "--out", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "capture.toml.3").read_text() == "no toml ["


def test_error_is_words_and_code_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prepare", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert "CaptureError" not in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("verb", ["reconstruct", "evaluate"])
def test_options_that_contradict_are_words_too(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Found while the command line is read: no traceback, and not the code that means no."""
    given = ["data", "out"] if verb == "reconstruct" else ["data"]
    assert run([verb, *given, "--method", "fit", "--checkpoint", "any.pt"]) == 2
    assert capsys.readouterr().err.startswith("Error: --method fit uses no network")


def test_nothing_kept_is_code_one(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1: it ran, and the answer is no."""
    run(["init", str(folder), "--out", str(tmp_path)])
    without_masks(tmp_path / "capture.toml", cameras=1)
    capsys.readouterr()
    assert run(["prepare", str(tmp_path), str(tmp_path / "out"), "--workers", "1"]) == 1
    words = capsys.readouterr().out
    assert "missing-mask" in words
    assert "mouselift mask" in words


def test_prepare_without_any_masks_reads_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves no folder that a run with masks would be refused in."""
    run(["init", str(folder), "--out", str(tmp_path)])
    without_masks(tmp_path / "capture.toml")
    capsys.readouterr()
    monkeypatch.setattr(CaptureSource, "read", None)
    assert run(["prepare", str(tmp_path), str(tmp_path / "out"), "--workers", "1"]) == 2
    assert f"mouselift mask {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def without_masks(toml: Path, cameras: int = 99) -> None:
    """The lines of the first `cameras` masks taken out."""
    lines = toml.read_text().splitlines()
    named = [line for line in lines if line.startswith("mask")][:cameras]
    toml.write_text("\n".join(line for line in lines if line not in named))


def test_a_list_is_given_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two, the last would count alone: a camera that is to be left out would stay in."""
    assert run(["init", str(folder), "--unused", "Camera1", "--unused=Camera2"]) == 2
    assert "--unused is given several times" in capsys.readouterr().err
    assert not (folder / "capture.toml").exists()
    assert run(["compare", str(folder), "out", "--frames", "1", "2", "--frames", "3"]) == 2
    assert "--frames is given several times" in capsys.readouterr().err


def test_wrong_option_gets_a_hint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prepare", str(folder), "out", "--presett", "canonical"]) == 2
    said = capsys.readouterr().err
    assert "did you mean --preset" in said
    assert "--presets" not in said, "an option of compare"
    assert run(["prepare", "--evry=3", str(folder), "out"]) == 2
    assert "--every" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--version"], ["audit", "--version"], ["-v", "prepare", "a", "-V"]])
def test_version_of_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    assert capsys.readouterr().out.startswith("mouselift ")


def test_help_as_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["help", "audit"])
    assert "usage: mouselift audit" in capsys.readouterr().out


def test_completion_offers_verbs_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--tyro-print-completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    ask = """source "$0"; function=$(complete -p mouselift | sed "s/.*-F \\([^ ]*\\).*/\\1/")
    for words in "mouselift prep" "mouselift prepare --pre"; do
        COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); $function; echo "${COMPREPLY[@]}"
    done"""
    done = subprocess.run(["bash", "-c", ask, tmp_path / "script"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["prepare", "--preset"]


def test_errors_break_at_a_terminals_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["audit", "nowhere"]
    assert run(command) == 2
    plain = capsys.readouterr().err
    assert plain.count("\n") == 1, "one line where it may be searched"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(command) == 2
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err).splitlines()]
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines).split()) == plain.strip(), "between words"


def test_custom_framing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(folder), "--out", str(tmp_path)])
    command = ["prepare", str(tmp_path), str(tmp_path / "out"), "--workers", "1", "--on-cut", "keep", "--json"]
    command += ["--zoom", "focal", "--aim", "look-at", "--size", "128", "--frames", "0", "2"]
    assert run(command) == 0
    capsys.readouterr()
    description = json.loads((tmp_path / "out/dataset.json").read_bytes())
    assert description["identity"]["preset"] == "custom"
    frames = json.loads((tmp_path / "out/sample_000000/opencv_cameras.json").read_bytes())["frames"]
    assert len({frame["fx"] for frame in frames}) == 1
    assert {(frame["w"], frame["cx"]) for frame in frames} == {(128, 64.0)}


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    checks = {check["what"]: check["state"] for check in json.loads(capsys.readouterr().out)}
    assert checks["decode h264"] == "ok"
    assert checks["lossless mask video"] == "ok"


def test_doctor_names_the_optional_parts_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = importlib.metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert run(["doctor", "--json"]) == 0, "preparation needs none of them"
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["torch"]["state"] == "note"
    assert "pip install 'mouselift[train]'" in checks["torch"]["detail"]


@pytest.mark.parametrize("name", ["n" * 300, "loop/a"])
def test_a_path_that_the_system_refuses_is_no_defect(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert run(["audit", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "defect" not in said
    assert name[:10] in said
