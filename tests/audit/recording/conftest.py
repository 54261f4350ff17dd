"""One small recording with a late camera, made once; and exact views made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mouselift.io.capture_toml import write_capture_toml
from mouselift.io.discover import discover
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.noise import Noise
from mouselift.synthetic.rigs import Rig, markerless_rig, scaled_rig

LATE, BY = 1, 2  # camera Camera2 shows at frame k what the others showed at k - 2


@pytest.fixture(scope="session")
def four_cameras() -> Rig:
    """The markerless rig at a quarter of the size, four cameras of it: 288 x 256, lens and skew included."""
    rig = scaled_rig(markerless_rig(), 0.25)
    return Rig(rig.cameras[:4], rig.arena)


@pytest.fixture(scope="session")
def record(four_cameras: Rig, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a recording with the noise asked for, capture.toml included, and answers its folder."""

    def write(noise: Noise | None = None, frames: int = 30, start: float = 0.6, **options: object) -> Path:
        folder = tmp_path_factory.mktemp("recording") / "mouse"
        spec = CaptureSpec(
            frames=frames, rig=four_cameras, start=start, seed=4, supersample=2, noise=noise or Noise(), **options
        )  # type: ignore[arg-type]
        write_capture(folder, spec)
        write_capture_toml(folder / "capture.toml", discover(folder).spec)
        return folder

    return write


@pytest.fixture(scope="session")
def late_recording(record: Callable[..., Path]) -> Path:
    """Camera2 lags by two frames."""
    return record(Noise(lag={LATE: BY}))
