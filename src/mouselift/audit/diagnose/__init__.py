"""What is wrong with cameras that do not agree with their pictures, in words and numbers."""

from __future__ import annotations

from mouselift.audit.diagnose.cause import Cause, Diagnosis
from mouselift.audit.diagnose.explain import diagnose

__all__ = ["Cause", "Diagnosis", "diagnose"]
