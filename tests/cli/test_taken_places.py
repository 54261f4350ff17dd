"""A folder where a file is to be written, a file where a folder is: said by every verb, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from ball_samples import balls
from mouselift.cli.app import VERBS, run

# Words of a command; the place is {place}, and what a verb reads has its name.
FILES = {
    "audit": ["{dataset} --out {place}", "{dataset} --out {place} --force", "{dataset} --log-file {place}"],
    "profile": ["{dataset} {place}", "{dataset} {place} --force"],
    "report": ["{dataset} {place}", "{dataset} {place} --force"],
    "reconstruct": ["{dataset}/sample_000000 {place} --method fit --steps 1"],
}
FOLDERS = {
    "init": ["{capture} --out {place}", "{capture} --out {place}/below --force"],
    "inspect": ["{capture} --out {place}", "{capture} --out {place}/below", "{capture} {capture2} --out {place}"],
    "mask": ["{capture} --out {place} --force"],
    "prepare": ["{capture} {place}", "{capture} {capture2} --out {place}"],
    "compare": ["{capture} {place}"],
    "demo": ["{place}", "{place}/below"],
    "repair": ["{dataset} {place}"],
    "export": ["{dataset} {place} --format " + name for name in ("colmap", "nerfstudio", "facelift", "webdataset")],
    "reconstruct": ["{dataset} {place} --method fit --steps 1"],
    "evaluate": ["{dataset} --method fit --steps 1 --out {place}"],
    "train": ["tiny_cpu {dataset} {place} --unchecked --updates 1"],
}
NOTHING_WRITTEN = {"doctor", "disk", "lists", "view"}  # lists: those of the dataset itself


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"dataset": balls(tmp_path_factory.mktemp("inputs") / "dataset")}


@pytest.fixture
def captures(tmp_path: Path, truth, write) -> dict[str, Path]:
    folder = tmp_path / "captures"
    return {name: write.dannce_capture(folder / name, truth[:3]) for name in ("capture", "capture2")}


def words(verb: str, line: str, **places: Path) -> list[str]:
    return [verb, *(word.format(**places) for word in line.split())]


def test_every_verb_is_looked_at() -> None:
    assert set(VERBS) == FILES.keys() | FOLDERS.keys() | NOTHING_WRITTEN


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, lines in FILES.items() for line in lines])
def test_a_folder_in_place_of_a_file(
    verb: str, line: str, inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place.ply"  # .ply: else `reconstruct` takes it for a folder
    place.mkdir()
    (place / "mine").write_text("mine")
    assert run(words(verb, line, place=place, **inputs)) == 2
    said = capsys.readouterr()
    one_line = " ".join(said.err.split())
    assert f"{place}: is a folder; expected the name of a file to write: give one in it" in one_line
    assert "took" not in said.err, "it is said before any work"
    assert [path.name for path in place.iterdir()] == ["mine"]


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, lines in FOLDERS.items() for line in lines])
def test_a_file_in_place_of_a_folder(
    verb: str,
    line: str,
    inputs: dict[str, Path],
    captures: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "place"
    place.write_text("mine")
    if verb == "init":
        (captures["capture"] / "capture.toml").unlink()
    assert run(words(verb, line, place=place, **inputs, **captures)) == 2
    said = capsys.readouterr()
    one_line = " ".join(said.err.split())
    assert f"{place}: is a file; expected a" in one_line
    assert "folder" in one_line.partition("is a file; expected a")[2]
    assert "took" not in said.err, "it is said before any work"
    assert place.read_text() == "mine"


@pytest.mark.parametrize(("verb", "line"), [(verb, line) for verb, lines in FOLDERS.items() for line in lines])
def test_a_files_name_in_place_of_a_folders(
    verb: str,
    line: str,
    inputs: dict[str, Path],
    captures: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A page that was asked for would lie in a folder `page.html`."""
    place = tmp_path / "place.html"
    assert run(words(verb, line, place=place, **inputs, **captures)) == 2
    said = capsys.readouterr()
    assert f"{place}: expected the name of a folder, got that of a .html file" in " ".join(said.err.split())
    assert "took" not in said.err, "it is said before any work"
    assert not place.exists()


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize(("verb", "file"), [("init", "capture.toml"), ("inspect", "inspect.html")])
def test_a_folder_of_the_name_of_the_file(
    verb: str, file: str, force: list[str], captures: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--force` would not help, so it is not advised."""
    out = captures["capture"].parent / "out"
    (out / file).mkdir(parents=True)
    assert run([verb, str(captures["capture"]), "--out", str(out), *force]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{out / file}: is a folder; expected the name of a file to write" in said
    assert "--force" not in said
