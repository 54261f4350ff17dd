"""An upload that is killed by the system, in the middle of a shard, and given again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ball_samples import balls
from mouselift.dataset.open_store import open_store
from mouselift.errors import DatasetError
from mouselift.export.registry import export
from s3_server import S3Server, s3_server

pytest.importorskip("obstore")

URL = Path("s3://lab/mouse7")
SMALL_PARTS = "from mouselift.dataset import remote; remote.PART_BYTES = 5000; from mouselift.cli import main; main()"


def local(dataset: Path, folder: Path) -> dict[str, bytes]:
    export(dataset, folder, "webdataset")
    return {f"lab/mouse7/{p.name}": p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


def killed_when_parts_are_there(command: list[str], server: S3Server) -> None:
    quiet = subprocess.DEVNULL
    program = subprocess.Popen(command, env=os.environ | server.environment, stdout=quiet, stderr=quiet)
    end = time.monotonic() + 120
    while not any(server.uploads.values()):
        assert program.poll() is None, "it ended before a part was sent"
        assert time.monotonic() < end
        time.sleep(0.01)
    program.send_signal(signal.SIGKILL)
    program.wait()


@pytest.mark.parametrize("way", ["export", "prepare"])
def test_killed_in_mid_shard_it_goes_on(
    way: str, small_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half-sent is an object; the same bytes in the end; what may be left is said."""
    mouselift = [sys.executable, "-c", SMALL_PARTS]
    if way == "export":
        dataset = balls(tmp_path / "balls")
        command = [*mouselift, "export", str(dataset), str(URL), "--format", "webdataset"]
    else:
        dataset = tmp_path / "out"
        command = [*mouselift, "prepare", str(small_capture), str(dataset), "--size", "64", "--workers", "1"]
        subprocess.run(command, check=True, capture_output=True)
        command += ["--remote", "s3://lab/mouse7"]
    with s3_server() as server:
        server.pause = 0.3  # a part
        killed_when_parts_are_there(command, server)
        assert not any(name.endswith(".tar") for name in server.objects)
        assert len(server.uploads) == 1, "parts that no object has"
        server.pause = 0.0
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        with pytest.raises(DatasetError, match="its export was not finished"):
            open_store(URL)
        again = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
        assert server.objects == local(dataset, tmp_path / "shards")
        assert "unfinished multipart uploads" in " ".join(again.split())
        quiet = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
        assert "multipart" not in quiet, "nothing was sent, so nothing is said"
