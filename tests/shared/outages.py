"""Files and folders that cannot be read now, as the system says it. Tests run as root too, whom no permission stops."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def denied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """As a folder without permission or a share that is away: paths in and below it raise, whoever asks."""

    def deny(place: Path, code: int = errno.EACCES) -> None:
        stat, access = os.stat, os.access

        def below(path: Any) -> bool:
            return isinstance(path, str | Path) and (Path(path) == place or place in Path(path).parents)

        def guarded(plain: Callable[..., Any]) -> Callable[..., Any]:
            def call(path: Any, *args: Any, **kwargs: Any) -> Any:
                if below(path) and not (plain is stat and Path(path) == place):
                    raise OSError(code, os.strerror(code), str(path))
                return plain(path, *args, **kwargs)

            return call

        monkeypatch.setattr(os, "stat", guarded(os.stat))
        monkeypatch.setattr(os, "open", guarded(os.open))
        monkeypatch.setattr(os, "scandir", guarded(os.scandir))
        monkeypatch.setattr(os, "access", lambda path, *args: not below(path) and access(path, *args))
        monkeypatch.setattr(io, "open", guarded(io.open))
        monkeypatch.setattr("builtins.open", guarded(open))

    return deny
