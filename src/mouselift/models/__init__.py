"""Networks that turn posed views into Gaussians, and their fine-tuning. Needs torch and safetensors."""

from __future__ import annotations

from importlib.util import find_spec

import mouselift.data  # noqa: F401  (says what to install where torch is missing)
from mouselift.errors import MissingExtraError

if find_spec("safetensors") is None:
    raise MissingExtraError("this needs safetensors, which is not installed: pip install 'mouselift[train]'")
