"""A pickle that runs code when it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


class Opens:
    """Unpickled, it makes a file `pwned` in the working directory."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (Path("pwned"),)
