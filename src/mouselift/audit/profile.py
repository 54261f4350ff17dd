"""Profiles: the distribution of rays and cameras that a model was trained on, or that a dataset has.

`facelift` is built in, from the released cameras' facts: 512 px, fx = fy = 548.99377,
centred, 2.7 from the origin, +Z up, 32 views 20 degrees above the horizon, 11.25 degrees apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from mouselift.audit.distribution import BINS, COMPONENTS, RayStatistics
from mouselift.audit.placement import viewpoints
from mouselift.calibration.facelift import check_frame, read_sample_file
from mouselift.dataset.description import warn_of_unfinished
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CalibrationError, DatasetError
from mouselift.foreign import json_as, numbers
from mouselift.framing.framing import PRETRAINED_DISTANCE
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import looking_at
from mouselift.limits import CALIBRATION_BYTES, limited_bytes
from mouselift.progress import Progress, silent

SCHEMA = 1
FACELIFT_FOCAL, FACELIFT_SIZE = 548.9937744140625, 512
_TRAINING_VIEWS, _TRAINING_ELEVATION = 32, 20.0
_QUANTILES = (0.05, 0.5, 0.95)


class Profile(msgspec.Struct, frozen=True):
    """Rays: mean [6], covariance [6][6] and histograms [6][BINS] in the order of `distribution.COMPONENTS`.

    `cameras`: 5 %, 50 % and 95 % quantile of each of: fov_deg (across), distance (from the origin), elevation_deg,
    principal_share (offset from the image's middle over its width).
    """

    name: str
    views: int
    mean: list[float]
    covariance: list[list[float]]
    histogram: list[list[float]]
    cameras: dict[str, tuple[float, float, float]]
    schema: int = SCHEMA

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(mean, covariance, histograms) as float64."""
        return np.array(self.mean), np.array(self.covariance), np.array(self.histogram)


def ring(azimuths_deg: Sequence[float], elevation_deg: float) -> list[Camera]:
    """FaceLift cameras on a circle about the origin that look at it, +Z up."""
    up, half = np.radians(elevation_deg), FACELIFT_SIZE / 2
    intrinsics = (FACELIFT_SIZE, FACELIFT_SIZE, FACELIFT_FOCAL, FACELIFT_FOCAL, half, half)
    out: list[Camera] = []
    for number, azimuth in enumerate(np.radians(azimuths_deg).tolist()):
        direction = np.array([np.cos(up) * np.cos(azimuth), np.cos(up) * np.sin(azimuth), np.sin(up)])
        out.append(
            Camera(*intrinsics, looking_at(np.zeros(3), PRETRAINED_DISTANCE * direction), name=f"cam_{number:03d}")
        )
    return out


def training_cameras() -> list[Camera]:
    """The 32 cameras of a FaceLift training sample."""
    return ring([k * 360 / _TRAINING_VIEWS for k in range(_TRAINING_VIEWS)], _TRAINING_ELEVATION)


def facelift() -> Profile:
    """The built-in profile."""
    cameras = training_cameras()
    return profile_of("facelift", RayStatistics.of(cameras), viewpoints(cameras))


def profile_of(name: str, rays: RayStatistics, facts: dict[str, np.ndarray]) -> Profile:
    """A profile of what was seen. DatasetError where no view was."""
    if rays.views == 0:
        raise DatasetError(f"profile {name}: expected at least one view with a usable camera, got none")
    ranges = {key: tuple(np.quantile(values, _QUANTILES).tolist()) for key, values in facts.items()}
    return Profile(name, rays.views, rays.mean.tolist(), rays.covariance.tolist(), rays.shares.tolist(), ranges)


def profile_dataset(path: Path, name: str | None = None, progress: Progress = silent) -> Profile:
    """The profile of a dataset's cameras; images are not read. Entries without a possible camera are left out.

    DatasetError where there are no samples or none has a usable camera.
    """
    folders = find_samples(path)
    warn_of_unfinished(path)
    rays = RayStatistics.empty()
    facts: list[dict[str, np.ndarray]] = []
    for done, folder in enumerate(folders, start=1):
        cameras = usable_cameras(folder)  # `views` says how many there were
        rays = rays.merged(RayStatistics.of(cameras))
        facts.append(viewpoints(cameras))
        progress("cameras", done, len(folders))
    together = {key: np.concatenate([fact[key] for fact in facts]) for key in facts[0]} if facts else {}
    return profile_of(name or path.resolve().name, rays, together)


def usable_cameras(folder: Path) -> list[Camera]:
    """Of one sample; none of a file that cannot be read, which `mouselift audit` names."""
    file = folder / CAMERAS_FILE
    try:
        frames = read_sample_file(file).frames
    except CalibrationError:
        return []
    views = [check_frame(folder.name, file, index, frame)[0] for index, frame in enumerate(frames)]
    return [view.camera for view in views if view is not None]


def load_profile(which: str | Path) -> Profile:
    """`facelift`, or a file that `mouselift profile` wrote. DatasetError where it is neither."""
    if str(which) == "facelift":
        return facelift()
    path = Path(which)
    try:
        profile = json_as(limited_bytes(path, CALIBRATION_BYTES), Profile)
    except OSError as error:
        raise DatasetError(
            f"--profile {which}: expected `facelift` or a file that `mouselift profile` wrote; it cannot be read: "
            f"{error.strerror or error}"
        ) from None
    except ValueError as error:
        raise DatasetError(
            f"{path}: is no profile ({error}); `mouselift profile DATASET OUT.json` writes one"
        ) from None
    n = len(COMPONENTS)
    try:
        if profile.schema != SCHEMA:
            raise ValueError(f"got schema {profile.schema}")
        for array, shape in zip(profile.arrays, [(n,), (n, n), (n, BINS)], strict=True):
            numbers(array, shape)
    except ValueError as error:
        raise DatasetError(
            f"{path}: expected a profile of schema {SCHEMA} with {n} components: {error}; make it again with "
            "`mouselift profile`"
        ) from None
    return profile


def encode_profile(profile: Profile) -> bytes:
    """JSON that `load_profile` reads back."""
    return msgspec.json.encode(profile) + b"\n"
