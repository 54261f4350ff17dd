"""`mouselift view` before a browser comes: addresses, names, and what is said when viser is missing."""

from __future__ import annotations

import importlib
import socket
from pathlib import Path

import pytest

from mouselift.errors import DatasetError, MissingExtraError, MouseliftError
from mouselift.view.live import LiveView, free_port


def test_a_taken_port_is_an_error_not_another_port() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with pytest.raises(MouseliftError, match=f"127.0.0.1:{taken}.*--port"):
            free_port("127.0.0.1", taken)


def test_zero_is_any_free_port() -> None:
    assert free_port("127.0.0.1", 0) > 0


def test_missing_extra_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tmp_path / "sample_1"
    sample.mkdir()
    (sample / "opencv_cameras.json").write_text("{}")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'mouselift\[view\]'"):
        LiveView(tmp_path, port=0)


def test_unknown_sample(tmp_path: Path) -> None:
    sample = tmp_path / "sample_1"
    sample.mkdir()
    (sample / "opencv_cameras.json").write_text("{}")
    with pytest.raises(DatasetError, match="sample_2"):
        LiveView(tmp_path, port=0, sample="sample_2")
