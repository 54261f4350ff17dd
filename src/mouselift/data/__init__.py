"""Prepared samples as tensors. From here on torch is needed: MissingExtraError, with the line that installs it."""

from __future__ import annotations

from importlib.util import find_spec

from mouselift.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError(
        "this needs torch, which is not installed: pip install 'mouselift[train]' (CPU only, smaller: first "
        "pip install torch --index-url https://download.pytorch.org/whl/cpu)"
    )
