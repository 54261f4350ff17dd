"""Where a recording lost images: which frames, of which camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mouselift.capture.tracks import CameraTracks, time_gaps
from mouselift.inspect.facts import LostFrames
from mouselift.media.video_index import VideoInfo


def lost_frames(tracks: Sequence[CameraTracks]) -> Iterator[LostFrames]:
    """Of each camera that lost any between its first and its last image; what was never recorded is not lost."""
    for track in tracks:
        images = track.images
        inside = np.arange(max(images.begin, 0), images.end)
        away = inside[~np.isin(inside, np.fromiter(images.held, dtype=np.int64))]
        if away.size:
            runs = np.split(away, np.flatnonzero(np.diff(away) > 1) + 1)
            yield LostFrames(track.name, tuple((int(run[0]), len(run)) for run in runs), len(away), kept_place=True)
        media = images.media
        if isinstance(media, VideoInfo) and media.times is not None and not images.runs:
            gaps = time_gaps(media)
            if gaps.size:
                steps = np.diff(media.times)
                missing = np.maximum(np.rint(steps[gaps] / np.median(steps)).astype(int) - 1, 1)
                before = (gaps + 1 - images.shift).tolist()
                stretches = tuple(zip(before, missing.tolist(), strict=True))
                yield LostFrames(track.name, stretches, int(missing.sum()), kept_place=False)
