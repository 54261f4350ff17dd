"""What a camera's `mask` may be: a video, a folder of images, one an object, a file of arrays or of annotations.

One file or folder may hold all cameras' masks; then the names inside tell the camera, by the word that its name is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mouselift.atomic import visible
from mouselift.capture.camera_names import composed, token
from mouselift.errors import MaskError, UnreachableError
from mouselift.media.array_files import frame_files, open_array_files
from mouselift.media.array_masks import ARRAY_SUFFIXES, array_names, open_arrays
from mouselift.media.coco_masks import open_coco, read_coco
from mouselift.media.images import IMAGE_SUFFIXES, ImageFolder, NumberedImages
from mouselift.media.mask_stack import MaskStack, choose_object
from mouselift.media.sleap_masks import open_sleap, videos_of
from mouselift.media.video_index import VideoInfo, probe

STACK_SUFFIXES = (*ARRAY_SUFFIXES, ".json", ".slp")
Masks = VideoInfo | NumberedImages
_DIGIT = re.compile(r"\d")


def open_masks(path: Path, names: tuple[str, ...], chosen: int | str | None = None, as_stored: bool = False) -> Masks:
    """One camera's masks. names: the camera's; chosen: `mask_object`.

    MaskError or CaptureError for what cannot be read as masks, VideoError for a video that cannot be opened.
    """
    if path.is_dir():
        return _of_folder(path, names, chosen, as_stored)
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return open_arrays(path, chosen, lambda array: carries(names, array))
    if suffix == ".json":
        carried = any(carries(names, inside) for inside in names_inside(path))
        whole = not carried and carries(names, _nearest(path))
        return open_coco(path, lambda file_name: whole or carries(names, file_name), chosen)
    if suffix == ".slp":
        videos = names_inside(path)
        whole = len(videos) == 1 and carries(names, _nearest(path))
        return open_sleap(path, lambda video: whole or carries(names, video), chosen)
    return probe(path, as_stored)


def _nearest(path: Path) -> str:
    """The end of a file's path that may name its camera: exports lie in a folder of their own, cam1/annotations/."""
    return "/".join((*path.parts[-3:-1], path.stem))


def names_inside(path: Path) -> list[str]:
    """The names that tell cameras inside a file: of annotated images, of videos, or of arrays; in a folder of them."""
    if path.is_dir():
        return [file.name for file in frame_files(visible(path.iterdir()))]
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return array_names(path)
    if path.suffix.lower() == ".json":
        return [image.name for image in read_coco(path)]
    return videos_of(path) if path.suffix.lower() == ".slp" else []


def carries(names: tuple[str, ...], inside: str) -> bool:
    """Whether a name inside a file or folder is one of a camera's: a folder of it, or a word of the file's name.

    A number alone is the frame's, unless it is a folder.
    """
    path = PurePosixPath(composed(inside).replace("\\", "/"))
    stem = "" if path.stem.isdigit() else path.stem
    return any(token(name).search(part) for name in names for part in (*path.parts[:-1], stem))


def object_folders(path: Path) -> dict[str, Path]:
    """Folders of images below one that holds none itself."""
    with UnreachableError.reading(path):
        inside = visible(path.iterdir())
        if any(_is_image(entry) for entry in inside):
            return {}
        return {e.name: e for e in inside if e.is_dir() and any(_is_image(f) for f in visible(e.iterdir()))}


def _of_folder(path: Path, names: tuple[str, ...], chosen: int | str | None, as_stored: bool) -> NumberedImages:
    with UnreachableError.reading(path):
        inside = visible(path.iterdir())
    if not any(map(_is_image, inside)) and (arrays := frame_files(inside)):
        only = set(_own(path, names, [file.name for file in arrays]) or ())
        return open_array_files(path, [file for file in arrays if not only or file.name in only])
    objects = object_folders(path)
    if objects:
        name, question = choose_object(path, sorted(objects), chosen, "folders of masks")
        folder = ImageFolder.scan(objects[name], as_stored, masks=True)
        words = f"folder {name} of {len(objects)}"
        size = folder.width, folder.height
        return MaskStack(path, *size, tuple(folder.numbers), folder, words, one_object=True, question=question)
    with UnreachableError.reading(path):
        images = [entry.name for entry in visible(path.iterdir()) if _is_image(entry)]
    return ImageFolder.scan(path, as_stored, masks=True, only=_own(path, names, images))


def _own(path: Path, names: tuple[str, ...], files: Sequence[str]) -> list[str] | None:
    """Those of a folder's files that carry the camera's name; None: all. MaskError where that is all they carry."""
    own = [name for name in files if carries(names, name)]
    if own and not any(_DIGIT.search(_without(names, Path(name).stem)) for name in own):
        raise MaskError(
            f"{path}: {own[0]}: expected one file a mask, named by its frame number; this name holds the camera's "
            "alone. A stack of pages is read as an array: np.save(FILE, tifffile.imread(STACK))"
        )
    return own if 0 < len(own) < len(files) else None


def _without(names: tuple[str, ...], stem: str) -> str:
    for name in names:
        stem = token(name).sub("", composed(stem))
    return stem


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES
