"""Which cameras `mouselift inspect` blames, and which it should: rates over synthetic captures, and the limits.

    python benchmarks/inspect_limits.py                    # the rates of the limits in force, on fresh seeds
    python benchmarks/inspect_limits.py --tune             # other limits too, on the seeds that set them

A capture: four to six cameras on a dome, turned a little, 576 x 512 pixels, the synthetic mouse at 12 instants. Its
masks are exact, lossy (JPEG, holes) or rough (beside that, at each instant, one view grown by 2 to 5 px and another
without tail). One camera's calibration is wrong, or its masks are late; or the images of two or three cameras are
exchanged; or all calibrations are wrong, which no camera is to blame for; or nothing is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from unittest.mock import patch

import cv2
import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.dataset.sample import Sample, View
from mouselift.geometry.camera import Camera
from mouselift.geometry.similarity import shortest_turn
from mouselift.geometry.tangent_planes import rays_at_depth_one
from mouselift.inspect import agreement, apart
from mouselift.inspect.agreement import agreement_findings, agreement_of, tangency_distances
from mouselift.inspect.facts import AgreementFacts
from mouselift.inspect.sampled_frames import FrameOutlines, ViewOutline, view_outline
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import scaled_rig
from other_rigs import ring_rig
from rough_masks import Roughness, roughen

_INSTANTS, _SECONDS_APART, _RATE = 12, 0.4, 50.0
_TUNING, _CHECKING = 0, 1000  # first seeds
_MASKS = {"exact": None, "lossy": Roughness(grown_px=None, tail_lost=0.0), "rough": Roughness()}
_LATE = (1, 2, 4)  # frames


@dataclass(frozen=True)
class Fault:
    """One camera's, `change` of its calibration; or its masks are `late` frames behind; or of several cameras."""

    name: str
    change: Callable[[Camera, np.random.Generator], Camera] | None = None
    late: int = 0
    exchanged: int = 0  # cameras, each with the images of the next
    everywhere: bool = False  # `change` is of all calibrations


def _shifted(pixels: float) -> Callable[[Camera, np.random.Generator], Camera]:
    def change(camera: Camera, rng: np.random.Generator) -> Camera:
        angle = rng.uniform(0, 2 * np.pi)
        return replace(camera, cx=camera.cx + pixels * np.cos(angle), cy=camera.cy + pixels * np.sin(angle))

    return change


def _scaled(share: float) -> Callable[[Camera, np.random.Generator], Camera]:
    return lambda camera, rng: replace(camera, fx=camera.fx * (1 + share), fy=camera.fy * (1 + share))


def _turned(degrees: float) -> Callable[[Camera, np.random.Generator], Camera]:
    def change(camera: Camera, rng: np.random.Generator) -> Camera:
        aside = rng.normal(size=2) * np.tan(np.radians(degrees)) / np.sqrt(2)
        return camera.turned(shortest_turn(np.array([0.0, 0.0, 1.0]), np.array([aside[0], aside[1], 1.0])))

    return change


def _other_way_round(camera: Camera, rng: np.random.Generator) -> Camera:
    T = camera.T_cam_world.copy()
    T[:3, :3] = T[:3, :3].T
    return replace(camera, T_cam_world=T)


def _half_size(camera: Camera, rng: np.random.Generator) -> Camera:
    return replace(camera, fx=camera.fx / 2, fy=camera.fy / 2, cx=camera.cx / 2, cy=camera.cy / 2)


FAULTS = (
    Fault("nothing"),
    *(Fault(f"shifted by {px} px", _shifted(px)) for px in (1, 2, 4, 8)),
    *(Fault(f"scaled by {100 * share:g} %", _scaled(share)) for share in (0.02, 0.04, 0.08)),
    *(Fault(f"turned by {degrees:g} degrees", _turned(degrees)) for degrees in (0.2, 0.5, 1.0)),
    *(Fault(f"{late} frames late", late=late) for late in _LATE),
    *(Fault(f"{count} exchanged", exchanged=count) for count in (2, 3)),
    Fault("all poses inverted", _other_way_round, everywhere=True),
    Fault("all of half size", _half_size, everywhere=True),
)


@dataclass(frozen=True, eq=False)
class Case:
    masks: str
    fault: Fault
    faulty: frozenset[str]  # cameras that should be named
    facts: AgreementFacts | None


def cases(seed: int) -> list[Case]:
    """One capture with each kind of masks and each fault; the faulty camera is drawn."""
    rng = np.random.default_rng([seed, 0x1A5])
    rig = scaled_rig(ring_rig(int(rng.integers(4, 7)), (15.0, 35.0), jitter_deg=3.0, seed=seed), 0.5)
    mouse, motion = Mouse(seed=seed), Motion(rig.arena, seed)
    faulty_camera = int(rng.integers(len(rig.cameras)))
    times = 1.0 + _SECONDS_APART * np.arange(_INSTANTS)
    meshes = {
        (k, late): mouse.posed(motion.pose(float(time) - late / _RATE)).mesh
        for k, time in enumerate(times.tolist())
        for late in (0, *_LATE)
    }
    shown = [[render_silhouette(meshes[k, 0], camera, 3) for camera in rig.cameras] for k in range(_INSTANTS)]
    behind = {
        (k, late): render_silhouette(meshes[k, late], rig.cameras[faulty_camera], 3)
        for k in range(_INSTANTS)
        for late in _LATE
    }
    found: list[Case] = []
    for masks, what in _MASKS.items():
        for late in (0, *_LATE):
            frames = []
            for k in range(_INSTANTS):
                own = [behind[k, late] if late and v == faulty_camera else mask for v, mask in enumerate(shown[k])]
                frames.append(_seen(k, rig.cameras, own, what, np.random.default_rng([seed, k])))
            for fault in (fault for fault in FAULTS if fault.late == late):
                wrong = _faulty(fault, faulty_camera, len(rig.cameras))
                facts = _facts(rig.cameras, frames, fault, wrong, rng)
                named = () if fault.everywhere else wrong
                found.append(Case(masks, fault, frozenset(rig.cameras[v].name for v in named), facts))
    return found


def _seen(
    frame: int, cameras: Sequence[Camera], masks: list[np.ndarray], what: Roughness | None, rng: np.random.Generator
) -> FrameOutlines:
    sample = Sample(str(frame), tuple(View(c.name, c, mask) for c, mask in zip(cameras, masks, strict=True)))
    if what is not None:
        sample = roughen(sample, rng, what)[0]
    views = [view_outline(view.camera, view.alpha) for view in sample.views]
    return FrameOutlines(frame, tuple(view for view, _ in views), tuple(state for _, state in views))


def _faulty(fault: Fault, first: int, cameras: int) -> list[int]:
    count = 0 if fault.name == "nothing" else cameras if fault.everywhere else max(fault.exchanged, 1)
    return [(first + k) % cameras for k in range(count)]


def _facts(
    cameras: Sequence[Camera],
    frames: Sequence[FrameOutlines],
    fault: Fault,
    faulty: Sequence[int],
    rng: np.random.Generator,
) -> AgreementFacts | None:
    calibrated = list(cameras)
    if fault.change is not None:
        for v in faulty:
            calibrated[v] = fault.change(cameras[v], rng)
    shown = list(range(len(cameras)))  # whose images
    if fault.exchanged:
        for v, other in zip(faulty, (*faulty[1:], faulty[0]), strict=True):
            shown[v] = other

    def seen(frame: FrameOutlines) -> FrameOutlines:
        views: list[ViewOutline | None] = [frame.views[other] for other in shown]
        for v in faulty:
            view = views[v]
            if view is not None:
                rays = rays_at_depth_one(calibrated[v], view.outline.convex)
                views[v] = replace(view, camera=calibrated[v], rays=rays)
        return replace(frame, views=tuple(views))

    return agreement_of([camera.name for camera in cameras], [tangency_distances(seen(f)) for f in frames])


def table(found: Sequence[Case]) -> None:
    """Per fault and kind of masks: just the faulty cameras named / others or none named, per cent of the captures."""
    limits = {name: value for name, value in vars(agreement).items() if name.isupper() and name[0] != "_"}
    limits |= {name: value for name, value in vars(apart).items() if name.startswith("GROSS")}
    print(f"{limits}\nfault                 " + "".join(f"{masks:>22}" for masks in _MASKS))
    print(" " * 22 + "   named  other   error" * len(_MASKS))
    for fault in FAULTS:
        row = f"{fault.name:<22}"
        for masks in _MASKS:
            mine = [case for case in found if case.fault == fault and case.masks == masks]
            named = np.mean([_named(case) for case in mine])
            other = np.mean([_other(case) for case in mine])
            error = np.mean([any(f.severity == "error" for f in _findings(case)) for case in mine])
            row += f"{100 * named:8.1f}{100 * other:7.1f}{100 * error:7.1f}"
        print(row)
    clean = [case.facts.all_px for case in found if case.fault.name == "nothing" and case.facts is not None]
    print(f"median residual of captures without a fault: at most {max(clean):.2f} px\n")


def _findings(case: Case) -> list:
    return list(agreement_findings(case.facts, _INSTANTS, ()))


def _blamed(case: Case) -> list[frozenset[str]]:
    """The cameras that each finding names; none where all views are said to disagree."""
    together = None if case.facts is None else case.facts.apart
    several = frozenset() if together is None else frozenset(together.cameras)
    return [several if finding.camera is None else frozenset({finding.camera}) for finding in _findings(case)]


def _named(case: Case) -> bool:
    return any(case.faulty and blamed == case.faulty for blamed in _blamed(case))


def _other(case: Case) -> bool:
    """Where all cameras are wrong: some are named."""
    blamed = _blamed(case)
    return any(blamed) if case.fault.everywhere else any(not case.faulty or names != case.faulty for names in blamed)


def tune(found: Sequence[Case]) -> None:
    """False alarms and detections of a grid of limits, by kind of masks."""
    print("ratio   worst  least_px  " + "".join(f"{masks + ': false, named, other, %':>36}" for masks in _MASKS))
    for ratio, share, least in product((1.5, 2.0, 2.5), (0.0, 0.6, 0.7, 0.8, 0.9), (0.5, 1.0)):
        row = f"{ratio:6.2f} {share:6.2f} {least:9.2f}  "
        for masks in _MASKS:
            sound, faulty = (
                [case for case in found if (case.fault.name == "nothing") == good and case.masks == masks]
                for good in (True, False)
            )
            with patch.multiple(agreement, RATIO=ratio, WORST_SHARE=share, LEAST_PX=least):
                rates = [np.mean([_other(case) for case in sound])]
                rates += [np.mean([kind(case) for case in faulty]) for kind in (_named, _other)]
            row += "".join(f"{100 * rate:12.1f}" for rate in rates)
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=60)
    parser.add_argument("--tune", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    first = _TUNING if options.tune else _CHECKING
    found = [case for seed in range(first, first + options.captures) for case in cases(seed)]
    if options.tune:
        tune(found)
    table(found)


if __name__ == "__main__":
    main()
