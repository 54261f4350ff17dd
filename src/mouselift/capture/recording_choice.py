"""Of the recordings and masks below a folder, which are taken, and why; what is left, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mouselift.capture.camera_names import CameraNames
from mouselift.capture.leftovers import other_recordings
from mouselift.capture.mask_search import MaskSearch
from mouselift.capture.recordings import SHOWN, Recording, find_media, joined, listed
from mouselift.errors import CaptureError


@dataclass(frozen=True)
class Choice:
    """`sets`: all recordings that were found; `words`: why this one; `left`: what is not used."""

    recording: Recording
    sets: list[Recording]
    words: tuple[str, ...]
    left: tuple[str, ...]


def choose_recording(
    names: CameraNames, place: Path, paths: Sequence[Path], chunk: int | None, match: str | None, rig: str
) -> Choice:
    """The recording to take, and the reasons."""
    sets, unnamed = find_media(names, paths, masks=False)
    named, sets = sets, joined(sets)
    videos = [group for group in sets if all(path.is_file() for path in group.files.values())]
    raw_folder = None
    if names.project is not None and match is None:  # anipose draws on copies of its videos
        raw = [group for group in videos if f"/{names.project.videos_raw}/" in f"/{group.pattern}"]
        raw_folder, videos = (names.project.videos_raw, raw) if raw else (None, videos)
    taken = videos or sets
    if not taken or max(len(group.files) for group in taken) < 2:
        seen = f"; files that carry no camera's name: {listed(unnamed, place)}" if unnamed else ""
        if taken:
            files = listed([path for group in taken for path in group.files.values()], place)
            raise CaptureError(
                f"{place}: expected files whose names differ in the camera's name only, or one file a camera; found "
                f"{files}: their names do not tell which belong together{seen}. Rename them, or move those of other "
                "recordings away"
            )
        raise CaptureError(
            f"{place}: no videos that carry the names of the rig's cameras ({', '.join(names.names)}; by {rig}) as a "
            f"word of their path{seen}. Rename them, point to them with --videos FOLDER, or write capture.toml by "
            "hand, with rig_name where the names differ: which camera took which video is never guessed."
        )
    chosen, words = _chosen(taken, names.names, place, chunk, match)
    if chosen not in named:
        words.append(
            f"The names of {chosen.words} differ in other digits too: taken for one recording, the first images of all "
            "cameras for one instant"
        )
    left = (*other_recordings(sets, chosen, raw_folder), *_of_no_camera(names, unnamed, place))
    return Choice(chosen, sets, tuple(words), left)


def _of_no_camera(names: CameraNames, paths: Sequence[Path], place: Path) -> Iterator[str]:
    """Those that are left out for one reason together."""
    by_reason: dict[str, list[Path]] = {}
    for path in paths:
        by_reason.setdefault(names.why_not(path), []).append(path)
    for why, alike in by_reason.items():
        yield f"{listed(alike, place)}: {why}"


def choose_masks(names: CameraNames, choice: Choice, masks: MaskSearch) -> tuple[dict[str, Path], list[str], list[str]]:
    """Masks of the recording's cameras, of the same chunk where masks come in chunks; what was found, what is left."""
    recording, left = choice.recording, list(masks.left)
    sets, unnamed = find_media(names, masks.own, masks=True)
    sets = [*joined(sets), *masks.shared]
    left += _of_no_camera(names, unnamed, names.folder)
    fitting: list[Recording] = []
    for group in sets:
        other = max((group.shared_parts(one) for one in choice.sets if one.pattern != recording.pattern), default=0)
        if other > group.shared_parts(recording):
            left.append(f"{group.words}: masks of another recording")
        elif recording.first is not None and group.first not in (None, recording.first):
            left.append(f"{group.words}: masks of another chunk")
        else:
            fitting.append(group)
    shared = [len(group.files.keys() & recording.files.keys()) for group in fitting]
    if not any(shared):
        return {}, ["No masks; `mouselift mask` can make them."], left
    best = [group for group, count in zip(fitting, shared, strict=True) if count == max(shared)]
    left += [f"{group.words}: masks of fewer cameras" for group in fitting if group not in best]
    if len(best) > 1:
        nearest = max(group.shared_parts(recording) for group in best)
        closest = [group for group in best if group.shared_parts(recording) == nearest]
        if len(closest) > 1:
            words = ", ".join(group.words for group in best)
            return {}, [f"Several sets of masks, none taken: {words}; name one by `mask = ...` for each camera"], left
        left += [
            f"{group.words}: other masks, less like the recording's name" for group in best if group not in closest
        ]
        best = closest
    without = [name for name in recording.files if name not in best[0].files]
    words = [f"Masks: {best[0].words}" + (f"; none for {', '.join(without)}" if without else "")]
    return best[0].files, words, left


def _chosen(
    sets: Sequence[Recording], names: Sequence[str], folder: Path, first: int | None, match: str | None
) -> tuple[Recording, list[str]]:
    """The recording to take, and why. Of several chunks: `first`, or the earliest that most cameras share.

    `match`: a piece of the path of the recording that is meant. CaptureError where several recordings compete, or what
    was asked for is none of them.
    """
    if match is not None:
        fitting = [group for group in sets if match.lower() in group.words.lower()]
        if not fitting:
            there = ", ".join(sorted({group.pattern for group in sets}))
            raise CaptureError(f"{folder}: no recording has {match!r} in its path; there is {there}")
        sets = fitting
    most = max(len(group.files) for group in sets)
    full = [group for group in sets if len(group.files) == most]
    patterns = sorted({group.pattern for group in full})
    if len(patterns) > 1:
        raise CaptureError(
            f"{folder}: several recordings have {most} of {len(names)} cameras: {', '.join(patterns)}; "
            "say which with --recording and a piece of its path"
        )
    chunks = {group.first: group for group in full}
    if first is not None:
        if first not in chunks:
            given = ", ".join(str(key) for key in chunks if key is not None) or "none"
            raise CaptureError(f"{folder}: no recording that starts at frame {first}; there is {given}")
        return chunks[first], [f"Recording that starts at frame {first}, as asked: {chunks[first].words}"]
    chosen = full[0]
    if len(full) == 1:
        return chosen, [f"Recording: {chosen.words}"]
    others = ", ".join(str(group.first) for group in full[1:SHOWN])
    more = ", ..." if len(full) > SHOWN else ""
    return chosen, [
        f"Recording: {chosen.words}, the earliest of {len(full)} chunks; the others start at frame {others}{more} "
        "(take one with --chunk FRAME)"
    ]
