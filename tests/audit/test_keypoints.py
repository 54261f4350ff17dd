"""Keypoints on alphas in `audit`: which camera, which keypoint, or all; and what they do not decide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mouselift.audit.dataset import Collected, audit_dataset
from mouselift.audit.keypoints import LabelledRecordings, compare_keypoints, recording_findings
from mouselift.audit.leaks import Likeness
from mouselift.audit.result import DatasetAudit, SampleReport, encode_audit, read_audit
from mouselift.audit.sample import audit_sample
from mouselift.dataset.sample import Sample
from mouselift.findings import Finding
from mouselift.geometry.camera import Camera
from mouselift.keypoints.keypoints import SampleKeypoints
from mouselift.keypoints.off_mask import KeypointFacts
from mouselift.keypoints.off_mask import off_mask as off_mask_of

HERE = Path("recording")
TIMES = (0.5, 1.2, 1.9, 2.6, 3.3)
Make = Callable[..., Sample]
Write = Callable[..., Path]


def of_camera(change: Callable[[Camera], Camera]) -> Callable[[Sample], Sample]:
    """The third view's camera changed; pixels and keypoints as they are."""

    def spoil(sample: Sample) -> Sample:
        views = list(sample.views)
        views[2] = replace(views[2], camera=change(views[2].camera))
        return replace(sample, views=tuple(views))

    return spoil


def turned(camera: Camera, R: np.ndarray) -> Camera:
    """About its centre."""
    T = camera.T_cam_world.copy()
    T[:3, :3] = R
    T[:3, 3] = -R @ camera.centre
    return replace(camera, T_cam_world=T)


def of_points(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Sample], Sample]:
    def spoil(sample: Sample) -> Sample:
        assert sample.keypoints is not None
        return replace(sample, keypoints=replace(sample.keypoints, points=change(sample.keypoints.points)))

    return spoil


@pytest.fixture
def audited(make_exact: Make, write_sample: Write, tmp_path: Path) -> Callable[..., DatasetAudit]:
    def run(spoil: Callable[[Sample], Sample] = lambda sample: sample, size: int = 256) -> DatasetAudit:
        for time in TIMES:
            sample = spoil(make_exact(time, "per-sample", size))
            write_sample(tmp_path / "data" / sample.id, sample, keypoints=True)
        return audit_dataset(tmp_path / "data", workers=1)

    return run


def off_mask(audit: DatasetAudit) -> list[Finding]:
    return [finding for finding in audit.findings if finding.code == "keypoints-off-mask"]


def test_right_ones_pass_and_are_counted(audited: Callable[..., DatasetAudit], tmp_path: Path) -> None:
    audit = audited()
    assert audit.verdict == "pass"
    assert not off_mask(audit)
    assert "keypoints-off-mask" not in audit.counts
    (facts,) = audit.keypoints
    assert facts.share == 1.0
    assert facts.instants == 5
    assert set(facts.table["Camera3"]) == set(facts.names)
    assert facts.not_compared == ""
    assert np.allclose(audit.sample_columns["keypoints_on"], 1.0)
    assert np.allclose(audit.view_columns["keypoints_on"], 1.0)
    (tmp_path / "audit.json").write_bytes(encode_audit(audit))
    assert read_audit(tmp_path / "audit.json").keypoints == [facts]


def judged(samples: Iterable[Sample], blamed: Mapping[tuple[Path, str], int] | None = None) -> list[Finding]:
    """What `audit_dataset` finds of keypoints, without the silhouettes."""
    counted = LabelledRecordings()
    for number, sample in enumerate(samples):
        counted.add(HERE, number, compare_keypoints(sample))
    return recording_findings(counted.facts(), blamed or {}, fails=bool(blamed))


@pytest.fixture
def samples(make_exact: Make) -> list[Sample]:
    return [make_exact(time, "per-sample", 256) for time in TIMES]


@pytest.mark.parametrize(
    "change",
    [
        lambda camera: replace(camera, cx=camera.cx + 20),
        lambda camera: turned(camera, Rotation.from_rotvec([0, np.radians(4.0), 0]).as_matrix() @ camera.R_cam_world),
        lambda camera: turned(camera, camera.R_cam_world.T),
        lambda camera: turned(camera, np.diag([-1.0, -1.0, 1.0]) @ camera.R_cam_world),
    ],
    ids=["principal point", "turned 4 degrees", "transposed rotation", "half a turn"],
)
def test_the_camera_at_fault_is_named(samples: list[Sample], change: Callable[[Camera], Camera]) -> None:
    spoiled = [of_camera(change)(sample) for sample in samples]
    (finding,) = judged(spoiled)
    assert finding.camera == "Camera3"
    assert "nothing in the silhouettes says so" in finding.message  # nobody asked them
    (finding,) = judged(spoiled, {(HERE, "Camera3"): len(samples)})
    assert "the silhouettes blame it too" in finding.message
    (finding,) = judged(spoiled, {(HERE, "Camera1"): len(samples)})
    assert "find fault with the cameras too" in finding.message


def test_silhouettes_and_keypoints_blame_one_camera(audited: Callable[..., DatasetAudit]) -> None:
    audit = audited(of_camera(lambda camera: replace(camera, cx=camera.cx + 20)))
    assert audit.verdict == "fail"
    (finding,) = off_mask(audit)
    assert finding.camera == "Camera3"
    assert "the silhouettes blame it too" in finding.message


def test_labels_alone_change_no_verdict_and_are_doubted(audited: Callable[..., DatasetAudit]) -> None:
    audit = audited(of_points(lambda points: points + np.array([0.0, 0.0, 0.6])))
    assert audit.verdict == "pass"
    (finding,) = off_mask(audit)
    assert finding.camera is None
    assert "another calibration, world, unit or frame numbering, or the cameras" in finding.message
    assert "keypoints-off-mask" in audit.sentence
    assert audit.counts["keypoints-off-mask"].samples == 5


def test_keypoints_of_another_frame(samples: list[Sample]) -> None:
    others = [replace(s, keypoints=o.keypoints) for s, o in zip(samples, [*samples[1:], samples[0]], strict=True)]
    found = judged(others)
    assert found
    assert all(finding.severity == "warning" for finding in found)
    assert "frame numbering" in found[0].message or "may be wrong instead" in found[0].message


def cut_tail(sample: Sample) -> Sample:
    """Masks without the pixels near the tail's middle and tip, in every view."""
    assert sample.keypoints is not None
    views = []
    for view in sample.views:
        root, middle, tip = view.camera.project(sample.keypoints.points[5:8])
        j, i = np.mgrid[: view.alpha.shape[0], : view.alpha.shape[1]] + 0.5
        along = (np.stack([i, j], axis=-1) - root) @ (middle - root) / max(float((middle - root) @ (middle - root)), 1)
        near = np.min([np.hypot(i - x, j - y) for x, y in np.linspace(middle, tip, 20)], axis=0) < 16
        views.append(replace(view, alpha=np.where(near & (along > 0.3), 0, view.alpha).astype(np.uint8)))
    return replace(sample, views=tuple(views))


def test_masks_without_a_part_are_said(samples: list[Sample]) -> None:
    found = judged(map(cut_tail, samples))
    assert {finding.message.split(":")[0] for finding in found} >= {"keypoint tail_tip"}
    assert all("masks lack that part of the animal" in finding.message for finding in found)


def test_one_cameras_masks_without_a_part(samples: list[Sample]) -> None:
    (finding,) = judged(replace(s, views=(*s.views[:2], cut_tail(s).views[2], *s.views[3:])) for s in samples)
    assert finding.camera == "Camera3"
    assert "its masks lack that part" in finding.message
    assert "tail_tip" in finding.message


def test_what_is_not_compared_is_said(samples: list[Sample]) -> None:
    counted = LabelledRecordings()
    for number, sample in enumerate([*samples[:3], replace(samples[3], keypoints=None)]):
        lost = of_points(lambda points: np.where(np.arange(8)[:, None] == 0, np.nan, points))
        counted.add(HERE, number, compare_keypoints(lost(sample) if sample.keypoints is not None else sample))
    (facts,) = counted.facts().values()
    assert facts.instants == 3
    assert "nose" not in facts.names
    assert facts.not_compared == "Not compared: keypoints of 1 sample (none there); 3 keypoints that were not found."


def test_the_order_of_arrival_does_not_show(samples: list[Sample]) -> None:
    def lacking(sample: Sample, place: int) -> Sample:
        assert sample.keypoints is not None
        kept = [k for k in range(8) if k != place]
        own = SampleKeypoints(tuple(sample.keypoints.names[k] for k in kept), sample.keypoints.points[kept], "a", "a")
        return replace(sample, keypoints=own)

    told = [compare_keypoints(lacking(sample, k)) for k, sample in enumerate(samples)]
    facts = []
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 3, 1)):
        counted = LabelledRecordings()
        for number in order:
            counted.add(HERE, number, told[number])
        facts.append(counted.facts()[HERE])
    assert facts[0] == facts[1]
    assert list(facts[0].table["Camera1"]) == list(facts[1].table["Camera1"])


def test_recordings_are_judged_apart(samples: list[Sample]) -> None:
    counted = LabelledRecordings()
    for number, sample in enumerate(samples):
        counted.add(Path("right"), number, compare_keypoints(sample))
        counted.add(Path("wrong"), number, compare_keypoints(of_points(lambda points: points + 0.6)(sample)))
    (finding,) = recording_findings(counted.facts(), {}, fails=False)
    assert finding.message.startswith("wrong: ")


def test_a_view_that_the_sensor_cut_is_left_out(make_exact: Make) -> None:
    sample = make_exact(0.5, "per-sample", 256)
    far = of_points(lambda points: points + 5.0)(sample)
    cut = replace(far, views=tuple(replace(view, cut=True) for view in far.views))
    assert audit_sample(cut).numbers["keypoints_on"] is None
    report = audit_sample(far)
    assert report.numbers["keypoints_on"] == 0.0
    assert {view["keypoints_on"] for view in report.views} == {0.0}
    assert "keypoints-off-mask" in {finding.code for finding in report.findings}
    assert report.verdict == "pass"


def test_samples_without_any(make_exact: Make, write_sample: Write, tmp_path: Path) -> None:
    write_sample(tmp_path / "data/sample_000050", make_exact(0.5, "per-sample", 256))
    audit = audit_dataset(tmp_path / "data", workers=1)
    assert audit.keypoints == []
    assert np.isnan(audit.sample_columns["keypoints_on"]).all()
    assert "keypoints_on" not in audit.quantiles


def test_a_record_is_read_back(make_exact: Make) -> None:
    own = make_exact(0.5, "per-sample", 256).keypoints
    assert own is not None
    own = replace(own, points=np.where(np.arange(8)[:, None] == 3, np.nan, own.points))
    again = SampleKeypoints.from_record(own.to_record())
    assert again.names == own.names
    assert np.array_equal(again.points, own.points, equal_nan=True)
    for wrong in (3, {}, {"points": []}, {"points": {}}, {"points": {"a": [1, 2]}}, {"points": {"a": [1, 2, "x"]}}):
        with pytest.raises(ValueError, match="expected"):
            SampleKeypoints.from_record(wrong)


def test_names_that_no_file_can_hold_are_refused() -> None:
    for name in ("a\ud800", "a" * 201):
        with pytest.raises(ValueError, match="names that can be written"):
            SampleKeypoints.from_record({"points": {name: [1.0, 2.0, 3.0]}})


def test_many_keypoints_that_stand_out_are_told_together() -> None:
    """Each had its finding, and looked at all others: 100,000 took hours."""
    names = {f"low{k}": k / 1e7 for k in range(30_000)} | {f"p{k}": 0.9 for k in range(70_000)}
    found = list(off_mask_of(KeypointFacts("a", "words", (), 9, 0.6, {"c": 0.6, "d": 0.6}, names)))
    assert [one.name for one in found] == [f"low{k}" for k in range(20)]
    assert (found[0].others, len(found[-1].names)) == (0.9, 29_980)
    facts = {HERE: KeypointFacts("a", "words", (), 9, 0.6, {"c": 0.6, "d": 0.6}, names)}
    assert recording_findings(facts, {}, fails=False)[-1].message.endswith("so it is of 29,980 more keypoints")
    few = KeypointFacts("a", "words", (), 9, 0.6, {}, {"a": 0.0, "b": 0.5, "c": 0.7, "d": 0.9})
    assert [(one.name, one.others) for one in off_mask_of(few)] == [("a", 0.7)]


def test_of_a_least_share_the_lowest_is_the_worst() -> None:
    shares, collected = [0.3, 0.0, 0.1], Collected(3)
    for number, share in enumerate(shares):
        finding = Finding.of("keypoints-off-mask", "few", sample=f"{number}", value=share, limit=0.35)
        report = SampleReport(f"{number}", number, [finding], "pass", {}, [])
        collected.add(number, report, Likeness((), np.zeros(0, dtype=np.uint8)))
    assert [found.value for found in collected.counts["keypoints-off-mask"].worst] == sorted(shares)
