"""Draws framing.png: the same instant under the four presets.

    python docs/concepts/framing_figure.py

Rings mark the subject's 3D centre as each *written* camera projects it, crosses where it is in the pixels.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mouselift.framing.framing import PRESETS, Framing
from mouselift.framing.planning import plan_sample
from mouselift.geometry.outlines import Silhouette
from mouselift.media.images import ArrayImage
from mouselift.prepare.resample import warp_view
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import Mouse
from mouselift.synthetic.render import ViewRenderer, shadow_of
from mouselift.synthetic.rigs import Rig, markerless_rig

SIDE, GAP, HEAD, LEFT = 256, 6, 34, 152
PAPER, INK, PALE = (250, 250, 248), (40, 40, 40), (120, 120, 120)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def row(framing: Framing, rig: Rig, shots: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """One preset's six images, each with its marks and focal length."""
    silhouettes = [Silhouette.from_mask(mask > 127) for _, mask in shots]
    plan = plan_sample(framing, rig.cameras, silhouettes, np.array([0.0, 0.0, 1.0]))
    images = []
    for i, (view, (rgb, mask)) in enumerate(zip(plan.views, shots, strict=True)):
        image = warp_view(view, ArrayImage(rgb), mask, background=(255, 255, 255))[..., :3].copy()
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        centre = plan.world.apply(plan.centre[None])
        _ring(image, plan.written_camera(i).project(centre)[0] * SIDE / framing.size)
        _cross(image, view.target.project(plan.centre[None])[0] * SIDE / framing.size)
        written = plan.written_camera(i)
        cv2.putText(image, f"f {written.fx:.0f}  {view.scale:.2f} x", (8, 18), FONT, 0.42, PALE, 1, cv2.LINE_AA)
        images.append(image)
    return images


def _ring(image: np.ndarray, at: np.ndarray) -> None:
    inside = at.clip(9, SIDE - 9)
    cv2.circle(image, (round(inside[0]), round(inside[1])), 8, (214, 60, 40), 2, cv2.LINE_AA)


def _cross(image: np.ndarray, at: np.ndarray) -> None:
    cv2.drawMarker(image, (round(at[0]), round(at[1])), (20, 90, 200), cv2.MARKER_CROSS, 9, 1, cv2.LINE_AA)


def main() -> None:
    rig = markerless_rig()
    mouse, motion = Mouse("brown", seed=1), Motion(rig.arena, seed=1)
    posed = mouse.posed(motion.pose(1.0))
    shadow = shadow_of(posed)
    drawn = [ViewRenderer(camera, rig.arena, seed=1, supersample=2).render(posed, shadow) for camera in rig.cameras]
    shots = [(view.rgb, view.mask) for view in drawn]
    columns = len(rig.cameras)
    width = LEFT + columns * (SIDE + GAP)
    sheet = np.full((HEAD + len(PRESETS) * (SIDE + GAP), width, 3), PAPER, dtype=np.uint8)
    for c, camera in enumerate(rig.cameras):
        cv2.putText(sheet, camera.name, (LEFT + c * (SIDE + GAP) + 4, 23), FONT, 0.5, INK, 1, cv2.LINE_AA)
    for r, (name, framing) in enumerate(PRESETS.items()):
        y = HEAD + r * (SIDE + GAP)
        cv2.putText(sheet, name, (12, y + SIDE // 2 - 6), FONT, 0.62, INK, 1, cv2.LINE_AA)
        note = "cameras wrong" if framing.written == "source" else "exact"
        cv2.putText(sheet, note, (12, y + SIDE // 2 + 18), FONT, 0.45, PALE, 1, cv2.LINE_AA)
        for c, image in enumerate(row(framing, rig, shots)):
            x = LEFT + c * (SIDE + GAP)
            sheet[y : y + SIDE, x : x + SIDE] = image
    path = Path(__file__).with_name("framing.png")
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
