"""What is wrong with cameras that do not agree with their images, in words and numbers."""

from __future__ import annotations

from mouselift.diagnosis.cause import Cause, Diagnosis
from mouselift.diagnosis.explain import diagnose

__all__ = ["Cause", "Diagnosis", "diagnose"]
