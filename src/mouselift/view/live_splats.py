"""Gaussians live in a browser, next to the cameras that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.array_types import ImageRGB
from mouselift.calibration.facelift import read_cameras_json
from mouselift.dataset.layout import CAMERAS_FILE
from mouselift.dataset.sample import load_sample
from mouselift.errors import CalibrationError, DatasetError
from mouselift.gaussians.files import is_file_of_splats, read_splats
from mouselift.geometry.camera import Camera
from mouselift.media.png import read_png
from mouselift.reconstruct.record import CAMERAS, SPLATS
from mouselift.view.live import ROOT, Served, draw, index_of
from mouselift.view.scene import Scene, on_ground
from mouselift.view.splats import SplatCloud, cloud_of, splat_scene


@dataclass(frozen=True)
class SplatSource:
    """One file of Gaussians, and the folder whose cameras stand beside them: a sample's, or a reconstruction's."""

    name: str
    file: Path
    cameras: Path | None


class SplatView(Served):
    """A server of Gaussians: one file, one reconstruction, or a folder of them with a slider. A context manager.

    Errors as `Served`; DatasetError for files that hold no Gaussians, and cameras that cannot be read.
    """

    eye = (0.75, -0.8, 0.55)  # before the cameras: the Gaussians are what is looked at

    def __init__(self, path: Path, host: str = "127.0.0.1", port: int = 8080, sample: str | None = None) -> None:
        self.sources = sources_of(path, sample)
        names = [source.name for source in self.sources]
        first = 0 if is_file_of_splats(path) else index_of(path, names, sample)
        super().__init__(len(names), first, host, port)

    def show(self, index: int) -> None:
        """Replace the scene by that of source number `index`."""
        source = self.sources[index]
        splats = read_splats(source.file)
        cloud = cloud_of(splats)
        scene = splat_scene(source.name, splats, cameras_of(source.cameras) if source.cameras is not None else [])
        self.clear()
        draw(self.server.scene, replace(scene, hull=None))
        draw_splats(self.server.scene, scene, cloud)
        self.words.content = (
            f"**{source.name}** ({index + 1} of {len(self.sources)})\n\n{len(cloud):,} of {len(splats):,} Gaussians "
            f"are opaque enough to be seen; {len(scene.cameras)} cameras."
        )


def draw_splats(api: Any, scene: Scene, cloud: SplatCloud) -> None:
    """Adds Gaussians to a viser SceneApi, in `Scene.local` coordinates."""
    api.add_gaussian_splats(
        f"{ROOT}/gaussians",
        centers=scene.local(cloud.centres).astype(np.float32),
        covariances=(cloud.covariances / scene.radius**2).astype(np.float32),
        rgbs=cloud.colours.astype(np.float32),
        opacities=cloud.opacities[:, None].astype(np.float32),
    )


def is_splats(path: Path) -> bool:
    """Whether `path` is a file of Gaussians, or a folder of reconstructions."""
    return is_file_of_splats(path) or (path / SPLATS).is_file() or any(path.glob(f"*/{SPLATS}"))


def sources_of(path: Path, sample: str | None = None) -> Sequence[SplatSource]:
    """What can be shown of a path. sample: for a file, the sample folder with its cameras.

    DatasetError: nothing there, or a sample folder without cameras.
    """
    if is_file_of_splats(path):
        return [SplatSource(path.name, path, _cameras_for(path, sample))]
    if (path / SPLATS).is_file():
        return [SplatSource(path.resolve().name, path / SPLATS, path)]
    found = sorted(path.glob(f"*/{SPLATS}"))
    if not found:
        raise DatasetError(f"{path}: expected a .ply or .splat of Gaussians, or a folder with {SPLATS}, found none")
    return [SplatSource(file.parent.name, file, file.parent) for file in found]


def cameras_of(folder: Path) -> list[tuple[Camera, ImageRGB | None]]:
    """(camera, its image) of a sample's folder or a reconstruction's. DatasetError as their readers."""
    if (folder / CAMERAS).is_file():
        try:
            views, _ = read_cameras_json(folder / CAMERAS)
        except CalibrationError as error:
            raise DatasetError(str(error)) from None
        return [(view.camera, _image(folder / view.file_path)) for view in views]
    loaded = load_sample(folder, colours=True).sample.views
    if not loaded:
        raise DatasetError(f"{folder}: none of its views can be shown; `mouselift audit` says why")
    return [
        (v.camera, None if v.colours is None else on_ground(v.colours, v.alpha, max(v.alpha.shape))) for v in loaded
    ]


def _image(file: Path) -> ImageRGB | None:
    return np.ascontiguousarray(read_png(file)[:, :, :3]) if file.is_file() else None


def _cameras_for(file: Path, sample: str | None) -> Path | None:
    if sample is None:
        return file.parent if (file.parent / CAMERAS).is_file() else None
    folder = Path(sample)
    if not (folder / CAMERAS_FILE).is_file() and not (folder / CAMERAS).is_file():
        raise DatasetError(f"--sample {sample}: expected a sample, a folder with {CAMERAS_FILE}, which is not there")
    return folder
