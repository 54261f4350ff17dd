"""Share of keypoints on the masks, of right recordings and of faulty ones: where the limits of `inspect` come from.

    python benchmarks/keypoints_on_mask.py [RECORDINGS]

The synthetic mouse at 12 instants, six cameras at half size (576 x 512), exact silhouettes, whole or without the tail.
Its eight keypoints are off by a normal error of 0 to 4 mm an axis, new at each instant, as labels are. A fault changes
one camera: a shift, the focal length, its neighbour's calibration, masks that are late, a turn by 3 degrees, its
rotation transposed; or all keypoints are those of half a second later. Prints the lowest and the median share over
recordings: of the camera at fault, of the lowest other camera, of the lowest keypoint, of the lowest instant.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

import _paths  # noqa: F401  (puts tests/shared on the path)
from mouselift.geometry.camera import Camera
from mouselift.keypoints.on_mask import OnMaskTally
from mouselift.synthetic.mesh import Mesh, Topology
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import KEYPOINTS, Mouse
from mouselift.synthetic.raster import render_silhouette
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

INSTANTS, APART, RATE = 12, 0.7, 50.0
ERRORS_MM = (0.0, 1.0, 2.0, 3.0, 4.0)
FAULTS = (
    "none", "shift 5 px", "shift 20 px", "focal 5 %", "neighbour", "late 10", "turned 3", "transposed", "other frame"
)  # fmt: skip


def tail_less(mesh: Mesh) -> Mesh:
    spans = [(a, b) for name, a, b in mesh.topology.parts if name != "tail"]
    faces = np.concatenate([mesh.topology.faces[a:b] for a, b in spans])
    return Mesh(mesh.vertices, Topology(faces))


def faulty(cameras: tuple[Camera, ...], fault: str) -> tuple[Camera, ...]:
    first, second = cameras[0], cameras[1]
    if fault.startswith("shift"):
        first = replace(first, cx=first.cx + float(fault.split()[1]))
    elif fault.startswith("focal"):
        first = replace(first, fx=1.05 * first.fx, fy=1.05 * first.fy)
    elif fault == "neighbour":
        first = replace(second, name=first.name)
    elif fault in ("turned 3", "transposed"):
        T, R = first.T_cam_world.copy(), first.R_cam_world
        axis = np.radians(3.0) * np.array([0.0, 1.0, 0.0])
        T[:3, :3] = R.T if fault == "transposed" else Rotation.from_rotvec(axis).as_matrix() @ R
        T[:3, 3] = T[:3, :3] @ -first.centre
        first = replace(first, T_cam_world=T)
    return (first, *cameras[1:])


def main(recordings: int) -> None:
    rig = scaled_rig(markerless_rig(), 0.5)
    shares: dict[tuple[str, str, float], list[tuple[float, float, float, float]]] = {}
    for seed in range(recordings):
        rng, mouse, motion = np.random.default_rng(seed), Mouse(seed=seed), Motion(rig.arena, seed)
        tallies = {
            key: OnMaskTally([c.name for c in rig.cameras], KEYPOINTS)
            for key in [(m, f, e) for m in ("whole", "no tail") for f in FAULTS for e in ERRORS_MM]
        }
        instants: dict[tuple[str, str, float], list[float]] = {key: [] for key in tallies}
        for k in range(INSTANTS):
            posed = mouse.posed(motion.pose(k * APART))
            noise = rng.normal(size=posed.keypoints.shape)
            late = render_silhouette(mouse.posed(motion.pose(k * APART - 10 / RATE)).mesh, rig.cameras[0], 1)
            after = mouse.posed(motion.pose(k * APART + 0.5)).keypoints
            for masks in ("whole", "no tail"):
                mesh = posed.mesh if masks == "whole" else tail_less(posed.mesh)
                levels = [render_silhouette(mesh, camera, 1) for camera in rig.cameras]
                for fault in FAULTS:
                    shown = [late, *levels[1:]] if fault == "late 10" else levels
                    for error in ERRORS_MM:
                        points = (after if fault == "other frame" else posed.keypoints) + error * noise
                        alone = OnMaskTally([c.name for c in rig.cameras], KEYPOINTS)
                        alone.add(faulty(rig.cameras, fault), shown, points)
                        instants[masks, fault, error].append(alone.share() or 0.0)
                        tallies[masks, fault, error] = tallies[masks, fault, error].merged(alone)
        for key, tally in tallies.items():
            own = [tally.share(camera=name) or 0.0 for name in tally.cameras]
            low = min(tally.share(name=name) or 0.0 for name in tally.names)
            shares.setdefault(key, []).append((own[0], min(own[1:]), low, min(instants[key])))
        print(f"recording {seed}", file=sys.stderr, flush=True)
    print("masks    fault        error mm   its camera (low, median)   lowest other   lowest keypoint   instant")
    for (masks, fault, error), rows in shares.items():
        a = np.array(rows)
        low, mid = a.min(axis=0), np.median(a, axis=0)
        pairs = "   ".join(f"{x:.2f} {y:.2f}" for x, y in zip(low, mid, strict=True))
        print(f"{masks:8s} {fault:12s} {error:8.0f}   {pairs}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
