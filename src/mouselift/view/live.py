"""The same scene live in a browser, through viser (extra `view`). Nothing leaves the machine unless a host is given."""

from __future__ import annotations

import contextlib
import importlib
import io
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from mouselift.array_types import Array, Vector3
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import load_sample
from mouselift.errors import DatasetError, MissingExtraError, MouseliftError
from mouselift.view.scene import Scene, SceneCamera, scene_of

_BLUE = (10, 132, 255)
ROOT = "/sample"

S = TypeVar("S", bound="Served")


class Served(ABC):
    """A viser server with one scene at a time and a slider over `count` of them. A context manager; `close` ends it.

    MissingExtraError where viser is not installed; MouseliftError where the address cannot be served.
    """

    eye = (1.5, -1.6, 1.1)  # where a reader begins, in the scene's radii; he looks at its centre

    def __init__(self, count: int, first: int, host: str, port: int) -> None:
        self.host = host
        self.port = free_port(host, port)
        viser = _viser()
        with contextlib.redirect_stdout(io.StringIO()):  # viser prints a banner; the caller says the address
            self.server = viser.ViserServer(host=host, port=self.port, verbose=False)
        self.server.scene.set_up_direction("+z")
        self.server.initial_camera.position = self.eye
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        self.words = self.server.gui.add_markdown("")
        if count > 1:
            slider = self.server.gui.add_slider("sample", 0, count - 1, 1, first)
            slider.on_update(lambda event: self.show(int(slider.value)))
        try:
            self.show(first)
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    @abstractmethod
    def show(self, index: int) -> None:
        """Replace the scene by number `index`."""

    def clear(self) -> None:
        """Takes everything of the last scene away."""
        with contextlib.suppress(KeyError):
            self.server.scene.remove_by_name(ROOT)

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class LiveView(Served):
    """A server of one dataset's scenes, with a slider over its samples. A context manager; `close` ends it.

    Errors as `Served`; DatasetError where there is no sample, or none of that name.
    """

    def __init__(self, path: Path, host: str = "127.0.0.1", port: int = 8080, sample: str | None = None) -> None:
        self.folders = find_samples(path)
        first = index_of(path, [folder.name for folder in self.folders], sample)
        super().__init__(len(self.folders), first, host, port)

    def show(self, index: int) -> None:
        """Replace the scene by that of sample number `index`."""
        folder = self.folders[index]
        sample = load_sample(folder, colours=True).sample
        self.clear()
        if not sample.views:
            self.words.content = f"**{folder.name}**: none of its views can be shown; `mouselift audit` says why."
            return
        scene = scene_of(sample)
        draw(self.server.scene, scene)
        self.words.content = f"**{scene.title}** ({index + 1} of {len(self.folders)})\n\n{scene.note}"


def draw(api: Any, scene: Scene) -> None:
    """Adds a scene's nodes to a viser SceneApi, in `Scene.local` coordinates."""
    origin = scene.local(np.zeros((1, 3)))[0]
    api.add_frame(f"{ROOT}/axes", axes_length=0.3, axes_radius=0.004, position=origin)
    api.add_grid(f"{ROOT}/ground", width=1.2, height=1.2, cell_size=0.2, position=origin)
    if scene.hull is not None:
        api.add_point_cloud(
            f"{ROOT}/hull",
            points=scene.local(scene.hull.points).astype(np.float32),
            colors=scene.hull.colours,
            point_size=1.1 * scene.hull.voxel / scene.radius,
            precision="float32",
        )
    for camera in scene.cameras:
        _draw_camera(api, scene, camera)


def _draw_camera(api: Any, scene: Scene, camera: SceneCamera) -> None:
    """Own lines and image plane: viser's frustum cannot say where the principal point is."""
    name = f"{ROOT}/{camera.name}"
    centre, corners = scene.local(camera.camera.centre[None])[0], scene.local(camera.corners)
    ends = [(centre, corner) for corner in corners] + [(corners[k], corners[(k + 1) % 4]) for k in range(4)]
    api.add_line_segments(f"{name}/edges", np.array(ends, dtype=np.float32), _BLUE, thickness=0.003)
    api.add_label(f"{name}/name", camera.name, position=centre)
    if camera.image is not None:
        plane = image_plane(corners)
        api.add_image(
            f"{name}/image", camera.image, plane[2], plane[3], wxyz=plane[0], position=plane[1], cast_shadow=False
        )


def image_plane(corners: Float64[Array, "4 3"]) -> tuple[Float64[Array, "4"], Vector3, float, float]:
    """(wxyz, middle, width, height) of the image whose corners these are: x right, y down, z away from the camera."""
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    x, y = across / width, down / height
    xyzw = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=1)).as_quat()
    return np.roll(xyzw, 1), corners.mean(axis=0), width, height


def free_port(host: str, port: int) -> int:
    """`port` where nobody listens on it; any free one for 0. MouseliftError where it is taken: no other instead."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MouseliftError(
                f"{host}:{port} cannot be served: {error.strerror or error}; give another --port (0: any free one) or "
                "--host"
            ) from None
        return int(probe.getsockname()[1])


def index_of(path: Path, names: Sequence[str], sample: str | None) -> int:
    """Place of `sample` among the names; the first for None. DatasetError where it is not there."""
    if sample is None:
        return 0
    if sample not in names:
        raise DatasetError(f"{path}: no sample is called {sample}; it has {names[0]} ... {names[-1]}")
    return names.index(sample)


def _viser() -> Any:
    try:
        return importlib.import_module("viser")
    except ImportError as error:
        raise MissingExtraError(f"`mouselift view` needs viser ({error}): pip install 'mouselift[view]'") from None
