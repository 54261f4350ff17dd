"""Puts tests/shared on the import path: faults, rough masks, rigs and slow twins that benchmarks share with tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/shared"))
