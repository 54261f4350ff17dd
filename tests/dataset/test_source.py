"""A FaceLift-format dataset as a source of frames."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from mouselift.calibration.facelift import ViewEntry, sample_json
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import read_sample
from mouselift.dataset.source import DatasetSource
from mouselift.errors import DatasetError
from mouselift.geometry.camera import Camera
from mouselift.media.images import FrameSource

SIDE = 16


def image_of(seed: int, channels: int = 4, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)


def write_sample(folder: Path, seed: int, names: tuple[str, ...] = ("left", "right"), channels: int = 4) -> Path:
    """Two views with random colours; the world differs from sample to sample."""
    (folder / "images").mkdir(parents=True)
    views = []
    for index, name in enumerate(names):
        T = np.eye(4)
        T[:3, 3] = [seed, index, 2.7]
        camera = Camera(SIDE, SIDE, 17.0, 17.0, 8.0 + index, 8.0, T, name=name)
        views.append(ViewEntry(camera, f"images/cam_{index:03d}.png", index))
        image = image_of(10 * seed + index, channels)
        order = cv2.COLOR_RGBA2BGRA if channels == 4 else cv2.COLOR_RGB2BGR
        cv2.imwrite(str(folder / f"images/cam_{index:03d}.png"), cv2.cvtColor(image, order))
    (folder / "opencv_cameras.json").write_bytes(sample_json(folder.name, views, {}))
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for number in (5, 120, 7):
        write_sample(tmp_path / f"sample_{number:06d}", number)
    return tmp_path


def test_samples_are_frames_in_order(dataset: Path) -> None:
    source = DatasetSource(dataset)
    assert isinstance(source, FrameSource)
    assert source.cameras == ("left", "right")
    assert list(source.frames) == [5, 7, 120]
    assert source.findings == ()
    assert [frame for block in source.blocks(source.frames) for frame in block] == [5, 7, 120]
    for frameset in source.read([7, 120]):
        for index, view in enumerate(frameset.views):
            expected = image_of(10 * frameset.frame + index)
            assert view.mask is not None
            assert view.image is not None
            np.testing.assert_array_equal(view.mask, expected[:, :, 3])
            np.testing.assert_array_equal(view.image.rgb(), expected[:, :, :3])  # straight: as in the file
            np.testing.assert_array_equal(view.image.rgb((2, 3, 9, 5)), expected[3:5, 2:9, :3])
            assert view.camera.T_cam_world[0, 3] == frameset.frame
            assert view.camera.cx == 8.0 + index
            assert f"sample_{frameset.frame:06d}" in view.where


def test_masks_only(dataset: Path) -> None:
    (frameset,) = DatasetSource(dataset).read([5], images=False)
    assert all(view.image is None and view.mask is not None for view in frameset.views)


def test_workers_get_the_same(dataset: Path) -> None:
    source = pickle.loads(pickle.dumps(DatasetSource(dataset)))
    (frameset,) = source.read([5])
    np.testing.assert_array_equal(frameset.views[0].mask, image_of(50)[:, :, 3])


def test_no_alpha_no_mask(tmp_path: Path) -> None:
    write_sample(tmp_path / "a_1", 1, channels=3)
    (frameset,) = DatasetSource(tmp_path).read([1])
    assert all(view.mask is None and view.image is not None for view in frameset.views)


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "a_1", 1)
    deep = np.random.default_rng(3).integers(0, 65536, (SIDE, SIDE, 4)).astype(np.uint16)
    cv2.imwrite(str(folder / "images/cam_000.png"), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
    (frameset,) = DatasetSource(tmp_path).read([1])
    view = frameset.views[0]
    assert view.image is not None
    assert view.mask is not None
    expected = np.round(deep / 257.0)
    np.testing.assert_array_equal(view.image.rgb(), expected[:, :, :3])
    np.testing.assert_array_equal(view.mask, expected[:, :, 3])


def test_list_files(dataset: Path) -> None:
    file = dataset / "data_val.txt"
    file.write_text(f"{dataset / 'sample_000120'}\n\nsample_000005\n")
    assert list(DatasetSource(file).frames) == [5, 120]
    for text, message in (
        ("sample_000005\ngone\n", r"data_val\.txt: line 2: expected a sample's folder, got gone, which is not there"),
        ("sample_000005\nsample_000005\n", "lines 1 and 2 name the same sample"),
        ("\n", "expected one sample folder a line"),
    ):
        file.write_text(text)
        with pytest.raises(DatasetError, match=message):
            DatasetSource(file)


def test_one_sample_alone(dataset: Path) -> None:
    assert list(DatasetSource(dataset / "sample_000120").frames) == [120]


def test_frames_are_places_where_names_do_not_number_them(dataset: Path) -> None:
    write_sample(dataset / "copy_000005", 9)
    assert list(DatasetSource(dataset).frames) == [0, 1, 2, 3]
    (dataset / "copy_000005").rename(dataset / "head")
    assert [folder.name for folder in find_samples(dataset)][-1] == "head"
    assert list(DatasetSource(dataset).frames) == [0, 1, 2, 3]


def test_a_sample_with_fewer_views(dataset: Path) -> None:
    write_sample(dataset / "sample_000200", 200, ("right", "top"))
    source = DatasetSource(dataset)
    assert source.cameras == ("left", "right", "top")
    (frameset,) = source.read([200])
    assert [view.camera.name for view in frameset.views] == ["right", "top"]


def edit(sample: Path, key: str, value: object) -> None:
    file = sample / "opencv_cameras.json"
    content = json.loads(file.read_text())
    content["frames"][1][key] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("h", 12, r"frames\[1\]: expected a square image .* w = 16, h = 12"),
        ("file_path", "images/gone.png", r"frames\[1\]: file_path: no such image: .*gone\.png"),
        ("fx", float("nan"), r"frames\[1\]: fx: expected a finite number, got nan"),
        ("camera", "left", "expected every view once, got left"),
        ("w2c", np.diag([-1.0, 1, 1, 1]).tolist(), r"det = -1\.000"),
    ],
)
def test_a_bad_sample_is_named_and_the_others_stay(key: str, value: object, message: str, dataset: Path) -> None:
    edit(dataset / "sample_000007", key, value)
    with pytest.raises(DatasetError, match=message) as caught:
        read_sample(dataset / "sample_000007")
    assert "sample_000007" in str(caught.value)
    source = DatasetSource(dataset)
    assert list(source.frames) == [5, 120]
    (finding,) = source.findings
    assert (finding.code, finding.severity, finding.frame) == ("sample-unusable", "error", 7)
    assert "sample_000007" in finding.message


def test_a_image_of_another_size(dataset: Path) -> None:
    cv2.imwrite(str(dataset / "sample_000007/images/cam_001.png"), image_of(1, side=20))
    with pytest.raises(DatasetError, match=r"cam_001\.png is 20x20, its camera says w = 16, h = 16"):
        read_sample(dataset / "sample_000007")
    jpeg = dataset / "sample_000005/images/cam_001.jpg"
    cv2.imwrite(str(jpeg), image_of(1, 3, side=20))
    edit(dataset / "sample_000005", "file_path", "images/cam_001.jpg")
    (frameset,) = DatasetSource(dataset).read([5])
    assert frameset.views[1].image is None
    assert "20x20" in frameset.views[1].where


def test_a_truncated_image_is_a_missing_one_and_says_so(dataset: Path) -> None:
    file = dataset / "sample_000007/images/cam_001.png"
    file.write_bytes(file.read_bytes()[:200])
    (frameset,) = DatasetSource(dataset).read([7])
    left, right = frameset.views
    assert left.image is not None
    assert right.image is None
    assert right.mask is None
    assert "cam_001.png" in right.where
    assert "cannot be decoded" in right.where


def test_nothing_usable(dataset: Path, tmp_path: Path) -> None:
    for sample in find_samples(dataset):
        edit(sample, "fx", "a")
    with pytest.raises(DatasetError, match=r"none of its 3 samples .*fx: expected"):
        DatasetSource(dataset)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"expected folders with opencv_cameras\.json, found none"):
        DatasetSource(tmp_path / "empty")
    with pytest.raises(DatasetError, match="no such dataset"):
        DatasetSource(tmp_path / "gone")
    with pytest.raises(DatasetError, match="which is not there"):
        read_sample(tmp_path / "empty")


def test_an_absent_frame(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="no sample has frame number 6"):
        list(DatasetSource(dataset).read([6]))
