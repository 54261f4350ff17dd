from __future__ import annotations

import numpy as np
import pytest

from mouselift.synthetic.body import LENGTH, Pose
from mouselift.synthetic.mesh import Mesh, Topology
from mouselift.synthetic.mouse import KEYPOINTS, Marks, Mouse

POSES = [
    Pose(),
    Pose(
        x=60.0, y=50.0, heading=2.0, spine_bend=0.6, head_yaw=0.5, gait=0.3, stride=22.0, tail_bend=1.5, tail_wave=0.4
    ),
    Pose(rear=1.1, head_pitch=0.3, head_yaw=-0.4, tail_bend=-1.0),
]


def part(mesh: Mesh, name: str) -> np.ndarray:
    faces = [mesh.topology.faces[a:b] for n, a, b in mesh.topology.parts if n == name]
    return mesh.vertices[np.unique(np.concatenate(faces))]


@pytest.mark.parametrize("pose", POSES)
def test_every_part_is_closed_and_turned_outward(mouse: Mouse, pose: Pose) -> None:
    mesh = mouse.posed(pose).mesh
    assert len(mesh.topology.edges) == 3 * len(mesh.topology.faces) // 2
    for name, first, end in mesh.topology.parts:
        a, b, c = (mesh.vertices[mesh.topology.faces[first:end, k]] for k in range(3))
        assert (a * np.cross(b, c)).sum() > 0, name


def test_it_has_the_size_of_a_mouse(mouse: Mouse) -> None:
    posed = mouse.posed(Pose())
    points = dict(zip(KEYPOINTS, posed.keypoints, strict=True))
    assert np.linalg.norm(points["nose"] - points["tail_root"]) == pytest.approx(LENGTH, rel=0.06)
    tail = part(posed.mesh, "tail")
    assert np.ptp(tail[:, 0]) == pytest.approx(80, rel=0.1)
    root, tip = tail[:, 0] > tail[:, 0].max() - 6, tail[:, 0] < tail[:, 0].min() + 4
    assert np.ptp(tail[root, 1]) == pytest.approx(3.0, abs=0.4)
    assert np.ptp(tail[tip, 1]) == pytest.approx(1.0, abs=0.3)
    assert 22 < np.ptp(part(posed.mesh, "body")[:, 1]) < 32


@pytest.mark.parametrize("pose", POSES)
def test_it_stands_on_the_floor(mouse: Mouse, pose: Pose) -> None:
    mesh = mouse.posed(pose).mesh
    assert 0 <= mesh.vertices[:, 2].min() < 0.6
    for paw in ("LH paw", "RH paw"):
        assert part(mesh, paw)[:, 2].min() < 5.0


def test_left_is_left(mouse: Mouse) -> None:
    """Facing +x with +z up, its left ear lies at +y: a mirrored mouse would fit no label."""
    points = dict(zip(KEYPOINTS, mouse.posed(Pose()).keypoints, strict=True))
    assert points["left_ear"][1] > 4
    assert points["right_ear"][1] < -4
    assert points["left_eye"][1] > 3
    assert points["right_eye"][1] < -3
    assert points["nose"][0] > 50
    assert points["tail_tip"][0] < -80


def test_joints_move_what_they_should(mouse: Mouse) -> None:
    rest = mouse.posed(Pose()).keypoints
    nose = KEYPOINTS.index("nose")
    assert mouse.posed(Pose(rear=1.0)).keypoints[nose, 2] > rest[nose, 2] + 25
    assert mouse.posed(Pose(head_yaw=0.5)).keypoints[nose, 1] > rest[nose, 1] + 5
    assert mouse.posed(Pose(spine_bend=0.5)).keypoints[nose, 1] > rest[nose, 1] + 10
    tip = KEYPOINTS.index("tail_tip")
    assert np.linalg.norm(mouse.posed(Pose(tail_bend=1.0)).keypoints[tip] - rest[tip]) > 20
    turned = mouse.posed(Pose(heading=np.pi / 2)).keypoints
    np.testing.assert_allclose(turned[:, [1, 0]] * [1, -1], rest[:, :2], atol=1e-3)


def test_equal_arguments_give_equal_bytes() -> None:
    first, second = (Mouse("black", seed=4, marks=12).posed(POSES[1]) for _ in range(2))
    assert first.mesh.vertices.tobytes() == second.mesh.vertices.tobytes()
    assert first.look.albedo.tobytes() == second.look.albedo.tobytes()
    assert first.marks.centres.tobytes() == second.marks.centres.tobytes()


def test_vertices_are_exact_in_float32(mouse: Mouse) -> None:
    vertices = mouse.posed(POSES[1]).mesh.vertices
    np.testing.assert_array_equal(vertices, vertices.astype(np.float32).astype(np.float64))


def test_coats_differ_and_the_belly_is_paler(mouse: Mouse) -> None:
    assert Mouse("black").look.albedo.mean() < 0.7 * mouse.look.albedo.mean()
    body = mouse.topology.faces[: mouse.topology.parts[0][2]].max() + 1
    fur, albedo = mouse.look.fur[:body], mouse.look.albedo[:body].mean(axis=1)
    trunk = (fur[:, 0] > 15) & (fur[:, 0] < 45)
    assert albedo[trunk & (fur[:, 2] < -9)].mean() > 1.4 * albedo[trunk & (fur[:, 2] > 10)].mean()


@pytest.mark.parametrize("pose", POSES)
def test_marks_stand_on_the_skin_and_apart(pose: Pose) -> None:
    mouse = Mouse(marks=30)
    posed = mouse.posed(pose)
    body = part(posed.mesh, "body")
    marks: Marks = posed.marks
    gap = np.linalg.norm(marks.centres[:, None] - body, axis=2).min(axis=1)
    np.testing.assert_allclose(gap, marks.radius, rtol=0.03)
    apart = np.linalg.norm(marks.centres[:, None] - marks.centres, axis=2) + 1e3 * np.eye(30)
    assert apart.min() > 4 * marks.radius
    beads = part(posed.mesh, "marks").reshape(30, -1, 3)
    np.testing.assert_allclose(beads.mean(axis=1), marks.centres, atol=2e-3)


def test_topology_is_shared_by_all_poses(mouse: Mouse) -> None:
    assert all(isinstance(mouse.posed(pose).mesh.topology, Topology) for pose in POSES)
    assert mouse.posed(POSES[0]).mesh.topology is mouse.posed(POSES[2]).mesh.topology
