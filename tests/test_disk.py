"""Caches in a home of their own: what is found, how it is measured, and that only listed commands run."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mouselift.cli.app import run
from mouselift.disk import DiskUse, disk_usage, free, measured
from mouselift.errors import MouseliftError
from mouselift.limits import LIST_BYTES

KB = 1024


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Laid out as pip 24, uv 0.4, huggingface_hub 2.4, torch, wandb and conda do."""
    at = tmp_path / "home"
    for name, size in {
        ".cache/pip/http-v2/a/b": 300,
        ".cache/uv/archive-v0/x/numpy.so": 200,
        ".cache/huggingface/hub/models--org--large/blobs/f00": 900,
        ".cache/huggingface/hub/datasets--org--small/blobs/f01": 8,
        ".cache/torch/hub/checkpoints/vgg16.pth": 500,
        ".cache/wandb/artifacts/obj/x": 100,
        ".conda/pkgs/numpy/lib.so": 64,
        "envs/old/conda-meta/history": 4,
        "envs/old/lib/python.so": 700,
    }.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(os.urandom(size * KB))
    snapshot = at / ".cache/huggingface/hub/models--org--large/snapshots/1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.bin").symlink_to("../../blobs/f00")
    outside = tmp_path / "thesis"
    outside.mkdir()
    (outside / "data.bin").write_bytes(os.urandom(4000 * KB))
    (at / ".cache/pip/thesis").symlink_to(outside)
    (at / ".cache/huggingface/hub/models--org--linked").symlink_to(outside)
    (at / ".conda/environments.txt").write_text(f"{at / 'envs/old'}\n{at / 'envs/gone'}\n")
    for name in list(os.environ):
        if name.startswith(("XDG_", "PIP_", "UV_", "HF_", "HUGGINGFACE", "TORCH_", "WANDB_", "CONDA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(at))
    return at


def found(home: Path) -> dict[str, DiskUse]:
    return {use.what: use for use in disk_usage(which=lambda name: f"/opt/tools/bin/{name}")}


def test_largest_first_and_links_are_not_followed(home: Path) -> None:
    uses = disk_usage(which=lambda _: None)
    sizes = [use.size for use in uses]
    assert sizes == sorted(sizes, reverse=True)
    assert uses[0].what == "model/org/large"
    assert uses[0].size == pytest.approx(900 * KB, rel=0.05), "the snapshot's link adds nothing"
    assert {use.owner for use in uses} == {"pip", "uv", "Hugging Face", "torch hub", "wandb", "conda"}
    assert max(sizes) < 2000 * KB
    assert all(use.path.is_relative_to(home) for use in uses), "a link out of the cache is no cache"


def test_commands_are_bound_to_the_listed_paths(home: Path) -> None:
    uses = found(home)
    hub = str(home / ".cache/huggingface/hub")
    bin_ = "/opt/tools/bin"
    assert uses["model/org/large"].command == (
        f"{bin_}/hf",
        "cache",
        "rm",
        "model/org/large",
        "--cache-dir",
        hub,
        "--yes",
    )
    assert uses["cache"].command == (f"{bin_}/uv", "cache", "prune", "--cache-dir", str(home / ".cache/uv"))
    assert uses["downloads and wheels"].command[-4:] == ("--cache-dir", str(home / ".cache/pip"), "cache", "purge")
    assert uses["environment old"].command[1:] == ("env", "remove", "--prefix", str(home / "envs/old"), "--yes")
    assert uses["packages"].environment == (("CONDA_PKGS_DIRS", str(home / ".conda/pkgs")),)
    assert uses["artifacts"].environment == (("WANDB_CACHE_DIR", str(home / ".cache")),)
    assert not uses["models"].command, "torch has none"


def test_repositories_that_share_a_revision_are_not_offered(home: Path) -> None:
    """huggingface_hub 2.4.0 was seen to delete the other one."""
    hub = home / ".cache/huggingface/hub"
    (hub / "datasets--org--small/snapshots/1").mkdir(parents=True)
    uses = found(home)
    assert not uses["model/org/large"].command
    assert "shares a revision" in uses["dataset/org/small"].note


def test_an_environment_in_use_is_not_offered(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(home / "envs/old"))
    assert not found(home)["environment old"].command


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(64 * KB))
    once = measured(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert measured(tmp_path) == once


def test_nothing_runs_without_apply_or_without_a_yes(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[DiskUse] = []
    monkeypatch.setattr("mouselift.disk.free", lambda use: ran.append(use) or use.size)
    assert run(["disk"]) == 0
    assert ran == []
    assert str(home / ".cache/pip") in capsys.readouterr().out.replace("\n", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run(["disk", "--apply"]) == 0
    assert ran == [], "no answer is a no"
    offered = [use for use in disk_usage() if use.command]
    answers = ["yes" if use.owner == "pip" else "n" for use in offered]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(answers)))
    assert run(["disk", "--apply"]) == 0
    assert [use.owner for use in ran] == ["pip"]
    assert run(["disk", "--apply", "--json"]) == 2


def test_free_runs_the_command_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "a").write_bytes(os.urandom(64 * KB))
    (folder / "b").write_bytes(os.urandom(64 * KB))
    size, files, _ = measured(folder)
    code = f"import os; os.remove({str(folder / 'a')!r})"
    use = DiskUse("pip", "x", folder, size, files, command=(sys.executable, "-c", code))
    assert free(use) == pytest.approx(64 * KB, rel=0.1)
    assert (folder / "b").exists()
    with pytest.raises(MouseliftError, match="ended with code 3"):
        free(DiskUse("pip", "x", folder, size, files, command=(sys.executable, "-c", "raise SystemExit(3)")))
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(MouseliftError, match="is a link now"):
        free(DiskUse("pip", "x", link, size, files, command=use.command))


def _loop(at: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(at.name)


@pytest.mark.parametrize("place", [".cache/uv2", ".cache/huggingface2"])
def test_links_in_a_circle_end_nothing(place: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _loop(home / place)
    monkeypatch.setenv("UV_CACHE_DIR" if "uv" in place else "HF_HOME", str(home / place))
    assert "downloads and wheels" in found(home)


@pytest.mark.parametrize("variable", ["PIP_CACHE_DIR", "UV_CACHE_DIR", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"])
@pytest.mark.parametrize("place", ["~nobody-of-this-name/x", "a" * 5000, "/dev/null", "\u202e"])
def test_places_that_are_none_are_passed_over(
    variable: str, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, place)
    assert "artifacts" in found(home)


@pytest.mark.parametrize("program", ["/conda", "conda", "/"])
def test_a_conda_that_lies_anywhere(program: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_EXE", program)
    assert "environment old" in found(home)


def test_a_list_of_environments_that_is_none(home: Path) -> None:
    listed = home / ".conda/environments.txt"
    listed.write_text(f"{'x' * 5000}\n\0\n/\n{home / 'envs/old'}\n")
    assert "environment old" in found(home)
    with listed.open("wb") as stream:
        stream.truncate(LIST_BYTES + 1)
    assert "environment old" not in found(home)
    listed.unlink()
    os.mkfifo(listed)
    assert "environment old" not in found(home)


def test_a_hub_that_cannot_be_listed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run as root too, whom no permission stops."""
    hub, listing = home / ".cache/huggingface/hub", Path.iterdir

    def refused(self: Path) -> Iterator[Path]:
        if self == hub:
            raise PermissionError(13, "Permission denied", str(self))
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert "downloads and wheels" in found(home)
