"""A small arena, ray-cast: textured floor that mirrors, an ellipsoid with a tail, static cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np

from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import look_at
from mouselift.media.images import ArrayImage, FrameSet, ViewFrame

SIZE = (360, 288)
FOCAL = 430.0
DISTANCE = 420.0
AXES = np.array([34.0, 17.0, 16.0])  # of the body, mm


def ring(azimuths: Sequence[float], elevation: float = 26.0) -> tuple[Camera, ...]:
    cameras = []
    for index, azimuth in enumerate(azimuths):
        a, e = np.radians(azimuth), np.radians(elevation + 3 * index)
        centre = DISTANCE * np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]) + [0, 0, 10.0]
        R = look_at(np.array([0, 0, 10.0]) - centre, np.array([0, 0, -1.0]))
        K = np.array([[FOCAL, 0, SIZE[0] / 2 + 7], [0, FOCAL, SIZE[1] / 2 - 5], [0, 0, 1.0]])
        cameras.append(Camera.from_matrices(K, R, -R @ centre, SIZE, name=f"cam{index}"))
    return tuple(cameras)


@dataclass(frozen=True)
class Pose:
    x: float
    y: float
    heading: float  # rad
    lift: float = 0.0  # mm

    @property
    def centre(self) -> np.ndarray:
        return np.array([self.x, self.y, AXES[2] + self.lift])


@dataclass(frozen=True, eq=False)
class Arena:
    """Renders frames; the floor is the plane z = `height`. Levels of subject and ground are free."""

    cameras: tuple[Camera, ...]
    subject: float = 32.0
    ground: float = 120.0
    mirror: float = 0.55  # share of the floor's light that the mirror image takes away
    height: float = 0.0
    shading: float = 0.0  # levels by which the subject's top is brighter, and its bottom darker, than its middle
    shadow: float = 0.0  # share of the floor's light that the subject takes away, on one side

    def background(self, view: int) -> np.ndarray:
        """[h, w] levels without the subject."""
        key = (view, self.ground, self.height, self.cameras[view].name)
        if key not in _GROUNDS:
            _GROUNDS[key] = self._ground(view)
        return _GROUNDS[key]

    def _ground(self, view: int) -> np.ndarray:
        origin, rays = _rays(self.cameras[view])
        with np.errstate(divide="ignore"):
            t = (self.height - origin[2]) / rays[..., 2]
        floor = (t > 0) & (t < 4 * DISTANCE)
        at = (origin[:2] + np.where(floor, t, 0)[..., None] * rays[..., :2] + 256).astype(np.float32)
        x, y = np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])
        levels = self.ground + cv2.remap(_texture(), x, y, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
        wall = self.ground * 0.8 + 12 * np.sin(30 * rays[..., 0] + 20 * rays[..., 1])
        return np.where(floor, levels, wall)

    def truth(self, view: int, pose: Pose) -> np.ndarray:
        """[h, w] bool: pixels whose centre sees the subject."""
        return self._seen(view, pose, mirrored=False)

    def reflection(self, view: int, pose: Pose) -> np.ndarray:
        """[h, w] bool: pixels that see its mirror image in the floor."""
        return self._seen(view, pose, mirrored=True) & ~self.truth(view, pose)

    def shade(self, view: int, pose: Pose) -> np.ndarray:
        """[h, w] 0 .. 1: how deep in the subject's shadow each pixel's floor lies; its edge is 5 mm wide."""
        origin, rays = _rays(self.cameras[view])
        with np.errstate(divide="ignore"):
            t = (self.height - origin[2]) / rays[..., 2]
        at = origin[:2] + np.where(t > 0, t, 1e6)[..., None] * rays[..., :2] - [pose.x + 8, pose.y + 14]
        c, s = np.cos(pose.heading), np.sin(pose.heading)
        along, across = at[..., 0] * c + at[..., 1] * s, at[..., 1] * c - at[..., 0] * s
        inside = 1 - np.hypot(along / (AXES[0] + 2), across / (AXES[1] + 6))
        return (inside * AXES[1] / 5).clip(0, 1)

    def _seen(self, view: int, pose: Pose, mirrored: bool) -> np.ndarray:
        camera = self.cameras[view]
        origin, rays = _rays(camera)
        mask = np.zeros(rays.shape[:2], bool)
        x, y = camera.project((pose.centre + np.array([0, 0, self.height]))[None])[0]
        reach = int(FOCAL / DISTANCE * 100)
        window = np.s_[max(int(y) - reach, 0) : int(y) + reach, max(int(x) - reach, 0) : int(x) + reach]
        part = rays[window]
        if mirrored:
            origin, part = np.array([origin[0], origin[1], 2 * self.height - origin[2]]), part * [1, 1, -1]
        mask[window] = _hits(origin, part, pose, self.height)
        return mask

    def image(self, view: int, pose: Pose | None, frame: int = 0, light: float = 1.0) -> ArrayImage:
        rng = np.random.default_rng(77_000 + 1000 * frame + view)
        levels = self.background(view).copy()
        if pose is not None:
            if self.shadow:
                levels *= 1 - self.shadow * self.shade(view, pose)
            body = self.truth(view, pose)
            levels[self.reflection(view, pose)] *= 1 - self.mirror
            levels[body] = self.subject + rng.normal(0, 3, int(body.sum()))
            if self.shading and body.any():
                rows = np.nonzero(body)[0]
                levels[body] += self.shading * (1 - 2 * (rows - rows.min()) / max(int(np.ptp(rows)), 1))
        grey = np.clip(levels * light + rng.normal(0, 1.0, levels.shape), 0, 255).round().astype(np.uint8)
        return ArrayImage(np.repeat(grey[:, :, None], 3, axis=2))

    def frame(self, pose: Pose | None, frame: int = 0, light: float = 1.0) -> FrameSet:
        views = tuple(
            ViewFrame(camera, self.image(i, pose, frame, light), None, camera.name)
            for i, camera in enumerate(self.cameras)
        )
        return FrameSet(frame, views)

    def of(self, views: Sequence[int]) -> Arena:
        return replace(self, cameras=tuple(self.cameras[i] for i in views))


_GROUNDS: dict[tuple[int, float, float, str], np.ndarray] = {}


@lru_cache(maxsize=1)
def _texture() -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(512, 512)), (0, 0), 2.0)
    return (noise / noise.std() * 9).astype(np.float32)


@lru_cache(maxsize=16)
def _rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    rays = camera.rays(np.stack([i.ravel(), j.ravel()], axis=1))
    return camera.centre, rays.reshape(SIZE[1], SIZE[0], 3)


def _hits(origin: np.ndarray, rays: np.ndarray, pose: Pose, height: float) -> np.ndarray:
    """[h, w] bool: rays that meet the body or the tail, a chain of balls on the floor behind it."""
    c, s = np.cos(pose.heading), np.sin(pose.heading)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    o = (turn @ (origin - pose.centre - np.array([0, 0, height]))) / AXES
    d = (rays @ turn.T) / AXES
    hit = (d @ o) ** 2 - (d * d).sum(-1) * (o @ o - 1) >= 0
    for k in range(12):
        ball = np.array([pose.x, pose.y, height + 2.2]) - np.array([c, s, 0]) * (AXES[0] + 3.0 * k)
        o = origin - ball
        hit |= (rays @ o) ** 2 - (o @ o - 2.2**2) >= 0
    return hit


def walk(frames: int, resting: float = 0.6) -> list[Pose]:
    """A subject that rests at one place, stirring a little, then walks round the arena."""
    still = int(resting * frames)
    stir = np.random.default_rng(3).normal(0, 0.6, (frames, 2))
    poses = []
    for frame in range(frames):
        if frame < still:
            poses.append(Pose(45 + stir[frame, 0], -20 + stir[frame, 1], 0.4 + 0.02 * stir[frame, 0]))
        else:
            a = 0.5 + 2 * np.pi * (frame - still) / max(frames - still, 1)
            poses.append(Pose(-10 + 55 * np.cos(a), 45 * np.sin(a), a + np.pi / 2, 6 * (np.sin(3 * a) > 0.6)))
    return poses


@dataclass(frozen=True, eq=False)
class Recording:
    arena: Arena
    poses: list[Pose]

    made: dict[int, FrameSet] = field(default_factory=dict)

    def read(self, frames: Sequence[int]) -> Iterator[FrameSet]:
        for frame in frames:
            if frame not in self.made:
                self.made[frame] = self.arena.frame(self.poses[frame], frame)
            yield self.made[frame]
