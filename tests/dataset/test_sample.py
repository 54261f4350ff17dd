"""Any folder becomes views and findings: never a crash, never a silent guess."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from file_faults import FILE_FAULTS
from mouselift.data.decode import cutout_of
from mouselift.dataset.alpha_checks import premultiplied
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.sample import Sample, read_sample
from mouselift.dataset.silhouette import mask_from_ground
from mouselift.errors import DatasetError
from mouselift.geometry.outlines import outline_of
from mouselift.media.numbered_names import number_of
from mouselift.media.png import content_of

Edit = Callable[[list[dict[str, Any]]], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, make_exact: Callable[..., Sample], write_sample) -> Path:
    """A six-view sample of 128 px on disk. Read only."""
    return write_sample(tmp_path_factory.mktemp("load") / "sample_000050", make_exact(size=128))


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / good.name))


def edited(folder: Path, edit: Edit) -> Sample:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    edit(content["frames"])
    file.write_text(json.dumps(content))
    return load_sample(folder)


def codes(loaded: Sample) -> list[str]:
    return [finding.code for finding in loaded.findings]


def test_what_was_written_comes_back(good: Path, make_exact: Callable[..., Sample]) -> None:
    made, loaded = make_exact(size=128), load_sample(good)
    assert loaded.findings == ()
    assert loaded.id == "sample_000050"
    assert loaded.frame == 50
    assert loaded.names == made.names
    for view, original in zip(loaded.views, made.views, strict=True):
        assert np.array_equal(view.alpha, original.alpha)
        assert np.array_equal(view.camera.T_cam_world, original.camera.T_cam_world)
        assert view.camera.K.tolist() == original.camera.K.tolist()
        assert view.colours is None
        assert view.cut is None
    coloured = load_sample(good, colours=True).views[0]
    assert coloured.colours is not None
    assert set(np.unique(coloured.colours).tolist()) == {0, 90}


def test_a_broken_view_is_named_and_left_out(folder: Path) -> None:
    loaded = edited(folder, lambda frames: frames[2].update(fx=float("nan")))
    assert codes(loaded) == ["not-finite"]
    finding = loaded.findings[0]
    assert finding.severity == "error"
    assert finding.camera == loaded.views[0].name.replace("1", "3")
    assert "frames[2]" in finding.message
    assert "fx = nan" in finding.message
    assert finding.advice
    assert len(loaded.views) == len(loaded.cameras) == 5


@pytest.mark.parametrize("content", ["", "[]", "{", '{"frames": []}', '{"frames": 3}', '{"frames": [7, null]}', "\xff"])
def test_files_that_are_none(folder: Path, content: str) -> None:
    (folder / "opencv_cameras.json").write_text(content, encoding="latin1")
    loaded = load_sample(folder)
    assert loaded.views == ()
    assert set(codes(loaded)) <= {"bad-file", "missing-key"}
    assert all(finding.severity == "error" for finding in loaded.findings)
    assert loaded.findings


def test_missing_and_damaged_images(folder: Path) -> None:
    (folder / "images/cam_001.png").unlink()
    (folder / "images/cam_003.png").write_bytes((folder / "images/cam_003.png").read_bytes()[:200])
    loaded = load_sample(folder)
    assert codes(loaded) == ["missing-image", "bad-image"]
    assert "cam_001.png" in loaded.findings[0].message
    assert "cam_003.png" in loaded.findings[1].message
    assert len(loaded.views) == 4
    assert len(loaded.cameras) == 6


def test_the_real_size_wins_and_is_told(folder: Path) -> None:
    loaded = edited(folder, lambda frames: frames[0].update(w=256, h=256))
    assert codes(loaded) == ["size-mismatch"]
    assert "is 128x128, its camera says w = 256" in loaded.findings[0].message
    assert (loaded.views[0].camera.width, loaded.views[0].camera.height) == (128, 128)


def test_one_camera_or_image_twice(folder: Path) -> None:
    shutil.copy(folder / "images/cam_000.png", folder / "images/cam_004.png")

    def copy_camera(frames: list[dict[str, Any]]) -> None:
        for key in ("fx", "fy", "cx", "cy", "w2c"):
            frames[5][key] = frames[1][key]

    loaded = edited(folder, copy_camera)
    assert codes(loaded) == ["same-camera", "same-image"]
    assert "and" in loaded.findings[0].message
    assert loaded.findings[0].camera == loaded.names[5]
    assert loaded.findings[1].camera == loaded.names[4]


def test_copies_of_views_are_left_out_and_counted(folder: Path) -> None:
    """200 views that were six took an audit 110 s; each pair of them shared tangent planes."""
    before = load_sample(folder)

    def repeat(frames: list[dict[str, Any]]) -> None:
        frames += [{**frame, "camera": f"copy_{k}", "view_id": k + 6} for k, frame in enumerate(frames * 32)]

    loaded = edited(folder, repeat)
    assert codes(loaded) == ["same-view"]
    assert "192 of 198 views" in loaded.findings[0].message
    assert f"copy_0 (of {before.names[0]})" in loaded.findings[0].message
    assert loaded.findings[0].camera == "copy_0"
    assert loaded.names == before.names


def test_a_copy_whose_camera_says_minus_zero(folder: Path) -> None:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    one = content["frames"][0]
    one["w2c"] = [[0.0 if abs(value) < 1e-12 else value for value in row] for row in one["w2c"]]
    one["cx"] = 0.0
    copy = one | {"camera": "copy", "view_id": 99, "cx": -0.0}
    copy["w2c"] = [[-0.0 if value == 0 else value for value in row] for row in one["w2c"]]
    file.write_text(json.dumps(content | {"frames": [*content["frames"], copy]}))
    assert "same-view" in codes(load_sample(folder))


def test_a_keypoint_whose_name_stands_twice(folder: Path) -> None:
    """The last of both was taken, without a word."""
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    content["mouselift"] = {"keypoints": {"file": "a", "format": "a", "points": {"nose": [1, 2, 3], "tail": None}}}
    text = json.dumps(content)
    file.write_text(text)
    for sample in (load_sample(folder), read_sample(folder)):
        assert sample.keypoints is not None
        assert sample.keypoints.names == ("nose", "tail")
    file.write_text(text.replace('"tail"', '"nose"'))
    assert codes(load_sample(folder)) == ["bad-record"]
    with pytest.raises(DatasetError, match=r"mouselift\.keypoints: the key 'nose' stands twice"):
        read_sample(folder)
    file.write_text(json.dumps(content | {"mouselift": {"record": 3}}))
    assert codes(load_sample(folder)) == ["bad-record"]
    with pytest.raises(DatasetError, match="mouselift: not as mouselift writes it"):
        read_sample(folder)


def test_names_and_order(folder: Path) -> None:
    def spoil(frames: list[dict[str, Any]]) -> None:
        frames[1]["camera"] = frames[0]["camera"]
        frames[3]["view_id"] = 0

    loaded = edited(folder, spoil)
    assert codes(loaded) == ["same-name", "view-order"]
    assert len(set(loaded.names)) == 6


def test_own_record_says_what_the_sensor_cut(folder: Path) -> None:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    names = [frame["camera"] for frame in content["frames"]]
    record = {"frame": 7, "views": [{"camera": name, "cut": k == 2} for k, name in enumerate(names)]}
    content["mouselift"] = {"record": record, "provenance": {"preset": "per-view"}, "plan": {"any": [1, 2]}}
    file.write_text(json.dumps(content))
    loaded = load_sample(folder)
    assert loaded.preset == "per-view"
    assert loaded.frame == 7
    assert [view.cut for view in loaded.views] == [False, False, True, False, False, False]
    content["mouselift"]["record"]["frame"] = True  # which is 1 to Python
    file.write_text(json.dumps(content))
    assert load_sample(folder).frame == number_of(folder.name)


@pytest.mark.parametrize("views", [3, [1], [{"camera": ["a"], "cut": True}], {"a": 1}])
def test_a_record_of_another_kind_is_a_finding(views: object, folder: Path) -> None:
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    file.write_text(json.dumps({**content, "mouselift": {"record": {"views": views}}}))
    loaded = load_sample(folder)
    assert codes(loaded) == ["bad-record"]
    assert {view.cut for view in loaded.views} == {None}


@pytest.mark.parametrize(("value", "found"), [("NaN", []), ("Infinity", []), ('"\\ud800"', []), ("1" + "0" * 40, [])])
def test_other_json_does_not_take_the_record_away_without_a_word(folder: Path, value: str, found: list[str]) -> None:
    """Cut views and keypoints went with it."""
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    content["mouselift"] = {"record": {"views": [{"camera": content["frames"][0]["camera"], "cut": True}]}, "note": 0}
    file.write_text(json.dumps(content).replace('"note": 0', f'"note": {value}'))
    loaded = load_sample(folder)
    assert codes(loaded) == found
    assert loaded.views[0].cut is (None if found else True)
    del content["mouselift"]  # another tool's file: nothing of ours is lost
    file.write_text(json.dumps(content | {"note": 0}).replace('"note": 0', f'"note": {value}'))
    assert codes(load_sample(folder)) == []


def test_colours_that_are_cut_short_are_a_finding(folder: Path) -> None:
    file = sorted((folder / "images").iterdir())[0]
    file.write_bytes(file.read_bytes()[:-40])
    assert "bad-image" in codes(load_sample(folder, colours=True))


def test_foreign_content_under_our_key(folder: Path) -> None:
    file = folder / "opencv_cameras.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "mouselift": [1]}))
    assert codes(load_sample(folder)) == []


def opaque(folder: Path, ground: int | None) -> None:
    """The images without alpha, on a ground of one level, or on noise."""
    for path in sorted((folder / "images").iterdir()):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        noise = np.random.default_rng(0).integers(1, 254, (*image.shape[:2], 3), dtype=np.uint8)
        behind = noise if ground is None else np.full_like(noise, ground)
        cv2.imwrite(str(path), np.where(image[:, :, 3:] >= 128, image[:, :, :3], behind))


@pytest.mark.parametrize("ground", [0, 255])
def test_a_mask_from_an_exact_ground(folder: Path, ground: int) -> None:
    before = load_sample(folder)
    opaque(folder, ground)
    loaded = load_sample(folder)
    assert set(codes(loaded)) == {"mask-derived"}
    for view, original in zip(loaded.views, before.views, strict=True):
        made, true = outline_of(view.alpha), outline_of(np.where(original.alpha >= 128, 255, 0).astype(np.uint8))
        assert made is not None
        assert true is not None
        assert np.array_equal(made.convex, true.convex)  # ground that the subject encloses counts as subject


def test_no_alpha_is_said(folder: Path) -> None:
    opaque(folder, None)
    loaded = load_sample(folder)
    assert codes(loaded) == ["no-alpha"] * 6
    assert loaded.views == ()
    assert len(loaded.cameras) == 6


def test_a_subject_of_the_ground_colour_is_kept_whole() -> None:
    """Black pixels inside a subject on black are not its ground."""
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    image[5:15, 5:15] = 80
    image[8:12, 8:12] = 0
    found = mask_from_ground(image)
    assert found is not None
    assert found[0] == "black"
    assert (found[1][5:15, 5:15] == 255).all()
    assert mask_from_ground(np.zeros((5, 5, 3), dtype=np.uint8)) is None


def test_empty_alpha(folder: Path) -> None:
    cv2.imwrite(str(folder / "images/cam_002.png"), np.zeros((128, 128, 4), dtype=np.uint8))
    loaded = load_sample(folder)
    assert codes(loaded) == ["empty-mask"]
    assert len(loaded.views) == 5


@pytest.mark.parametrize("fault", [name for name in FILE_FAULTS if name != "premultiplied_alpha"])
def test_faults_of_files_are_named_and_the_silhouettes_stay(good: Path, folder: Path, fault: str) -> None:
    change, code = FILE_FAULTS[fault]
    change(folder)
    loaded, before = load_sample(folder), load_sample(good)
    assert set(codes(loaded)) == {code}
    assert len(loaded.findings) == len(before.views)
    for view, exact in zip(loaded.views, before.views, strict=True):
        off = np.abs(view.alpha.astype(float) - exact.alpha)
        assert float((off > 128).mean()) == 0.0
        assert view.alpha.shape == exact.alpha.shape


@pytest.mark.parametrize("fault", ["palette", "grey_alpha", "rgb_transparent_colour", "orientation_tag"])
def test_the_reader_for_training_agrees_with_the_audit(folder: Path, fault: str) -> None:
    FILE_FAULTS[fault][0](folder)
    for view in load_sample(folder).views:
        cutout = cutout_of(content_of(view.path), view.path)
        whole = np.zeros((cutout.height, cutout.width), dtype=np.uint8)
        x0, y0, x1, y1 = cutout.box
        whole[y0:y1, x0:x1] = cutout.rgba[..., 3]
        assert np.array_equal(whole, view.alpha)


def test_an_image_of_another_sample_is_told(folder: Path, good: Path) -> None:
    other = Path(shutil.copytree(good, folder.parent / "other"))
    loaded = edited(folder, lambda frames: frames[0].update(file_path=f"../other/{frames[0]['file_path']}"))
    assert [(finding.code, finding.severity) for finding in loaded.findings] == [("file-path", "error")]
    assert not [view for view in loaded.views if view.path.resolve().is_relative_to(other)]


@pytest.mark.parametrize(
    ("numbers", "code", "words"),
    [
        ({"fx": 1.37, "fy": 1.37, "cx": 0.5, "cy": 0.5}, "focal-units", "multiply by 128"),
        ({"fx": 2.7, "fy": 2.7, "cx": 0.01, "cy": 0.0}, "focal-units", "half the image's width: multiply by 64"),
        ({"fx": 8.0, "fy": 8.0}, "field-of-view", "166 degrees"),
        ({"fx": 1e5, "fy": 1e5}, "field-of-view", "0.0733 degrees"),
    ],
)
def test_fields_of_view_that_no_camera_has(folder: Path, numbers: dict[str, float], code: str, words: str) -> None:
    loaded = edited(folder, lambda frames: frames[1].update(numbers))
    assert codes(loaded) == [code]
    assert words in loaded.findings[0].message


def test_one_pose_for_all_is_one_finding(folder: Path) -> None:
    loaded = edited(folder, lambda frames: [frame.update(w2c=frames[0]["w2c"]) for frame in frames])
    assert codes(loaded) == ["same-camera"]
    assert "all 6 views state one" in loaded.findings[0].message


@pytest.mark.parametrize(("level", "told"), [(150, True), (60, True), (10, None)])
def test_premultiplied_alpha(make_exact: Callable[..., Sample], level: int, told: bool | None) -> None:
    """Straight alpha has full colours at soft edges; a subject darker than its alpha says nothing."""
    alpha = make_exact().views[0].alpha
    straight = np.where(alpha[..., None] > 0, level, 0).astype(np.uint8).repeat(3, axis=2)
    dimmed = np.rint(straight * (alpha[..., None] / 255)).astype(np.uint8)
    assert premultiplied(dimmed, alpha) is told
    assert premultiplied(straight, alpha) is (None if told is None else False)
