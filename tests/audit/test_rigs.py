"""A collection of two rigs with the same cameras' names: samples of one never speak for the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.rigs import Rigs, pooled_samples
from mouselift.consistency.sample_planes import SamplePlanes
from mouselift.dataset.collection import COLLECTION, Collection, Recording
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.cause import Cause
from mouselift.geometry.outlines import outline_of
from mouselift.geometry.tangent_planes import tangent_planes
from mouselift.progress import Progress

FAULTY = 1


def other_rig(sample: Sample) -> Sample:
    """The world turned upright, as another rig's; one focal length of it 10 % long."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", 40, degrees=True).as_matrix()
    cameras = [replace(view.camera, T_cam_world=view.camera.T_cam_world @ turn) for view in sample.views]
    faulty = cameras[FAULTY]
    cameras[FAULTY] = replace(faulty, fx=1.1 * faulty.fx, fy=1.1 * faulty.fy)
    return replace(sample, views=tuple(replace(v, camera=c) for v, c in zip(sample.views, cameras, strict=True)))


@pytest.fixture(scope="module")
def right(make_exact: Callable[..., Sample]) -> list[Sample]:
    return [make_exact(time, "per-sample", 128) for time in (0.2, 0.5, 0.9, 1.3, 2.1)]


def planes_of(sample: Sample) -> SamplePlanes:
    outlines = [outline_of(view.alpha) for view in sample.views]
    return SamplePlanes.of(sample, tangent_planes([view.camera for view in sample.views], outlines), outlines)


def test_each_rig_is_pooled_alone_and_named(right: list[Sample]) -> None:
    wrong = [other_rig(sample) for sample in right]
    folders = [Path(f"/set/{name}/{s.id}") for name in ("one", "two") for s in right]
    rigs = Rigs.pooled(dict(enumerate(map(planes_of, [*right, *wrong]))), pooled_samples(folders), folders)
    one, two = rigs.together.values()
    assert (one.samples, two.samples) == (5, 5)
    assert one.right
    assert two.blame is not None
    assert two.blame.cameras == (right[0].names[FAULTY],)
    assert [f.message[:5] for f in rigs.findings(explained=False) if f.severity == "error"] == ["two: "]
    assert rigs.of_sample(0) is one
    assert rigs.of_sample(7) is two
    assert rigs.fineness() == ""  # of all rigs, and one of them is wrong


def test_samples_of_a_collection_have_names_of_their_own(
    tmp_path: Path, right: list[Sample], write_sample: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The diagnosis, which is slow, is asked about the samples of one recording at a time."""
    asked: list[tuple[Sequence[Path], Sequence[Path]]] = []

    def causes(some: Sequence[Path], progress: Progress, among: Sequence[Path]) -> list[Cause]:
        asked.append((some, among))
        return [Cause("view-scale", "One camera is longer.", ("Camera2",), {})]

    monkeypatch.setattr("mouselift.audit.dataset.find_causes", causes)
    recordings = [Recording(name, f"/captures/{name}", "prepared", 2, 2) for name in ("one", "two")]
    (tmp_path / COLLECTION).write_bytes(msgspec.json.encode(Collection("recording", recordings)))
    for sample in right[:2]:
        write_sample(tmp_path / "one" / sample.id, sample)
        write_sample(tmp_path / "two" / sample.id, other_rig(sample))
    audit = audit_dataset(tmp_path, workers=1)
    assert audit.ids == [f"{name}/{sample.id}" for name in ("one", "two") for sample in right[:2]]
    assert (audit.passed, audit.failed, audit.verdict) == (2, 2, "fail")
    assert {finding.sample for finding in audit.counts["tangency"].worst} == set(audit.ids[2:])
    of_two = [tmp_path / "two" / sample.id for sample in right[:2]]
    assert asked == [(of_two, of_two)]
    assert [cause.sentence for cause in audit.causes] == ["two: One camera is longer."]


def test_every_recording_is_asked(tmp_path: Path) -> None:
    folders = [tmp_path / str(recording) / str(k) for recording in range(20) for k in range(100)]
    asked = pooled_samples(folders)
    assert [sum(k // 100 == recording for k in asked) for recording in range(20)] == [40] * 20
    assert len(pooled_samples(folders[:100] * 4)) == 300
