"""Shapes are checked here, and cost nothing elsewhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from mouselift.geometry.similarity import check_rotation


def test_a_wrong_shape_is_seen_in_tests() -> None:
    with pytest.raises(TypeCheckError):
        check_rotation(np.eye(2), "two rows")


def test_preparing_and_auditing_load_no_checker() -> None:
    code = "import sys, mouselift.prepare.pipeline, mouselift.audit.dataset\n"
    code += "print([m for m in ('jaxtyping', 'asyncio', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", "a tenth of a second in every process"
