"""Masks as tools leave them beside a recording: found by `init`, read by frame number, one seam for all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mouselift.capture.capture import load_capture
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import Discovery, discover
from mouselift.capture.mask_files import carries
from mouselift.capture.source import CaptureSource
from mouselift.errors import MaskError
from sleap_labels import sleap_labels

Paint = Callable[[str, int], np.ndarray]


def shape(truth, name: str, number: int) -> np.ndarray:
    """A mask that tells camera and frame: its width and its top."""
    camera = next(c for c in truth if c.name == name)
    out = np.zeros((camera.height, camera.width), dtype=bool)
    out[10 + [c.name for c in truth].index(name) : 40, 20 : 30 + number] = True
    return out


def check(found: Discovery, truth, frames: range = range(12), objects: dict[str, int | str] | None = None) -> None:
    """Every camera's masks, by way of a written capture.toml."""
    file = found.folder / "capture.toml"
    write_capture_toml(file, found.spec, force=True)
    if objects:
        text = file.read_text()
        for name, chosen in objects.items():
            line = f'name = "{name}"\n'
            text = text.replace(line, line + f"mask_object = {json.dumps(chosen)}\n")
        file.write_text(text)
    source = CaptureSource(load_capture(file))
    for views in source.read([0, 3, 11, 5]):
        for name, view in zip(source.cameras, views.views, strict=True):
            if views.frame in frames:
                np.testing.assert_array_equal(view.mask, 255 * shape(truth, name, views.frame).astype(np.uint8))
            else:
                assert view.mask is None
    source.close()


@pytest.mark.parametrize("key", ["{}", "masks_{}", "{}_masks"])
def test_one_file_of_arrays_for_all_cameras(recording: Path, truth, key: str) -> None:
    (recording / "masks").mkdir()
    stacks = {c.name: np.stack([shape(truth, c.name, n) for n in range(12)]) for c in truth}
    arrays: dict[str, Any] = {key.format(name): stack for name, stack in stacks.items()}
    np.savez_compressed(recording / "masks/all.npz", **arrays)
    found = discover(recording)
    assert [entry.mask for entry in found.spec.cameras] == [recording / "masks/all.npz"] * len(truth)
    check(found, truth)


@pytest.mark.parametrize("layout", ["{}.npy", "{}.npz", "{}/masks.npz", "sam2_{}_masks.npz"])
def test_arrays(recording: Path, truth, layout: str) -> None:
    for camera in truth:
        path = recording / "masks" / layout.format(camera.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        stack = np.stack([shape(truth, camera.name, n) for n in range(12)])
        np.save(path, stack) if path.suffix == ".npy" else np.savez_compressed(path, masks=stack)
    found = discover(recording)
    assert "1 is the subject" in "\n".join(found.found)
    assert found.left == ()
    check(found, truth)


def test_arrays_of_another_length_are_refused(recording: Path, truth) -> None:
    (recording / "masks").mkdir()
    for camera in truth:
        np.save(recording / f"masks/{camera.name}.npy", np.stack([shape(truth, camera.name, n) for n in range(11)]))
    with pytest.raises(MaskError, match=r"has 11 frames, its images \(0.mp4\) have 12"):
        check(discover(recording), truth)


def test_arrays_of_several_objects_ask(recording: Path, truth) -> None:
    (recording / "masks").mkdir()
    for camera in truth:
        one = np.stack([shape(truth, camera.name, n) for n in range(12)])
        arrays = {"1": one, "2": ~one}
        np.savez(recording / f"masks/{camera.name}.npz", **arrays)  # pyright: ignore[reportArgumentType]
    found = discover(recording)
    (asked,) = [line for line in found.found if "TO DECIDE" in line and "Camera1.npz" in line]
    assert "several objects: 1, 2; which of these is the subject? Say mask_object = 1" in asked
    with pytest.raises(MaskError, match="holds several objects: 1, 2"):
        check(found, truth)
    check(found, truth, objects={c.name: 1 for c in truth})


def coco(truth, names: dict[str, str], frames: range) -> dict[str, object]:
    """Uncompressed run lengths; names: a pattern of `file_name` a camera."""
    images, marks = [], []
    for name, pattern in names.items():
        for number in frames:
            mask = shape(truth, name, number)
            flat = mask.T.ravel()
            edges = np.flatnonzero(np.diff(flat)) + 1
            counts = np.diff(np.array([0, *edges, flat.size])).tolist()
            size = {"height": mask.shape[0], "width": mask.shape[1]}
            images.append({"id": len(images), "file_name": pattern.format(number), **size})
            segmentation = {"size": list(mask.shape), "counts": counts}
            marks.append({"id": len(marks), "image_id": len(marks), "category_id": 1, "segmentation": segmentation})
    return {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "mouse"}]}


@pytest.mark.parametrize("pattern", ["{}/frame_{{:06d}}.PNG", "mouse_{}_{{:06d}}.png"])
@pytest.mark.parametrize("place", ["annotations/instances_default.json", "masks/mice.json", "export.coco.json"])
def test_one_coco_file_of_all_cameras(recording: Path, truth, pattern: str, place: str) -> None:
    (recording / place).parent.mkdir(exist_ok=True)
    patterns = {c.name: pattern.format(c.name) for c in truth}
    (recording / place).write_text(json.dumps(coco(truth, patterns, range(12))))
    found = discover(recording)
    assert f"Masks: {place}" in found.found
    assert "COCO annotations of 'mouse' in 12 of 12 images" in "\n".join(found.found)
    check(found, truth)


def test_a_camera_of_which_nothing_is_annotated_leaves_the_others_theirs(recording: Path, truth) -> None:
    """Before, the whole file was left aside."""
    (recording / "masks").mkdir()
    content = coco(truth, {c.name: f"{c.name}/{{:06d}}.png" for c in truth}, range(12))
    content["annotations"] = [m for m in content["annotations"] if m["image_id"] >= 12]  # type: ignore[union-attr]
    (recording / "masks/mice.json").write_text(json.dumps(content))
    found = discover(recording)
    first = truth[0]
    assert [entry.name for entry in found.spec.cameras if entry.mask is None] == [first.name]
    assert f"masks/mice.json: {first.name}: none of this camera's 12 images has a segmentation" in found.left
    assert f"none for {first.name}" in "\n".join(found.found)


def test_a_coco_file_a_camera_some_images_not_annotated(recording: Path, truth) -> None:
    for camera in truth:
        (recording / f"masks/{camera.name}").mkdir(parents=True)
        content = coco(truth, {camera.name: "frame_{:06d}.png"}, range(12))
        content["annotations"] = [m for m in content["annotations"] if m["image_id"] < 4]  # type: ignore[union-attr]
        (recording / f"masks/{camera.name}/instances.json").write_text(json.dumps(content))
    found = discover(recording)
    assert "in 4 of 12 images; the others count as without a mask" in "\n".join(found.found)
    check(found, truth, range(4))


@pytest.mark.parametrize("place", ["masks/{}/annotations/instances_default.json", "masks/{}/export/coco.json"])
def test_an_export_unpacked_for_each_camera(recording: Path, truth, place: str) -> None:
    """Its file lies in a folder of its own, and the images' names hold the frame alone."""
    for camera in truth:
        path = recording / place.format(camera.name)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(coco(truth, {camera.name: "{:06d}.png"}, range(12))))
    check(discover(recording), truth)


def pngs(recording: Path, truth, pattern: str, offset: int = 0, invert: bool = False) -> None:
    for camera in truth:
        for number in range(12):
            path = recording / pattern.format(camera=camera.name, number=number + offset)
            path.parent.mkdir(parents=True, exist_ok=True)
            mask = shape(truth, camera.name, number)
            assert cv2.imwrite(str(path), (~mask if invert else mask) * np.uint8(255))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize(
    "pattern",
    [
        "masks/{camera}/frame_{number:06d}_mask.png",
        "masks/{camera}/{number}_{camera}.png",
        "masks/mouse_{camera}_{number:06d}.png",  # all cameras in one folder
        "masks/{number:06d}.{camera}.mask.png",
        "masks/{camera}/obj1/{number:05d}.png",
        "masks/obj1/{camera}/{number:05d}.png",
    ],
)
def test_names_of_pngs(recording: Path, truth, pattern: str, offset: int) -> None:
    pngs(recording, truth, pattern, offset)
    check(discover(recording), truth)


@pytest.mark.parametrize("objects", [("001", "002"), ("mouse", "ball"), ("obj1", "obj2")])
def test_a_folder_an_object(recording: Path, truth, objects: tuple[str, str]) -> None:
    pngs(recording, truth, f"masks/{{camera}}/{objects[0]}/{{number:05d}}.png")
    pngs(recording, truth, f"masks/{{camera}}/{objects[1]}/{{number:05d}}.png", invert=True)
    found = discover(recording)
    asked = "\n".join(line for line in found.found if "TO DECIDE" in line)
    assert f"several folders of masks: {', '.join(sorted(objects))}; which of these is the subject" in asked
    check(found, truth, objects={c.name: objects[0] for c in truth})


@pytest.mark.parametrize("place", ["masks/labels.slp", "sleap_masks.slp"])
def test_sleap_counts_from_0(recording: Path, truth, place: str) -> None:
    """Of frames 3 and 5 only: PNGs so numbered would be asked about, SLEAP's frames are places."""
    (recording / place).parent.mkdir(exist_ok=True)
    masks = [
        {"video": video, "frame_idx": number, "mask": shape(truth, camera.name, number)}
        for number in (3, 5)
        for video, camera in enumerate(truth)
    ]
    sleap_labels(recording / place, masks, tuple(f"/lab/mouse7/{camera.name}/0.mp4" for camera in truth))
    found = discover(recording)
    assert "SLEAP's masks of 'mask' in 2 of 2 images" in "\n".join(found.found)
    file = recording / "capture.toml"
    write_capture_toml(file, found.spec)
    source = CaptureSource(load_capture(file))
    for views in source.read([2, 3, 4, 5, 6]):
        for name, view in zip(source.cameras, views.views, strict=True):
            expected = 255 * shape(truth, name, views.frame).astype(np.uint8)
            if views.frame in (3, 5):
                np.testing.assert_array_equal(view.mask, expected)
            else:
                assert view.mask is None
    source.close()


def test_what_cannot_be_read_is_left_with_its_reason(recording: Path, truth) -> None:
    (recording / "masks").mkdir()
    np.save(recording / "masks/Camera1.npy", np.zeros((12, 5, 7), dtype=np.float32))
    np.save(recording / "masks/overview.npy", np.zeros((12, 5, 7), dtype=bool))
    (recording / "masks/Camera2.slp").write_bytes(b"\x89HDF")
    (recording / "masks/Camera3.json").write_text('{"version": "5.0", "shapes": []}')
    faulty = coco(truth, {c.name: f"{c.name}/{{}}.png" for c in truth}, range(2))
    for mark in faulty["annotations"]:  # type: ignore[attr-defined]
        del mark["category_id"]
    (recording / "masks/all.json").write_text(json.dumps(faulty))
    left = "\n".join(discover(recording).left)
    assert "masks/all.json: an image or annotation of this COCO file lacks 'category_id'" in left
    assert "masks/Camera1.npy: array masks: expected bool or whole numbers, got float32; save masks > 0" in left
    assert "masks/overview.npy: carries no camera's name" in left
    assert "masks/Camera2.slp: " in left
    assert "masks/Camera3.json: " in left


def test_which_camera_a_name_inside_carries() -> None:
    for name, inside, expected in (
        ("Camera1", "Camera1/000012.png", True),
        ("Camera1", "mouse_Camera1_000012.png", True),
        ("Camera1", "Camera10/000001.png", False),
        ("1", "000001.png", False),
        ("1", "1.png", False),  # a frame
        ("1", "1/000012.png", True),
        ("1", "cam1_000012.png", True),
        ("left", "set\\Left_000012.png", True),
        ("left", "leftover_000012.png", False),
    ):
        assert carries((name,), inside) is expected, (name, inside)


@pytest.mark.parametrize(("change", "words"), [("half", r"Scaled\? .*fx=2"), ("turned", "Rows and columns exchanged")])
def test_masks_of_another_size_say_what_was_done(recording: Path, truth, change: str, words: str) -> None:
    (recording / "masks").mkdir()
    for camera in truth:
        stack = np.stack([shape(truth, camera.name, n) for n in range(12)])
        np.save(
            recording / f"masks/{camera.name}.npy", stack[:, ::2, ::2] if change == "half" else stack.swapaxes(1, 2)
        )
    write_capture_toml(recording / "capture.toml", discover(recording).spec)
    with pytest.raises(MaskError, match=words):
        CaptureSource(load_capture(recording))


@pytest.mark.parametrize(
    "place", ["masks/{}/mask_{:05d}.npy", "masks/{}/mask_data/{}_{:05d}.npy", "masks/{}_{:05d}.npy"]
)
@pytest.mark.parametrize("kind", [bool, np.uint16])
def test_a_file_of_an_array_a_frame(recording: Path, truth, place: str, kind: type) -> None:
    """As Grounded SAM 2 saves label maps; a folder a camera, or all in one."""
    for camera in truth:
        for number in range(12):
            path = recording / place.format(*[camera.name] * (place.count("{}")), number)
            path.parent.mkdir(parents=True, exist_ok=True)
            mask = shape(truth, camera.name, number).astype(kind)
            np.save(path, mask[None] if number % 2 else mask)
    found = discover(recording)
    assert "one .npy a frame, 12 frames numbered 0 to 11" in "\n".join(found.found)
    assert found.left == ()
    check(found, truth)


def test_many_files_are_left_in_one_line(recording: Path, truth) -> None:
    for camera in truth:
        (recording / f"masks/{camera.name}").mkdir(parents=True)
        for number in range(12):
            np.save(recording / f"masks/{camera.name}/{number:04d}.npy", np.zeros((2, 3, 4, 5), dtype=np.float32))
    left = discover(recording).left
    assert len(left) == len(truth)
    assert "0002.npy, ... and 9 more" in left[0] or "0002.npy and 9 more" in left[0]
    np.save(recording / f"masks/{truth[0].name}.npy", shape(truth, truth[0].name, 0))
    assert any("expected all frames of a camera, [T, h, w], or a folder" in line for line in discover(recording).left)
    np.save(recording / f"masks/{truth[1].name}.npy", shape(truth, truth[1].name, 0))
    assert any("this name holds the camera's alone" in line for line in discover(recording).left)
