"""How near renders come to prepared views: figures for a view, a sample and a dataset. Needs torch."""

from __future__ import annotations

import mouselift.data  # noqa: F401  (says what to install where torch is missing)
