"""What `mouselift init FOLDER` finds: rig, videos and masks of a folder, and what had to be assumed, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mouselift.calibration.registry import FORMATS, load_rig, rig_at, rigs_in
from mouselift.calibration.rig import Rig
from mouselift.capture.capture import image_size
from mouselift.capture.capture_toml import CameraEntry, CaptureSpec
from mouselift.capture.media_binding import VIDEO_SUFFIXES, MediaSet, choose, find_media, listed
from mouselift.dataset.layout import CAMERAS_FILE, find_samples
from mouselift.errors import CaptureError
from mouselift.media.video import probe

_CALIBRATION_FOLDERS = ("", "calibration", "calib", "calib_params", "calib_params/*")


@dataclass(frozen=True)
class Discovery:
    """A capture as found. `spec` is what `write_capture_toml` takes; `found` and `assumed` are sentences."""

    folder: Path
    spec: CaptureSpec
    found: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def comments(self) -> tuple[str, ...]:
        """Lines for the head of the capture.toml."""
        return (
            "Written by `mouselift init`. Format: docs/reference/capture-toml.md.",
            *(f"Found: {line}" for line in self.found),
            *(f"Assumed: {line}" for line in self.assumed),
        )


def discover(
    folder: Path,
    *,
    rig: Path | None = None,
    variant: str | None = None,
    unused: Collection[str] = (),
    videos: Path | None = None,
    recording: str | None = None,
    chunk: int | None = None,
) -> Discovery:
    """Recognise a recording's layout; nothing is written.

    `rig` (file or folder), `variant`, `unused`, `videos` (where they lie, if not in `folder`), `recording` (a piece of
    the videos' path) and `chunk` (its first frame) settle what is ambiguous. CaptureError or CalibrationError where
    something is missing or stays ambiguous, with the candidates.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise CaptureError(f"{folder}: no such folder; expected the folder of a recording")
    if rig is None and _is_dataset(folder):
        return _dataset(folder)
    rig_format, rig_file = _one_rig(folder, rig)
    calibration = load_rig(rig_file, rig_format, variant, unused)
    place = videos.resolve() if videos is not None else folder
    chosen, words = _recording(place, calibration, chunk, recording)
    masks, mask_words = _masks(folder, calibration, chosen)
    found = [
        f"{rig_format} rig: {_relative(rig_file, folder)}, cameras {', '.join(calibration.names)}",
        *calibration.evidence,
        *words,
    ]
    assumed = list(_assumptions(calibration))
    missing = [name for name in calibration.names if name not in chosen.files]
    if missing:
        assumed.append(f"no video carries the name of {', '.join(missing)}: left out ([rig] unused)")
    entries = tuple(_entry(name, chosen.files[name], masks) for name in calibration.names if name in chosen.files)
    found += [*(_described(entry, folder) for entry in entries), *mask_words]
    spec = CaptureSpec(
        unit="mm",
        up=(0.0, 0.0, 1.0) if FORMATS[rig_format].z_up else None,
        rig_file=rig_file,
        rig_format=rig_format,
        rig_variant=variant,
        unused=(*unused, *missing),
        cameras=entries,
    )
    return Discovery(folder, spec, tuple(found), tuple(assumed))


def find_rigs(folder: Path) -> list[tuple[str, Path]]:
    """(format, path) of every calibration in the folder's usual places; a folder of params files before its copies."""
    found: list[tuple[str, Path]] = []
    for pattern in _CALIBRATION_FOLDERS:
        for place in sorted(folder.glob(pattern)) if pattern else [folder]:
            if place.is_dir():
                found += rigs_in(place)
    if not any(rig_format == "dannce" for rig_format, _ in found):
        found += [("dannce", file) for file in sorted(folder.glob("*_dannce.mat"))]
    return found


def _one_rig(folder: Path, rig: Path | None) -> tuple[str, Path]:
    """The only rig there is, or the one that was asked for."""
    if rig is None:
        found = find_rigs(folder)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{path.relative_to(folder).as_posix() or '.'} ({kind})" for kind, path in found)
            raise CaptureError(f"{folder}: several calibrations: {names}; say which with --rig PATH")
        raise CaptureError(
            f"{folder}: no calibration recognised. Expected one of: calibration/hires_cam1_params.mat ... or "
            "*_dannce.mat (DANNCE), new_cam.pkl (MAMMAL), calibration.toml (Anipose), Camera_*.yaml (JARVIS), or a "
            f"dataset of folders with {CAMERAS_FILE}; name it with --rig PATH if it lies elsewhere"
        )
    return rig_at(rig)


def _recording(place: Path, rig: Rig, chunk: int | None, match: str | None) -> tuple[MediaSet, list[str]]:
    sets, strangers = find_media(place, rig.names, masks=False)
    videos = [group for group in sets if all(path.is_file() for path in group.files.values())]
    sets = videos or sets
    if not sets or max(len(group.files) for group in sets) < 2:
        seen = f"; files that carry no camera's name: {listed(strangers, place)}" if strangers else ""
        raise CaptureError(
            f"{place}: no videos that carry the names of the rig's cameras ({', '.join(rig.names)}) as a word of their "
            f"path{seen}. Rename them, point to them with --videos FOLDER, or write capture.toml by hand, with "
            "rig_name where the names differ: which camera took which video is never guessed."
        )
    chosen, words = choose(sets, rig.names, place, chunk, match)
    odd = [path for path in strangers if path.suffix.lower() in VIDEO_SUFFIXES]
    if odd:
        words.append(f"Not used, for want of a camera's name: {listed(odd, place)}")
    return chosen, words


def _masks(folder: Path, rig: Rig, recording: MediaSet) -> tuple[dict[str, Path], list[str]]:
    """Masks of the recording's cameras; of the same chunk where masks come in chunks."""
    sets, _ = find_media(folder, rig.names, masks=True)
    sets = [group for group in sets if group.first in (None, recording.first) or recording.first is None]
    sets = [group for group in sets if set(group.files) & set(recording.files)]
    if not sets:
        return {}, ["No masks; `mouselift mask` can make them."]
    most = max(len(set(group.files) & set(recording.files)) for group in sets)
    best = [group for group in sets if len(set(group.files) & set(recording.files)) == most]
    if len(best) > 1:
        names = ", ".join(group.words for group in best)
        return {}, [f"Several sets of masks, none taken: {names}; name one by `mask = ...` for each camera"]
    without = [name for name in recording.files if name not in best[0].files]
    words = [f"Masks: {best[0].words}" + (f"; none for {', '.join(without)}" if without else "")]
    return best[0].files, words


def _entry(name: str, media: Path, masks: dict[str, Path]) -> CameraEntry:
    video, images = (media, None) if media.is_file() else (None, media)
    return CameraEntry(name, video, images, masks.get(name))


def _described(entry: CameraEntry, folder: Path) -> str:
    media = entry.video if entry.video is not None else entry.images
    assert media is not None  # `_entry` sets one of the two
    if entry.video is not None:
        info = probe(entry.video)
        return f"{entry.name}: {_relative(media, folder)}, {info.width}x{info.height}, {info.frames} frames"
    width, height = image_size(entry)
    return f"{entry.name}: images in {_relative(media, folder)}, {width}x{height}"


def _assumptions(rig: Rig) -> Iterator[str]:
    if FORMATS[rig.format].z_up:
        heights = [float(-camera.R_cam_world[:, 2] @ camera.t_cam_world) for camera in rig.cameras]
        yield (
            f"+Z is up and the unit is mm, as {rig.format} rigs are made (camera heights z = {min(heights):.0f} .. "
            f"{max(heights):.0f})"
        )
        return
    yield f"the unit is mm ({rig.format} writes it in units of the calibration board)"
    yield (
        f'nothing says which way is up ({rig.format}\'s world is arbitrary): `up` is not set; add up = "+z" or '
        "up = [x, y, z] before `prepare`"
    )


def _is_dataset(folder: Path) -> bool:
    return (folder / CAMERAS_FILE).is_file() or next(folder.glob(f"*/{CAMERAS_FILE}"), None) is not None


def _dataset(folder: Path) -> Discovery:
    samples = find_samples(folder)
    spec = CaptureSpec(unit="normalised", up=(0.0, 0.0, 1.0), dataset=folder)
    names = samples[0].name if len(samples) == 1 else f"{len(samples)} samples, {samples[0].name} .. {samples[-1].name}"
    found = (f"FaceLift-format dataset: {names}",)
    return Discovery(folder, spec, found, ("+Z is up, as in FaceLift's samples",))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
