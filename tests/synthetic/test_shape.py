"""Shapes and coats of animals; the standard mouse is one of them, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mouselift.synthetic.body import Pose
from mouselift.synthetic.coat import COATS, coat_colours
from mouselift.synthetic.individual import HELD_OUT, TRAINING, individual
from mouselift.synthetic.motion import Motion
from mouselift.synthetic.mouse import KEYPOINTS, Mouse
from mouselift.synthetic.rigs import Arena
from mouselift.synthetic.shape import BodyShape, random_shape

# Of the mouse before it had a shape, coat brown, marks 9: sums of the vertices of three postures. Sines differ in the
# last bit from processor to processor.
STANDARD = {
    0.7: (1700559.09446, 373485.70175, 381304.96550, 5523.78238, 9269.20639, 9053.12133),
    3.9: (2075481.50897, 2398638.33722, 881853.74124, 8335.77001, 8534.07025, 7850.81260),
    8.2: (613292.76493, 1873101.84843, 375080.79973, 9018.32183, 5599.94055, 9201.02297),
}


@pytest.mark.parametrize("time", STANDARD)
def test_the_standard_mouse_has_not_changed(time: float) -> None:
    np.testing.assert_allclose(_sums(Mouse(seed=3, marks=9), time), STANDARD[time], rtol=1e-7)


def test_another_mouse_is_not_the_standard_one() -> None:
    other = _sums(Mouse(seed=3, marks=9, shape=BodyShape(girth=1.001)), 0.7)
    assert (np.abs(other / STANDARD[0.7] - 1) > 1e-7).any()


def _sums(mouse: Mouse, time: float) -> np.ndarray:
    vertices = mouse.posed(Motion(Arena(60.0, 52.0), 3).pose(time)).mesh.vertices
    return np.concatenate([vertices.sum(axis=0), np.abs(np.diff(vertices, axis=0)).sum(axis=0)])


@cache
def measured(shape: BodyShape) -> dict[str, float]:
    """Sizes of the standing mesh, mm."""
    posed = Mouse(shape=shape, detail=0.6).posed(Pose())
    points = dict(zip(KEYPOINTS, posed.keypoints, strict=True))
    parts = {
        name: posed.mesh.vertices[np.unique(posed.mesh.topology.faces[a:b])] for name, a, b in posed.mesh.topology.parts
    }
    body = parts["body"]
    return {
        "length": float(np.linalg.norm(points["nose"] - points["tail_root"])),
        "width": float(np.ptp(body[:, 1])),
        "ears": float(np.ptp(parts["ears"][:, 2])),
        "tail": float(np.ptp(parts["tail"][:, 0])),
        "foot": float(np.ptp(parts["LH paw"][:, 0])),
        "volume": _volume(posed.mesh.vertices, posed.mesh.topology.faces[: posed.mesh.topology.parts[0][2]]),
    }


def _volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize(
    ("change", "what", "by"),
    [
        (BodyShape(girth=1.2), "width", 1.2),
        (BodyShape(ears=0.6), "ears", 0.6),
        (BodyShape(tail=1.3), "tail", 1.3),
        (BodyShape(feet=0.7), "foot", 0.7),
        (BodyShape(girth=1.2), "volume", 1.38),
        (BodyShape(length=160.0), "length", 2.0),
        (BodyShape(length=160.0), "volume", 8.0),
        (BodyShape(fat=1.0), "volume", 1.65),
        (BodyShape(snout=1.3, head=1.1), "length", 1.07),
    ],
)
def test_a_field_changes_what_it_names(change: BodyShape, what: str, by: float) -> None:
    assert measured(change)[what] == pytest.approx(by * measured(BodyShape())[what], rel=0.06)


def test_the_standard_mouse_weighs_what_a_mouse_weighs() -> None:
    assert 20e3 < measured(BodyShape())["volume"] < 32e3  # mm3: about as many milligrams


@pytest.mark.parametrize("seed", [0, 4, 15, 37, HELD_OUT[0]])
def test_individuals_stand_and_rear_on_the_floor_and_are_closed(seed: int) -> None:
    mouse = individual(seed).mouse(0.3)
    for pose in (Pose(), Pose(x=30.0, y=-20.0, rear=1.0, head_yaw=0.4, tail_bend=1.0)):
        mesh = mouse.posed(pose).mesh
        assert len(mesh.topology.edges) == 3 * len(mesh.topology.faces) // 2
        assert -0.01 < mesh.vertices[:, 2].min() < 1.0 * mouse.shape.size
        for first, end in ((a, b) for _, a, b in mesh.topology.parts):
            assert _volume(mesh.vertices, mesh.topology.faces[first:end]) > 0


def test_distributions_are_those_of_the_literature() -> None:
    rng = np.random.default_rng(0)
    mice = [random_shape("mouse", rng) for _ in range(200)]
    rats = [random_shape("rat", rng) for _ in range(200)]
    lengths = np.array([shape.length for shape in mice])
    tails = np.array([shape.length * shape.tail for shape in mice])
    assert lengths.min() > 65
    assert lengths.max() < 100
    assert tails.min() > 50
    assert tails.max() < 110
    assert 74 < tails.mean() < 86
    lengths = np.array([shape.length for shape in rats])
    assert lengths.min() >= 200
    assert lengths.max() <= 250
    assert 180 < np.mean([shape.length * shape.tail for shape in rats]) < 250


def test_a_coarse_mesh_is_the_same_animal() -> None:
    who = individual(2)
    fine, coarse = (who.mouse(detail).posed(Pose(spine_bend=0.4)) for detail in (1.0, 0.3))
    assert len(coarse.mesh.topology.faces) < 0.12 * len(fine.mesh.topology.faces)
    for a, b in zip(_box(fine.mesh.vertices), _box(coarse.mesh.vertices), strict=True):
        np.testing.assert_allclose(a, b, atol=1.5)
    volumes = [_volume(p.mesh.vertices, p.mesh.topology.faces[: p.mesh.topology.parts[0][2]]) for p in (fine, coarse)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.04)


def _box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points.min(axis=0), points.max(axis=0)


def test_seeds_are_individuals_and_held_out_ones_are_apart() -> None:
    assert individual(7) == individual(7)
    assert len({individual(seed).shape for seed in range(30)}) == 30
    assert set(TRAINING).isdisjoint(range(HELD_OUT.start, HELD_OUT.stop))
    assert [individual(seed).held_out for seed in (0, TRAINING[-1], HELD_OUT[0])] == [False, False, True]
    with pytest.raises(ValueError, match=r"held out\), got -1"):
        individual(-1)
    kinds = {(who.species, who.coat) for who in map(individual, range(60))}
    assert {("mouse", "black"), ("mouse", "white"), ("mouse", "agouti"), ("rat", "hooded")} <= kinds


def test_coats_by_name_and_by_colours() -> None:
    assert coat_colours("white").eye[0] > 2 * coat_colours("white").eye[1]  # albino eyes are red
    look = Mouse("hooded", detail=0.5).look
    along, brightness = look.fur[:, 0], look.albedo.mean(axis=1)
    body = np.arange(len(along)) < 2 + 66 * 36
    assert brightness[body & (along > 58) & (along < 68) & (look.fur[:, 2] > 0)].max() < 0.3
    assert brightness[body & (along > 10) & (along < 40) & (np.abs(look.fur[:, 1]) > 6)].min() > 0.7
    plain = replace(COATS["hooded"], hood=None)
    assert Mouse(plain, detail=0.5).look.albedo[body & (along > 58) & (along < 68)].mean() > 0.6
