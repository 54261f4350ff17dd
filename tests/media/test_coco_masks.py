"""COCO's masks: run lengths as COCO's own tools write them, polygons to the pixel, objects and frames by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mouselift.errors import MaskError
from mouselift.media.coco_masks import drawn, open_coco
from mouselift.media.polygons import filled

H, W = 20, 30
EVERY: Callable[[str], bool] = lambda name: True  # noqa: E731


def box() -> np.ndarray:
    out = np.zeros((H, W), dtype=bool)
    out[3:9, 4:17] = True
    return out


def test_run_lengths_as_pycocotools_2_0_11_writes_them() -> None:
    text = "c26>00000000000000000000000Q8"  # of `box`, by pycocotools.mask.encode
    np.testing.assert_array_equal(drawn({"size": [H, W], "counts": text}, H, W), box())
    counts = [83, *[6, 14] * 12, 6, 600 - 83 - 20 * 12 - 6]
    np.testing.assert_array_equal(drawn({"size": [H, W], "counts": counts}, H, W), box())


def test_a_polygon_covers_the_pixels_whose_centres_it_holds() -> None:
    """Half a pixel more or less on any side is another mask."""
    np.testing.assert_array_equal(drawn([[4, 3, 17, 3, 17, 9, 4, 9]], H, W), box())
    for shift in (-0.4, 0.4):
        moved = [v + shift for v in (4, 3, 17, 3, 17, 9, 4, 9)]
        np.testing.assert_array_equal(drawn([moved], H, W), box())
    moved = [v + 0.6 for v in (4, 3, 17, 3, 17, 9, 4, 9)]
    np.testing.assert_array_equal(drawn([moved], H, W), np.roll(box(), (1, 1), (0, 1)))
    two = drawn([[4, 3, 10, 3, 10, 9, 4, 9], [10, 3, 17, 3, 17, 9, 10, 9]], H, W)
    np.testing.assert_array_equal(two, box())  # parts of one object
    outside = drawn([[-5, -5, 60, -5, 60, 60, -5, 60]], H, W)
    assert outside.all()


@given(st.lists(st.tuples(st.floats(-5, 35), st.floats(-5, 25)), min_size=3, max_size=9))
def test_polygons_agree_with_winding_by_every_pixel(corners: list[tuple[float, float]]) -> None:
    mask = filled([v for corner in corners for v in corner], H, W)
    x, y = np.meshgrid(np.arange(W) + 0.5, np.arange(H) + 0.5)
    crossings = np.zeros((H, W), dtype=int)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        spans = (y0 <= y) != (y1 <= y)
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1)
        crossings += spans & (at <= x)
    np.testing.assert_array_equal(mask, crossings % 2 == 1)


def document(names: list[str], marks: list[dict[str, Any]], categories: tuple[str, ...] = ("mouse",)) -> dict[str, Any]:
    images = [{"id": k + 1, "file_name": name, "width": W, "height": H} for k, name in enumerate(names)]
    return {
        "images": images,
        "annotations": [{"id": k, "category_id": 1, "iscrowd": 0, **mark} for k, mark in enumerate(marks)],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(categories)],
    }


def square(image: int, left: float = 4, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "segmentation": [[left, 3, left + 5, 3, left + 5, 9, left, 9]], **more}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    return path


def left_of(mask: np.ndarray | None) -> int | None:
    return None if mask is None else int(np.flatnonzero(mask.any(axis=0))[0])


def test_frames_by_file_name_and_images_without_annotation_are_gaps(tmp_path: Path) -> None:
    names = ["set/cam2_000003.png", "set/cam1_000012.jpg", "set/cam1_000003.jpg", "set\\cam1_000007.jpg"]
    path = write(tmp_path / "m.json", document(names, [square(1, 9), square(2), square(3, 6)]))
    stack = open_coco(path, lambda name: "cam1" in name)
    assert sorted(stack.numbers) == [3, 7, 12]
    assert sorted(stack.held) == [3, 12]
    assert [left_of(stack.read(n)) for n in (3, 7, 12, 13)] == [6, None, 4, None]
    assert stack.words == "COCO annotations of 'mouse' in 2 of 3 images; the others count as without a mask"
    with pytest.raises(
        MaskError, match=r"names no image of this camera; expected its name in file_name, found set/cam2"
    ):
        open_coco(path, lambda name: "cam3" in name)


def test_roboflows_names(tmp_path: Path) -> None:
    names = [f"cam1_{number:06d}_png.rf.{code}.jpg" for number, code in ((12, "3fe2a1"), (13, "99b0c7"))]
    stack = open_coco(write(tmp_path / "m.json", document(names, [square(1), square(2)])), EVERY)
    assert sorted(stack.numbers) == [12, 13]


@pytest.mark.parametrize("key", ["track_id", "attributes"])
def test_tracks_tell_objects_of_one_category(tmp_path: Path, key: str) -> None:
    def who(number: int) -> dict[str, Any]:
        return {"track_id": number} if key == "track_id" else {"attributes": {"track_id": number, "occluded": False}}

    path = write(tmp_path / "m.json", document(["1.png"], [square(1, **who(1)), square(1, 12, **who(2))]))
    question = open_coco(path, EVERY).question
    assert question is not None
    assert "several tracks: 1, 2; which of these is the subject? Say mask_object = 1" in question
    assert left_of(open_coco(path, EVERY, 2).read(1)) == 12
    both = open_coco(path, EVERY, "mouse").read(1)  # parts of one subject, by its category
    assert both is not None
    assert int((both > 0).sum()) == 2 * 30


def test_categories_and_parts(tmp_path: Path) -> None:
    content = document(["1.png"], [square(1), square(1, 12, category_id=2)], ("mouse", "rat"))
    stack = open_coco(write(tmp_path / "m.json", content), EVERY)
    assert stack.question is not None
    assert "several categories: rat, mouse" in stack.question
    assert left_of(open_coco(tmp_path / "m.json", EVERY, "rat").read(1)) == 12
    parts = write(tmp_path / "parts.json", document(["1.png"], [square(1), square(1, 12)]))
    question = open_coco(parts, EVERY).question
    assert question is not None
    assert "1.png has several annotations of 'mouse': one subject in parts, or several" in question
    chosen = open_coco(parts, EVERY, "mouse")
    assert chosen.question is None
    both = chosen.read(1)
    assert both is not None
    assert int((both > 0).sum()) == 60


@pytest.mark.parametrize("method", [cv2.CHAIN_APPROX_NONE, cv2.CHAIN_APPROX_SIMPLE])
@pytest.mark.parametrize("seed", range(5))
def test_what_find_contours_traced_comes_back_whole(method: int, seed: int) -> None:
    """Its corners are pixels of the subject: taken for points, the mask would lack half a pixel all round."""
    noise = np.random.default_rng(seed).normal(size=(60, 80)).astype(np.float32)
    mask = (cv2.GaussianBlur(noise, (0, 0), 4) > 0.03).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, method)
    filled_up = cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)  # COCO's polygons have no holes
    found = drawn([outline.ravel().tolist() for outline in outlines], 60, 80)
    np.testing.assert_array_equal(found, filled_up > 0)


def test_outlines_that_go_along_pixels_or_were_clicked_are_points() -> None:
    stairs = [0, 0, 4, 0, 4, 4, 8, 4, 8, 8, 12, 8, 12, 12, 0, 12]
    clicked = [2, 2, 12, 2, 17, 7, 17, 12, 12, 17, 2, 17, 1, 9, 1, 5]
    for polygon in (stairs, clicked):
        np.testing.assert_array_equal(drawn([polygon], H, W), filled(polygon, H, W))


def test_specks_beside_the_subject_cost_nothing(tmp_path: Path) -> None:
    mark = square(1)
    mark["segmentation"] = [*mark["segmentation"], [3, 3], [3, 3, 4, 4]]
    found = open_coco(write(tmp_path / "m.json", document(["1.png"], [mark])), EVERY).read(1)
    plain = open_coco(write(tmp_path / "n.json", document(["1.png"], [square(1)])), EVERY).read(1)
    assert found is not None
    assert plain is not None
    np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"shapes": []}, "expected COCO's JSON with images, annotations"),
        ([], "expected COCO's JSON"),
        (document(["1.png"], [{"image_id": 1, "bbox": [0, 0, 1, 1]}]), "none of this camera's 1 images has a segm"),
        (document(["1.png", "2.png"], [{"segmentation": [[1]]}]), "lacks 'image_id'"),
        (document(["a/1.png", "b/1.png"], [square(1)]), "both carry frame number 1"),
        (document(["1.png"], [{"image_id": 1, "segmentation": [[1, 2, 3]]}]), "1.png: segm.*three corners"),
        (document(["1.png"], [{**square(1), "image_id": "1"}]), "image_id '1', the first image's id is 1"),
        (document(["1.png"], [square(1, left=30)]), "1.png: .*x from 30 to 35.* show nothing .*30x20"),
        (document(["1.png"], [{"image_id": 1, "segmentation": [[0.1, 0.2, 0.4, 0.2, 0.4, 0.6]]}]), "shares of its si"),
        (document(["1.png"], [{"image_id": 1, "segmentation": {"size": [30, 20], "counts": [600]}}]), "1.png: .*size"),
        (document(["1.png"], [{"image_id": 1, "segmentation": {"size": [20, 30], "counts": [6]}}]), "runs of 600"),
        (document(["1.png"], [{"image_id": 1, "segmentation": {"size": [20, 30], "counts": "c2o"}}]), "within a numb"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: object, words: str) -> None:
    path = write(tmp_path / "m.json", content)
    with pytest.raises(MaskError, match=words):
        open_coco(path, EVERY).read(1)


def test_shares_of_the_sides_that_hold_the_middle_of_a_pixel(tmp_path: Path) -> None:
    """Of a subject in the middle of its image one pixel would be left."""
    mark = {"image_id": 1, "segmentation": [[0.3, 0.2, 0.8, 0.2, 0.8, 0.9, 0.3, 0.9]]}
    stack = open_coco(write(tmp_path / "m.json", document(["1.png"], [mark])), EVERY)
    with pytest.raises(MaskError, match="shares of its sides"):
        stack.read(1)


def runs(mask: np.ndarray, order: Literal["C", "F"]) -> dict[str, Any]:
    flat = mask.ravel(order)
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


BOX = [4, 3, 13, 6]  # of `box`, x y width height


@pytest.mark.parametrize(
    "segmentation",
    [
        runs(box(), "C"),  # along the rows
        [[3, 4, 9, 4, 9, 17, 3, 17]],  # x and y exchanged
        [[13.3, 15, 56.7, 15, 56.7, 45, 13.3, 45]],  # per cent
        [[8, 6, 30, 6, 30, 18, 8, 18]],  # of an image of twice the size
    ],
)
def test_a_segmentation_that_lies_elsewhere_than_its_box(tmp_path: Path, segmentation: object) -> None:
    marks = [{"image_id": k, "segmentation": segmentation, "bbox": BOX} for k in (1, 2, 3)]
    with pytest.raises(MaskError, match=r"1\.png: the segmentation covers x .* its bbox says .*3 of 3 looked at"):
        open_coco(write(tmp_path / "m.json", document(["1.png", "2.png", "3.png"], marks)), EVERY)


@pytest.mark.parametrize("bbox", [BOX, [4, 3, 17, 9], [10.5, 6, 13, 6], [0, 0, 0, 0], [0.1, 0.1, 0.4, 0.3], None, "x"])
def test_boxes_that_tools_write_are_no_contradiction(tmp_path: Path, bbox: object) -> None:
    marks = [{"image_id": k, "segmentation": runs(box(), "F"), "bbox": bbox} for k in (1, 2, 3)]
    if bbox == BOX:
        marks[1]["bbox"] = [20, 12, 5, 5]  # one of three, drawn by hand
    stack = open_coco(write(tmp_path / "m.json", document(["1.png", "2.png", "3.png"], marks)), EVERY)
    np.testing.assert_array_equal(stack.read(2), box() * np.uint8(255))


def test_cameras_joined_with_their_own_ids_are_refused(tmp_path: Path) -> None:
    """One camera's masks would be another's, too."""
    content = document(["cam1/1.png", "cam2/1.png"], [square(1)])
    content["images"][1]["id"] = 1
    with pytest.raises(MaskError, match=r"two images have the id 1: cam1/1\.png and cam2/1\.png"):
        open_coco(write(tmp_path / "m.json", content), lambda name: "cam2" in name)


def test_images_of_several_sizes(tmp_path: Path) -> None:
    content = document(["1.png", "2.png"], [square(1), square(2)])
    content["images"][1]["width"] = 99
    with pytest.raises(MaskError, match="several sizes: 30x20, 99x20"):
        open_coco(write(tmp_path / "m.json", content), EVERY)
