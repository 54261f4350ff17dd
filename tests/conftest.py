"""Settings for the whole test suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples on every run and machine: a red test is a defect, never bad luck.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("deterministic")
