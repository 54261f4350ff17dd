"""The audit of a dataset: verdicts, causes, the same result for any number of workers, JSON that comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from file_faults import premultiplied_alpha
from mouselift.audit.dataset import WORST, audit_dataset, repeated_findings
from mouselift.audit.options import AuditOptions
from mouselift.audit.profile import load_profile
from mouselift.audit.result import SAMPLE_NUMBERS, VERDICTS, VIEW_NUMBERS, DatasetAudit, encode_audit, read_audit
from mouselift.audit.sample import audit_sample
from mouselift.cli.app import run as command
from mouselift.dataset.collection import COLLECTION, Collection, Recording
from mouselift.dataset.description import read_description
from mouselift.dataset.lists import rewrite_lists
from mouselift.dataset.sample import Sample
from mouselift.errors import DatasetError, OptionError
from mouselift.report.conclusion import conclusion

TIMES = (0.5, 0.9, 1.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, make_exact: Callable[..., Sample], write_sample) -> Path:
    """Three exact samples on disk. Read only."""
    root = tmp_path_factory.mktemp("run") / "mouse"
    for time in TIMES:
        sample = make_exact(time)
        write_sample(root / sample.id, sample)
    return root


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "mouse"))


@pytest.fixture(scope="module")
def exact_audit(dataset: Path) -> DatasetAudit:
    return audit_dataset(dataset)


def edit(folder: Path, change: Callable[[list[dict]], object]) -> None:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    change(content["frames"])
    file.write_text(json.dumps(content))


def errors(audit: DatasetAudit) -> set[str]:
    return {code for code, count in audit.counts.items() if count.severity == "error"}


def test_exact_samples_pass(exact_audit: DatasetAudit) -> None:
    audit = exact_audit
    assert audit.verdict == "pass"
    assert (audit.passed, audit.failed, audit.unknown) == (3, 0, 0)
    assert audit.sentence == "The cameras match the pixels in all 3 samples."
    assert errors(audit) == set()
    assert audit.causes == []
    assert audit.ids == ["sample_000050", "sample_000090", "sample_000150"]
    assert audit.quantiles["tangency_px"][-1] < 0.3
    assert [VERDICTS[int(number)] for number in audit.sample_columns["verdict"]] == ["pass"] * 3


def test_columns_are_the_samples(exact_audit: DatasetAudit, make_exact: Callable[..., Sample]) -> None:
    audit = exact_audit
    assert set(audit.sample_columns) == {"frame", "verdict", *SAMPLE_NUMBERS}
    assert set(audit.view_columns) == {"sample", "camera", *VIEW_NUMBERS}
    assert audit.sample_columns["frame"].tolist() == [50, 90, 150]
    assert audit.view_columns["sample"].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    for k, time in enumerate(TIMES):
        report = audit_sample(make_exact(time))
        assert report.numbers["tangency_px"] == pytest.approx(audit.sample_columns["tangency_px"][k], abs=1e-6)
        mine = audit.view_columns["sample"] == k
        assert [view["fx"] for view in report.views] == pytest.approx(audit.view_columns["fx"][mine].tolist())
        assert [view["camera"] for view in report.views] == audit.cameras
    first = audit.pooled[0]
    assert first.camera == audit.cameras[0]
    assert first.views == 3
    own = audit.view_columns["fx"][audit.view_columns["camera"] == 0]
    assert first.median["fx"] == pytest.approx(float(np.median(own)))


def test_workers_make_no_difference(dataset: Path, exact_audit: DatasetAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mouselift.audit.dataset._BLOCK", 1)
    assert encode_audit(audit_dataset(dataset, workers=2)) == encode_audit(exact_audit)


def test_json_comes_back(exact_audit: DatasetAudit, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_bytes(encode_audit(exact_audit))
    back = read_audit(path)
    assert encode_audit(back) == encode_audit(exact_audit)
    assert np.isnan(back.sample_columns["coverage"]).all()  # no hull: not known, and not zero
    assert np.allclose(back.view_columns["cx"], exact_audit.view_columns["cx"])
    path.write_bytes(encode_audit(msgspec.structs.replace(back, quantiles={"tangency_px": [1.0]})))
    with pytest.raises(DatasetError, match="quantiles: expected 7 numbers"):
        read_audit(path)
    path.write_text("{}")
    with pytest.raises(DatasetError, match=r"audit\.json"):
        read_audit(path)


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("extent", lambda column: None, "no column extent"),
        ("coverage", lambda column: column[1:], "column coverage: expected [0-9]+ numbers, got [0-9]+"),
        ("verdict", lambda column: [7, *column[1:]], "column verdict: expected whole numbers from 0 to 2"),
        ("extent", lambda column: ["1.5", *column[1:]], "expected numbers"),
        ("extent", lambda column: [1e300, *column[1:]], "expected numbers up to"),
        ("extent", lambda column: [[number] for number in column], "shape"),
    ],
)
def test_columns_that_no_audit_writes(
    exact_audit: DatasetAudit, tmp_path: Path, key: str, change: Callable[[list[float]], object], words: str
) -> None:
    content = json.loads(encode_audit(exact_audit))
    column = change(content["sample_columns"].pop(key))
    content["sample_columns"] |= {} if column is None else {key: column}
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=words):
        read_audit(path)


FAULTS: dict[str, Callable[[list[dict]], object]] = {
    "half a pixel, all views": lambda fs: [f.update(cx=f["cx"] + 0.5, cy=f["cy"] + 0.5) for f in fs],
    "one view scaled by one per cent": lambda fs: fs[2].update(fx=fs[2]["fx"] * 1.01, fy=fs[2]["fy"] * 1.01),
    "one view's R transposed": lambda fs: fs[1].update(
        w2c=[[*np.array(fs[1]["w2c"])[:3, i].tolist(), fs[1]["w2c"][i][3]] for i in range(3)] + [[0.0, 0.0, 0.0, 1.0]]
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_cameras_fail(copy: Path, fault: str) -> None:
    edit(copy / "sample_000050", FAULTS[fault])
    audit = audit_dataset(copy, AuditOptions(samples=1))
    assert audit.verdict == "fail"
    assert audit.failed == 1
    assert "tangency" in errors(audit)
    assert audit.causes
    assert audit.causes[0].sentence in audit.sentence + "."


def test_two_images_exchanged_are_named(copy: Path) -> None:
    shutil.rmtree(copy / "sample_000090")
    for folder in sorted(copy.iterdir()):
        a, b, other = (folder / "images" / name for name in ("cam_001.png", "cam_004.png", "x"))
        a.rename(other)
        b.rename(a)
        other.rename(b)
    audit = audit_dataset(copy)
    assert audit.verdict == "fail"
    assert set(audit.causes[0].views) == {audit.cameras[1], audit.cameras[4]}
    assert audit.cameras[1] in audit.sentence
    assert audit.cameras[4] in audit.sentence


def test_one_bad_sample_of_three_fails_and_is_named(copy: Path) -> None:
    edit(copy / "sample_000090", FAULTS["one view scaled by one per cent"])
    audit = audit_dataset(copy)
    assert (audit.passed, audit.failed) == (2, 1)
    assert audit.sentence.startswith("1 of 3 samples fail")
    worst = audit.counts["tangency"].worst
    assert [finding.sample for finding in worst] == ["sample_000090"]
    assert worst[0].camera == audit.cameras[2]


def test_broken_files_fail_without_a_crash(copy: Path) -> None:
    (copy / "sample_000050/opencv_cameras.json").write_text("{")
    (copy / "sample_000090/images/cam_000.png").unlink()
    audit = audit_dataset(copy)
    assert (audit.passed, audit.failed, audit.unknown) == (1, 2, 0)
    assert errors(audit) == {"bad-file", "missing-image"}
    assert audit.causes == []


def test_legacy_fails_by_its_own_word(copy: Path) -> None:
    file = copy / "sample_000050/opencv_cameras.json"
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({**content, "mouselift": {"provenance": {"preset": "legacy"}, "record": {}}}))
    report = audit_sample(copy / "sample_000050")
    assert report.verdict == "fail"
    assert [f.code for f in report.findings if f.severity == "error"] == ["legacy"]
    ours = {"provenance": {"preset": "legacy"}, "record": {}, "repair": {"cause": "views-scale-shift"}}
    file.write_text(json.dumps({**content, "mouselift": ours}))
    assert audit_sample(copy / "sample_000050").verdict == "pass", "repaired since: the cameras have the last word"


def test_without_alpha_the_answer_is_unknown(copy: Path) -> None:
    import cv2

    for path in copy.glob("*/images/*.png"):
        noise = np.random.default_rng(0).integers(1, 254, (64, 64, 3), dtype=np.uint8)
        noise[:4, : len(path.parent.parent.name)] = np.frombuffer(path.stem.encode().ljust(3)[-3:], dtype=np.uint8)
        cv2.imwrite(str(path), noise)
    for folder in copy.iterdir():
        edit(folder, lambda frames: [f.update(w=64, h=64) for f in frames])
    audit = audit_dataset(copy)
    assert audit.verdict == "unknown"
    assert audit.unknown == 3
    assert "no alpha" in audit.sentence


def test_one_view_is_no_pass(exact: Sample) -> None:
    report = audit_sample(replace(exact, views=exact.views[:1]))
    assert report.verdict == "fail"
    assert "too-few-views" in {f.code for f in report.findings}
    assert audit_sample(replace(exact, views=exact.views[:2])).verdict == "unknown"


def test_premultiplied_alpha_is_told_once(copy: Path, exact_audit: DatasetAudit) -> None:
    for folder in copy.iterdir():
        premultiplied_alpha(folder)
    audit = audit_dataset(copy, workers=1)
    told = [finding for finding in audit.findings if finding.code == "alpha-premultiplied"]
    assert [finding.severity for finding in told] == ["warning"]
    assert "all 3 images looked at" in told[0].message
    assert audit.verdict == "pass"
    assert not any(finding.code == "alpha-premultiplied" for finding in exact_audit.findings)


def test_one_pose_for_all_fails_in_words_without_nan(copy: Path) -> None:
    for folder in copy.iterdir():
        edit(folder, lambda frames: [frame.update(w2c=frames[0]["w2c"]) for frame in frames])
    audit = audit_dataset(copy, workers=1)
    assert audit.verdict == "fail"
    assert "all views state one camera" in audit.sentence
    assert b"nan" not in encode_audit(audit).lower()


def test_every_and_limit(dataset: Path) -> None:
    assert audit_dataset(dataset, AuditOptions(every=2)).ids == ["sample_000050", "sample_000150"]
    assert audit_dataset(dataset, AuditOptions(samples=2)).ids == ["sample_000050", "sample_000150"]
    with pytest.raises(OptionError, match="--every: expected 1 to"):
        AuditOptions(every=0)


def test_cameras_in_another_order(copy: Path) -> None:
    def reverse(frames: list[dict]) -> None:
        frames.reverse()
        for number, frame in enumerate(frames):
            frame["view_id"] = number

    edit(copy / "sample_000150", reverse)
    audit = audit_dataset(copy)
    assert audit.verdict == "pass"  # a warning: cameras and images still belong together
    assert [f.code for f in audit.findings if f.code == "view-order"] == ["view-order"]
    assert audit.findings[0].sample == "sample_000150"


def test_progress_and_worst_stay_small(dataset: Path, tmp_path: Path) -> None:
    """Many links to one broken sample: findings are counted, and only the worst are kept."""
    broken = Path(shutil.copytree(dataset / "sample_000050", tmp_path / "one"))
    edit(broken, lambda frames: [f.update(fx=-1.0) for f in frames])
    many = tmp_path / "many"
    many.mkdir()
    for k in range(WORST + 15):
        (many / f"sample_{k:03d}").symlink_to(broken, target_is_directory=True)
    seen: list[tuple[int, int]] = []
    audit = audit_dataset(many, progress=lambda stage, done, total: seen.append((done, total)))
    assert seen[0] == (0, WORST + 15)
    assert seen[-1] == (WORST + 15, WORST + 15)
    assert audit.counts["bad-focal"].findings == 6 * (WORST + 15)
    assert audit.counts["bad-focal"].samples == WORST + 15
    assert len(audit.counts["bad-focal"].worst) == WORST


def test_of_a_collection_every_recording_is_asked_whether_it_is_finished(copy: Path, tmp_path: Path) -> None:
    """Its record is not one of a dataset: a recording's is, and collection.json says which ones failed."""
    root = tmp_path / "root"
    shutil.move(copy, root / "one")
    (root / "one/dataset.json").write_text('{"complete": false, "frame_rate": 25.0}')
    recordings = [Recording("one", "/captures/one", "prepared", 2, 2), Recording("two", "/captures/two", "failed")]
    (root / COLLECTION).write_bytes(msgspec.json.encode(Collection("recording", recordings)))
    audit = audit_dataset(root, AuditOptions(samples=1), workers=1)
    said = [finding.message for finding in audit.findings if finding.code == "unfinished"]
    assert len(said) == 2
    assert f"{root / 'one/dataset.json'}: the preparation was not finished" in said[0]
    assert "recordings that failed (1)" in said[1]
    assert said[1].endswith("two")
    assert read_description(root).frame_rate == 25.0


def test_a_profile_may_be_given_as_a_value(copy: Path) -> None:
    mine = msgspec.structs.replace(load_profile("facelift"), name="mine")
    assert audit_dataset(copy, AuditOptions(samples=1), profile=mine, workers=1).profile == "mine"


def test_a_camera_is_blamed_over_the_samples_of_its_rig_only() -> None:
    """Cameras of one name in two recordings are two cameras: two samples of each do not make four."""
    ids = [f"{name}/sample_{k}" for name in ("one", "two") for k in range(8)]
    members = [("one", range(8)), ("two", range(8, 16))]
    assert repeated_findings({"top": [0, 1, 8, 9]}, ids, members) == ([], [])
    found, behind = repeated_findings({"top": [0, 1, 8, 9, 10], "left": [2]}, ids, members)
    assert behind == [8, 9, 10]
    assert [finding.camera for finding in found] == ["top"]
    assert found[0].message.startswith("two: 3 of 8 samples")
    assert len(repeated_findings({"top": [0, 1, 8, 9]}, ids, [("", range(16))])[0]) == 1


def test_a_dataset_of_masks_that_wrong_cameras_made_fails(copy: Path) -> None:
    """Its silhouettes were cut so that they agree with these cameras."""
    said = '{"code": "cameras-contradict", "severity": "error", "message": "camera cam1: is wrong", "camera": "cam1"}'
    (copy / "dataset.json").write_text(f'{{"findings": [{said}, {{"code": "other"}}]}}', encoding="utf-8")
    audit = audit_dataset(copy, AuditOptions(samples=1), workers=1)
    assert [(f.severity, f.camera) for f in audit.findings if f.code == "cameras-contradict"] == [("error", "cam1")]
    assert audit.verdict == "fail"
    assert "cam1: is wrong" in audit.sentence


def test_masks_that_were_cut_to_cameras_that_nobody_tested_say_nothing_of_these(copy: Path) -> None:
    """Silhouettes that were cut to agree do agree: no fineness is told then, and of no tested camera no PASS."""
    one, every = "camera cam1: was not tested", "whether the cameras agree was not tested"

    def audited(message: str, camera: str | None) -> DatasetAudit:
        said = {"code": "cameras-untested", "severity": "warning", "message": message, "camera": camera}
        (copy / "dataset.json").write_text(json.dumps({"findings": [said]}), encoding="utf-8")
        return audit_dataset(copy, workers=1)

    audit = audited(one, "cam1")
    assert audit.verdict == "pass"
    assert f"masks were cut so that they do, and not all was compared before. C{one[1:]}." in audit.sentence
    assert "agree to" not in audit.sentence
    audit = audited(every, None)
    assert audit.verdict == "unknown"
    assert audit.sentence.startswith("Nothing says that the cameras match the pixels, or that they do not.")
    assert "Whether the cameras agree was not tested." in audit.sentence
    assert "keypoints" in conclusion(audit).action


@pytest.mark.parametrize("views", [2, 3])
def test_nor_how_finely_few_cameras_agree(
    tmp_path: Path, make_exact: Callable[..., Sample], write_sample, views: int
) -> None:
    for time in np.linspace(0.3, 1.8, 24):
        sample = make_exact(float(time))
        write_sample(tmp_path / sample.id, replace(sample, views=sample.views[:views]))
    assert "would not show" in audit_dataset(tmp_path, workers=1).sentence
    said = {"code": "cameras-untested", "message": "camera cam1: was compared coarsely", "camera": "cam1"}
    (tmp_path / "dataset.json").write_text(json.dumps({"findings": [said]}), encoding="utf-8")
    audit = audit_dataset(tmp_path, workers=1)
    assert audit.verdict == "pass"
    assert audit.sentence.startswith("The cameras match the pixels in all 24 samples. But masks were cut")
    assert "would not show" not in audit.sentence
    (together,) = (finding for finding in audit.findings if finding.code == "tangency-pooled")
    assert together.message.endswith("But masks were cut so that they agree (`cameras-untested`)")


@pytest.mark.parametrize(
    ("said", "unfinished"),
    [
        ('{"complete": false}', True),
        ('{"complete": true, "frame_rate": 25.0}', False),
        ('{"frames": 3}', False),
        ('["another tool\'s"]', False),
    ],
)
def test_a_dataset_whose_preparation_was_stopped_is_said_to_be_unfinished(
    copy: Path, said: str, unfinished: bool
) -> None:
    (copy / "dataset.json").write_text(said, encoding="utf-8")
    audit = audit_dataset(copy, AuditOptions(samples=1), workers=1)
    assert ("unfinished" in {finding.code for finding in audit.findings}) == unfinished


@pytest.mark.parametrize(
    "arguments",
    [["export", "--format", "facelift"], ["profile"], ["repair"], ["report"]],
    ids=lambda arguments: arguments[0],
)
def test_what_is_made_of_an_unfinished_dataset_is_said_to_lack_samples(
    arguments: list[str], copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "dataset.json").write_text('{"complete": false}', encoding="utf-8")
    verb, *rest = arguments
    command([verb, str(copy), str(tmp_path / "out"), *rest])
    said = capsys.readouterr()
    assert "the preparation was not finished" in " ".join((said.out + said.err).split())


def test_lists_that_a_stopped_preparation_did_not_write(copy: Path) -> None:
    (copy / "dataset.json").write_text('{"complete": false}', encoding="utf-8")
    for file in copy.glob("data_*.txt"):
        file.unlink()
    with pytest.raises(DatasetError, match="found neither; its preparation was stopped: give the same `mouselift prep"):
        rewrite_lists(copy)
