"""Scenes live in a browser, through viser (extra `view`): a dataset's samples, or Gaussians beside their cameras.

Nothing leaves the machine unless a host is given; `gate.py` checks who asks. Names come from files of others: the
page shows them as text, never as Markdown or HTML, both of which viser runs as they are.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import socket
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from scipy.spatial.transform import Rotation

from mouselift.array_types import Array, Float64, ImageRGB, Vector3
from mouselift.calibration.facelift import read_cameras_json
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import CAMERAS_FILE, find_samples, lies_inside
from mouselift.errors import CalibrationError, DatasetError, MissingExtraError, MouseliftError
from mouselift.findings import as_sentence
from mouselift.gaussians.activated import Activated
from mouselift.gaussians.files import is_file_of_splats, read_splats
from mouselift.gaussians.forms import Form
from mouselift.geometry.camera import Camera
from mouselift.media.png import read_png
from mouselift.ranges import PORTS
from mouselift.reconstruct.record import CAMERAS, SPLATS
from mouselift.view.gate import Gate, as_browsers_write, check_host
from mouselift.view.keypoints import drawn, keypoint_note
from mouselift.view.scene import Scene, SceneCamera, colours_or_grey, on_ground, scene_of
from mouselift.view.splats import SplatCloud, cloud_of, splat_scene

_BLUE = (10, 132, 255)
_ROOT = "/sample"
_KEYPOINT_COLOURS = {"on": (31, 160, 92), "off": (232, 17, 45), "unknown": (139, 143, 150)}
_LOOKS = ("the animal", "all cameras")
_FROM = np.array([0.61, -0.65, 0.45])  # of unit length, nearly
_ALL = 0.8  # of a scene's radius: seen from _AWAY times as far, all cameras are in sight
_AWAY = 3.0  # reaches of what is looked at
_NEAR = 0.02  # of the distance: nothing before it is drawn
_AXIS = 0.04  # thickness of an axis, of the animal's reach: it should not hide the animal
_BALL = 0.008  # radius of a keypoint's ball, in a scene's radii


class Served(contextlib.AbstractContextManager["Served"]):
    """A viser server with one scene at a time and a slider over `count` of them. A context manager; `close` ends it.

    name: the page's title. It opens on the animal; buttons look at it again, or at all cameras.

    MissingExtraError where viser is not installed; MouseliftError where the address cannot be served.
    """

    def __init__(self, name: str, count: int, first: int, host: str, port: int) -> None:
        check_host(host)
        host = as_browsers_write(host)
        self.gate = Gate(host, free_port(host, port))
        viser = _viser()
        with contextlib.redirect_stdout(io.StringIO()), self.gate.installed():  # viser prints a banner
            self.server = viser.ViserServer(host=host, port=self.gate.port, label=name, verbose=False)
        try:
            self._fill(count, first)
        except BaseException:
            self.close()
            raise

    def _fill(self, count: int, first: int) -> None:
        if self.server.get_port() != self.gate.port:  # viser takes the next port where this one was taken meanwhile
            raise _not_served(self.gate.host, self.gate.port, "another program has just taken it")
        self.gate.verify()
        self.server.scene.set_up_direction("+z")
        self.words = self.server.gui.add_html("")
        if count > 1:
            slider = self.server.gui.add_slider("sample", 1, count, 1, first + 1)
            slider.on_update(lambda event: self._place(self.show(int(slider.value) - 1)))
        looks = self.server.gui.add_button_group("look at", _LOOKS)
        looks.on_click(lambda event: self._look(event.client.camera, looks.value))
        self._place(self.show(first))
        self._look(self.server.initial_camera, _LOOKS[0])

    def _place(self, scene: Scene | None) -> None:
        self._subject = None if scene is None else scene.subject

    def _look(self, camera: Any, at: str) -> None:
        """Turns one viewer's camera to the animal, or to the whole scene, from above and before it."""
        middle, reach = (np.zeros(3), _ALL) if at != _LOOKS[0] or self._subject is None else self._subject
        away = min(_AWAY * reach, _AWAY * _ALL)
        camera.near = _NEAR * away
        camera.look_at = middle
        camera.position = middle + away * _FROM

    @property
    def address(self) -> str:
        """What the user opens; whoever has it can read the scene."""
        return self.gate.address

    @abstractmethod
    def show(self, index: int) -> Scene | None:
        """Replace the scene by number `index`, which is returned; None where it cannot be shown."""

    def clear(self) -> None:
        """Takes everything of the last scene away."""
        with contextlib.suppress(KeyError):
            self.server.scene.remove_by_name(_ROOT)

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def __exit__(self, *error: object) -> None:
        self.close()


class LiveView(Served):
    """A server of one dataset's scenes, with a slider over its samples. A context manager; `close` ends it.

    Errors as `Served`; DatasetError where there is no sample, or none of that name.
    """

    def __init__(self, path: Path, host: str = "127.0.0.1", port: int = 8080, sample: str | None = None) -> None:
        self.folders = find_samples(path)
        first = index_of(path, [folder.name for folder in self.folders], sample)
        self._boxes: dict[str, Any] = {}
        self._drawn: dict[str, Any] = {}
        super().__init__(path.resolve().name, len(self.folders), first, host, port)

    def show(self, index: int) -> Scene | None:
        """Replace the scene by that of sample number `index`."""
        folder = self.folders[index]
        sample = load_sample(folder, colours=True)
        self.clear()
        if not sample.views:
            self._switches({})
            self.words.content = text(folder.name, ["None of its views can be shown; `mouselift audit` says why."])
            return None
        scene = scene_of(sample)
        self._switches(draw(self.server.scene, scene))
        said = filter(None, (scene.note, keypoint_note(scene.keypoints)))
        self.words.content = text(scene.title, [f"{index + 1} of {len(self.folders)}", *said])
        return scene

    def _switches(self, drawn: dict[str, Any]) -> None:
        """A box for each part that can be hidden; it keeps its state from sample to sample."""
        self._drawn = drawn
        for part in drawn:
            if part not in self._boxes:
                self._boxes[part] = self.server.gui.add_checkbox(part, True)
                self._boxes[part].on_update(lambda event, part=part: self._hide_or_show(part))
        for part, box in self._boxes.items():
            box.visible = part in drawn
            self._hide_or_show(part)

    def _hide_or_show(self, part: str) -> None:
        if part in self._drawn:
            self._drawn[part].visible = self._boxes[part].value


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

    def __init__(
        self,
        path: Path,
        host: str = "127.0.0.1",
        port: int = 8080,
        sample: str | None = None,
        activated: Activated | None = None,
        read_as: tuple[Form, ...] = (),
    ) -> None:
        self.sources = sources_of(path, sample)
        self.activated: Activated | None = activated  # as `read_splats`
        self.read_as = read_as
        names = [source.name for source in self.sources]
        first = 0 if is_file_of_splats(path) else index_of(path, names, sample)
        super().__init__(path.resolve().name, len(names), first, host, port)

    def show(self, index: int) -> Scene:
        """Replace the scene by that of source number `index`."""
        source = self.sources[index]
        splats = read_splats(source.file, self.activated, self.read_as)
        cloud = cloud_of(splats)
        scene = splat_scene(source.name, splats, cameras_of(source.cameras) if source.cameras is not None else [])
        self.clear()
        draw(self.server.scene, replace(scene, hull=None))
        draw_splats(self.server.scene, scene, cloud)
        seen = f"{len(cloud):,} of {len(splats):,} Gaussians are opaque enough to be seen"
        self.words.content = text(
            source.name,
            [
                f"{index + 1} of {len(self.sources)}",
                f"{seen}; {len(scene.cameras)} cameras.",
                *(as_sentence(note) for note in splats.notes),
            ],
        )
        return scene


def text(title: str, paragraphs: Sequence[str]) -> str:
    """HTML that shows these words as they are: whatever is markup in them is escaped."""
    lines = [Markup("<b>{}</b>").format(title), *paragraphs]
    body = Markup("").join(Markup("<p>{}</p>").format(line) for line in lines)
    return str(Markup('<div style="padding: 0 0.8em; overflow-wrap: anywhere">{}</div>').format(body))


def draw(api: Any, scene: Scene) -> dict[str, Any]:
    """Adds a scene's nodes to a viser SceneApi, in `Scene.local` coordinates. Those that can be hidden, by name."""
    parts: dict[str, Any] = {}
    origin = scene.local(np.zeros((1, 3)))[0]
    thick = min(0.004, _AXIS * scene.subject[1]) if scene.subject is not None else 0.004
    api.add_frame(f"{_ROOT}/axes", axes_length=0.3, axes_radius=thick, position=origin)
    api.add_grid(f"{_ROOT}/ground", width=1.2, height=1.2, cell_size=0.2, position=origin)
    if scene.hull is not None:
        parts["hull"] = api.add_point_cloud(
            f"{_ROOT}/hull",
            points=scene.local(scene.hull.points).astype(np.float32),
            colors=scene.hull.colours,
            point_size=1.1 * scene.hull.voxel / scene.radius,
            precision="float32",
        )
    for index, camera in enumerate(scene.cameras):
        _draw_camera(api, scene, camera, index)
    if scene.keypoints:
        parts["keypoints"] = _draw_keypoints(api, scene)
    return parts


def _draw_keypoints(api: Any, scene: Scene) -> Any:
    """Balls with names, below one node that hides all."""
    name = f"{_ROOT}/keypoints"
    whole = api.add_frame(name, show_axes=False)
    for index, keypoint in enumerate(drawn(scene.keypoints)):
        place = scene.local(keypoint.point[None])[0]
        colour = _KEYPOINT_COLOURS[keypoint.state]
        api.add_icosphere(f"{name}/{index}", _BALL, colour, subdivisions=2, position=place, cast_shadow=False)
        api.add_label(
            f"{name}/{index} name", keypoint.name, position=place, font_screen_scale=0.8, anchor="bottom-left"
        )
    return whole


def _draw_camera(api: Any, scene: Scene, camera: SceneCamera, index: int) -> None:
    """Own lines and image plane: viser's frustum cannot say where the principal point is."""
    name = f"{_ROOT}/{index + 1} {camera.name.replace('/', '_')}"  # a slash would begin another level of the scene
    centre, corners = scene.local(camera.camera.centre[None])[0], scene.local(camera.corners)
    ends = [(centre, corner) for corner in corners] + [(corners[k], corners[(k + 1) % 4]) for k in range(4)]
    api.add_line_segments(f"{name}/edges", np.array(ends, dtype=np.float32), _BLUE, thickness=0.003)
    api.add_label(f"{name}/name", camera.name, position=centre)
    if camera.image is not None:
        plane = image_plane(corners)
        api.add_image(
            f"{name}/image", camera.image, plane[2], plane[3], wxyz=plane[0], position=plane[1], cast_shadow=False
        )


def draw_splats(api: Any, scene: Scene, cloud: SplatCloud) -> None:
    """Adds Gaussians to a viser SceneApi, in `Scene.local` coordinates."""
    api.add_gaussian_splats(
        f"{_ROOT}/gaussians",
        centers=scene.local(cloud.centres).astype(np.float32),
        covariances=(cloud.covariances / scene.radius**2).astype(np.float32),
        rgbs=cloud.colours.astype(np.float32),
        opacities=cloud.opacities[:, None].astype(np.float32),
    )


def image_plane(corners: Float64[Array, "4 3"]) -> tuple[Float64[Array, "4"], Vector3, float, float]:
    """(wxyz, middle, width, height) of the image whose corners these are: x right, y down, z away from the camera."""
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    x, y = across / width, down / height
    xyzw = Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], axis=1)).as_quat()
    return np.roll(xyzw, 1), corners.mean(axis=0), width, height


def is_splats(path: Path) -> bool:
    """Whether `path` is a file of Gaussians, or a folder of reconstructions."""
    return is_file_of_splats(path) or (path / SPLATS).is_file() or bool(_folders_of_splats(path))


def _folders_of_splats(path: Path) -> list[Path]:
    """Their files. Hidden folders hold what a killed run left half written."""
    return sorted(file for file in path.glob(f"*/{SPLATS}") if not file.parent.name.startswith("."))


def sources_of(path: Path, sample: str | None = None) -> Sequence[SplatSource]:
    """What can be shown of a path. sample: for a file, the sample folder with its cameras.

    DatasetError: nothing there, or a sample folder without cameras.
    """
    if is_file_of_splats(path):
        return [SplatSource(path.name, path, _cameras_for(path, sample))]
    if (path / SPLATS).is_file():
        return [SplatSource(path.resolve().name, path / SPLATS, path)]
    found = _folders_of_splats(path)
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
        return [(view.camera, _image(folder, view.file_path)) for view in views]
    loaded = load_sample(folder, colours=True).views
    if not loaded:
        raise DatasetError(f"{folder}: none of its views can be shown; `mouselift audit` says why")
    return [(view.camera, on_ground(colours_or_grey(view), view.alpha, max(view.alpha.shape))) for view in loaded]


def _image(folder: Path, file_path: str) -> ImageRGB | None:
    file = folder / file_path
    if not lies_inside(folder, file):
        raise DatasetError(f"{folder / CAMERAS}: file_path {file_path!r} leaves its folder; it is not opened")
    return np.ascontiguousarray(read_png(file)[:, :, :3]) if file.is_file() else None


def _cameras_for(file: Path, sample: str | None) -> Path | None:
    if sample is None:
        return file.parent if (file.parent / CAMERAS).is_file() else None
    folder = Path(sample)
    if not (folder / CAMERAS_FILE).is_file() and not (folder / CAMERAS).is_file():
        raise DatasetError(f"--sample {sample}: expected a sample, a folder with {CAMERAS_FILE}, which is not there")
    return folder


def free_port(host: str, port: int) -> int:
    """`port` where nobody listens on it; any free one for 0. MouseliftError where it is taken: no other instead."""
    PORTS.check("port", port)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _not_served(host, port, error.strerror or str(error)) from None
        return int(probe.getsockname()[1])


def _not_served(host: str, port: int, why: str) -> MouseliftError:
    return MouseliftError(f"{host}:{port} cannot be served: {why}; give another --port (0: any free one) or --host")


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
