"""A dataset has the same bytes wherever its blocks run; what goes wrong there is said here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mouselift as ml
from folder_files import files_of
from mouselift.engines import dask
from mouselift.errors import MaskError, MouseliftError
from mouselift.prepare import preparation

distributed: Any = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
OPTIONS = ml.PrepareOptions(size=64, interpolation="linear")


@pytest.fixture(scope="module")
def alone(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Made in this process."""
    out = tmp_path_factory.mktemp("alone") / "mouse"
    ml.prepare_dataset(ml.load_capture(recording), out, OPTIONS, workers=1)
    return files_of(out)


@pytest.fixture(scope="module")
def engine() -> Iterator[ml.DaskEngine]:
    """A scheduler and two workers, which are threads here: jobs and results still travel through sockets."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
        ) as cluster,
        ml.DaskEngine(cluster.scheduler_address) as engine,
    ):
        yield engine


def test_a_cluster_makes_the_bytes_of_this_process(
    recording: Path, alone: dict[str, bytes], engine: ml.DaskEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # relative paths reach workers as absolute ones
    heard: list[int] = []
    summary = ml.prepare_dataset(
        ml.load_capture(recording), Path("out"), OPTIONS, engine=engine, progress=lambda _, done, __: heard.append(done)
    )
    assert summary.made == 12
    assert heard[-1] == 12
    assert files_of(tmp_path / "out") == alone


def test_an_error_of_a_job_comes_back_as_it_is(
    recording: Path, engine: ml.DaskEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise MaskError("Camera2: no mask")

    monkeypatch.setattr(preparation, "make_sample", stopped)
    with pytest.raises(MaskError, match="Camera2: no mask"):
        ml.prepare_dataset(ml.load_capture(recording), tmp_path / "out", OPTIONS, engine=engine)


def test_workers_of_another_version_are_refused(engine: ml.DaskEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_run", _older)
    with pytest.raises(MouseliftError, match=r"a Dask worker has mouselift .*, expected 0\.0\.1"):
        list(engine.run([(iter, [1])]))


def _older(_: str, *rest: Any, run: Any = dask._run) -> object:
    return run("0.0.1", *rest)


def test_no_scheduler_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dask, "_CONNECT", 0.2)
    with (
        pytest.raises(MouseliftError, match=r"127\.0\.0\.1:9: no Dask scheduler answers there"),
        ml.DaskEngine("127.0.0.1:9"),
    ):
        pass
    with pytest.raises(MouseliftError, match="no such file"), ml.DaskEngine(str(tmp_path / "scheduler.json")):
        pass


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(recording: Path, alone: dict[str, bytes], tmp_path: Path) -> None:
    """Two worker processes; one is killed when the first samples are there."""
    killed: list[int] = []
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:

        def kill_one(_: str, done: int, __: int) -> None:
            if done and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        with ml.DaskEngine(cluster.scheduler_address) as engine:
            capture = ml.load_capture(recording)
            ml.prepare_dataset(capture, tmp_path / "out", OPTIONS, engine=engine, progress=kill_one)
    assert killed
    assert files_of(tmp_path / "out") == alone
