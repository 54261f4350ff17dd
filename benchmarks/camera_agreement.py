"""Which wrong cameras does `mouselift mask` tell before it cuts masks, and are right ones left in peace?

    python benchmarks/camera_agreement.py [RECORDING ...] [--capture CAPTURE] [--cameras 5] [--faults N] [--part 1/4]

Recordings: `cylinder` (--capture: a folder of mouse_cylinder with capture.toml; other numbers of --cameras are drawn
from its five), and synthetic ones of rigs, coats, floors and sizes on which no limit was set. The scene is learned with
the spoilt cameras each time, as `mask` does, and again with a camera put right where `mask` asks for that proof.
Faults: a focal length 3 % too long and too short and a turn of 1 degree about either axis across the optical one, of
each camera; each two exchanged; --faults draws so many of them, --part 1/4 takes the first of four parts (right cameras
are in each). With --out rows are added to a file, and --table prints one table of all that it holds.

A row a fault, over draws of as many of the frames as `mask` takes: nothing said, and of these draws those in which no
camera is said to be untested or coarsely tested; the right cameras named, others named, none named; how much nearer the
best change of one camera surely brings its outlines, as a share of the limit (least and most of the draws).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mask_shadows import HARD, Film, Kind  # noqa: E402  (after the path above, like its siblings)
from mouselift.array_types import Vector3  # noqa: E402
from mouselift.capture.capture import load_capture  # noqa: E402
from mouselift.capture.source import CaptureSource  # noqa: E402
from mouselift.errors import MaskError  # noqa: E402
from mouselift.geometry.camera import Camera  # noqa: E402
from mouselift.geometry.lens import BrownConrady  # noqa: E402
from mouselift.masks.background import learn_background  # noqa: E402
from mouselift.masks.camera_agreement import best_change, camera_doubts, gain_limit, settled, tested_frames  # noqa: E402
from mouselift.masks.camera_change import Change  # noqa: E402
from mouselift.masks.changes import Background, Changes, Comparer, YuvImage  # noqa: E402
from mouselift.masks.exchanged import ASKED_FRAMES, Exchange, exchanged_cameras  # noqa: E402
from mouselift.masks.put_right import PutRight, put_right  # noqa: E402
from mouselift.masks.scene import Scene, learn_scene  # noqa: E402
from mouselift.masks.segment import Segmenter  # noqa: E402
from mouselift.masks.uncut import Uncut, uncut  # noqa: E402
from mouselift.media.images import FrameSet  # noqa: E402
from mouselift.sampling import evenly_spaced  # noqa: E402
from mouselift.synthetic.rigs import Rig, aimed_camera, markerless_rig, scaled_rig  # noqa: E402

SAID = ("nothing", "no doubt", "right", "wrong", "unnamed")
LEARNED, LOOKED_AT, DRAWS, SEED = 20, 60, 20, 20261129
UP = np.array([0.0, 0.0, 1.0])
# kind, cameras, size of the images over 1152 x 1024, seed
SYNTHETIC = {
    "agouti, 4": (Kind("agouti"), 4, 0.5, 21),
    "black, gloss, 6, small": (Kind("black", gloss=0.35), 6, 0.25, 22),
    "white, dark, 4": (Kind("white", floor=0.35), 4, 0.5, 23),
    "black, hard, 8, small": (Kind("black", HARD), 8, 0.25, 24),
    "hooded, 6, small": (Kind("hooded", floor=0.6), 6, 0.25, 25),
}
# Two more cameras for rigs of eight, like those of `synthetic.rigs`.
FURTHER = (
    ((1660.0, 1668.0, 2.0, 600.0, 500.0), (-0.1, 0.1, 0.001, -0.001, -0.5), (-110.0, 330.0, 180.0), 0.5),
    ((1640.0, 1650.0, -2.0, 620.0, 470.0), (-0.12, 0.3, -0.002, 0.001, -0.9), (260.0, -190.0, 190.0), -0.9),
)


@dataclass(frozen=True, eq=False)
class Footage:
    cameras: tuple[Camera, ...]
    frames: Mapping[int, FrameSet]
    learned: Sequence[int]
    looked_at: Sequence[int]
    up: Vector3
    floor: float | None
    backgrounds: Sequence[Background]


@dataclass(frozen=True)
class Fault:
    name: str
    views: tuple[int, ...]  # whose calibration is wrong


def faults(count: int) -> list[Fault]:
    kinds = ("focal +3 %", "focal -3 %", "turn, x", "turn, y")
    alone = [Fault(kind, (view,)) for view in range(count) for kind in kinds]
    return alone + [Fault("exchanged", pair) for pair in itertools.combinations(range(count), 2)]


def spoilt(cameras: Sequence[Camera], fault: Fault | None) -> tuple[Camera, ...]:
    out = list(cameras)
    if fault is None:
        return tuple(out)
    a, b = fault.views[0], fault.views[-1]
    if fault.name == "exchanged":
        out[a], out[b] = replace(out[b], name=out[a].name), replace(out[a], name=out[b].name)
    elif fault.name.startswith("focal"):
        factor = 1.03 if "+" in fault.name else 0.97
        out[a] = replace(out[a], fx=out[a].fx * factor, fy=out[a].fy * factor)
    else:
        turn = cv2.Rodrigues(np.radians(1.0) * np.eye(3)["xy".index(fault.name[-1])])[0]
        out[a] = out[a].turned(np.asarray(turn, dtype=np.float64))
    return tuple(out)


def cylinder(folder: Path) -> Footage:
    capture = load_capture(folder)
    source = CaptureSource(capture)
    learned = evenly_spaced(source.frames, LEARNED)
    pool = [frame for frame in source.frames if min(abs(frame - one) for one in learned) > 8]
    looked_at = sorted(np.random.default_rng(SEED).choice(pool, LOOKED_AT, replace=False).tolist())
    frames = {frame.frame: frame for frame in source.read(sorted({*learned, *looked_at}))}
    cameras = tuple(track.camera for track in source.tracks)
    return Footage(
        cameras, frames, learned, looked_at, capture.require_up(), capture.floor, backgrounds(cameras, frames, learned)
    )


def synthetic(name: str) -> Footage:
    kind, count, scale, seed = SYNTHETIC[name]
    base = markerless_rig()
    cameras = [base.cameras[k] for k in (0, 1, 2, 5)] if count == 4 else list(base.cameras)
    for number, (K, lens, place, roll) in enumerate(FURTHER[: max(count - 6, 0)], start=7):
        aim = (60.0, 52.0, 49.0)
        cameras.append(aimed_camera(f"Camera{number}", (1152, 1024), K, BrownConrady(*lens), place, aim, roll))
    rig = scaled_rig(Rig(tuple(cameras), base.arena), scale)
    film = Film(kind, rig, LOOKED_AT, seed)
    frames = {frame.frame: frame for frame in film.read(range(LOOKED_AT))}
    learned = range(0, LOOKED_AT, 2)
    return Footage(rig.cameras, frames, learned, range(LOOKED_AT), UP, None, backgrounds(rig.cameras, frames, learned))


def backgrounds(cameras: Sequence[Camera], frames: Mapping[int, FrameSet], learned: Sequence[int]) -> list[Background]:
    return [
        learn_background((frames[k].views[view].image for k in learned), camera.name)
        for view, camera in enumerate(cameras)
    ]


def compare_once() -> None:
    """Each image with its background once, whatever the cameras are: half of the time."""
    plain, known = Comparer.half, dict[tuple[int, int], Changes]()

    def half(self: Comparer, image: YuvImage) -> Changes:
        key = int(image.luma[::7, ::11].astype(np.int64).sum()), hash(image.luma[::13, ::17].tobytes())
        if key not in known:
            window, self.window = self.window, (0, 0, *self.background.chroma.shape[1::-1])
            known[key] = plain(self, image)
            self.window = window
        x0, y0, x1, y1 = self.window
        return Changes(*(part[y0:y1, x0:x1] for part in known[key]))

    Comparer.half = half


def measured(footage: Footage, views: Sequence[int], fault: Fault | None) -> dict[str, object]:
    right = [footage.cameras[view] for view in views]
    cameras, empty = spoilt(right, fault), [footage.backgrounds[view] for view in views]
    truth = tuple(right[view].name for view in fault.views) if fault else ()

    def read(frames: Sequence[int]) -> Iterator[FrameSet]:
        for frame in frames:
            whole = footage.frames[frame]
            yield replace(whole, views=tuple(whole.views[view] for view in views))

    @cache
    def exchange() -> Exchange | None:
        return exchanged_cameras(read(evenly_spaced(footage.looked_at, ASKED_FRAMES)), empty, cameras)

    def learn(cameras: Sequence[Camera]) -> Scene:
        return learn_scene(read, footage.learned, empty, cameras, footage.up, footage.floor)

    def every(scene: Scene) -> list[Uncut]:
        segmenter = Segmenter(scene)
        return [uncut(segmenter, frame) for frame in read(footage.looked_at)]

    def see(cameras: Sequence[Camera]) -> list[Uncut]:
        try:
            return every(learn(cameras))
        except MaskError:
            return []

    try:
        scene = learn(cameras)
    except MaskError:
        named = found.cameras if (found := exchange()) is not None else ()
        return {"stopped": True, **counted([named], truth)}
    seen, undone = every(scene), dict[tuple[int, str], PutRight | None]()
    halves = scene.carver().cameras
    rng, said, shares, sure = np.random.default_rng(SEED), list[tuple[str, ...] | None](), list[float](), 0
    for _ in range(DRAWS):
        drawn = np.sort(rng.choice(len(seen), min(tested_frames(len(views)), len(seen)), replace=False))

        def again(change: Change, drawn: np.ndarray = drawn) -> PutRight | None:
            """As the first draw that asked wants the camera changed: others want nearly the same."""
            key = (change.camera, change.kind)
            if key not in undone:
                undone[key] = put_right(change, cameras, seen, see)
            state = undone[key]
            return None if state is None else replace(state, frames=[state.frames[k] for k in drawn])

        test = settled(halves, [seen[k] for k in drawn], exchange, again)
        said.append(test.cameras if test.text else None)
        sure += not test.text and not any(camera_doubts([camera.name for camera in cameras], test))
        if (best := best_change([seen[k] for k in drawn])) is not None:
            shares.append(best.least / gain_limit(len(halves) - len(test.untested)))
    row: dict[str, object] = {"stopped": False, **counted(said, truth), "no doubt": sure}
    return row | ({"least": min(shares), "most": max(shares)} if shares else {})


def counted(said: Sequence[tuple[str, ...] | None], truth: tuple[str, ...]) -> dict[str, int]:
    """None: nothing was said; (): no camera was named."""
    return {
        "nothing": sum(one is None for one in said),
        "no doubt": 0,
        "right": sum(one is not None and one != () and set(one) == set(truth) for one in said),
        "wrong": sum(one is not None and one != () and set(one) != set(truth) for one in said),
        "unnamed": sum(one == () for one in said),
    }


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Draws by recording, number of cameras and kind of fault: nothing said / right ones named / wrong ones / none."""
    found = dict[tuple[str, int, str], Counter[str]]()
    for row in rows:
        kind = str(row["fault"]).split(" ")[0].strip(",")
        counts = found.setdefault((str(row["recording"]), len(row["cameras"]), kind), Counter())  # pyright: ignore[reportArgumentType]
        counts.update({said: int(row[said]) for said in SAID})  # pyright: ignore[reportArgumentType]
        counts["rows"] += 1
    lines = [
        "| recording | cameras | fault | faults | nothing said | no doubt | right named | wrong named | none named |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for (recording, cameras, kind), counts in found.items():
        numbers = " | ".join(str(counts[said]) for said in ("rows", *SAID))
        lines.append(f"| {recording} | {cameras} | {kind} | {numbers} |")
    return "\n".join(lines)


def part_of(text: str) -> tuple[int, int]:
    """`2/4`: the second of four parts."""
    part, parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "recordings", nargs="*", help=f"cylinder, or of: {'; '.join(SYNTHETIC)} (default: all of these)"
    )
    parser.add_argument("--capture", type=Path, help="of mouse_cylinder")
    parser.add_argument("--cameras", type=int, default=5, help="of cylinder")
    parser.add_argument("--faults", type=int, help="drawn of all, for each choice of cameras")
    parser.add_argument("--part", type=part_of, default=(1, 1), help="of the faults, as 2/4")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", action="store_true", help="of the rows in --out, and no more")
    options = parser.parse_args()
    if options.table:
        print(table([json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]))
        return
    part, parts = options.part
    cv2.setNumThreads(1)
    compare_once()
    rng = np.random.default_rng(SEED)
    for name in options.recordings or SYNTHETIC:
        footage = cylinder(options.capture) if name == "cylinder" else synthetic(name)
        every = len(footage.cameras)
        count = min(options.cameras, every) if name == "cylinder" else every
        for views in itertools.combinations(range(every), count):
            asked: list[Fault | None] = [None, *faults(count)]
            if options.faults is not None:
                asked = [None, *(asked[k] for k in sorted(1 + rng.permutation(len(asked) - 1)[: options.faults]))]
            asked = [None, *asked[part::parts]]
            for fault in asked:
                row = {
                    "recording": name,
                    "cameras": [footage.cameras[view].name for view in views],
                    "fault": fault.name if fault else "right",
                    "of": [footage.cameras[views[view]].name for view in fault.views] if fault else [],
                } | measured(footage, views, fault)
                print(json.dumps(row), flush=True)
                if options.out is not None:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
