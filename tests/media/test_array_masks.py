"""Masks in .npy and .npz: every layout that SAM 2 and XMem scripts save, a frame at a time, never unpickled."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mouselift.errors import MaskError
from mouselift.media.array_masks import open_arrays
from mouselift.media.mask_stack import MaskStack

T, H, W = 9, 20, 30


def masks(shift: int = 0) -> np.ndarray:
    """[T, h, w] bool, each frame unlike the others, and not symmetric."""
    out = np.zeros((T, H, W), dtype=bool)
    for t in range(T):
        out[t, 3 + shift : 9 + shift, t : t + 5] = True
    return out


def save(path: Path, arrays: Mapping[str, np.ndarray], deflated: bool = True) -> Path:
    (np.savez_compressed if deflated else np.savez)(path, **dict(arrays))  # pyright: ignore[reportArgumentType]
    return path


def check(stack: MaskStack, expected: np.ndarray, numbers: list[int] | None = None) -> None:
    assert (stack.height, stack.width) == (H, W)
    wanted = numbers or list(range(len(expected)))
    assert sorted(stack.numbers) == wanted
    for number in [*wanted, *reversed(wanted), wanted[3]]:  # streams go back too
        np.testing.assert_array_equal(stack.read(number), expected[wanted.index(number)])
    assert stack.read(max(wanted) + 1) is None


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16, np.int64, np.dtype(">u2")])
@pytest.mark.parametrize("form", ["npy", "fortran", "stored", "deflated"])
def test_one_stack(tmp_path: Path, kind: type, form: str) -> None:
    array = masks().astype(kind)
    path = tmp_path / ("m.npz" if form in ("stored", "deflated") else "m.npy")
    if path.suffix == ".npz":
        save(path, {"scores": np.zeros(T), "masks": array}, form == "deflated")
    else:
        np.save(path, np.asfortranarray(array) if form == "fortran" else array)
    stack = open_arrays(path)
    assert stack.positional
    assert stack.question is None
    check(stack, masks())
    assert "scores" in stack.words or path.suffix == ".npy"
    check(pickle.loads(pickle.dumps(stack)), masks())


@pytest.mark.parametrize("deflated", [False, True])
def test_objects_are_asked_about(tmp_path: Path, deflated: bool) -> None:
    path = save(tmp_path / "m.npz", {"mouse": masks(), "3": masks(2)}, deflated)
    question = open_arrays(path).question
    assert question is not None
    assert 'holds several objects: mouse, 3; which of these is the subject? Say mask_object = "mouse"' in question
    check(open_arrays(path, "mouse"), masks())
    check(open_arrays(path, 3), masks(2))
    with pytest.raises(MaskError, match="mask_object = 'rat' is not among its objects: mouse, 3"):
        open_arrays(path, "rat")


@pytest.mark.parametrize("deflated", [False, True])
def test_objects_along_an_axis(tmp_path: Path, deflated: bool) -> None:
    path = save(tmp_path / "m.npz", {"masks": np.stack([masks(), masks(2)], axis=1)}, deflated)
    question = open_arrays(path).question
    assert question is not None
    assert "counted from 0: 0, 1" in question
    check(open_arrays(path, 1), masks(2))
    np.save(tmp_path / "one.npy", masks()[:, None])
    check(open_arrays(tmp_path / "one.npy"), masks())


@pytest.mark.parametrize("shape", ["hw", "1hw", "1,1,hw", "nhw"])
def test_an_array_a_frame(tmp_path: Path, shape: str) -> None:
    """Frames that were not made are gaps."""
    numbers = [4, 5, 6, 9, 10, 11, 20, 21, 22]
    frames = [np.stack([m, n]) for m, n in zip(masks(), masks(2), strict=True)]
    if shape != "nhw":
        frames = [f[0].reshape({"hw": (H, W), "1hw": (1, H, W), "1,1,hw": (1, 1, H, W)}[shape]) for f in frames]
    path = save(tmp_path / "m.npz", {f"frame_{n:05d}": f for n, f in zip(numbers, frames, strict=True)})
    stack = open_arrays(path)
    assert not stack.positional
    assert not stack.complete
    if shape == "nhw":
        assert stack.question is not None
        check(open_arrays(path, 1), masks(2), numbers)
    check(open_arrays(path, 0) if shape == "nhw" else stack, masks(), numbers)
    assert stack.read(7) is None
    check(pickle.loads(pickle.dumps(stack)), masks(), numbers)


def test_frame_numbers_beside_the_masks(tmp_path: Path) -> None:
    numbers = [*range(8), 30]
    path = save(tmp_path / "m.npz", {"masks": masks(), "frame_idx": np.array(numbers), "area": np.arange(T)})
    stack = open_arrays(path)
    assert not stack.positional
    check(stack, masks(), numbers)
    assert stack.words.endswith("numbered by frame_idx; not used: area")


@pytest.mark.parametrize("deflated", [True, False])
def test_frame_numbers_in_any_order(tmp_path: Path, deflated: bool) -> None:
    """As a tracker that goes back saves them; by name, so that areas a frame are no numbers."""
    order = np.random.default_rng(0).permutation(T)
    arrays = {"masks": masks()[order], "frame_indices": order, "frame_area": order[::-1].copy()}
    check(open_arrays(save(tmp_path / "m.npz", arrays, deflated)), masks(), list(range(T)))


ORDER = np.r_[5:T, 4:-1:-1]  # of a tracker that starts in the middle and goes both ways


@pytest.mark.parametrize(
    "numbers", [ORDER.astype(float), ORDER[:, None], np.array([f"{k:05d}.jpg" for k in ORDER]), ORDER.astype("S")]
)
def test_frame_numbers_of_any_type(tmp_path: Path, numbers: np.ndarray) -> None:
    """What is no row of whole numbers was left aside, and the masks were taken in the file's order."""
    stack = open_arrays(save(tmp_path / "m.npz", {"masks": masks()[ORDER], "frame_idx": numbers}))
    check(stack, masks(), list(range(T)))


@pytest.mark.parametrize("name", ["t", "indices", "image_ids", "video_frames", "order"])
def test_an_order_of_any_name_is_asked_about(tmp_path: Path, name: str) -> None:
    with pytest.raises(MaskError, match=f"array {name} counts the masks from 1 to 9 in another order"):
        open_arrays(save(tmp_path / "m.npz", {"masks": masks()[ORDER], name: ORDER + 1}))
    check(open_arrays(save(tmp_path / "n.npz", {"masks": masks(), name: np.arange(T)})), masks())


@pytest.mark.parametrize(
    ("numbers", "said"), [(np.arange(T + 1), "10 frame numbers for 9 masks"), (np.zeros(T, dtype=int), "each once")]
)
def test_frame_numbers_that_do_not_fit_are_refused(tmp_path: Path, numbers: np.ndarray, said: str) -> None:
    with pytest.raises(MaskError, match=said):
        open_arrays(save(tmp_path / "m.npz", {"masks": masks(), "frame_ids": numbers}))


def test_what_scripts_save_beside_masks_is_not_read(tmp_path: Path) -> None:
    """SAM's boxes and scores, the images themselves, logits of a lower resolution, points."""
    beside = {
        "boxes": np.zeros((T, 4), dtype=np.int64),
        "scores": np.zeros((T, 1)),
        "images": np.zeros((T, H, W, 3), dtype=np.uint8),
        "low_res_logits": np.zeros((T, 8, 8), dtype=np.float32),
        "points": np.zeros((T, 17), dtype=np.int64),
    }
    stack = open_arrays(save(tmp_path / "m.npz", {"masks": masks(), **beside}))
    check(stack, masks())
    assert all(name in stack.words.split("; not used: ")[1] for name in beside)
    with pytest.raises(MaskError, match="masks: expected bool or whole numbers, got float32"):
        open_arrays(save(tmp_path / "f.npz", {"masks": masks().astype(np.float32), "scores": beside["scores"]}))


def test_labels_stay(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", masks().astype(np.int32) * 2)
    frame = open_arrays(tmp_path / "m.npy").read(2)
    assert frame is not None
    assert set(np.unique(frame)) == {0, 2}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (masks().astype(np.float32), r"expected bool or whole numbers, got float32; save masks > 0 of logits"),
        (masks()[..., None], r"got shape \[9, 20, 30, 1\]: move the last axis"),
        (masks()[0], "expected a name that ends|one mask of shape"),
        (np.zeros(4, bool), r"expected masks, \[T, h, w\]; holds  \[4\]"),
        (np.array({"a": masks()}, dtype=object), "pickled objects, which may run code"),
        (masks().astype(np.int16) * 300, "got 0 to 300; save labels as uint16"),
        (masks().astype(np.int8) * -1, "got -1 to 0"),
    ],
)
def test_what_is_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    for path in (tmp_path / "m.npy", tmp_path / "m.npz"):
        if path.suffix == ".npy":
            np.save(path, array)
        else:
            save(path, {"": array})
        with pytest.raises(MaskError, match=words):
            open_arrays(path).read(2)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return Path.write_text, (tmp_path / "exploded", "")  # type: ignore[return-value]

    bomb = np.empty(1, dtype=object)
    bomb[0] = Bomb()
    np.save(tmp_path / "m.npy", bomb)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps({1: 2}))
    for name in ("m.npy", "raw.npy"):
        with pytest.raises(MaskError, match=r"pickled objects|cannot be read as NumPy's"):
            open_arrays(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("deflated", [False, True])
def test_damage_is_named(tmp_path: Path, deflated: bool) -> None:
    path = save(tmp_path / "m.npz", {"masks": np.random.default_rng(0).integers(0, 2, (T, H, W), np.uint8)}, deflated)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MaskError, match=r"cannot be read as NumPy's \.npz"):
        open_arrays(path)
    if deflated:
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
        path.write_bytes(data)
        stack = open_arrays(path)
        with pytest.raises(MaskError, match=r"frame \d: array masks.npy: damaged"):
            stack.read(T - 1)
    np.save(tmp_path / "m.npy", masks())
    (tmp_path / "m.npy").write_bytes((tmp_path / "m.npy").read_bytes()[:-5])
    with pytest.raises(MaskError, match="its header says"):
        open_arrays(tmp_path / "m.npy")


@pytest.mark.parametrize("form", ["npy", "stored", "deflated"])
def test_memory_does_not_grow_with_the_recording(tmp_path: Path, form: str) -> None:
    """A recording of 64 MB is read with less than 4 MB at a time."""
    long = np.zeros((250, 400, 640), dtype=bool)
    long[:, 100:150, 200:280] = True
    path = tmp_path / ("m.npy" if form == "npy" else "m.npz")
    if form == "npy":
        np.save(path, long)
    else:
        save(path, {"masks": long}, form == "deflated")
    del long
    tracemalloc.start()
    stack = open_arrays(path)
    for number in range(0, 250, 10):
        frame = stack.read(number)
        assert frame is not None
        assert frame.sum() == 50 * 80
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
