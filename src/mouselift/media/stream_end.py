"""How many of a stream's last images are numbered for certain, and which places of an AVI hold none."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from mouselift.array_types import Array, Int32, Int64
from mouselift.media.access_points import LOOKED_AT
from mouselift.media.picture_order import OUT_OF_ORDER, WINDOW, Place, complete_until, places_of, step_of


def certain(
    path: Path,
    times: Int64[Array, " n"],
    packets: Int32[Array, " n"],
    count: int,
    last_dts: int,
    whole: bool,
    listed: bool,
    guessed: bool,
) -> int:
    """How many images may be numbered where an end may be cut off.

    Images are stored in decoding order: after a cut, one shown later than the last stored image was due for decoding
    may have lost predecessors. Where nothing says that the end is cut (`whole`), pictures' own counts tell it from a
    pause; where they do not, a gap of the times is taken for a hole, unless a table of the file lists all packets
    (`listed`). A copy that ends between two packets has a table, too.

    times: of the images, ascending. packets: the place in the file of the packet that shows each, of `count`.
    guessed: times between those that the file holds are FFmpeg's guess, so that they show no hole.
    """
    if guessed:
        told = _told_by_counts(path, packets, count, max(len(times) - OUT_OF_ORDER, 1))
        if told is not None:
            return told
    sure = max(int(np.searchsorted(times, last_dts, side="right")), 1)
    if not whole:
        return sure
    steps = np.diff(times)
    gaps = np.flatnonzero(steps[sure - 1 :] > 1.5 * np.median(steps)) if steps.size else steps
    if not gaps.size:
        return len(times)
    told = _told_by_counts(path, packets, count, sure)
    if told is None:
        return len(times) if listed else sure + int(gaps[0])
    return told


def certain_unordered(path: Path, count: int) -> int:
    """As `certain`, of images whose order only the decoder knows. All of them where their counts do not tell."""
    start = max(count - WINDOW, 0)
    codec, places = _last_places(path, start)
    if places is None or len(places) != count - start:
        return count
    found = complete_until(sorted(places), max(len(places) - OUT_OF_ORDER, 1), start > 0, step_of(codec))
    return count if found is None else start + found


def _told_by_counts(path: Path, packets: Int32[Array, " n"], count: int, sure: int) -> int | None:
    """None where they do not tell."""
    start = max(count - WINDOW, 0)
    codec, places = _last_places(path, start)
    if places is None or len(places) != count - start:
        return None
    inside = packets >= start
    shown = [places[place - start] for place in packets[inside].tolist()]
    found = complete_until(shown, int(inside[:sure].sum()), start > 0, step_of(codec))
    return None if found is None else len(packets) - int(inside.sum()) + found


def _last_places(path: Path, start: int) -> tuple[str, list[Place] | None]:
    """The codec, and what `places_of` reads from packet `start` on. The file is demultiplexed once more."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
        stored = (packet for packet in container.demux(stream) if packet.size)
        heads = [bytes(memoryview(each)[:LOOKED_AT]) for place, each in enumerate(stored) if place >= start]
    return codec, places_of(codec, extradata, heads)


def slots_of(dts: Int64[Array, " p"], count: int) -> Int64[Array, " p"] | None:
    """Places of an AVI's packets, empty ones counted: recorders leave a place empty for each image that they lost.

    None where they are not those of all packets. FFmpeg passes over empty places, and its decoding times number all.
    """
    return dts if len(dts) == count and (np.diff(dts, prepend=-1) > 0).all() else None


def delayed(slots: Int64[Array, " p"], delay: int) -> Int64[Array, " p"]:
    """Times of images that come out of the decoder when so many packets more went in, one for one."""
    behind = slots[-1] + 1 + np.arange(delay)
    return np.concatenate([slots[delay:], behind])[: len(slots)]
