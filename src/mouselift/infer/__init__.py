"""From a checkpoint and posed pictures to Gaussians, and from Gaussians to pictures, on any device."""

from __future__ import annotations

import mouselift.models  # noqa: F401  (says what to install where torch or safetensors is missing)
