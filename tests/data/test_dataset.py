"""The dataset: tensors, cameras that fit them, choices of views, randomness, and errors with names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mouselift.calibration.facelift import read_cameras_json
from mouselift.data import dataset as dataset_module
from mouselift.data.dataset import MultiViewDataset, Shuffled, ViewChoice, batches
from mouselift.data.moves import Augmentation, ColourGains
from mouselift.data.sample import SampleTensors, collate
from mouselift.dataset.layout import find_samples, split_samples
from mouselift.errors import DatasetError
from mouselift.media.png import read_png

Marked = tuple[Path, np.ndarray]
FULL = Augmentation(25.0, (0.8, 1.25), False, 0.2, 0.2, 0.2)


def off_by(sample: SampleTensors, point: np.ndarray) -> float:
    """Pixels, worst view: the mark's centroid in alpha against its projection by the sample's own tensors."""
    T_cam_world = torch.linalg.inv(sample.c2w.double())
    X = T_cam_world[:, :3, :3] @ torch.from_numpy(point) + T_cam_world[:, :3, 3]
    fx, fy, cx, cy = sample.fxfycxcy.double().T
    projected = torch.stack([fx * X[:, 0] / X[:, 2] + cx, fy * X[:, 1] / X[:, 2] + cy], dim=1)
    alpha = sample.image[:, 3].double()
    x, y = torch.arange(alpha.shape[2]) + 0.5, torch.arange(alpha.shape[1]) + 0.5
    total = alpha.sum(dim=(1, 2))
    centroid = (
        torch.stack([(alpha.sum(dim=1) * x).sum(dim=1), (alpha.sum(dim=2) * y).sum(dim=1)], dim=1) / total[:, None]
    )
    return float((centroid - projected).norm(dim=1).max())


@pytest.mark.parametrize("size", [None, 48, 64, 61, 144])
@pytest.mark.parametrize("augment", [None, FULL])
def test_images_belong_to_their_cameras(marked_dataset: Marked, size: int | None, augment: Augmentation | None) -> None:
    root, points = marked_dataset
    dataset = MultiViewDataset(root, size=size, augment=augment)
    for place, point in enumerate(points):
        sample = dataset[place]
        assert sample.image.shape == (4, 4, size or 96, size or 96)
        assert off_by(sample, point) < 0.05
        K = sample.fxfycxcy
        for fault in (K + torch.tensor([0, 0, 0.5, 0.5]), K * 1.01):
            assert off_by(replace(sample, fxfycxcy=fault), point) > 0.2
        flipped = sample.c2w.clone()
        flipped[:, :3, :3] = flipped[:, :3, :3].mT.clone()
        assert not off_by(replace(sample, c2w=flipped), point) < 0.2


def test_a_resize_without_the_camera_is_noticed(marked_dataset: Marked, monkeypatch: pytest.MonkeyPatch) -> None:
    root, points = marked_dataset

    def forgetful(camera, width, height):  # the image shrinks, fx .. cy stay
        return replace(camera, width=width, height=height)

    sample = MultiViewDataset(root, size=48)[0]
    kept = MultiViewDataset(root)[0].fxfycxcy
    assert off_by(replace(sample, fxfycxcy=kept), points[0]) > 5
    monkeypatch.setattr(dataset_module, "resized", forgetful)
    window = MultiViewDataset(root, size=48)[0]  # such a camera sees a window, and gets the pixels of that window
    assert (window.fxfycxcy == kept).all()
    assert not torch.allclose(window.image, sample.image, atol=0.1)


def test_values_and_background(marked_dataset: Marked) -> None:
    root, _ = marked_dataset
    white, dark = MultiViewDataset(root)[1], MultiViewDataset(root, background=(0.0, 0.25, 0.5))[1]
    for sample, colour in ((white, (1.0, 1.0, 1.0)), (dark, (0.0, 0.25, 0.5))):
        assert sample.image.min() >= 0
        assert sample.image.max() <= 1
        assert sample.background.tolist() == list(colour)
        alpha = sample.image[:, 3:]
        assert (alpha == 0).any()
        for channel, level in enumerate(colour):
            assert (sample.image[:, channel][alpha[:, 0] == 0] == level).all()
    stored = read_png(root / "sample_000001/images/cam_002.png") / 255.0
    expected = stored[..., :3] * stored[..., 3:] + (1 - stored[..., 3:])
    np.testing.assert_allclose(white.image[2, :3].permute(1, 2, 0), expected, rtol=0, atol=1e-6)
    assert white.views == ("cam0", "cam1", "cam2", "cam3")
    assert white.index.tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]


def test_unchanged_cameras_are_the_files_own(marked_dataset: Marked) -> None:
    root, _ = marked_dataset
    sample = MultiViewDataset(root)[0]
    views, _ = read_cameras_json(root / "sample_000000/opencv_cameras.json")
    for k, view in enumerate(views):
        c = view.camera
        np.testing.assert_allclose(sample.fxfycxcy[k], [c.fx, c.fy, c.cx, c.cy], rtol=1e-7)
        np.testing.assert_allclose(sample.c2w[k], np.linalg.inv(c.T_cam_world), rtol=0, atol=1e-6)


def test_draws_depend_on_seed_epoch_and_index_only(marked_dataset: Marked) -> None:
    root, _ = marked_dataset
    choice = ViewChoice(inputs=2, views=3, draw="random")
    dataset = MultiViewDataset(root, augment=FULL, views=choice, seed=5)
    first = [dataset[k] for k in range(3)]
    backwards = [dataset[k] for k in (2, 1, 0)][::-1]
    again = MultiViewDataset(root, augment=FULL, views=choice, seed=5)
    for a, b, c in zip(first, backwards, [again[k] for k in range(3)], strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.image, c.image)
        assert torch.equal(a.inputs, c.inputs)
    dataset.set_epoch(1)
    assert not torch.equal(dataset[0].image, first[0].image)
    assert not torch.equal(MultiViewDataset(root, augment=FULL, views=choice, seed=6)[0].image, first[0].image)


def test_the_world_turns_with_all_cameras_and_no_pixel(marked_dataset: Marked) -> None:
    """Relative poses stay, up stays, and every sample and epoch has its own angle."""
    plain = MultiViewDataset(marked_dataset[0])
    turned = MultiViewDataset(marked_dataset[0], augment=Augmentation(world_turn=True), seed=3)
    moved = []
    for place, epoch in ((0, 0), (1, 0), (0, 1)):
        a, b = plain.sample(place, epoch), turned.sample(place, epoch)
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.fxfycxcy, b.fxfycxcy)
        torch.testing.assert_close(b.c2w[0].inverse() @ b.c2w, a.c2w[0].inverse() @ a.c2w, rtol=0, atol=1e-5)
        torch.testing.assert_close(b.c2w[:, 2], a.c2w[:, 2], rtol=0, atol=1e-6)
        moved.append(b.c2w[0] @ a.c2w[0].inverse())
    assert not any(torch.allclose(one, other, atol=1e-3) for one, other in ((moved[0], moved[1]), (moved[0], moved[2])))
    assert not torch.allclose(moved[0], torch.eye(4), atol=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_in_every_epoch(marked_dataset: Marked, workers: int) -> None:
    root, _ = marked_dataset
    dataset = MultiViewDataset(root, size=32, augment=FULL, seed=3)
    alone = MultiViewDataset(root, size=32, augment=FULL, seed=3)
    loader = batches(dataset, 2, shuffle=True, workers=workers)
    epochs = (0, 3, 4)
    for epoch in epochs:
        dataset.set_epoch(epoch)
        alone.set_epoch(epoch)
        places = []
        for batch in loader:
            for row in range(len(batch)):
                place = int(batch.index[row, 0, 1])
                places.append(place)
                assert torch.equal(batch.image[row], alone[place].image)
        assert places == list(Shuffled(alone))
        assert sorted(places) == [0, 1, 2]


def test_every_epoch_has_its_order(marked_dataset: Marked) -> None:
    folder = marked_dataset[0] / "sample_000000"
    dataset = MultiViewDataset([folder] * 20, seed=3)
    orders = []
    for epoch in (0, 1, 2, 1):
        dataset.set_epoch(epoch)
        orders.append(tuple(Shuffled(dataset)))
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len(set(orders)) == 3
    assert orders[1] == orders[3]


def test_input_and_target_views() -> None:
    names = [f"cam{k}" for k in range(6)]
    rng = np.random.default_rng(0)
    everything = ViewChoice().choose(names, rng)
    assert everything.inputs == everything.targets == everything.loaded == (0, 1, 2, 3, 4, 5)
    some = ViewChoice(inputs=4, targets="others").choose(names, rng)
    assert (some.inputs, some.targets) == ((0, 1, 2, 3), (4, 5))
    named = ViewChoice(inputs=("cam5", "cam1"), views=3).choose(names, rng)
    assert (named.loaded, named.inputs) == ((0, 1, 5), (1, 2))
    training = ViewChoice(inputs=4, held_out=("cam2",)).choose(names, rng)
    assert (training.loaded, training.held_out) == ((0, 1, 3, 4, 5), (False,) * 5)
    compared = ViewChoice(inputs=("cam5", "cam1"), targets=("cam1", "cam0")).choose(names, rng)
    assert (compared.loaded, compared.inputs, compared.targets) == ((0, 1, 5), (1, 2), (0, 1))
    drawn = [ViewChoice(inputs=2, draw="random", targets=("cam3", "cam0")).choose(names, rng) for _ in range(20)]
    assert {found.targets for found in drawn} == {(0, 3)}
    assert len({found.inputs for found in drawn}) > 3
    assert {found.loaded for found in drawn} == {tuple(range(6))}  # as many in every sample of a batch
    shown = ViewChoice(inputs=4, held_out=("cam2",), show_held_out=True).choose(names, rng)
    assert [shown.loaded[k] for k in shown.inputs] == [0, 1, 3, 4]
    assert shown.held_out == (False, False, True, False, False, False)
    assert 2 in [shown.loaded[k] for k in shown.targets]


def test_random_views_take_all_and_never_the_held_out() -> None:
    names = [f"cam{k}" for k in range(6)]
    choice = ViewChoice(inputs=2, views=4, draw="random", held_out=("cam3",))
    draws = [choice.choose(names, np.random.default_rng(k)) for k in range(60)]
    assert {place for draw in draws for place in draw.loaded} == {0, 1, 2, 4, 5}
    assert len({tuple(draw.loaded[k] for k in draw.inputs) for draw in draws}) == 10
    assert all(len(draw.loaded) == 4 and len(draw.inputs) == 2 for draw in draws)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (ViewChoice(held_out=("rear",)), r"expected the view rear; the sample has cam0, cam1"),
        (ViewChoice(inputs=("cam0", "top")), "expected the view top"),
        (ViewChoice(inputs=6), "expected 6 views of which 6 go in; the sample has 4"),
        (ViewChoice(views=4, held_out=("cam1",)), "the sample has 3 that are not held out: cam0, cam2, cam3"),
        (ViewChoice(inputs=3, views=2), "expected 3 views"),
        (ViewChoice(targets="others"), "no view is left as a target"),
    ],
)
def test_a_missing_view_is_named(marked_dataset: Marked, choice: ViewChoice, words: str) -> None:
    dataset = MultiViewDataset(marked_dataset[0], views=choice)
    with pytest.raises(DatasetError, match=rf"sample sample_000001 \(number 1\): .*{words}"):
        dataset[1]
    with pytest.raises(DatasetError, match=words):
        dataset.check()


def test_choices_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="not held out"):
        ViewChoice(inputs=("a",), held_out=("a",))
    with pytest.raises(ValueError, match="targets that are not held out"):
        ViewChoice(targets=("a",), held_out=("a",))
    with pytest.raises(ValueError, match="no number of views beside their names"):
        ViewChoice(targets=("a",), views=3)
    with pytest.raises(ValueError, match="at least 1"):
        ViewChoice(views=0)


def test_colour_jitter_keeps_the_background(marked_dataset: Marked) -> None:
    root, _ = marked_dataset
    jitter = Augmentation(brightness=0.4, contrast=0.4, saturation=0.4)
    colour = (0.3, 0.6, 0.9)
    plain = MultiViewDataset(root, background=colour)[0].image
    changed = MultiViewDataset(root, augment=jitter, background=colour)[0].image
    assert torch.equal(plain[:, 3], changed[:, 3])
    ground = plain[:, 3] == 0
    for channel in range(3):
        assert set(changed[:, channel][ground].tolist()) == {float(np.float32(colour[channel]))}
    assert (plain - changed).abs().max() > 0.02


def test_premultiplied_gains_are_those_of_straight_colours() -> None:
    rng = np.random.default_rng(0)
    straight = rng.uniform(0.3, 0.6, (3, 5, 5)).astype(np.float32)
    alpha = rng.uniform(0.1, 1, (1, 5, 5)).astype(np.float32)
    gains = ColourGains(1.1, 0.9, 1.2)
    one = gains.apply(np.concatenate([straight * alpha, alpha]))
    other = gains.apply(np.concatenate([straight, np.ones_like(alpha)]))
    np.testing.assert_allclose(one[:3] / alpha, other[:3], rtol=0, atol=1e-6)


def test_jitter_needs_to_know_the_subject(make_sample: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sample(tmp_path / "sample_000000")
    for file in (folder / "images").iterdir():
        cv2.imwrite(str(file), np.full((96, 96, 3), 120, dtype=np.uint8))
    assert (MultiViewDataset(folder)[0].image[:, 3] == 1).all()
    with pytest.raises(DatasetError, match=r"sample_000000 .*colour jitter would change the background"):
        MultiViewDataset(folder, augment=Augmentation(brightness=0.1))[0]


@pytest.mark.parametrize(
    "wrong", [{"zoom": (0.0, 1.0)}, {"zoom": (2.0, 1.0)}, {"turn_degrees": 200.0}, {"contrast": 1.0}]
)
def test_impossible_augmentations(wrong: dict) -> None:
    with pytest.raises(ValueError, match="Augmentation"):
        Augmentation(**wrong)


@pytest.mark.parametrize("damage", ["no image", "half an image", "no cameras", "another size", "not square"])
def test_unreadable_samples_are_named_and_never_replaced(
    damage: str, make_sample: Callable[..., Path], tmp_path: Path
) -> None:
    for k in range(2):
        make_sample(tmp_path / f"sample_{k:06d}")
    image = tmp_path / "sample_000001/images/cam_002.png"
    cameras = tmp_path / "sample_000001/opencv_cameras.json"
    if damage == "no image":
        image.unlink()
    elif damage == "half an image":
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    elif damage == "another size":
        cv2.imwrite(str(image), np.zeros((48, 48, 4), dtype=np.uint8))
    dataset = MultiViewDataset(tmp_path)
    if damage == "no cameras":
        cameras.unlink()
    elif damage == "not square":
        content = json.loads(cameras.read_text())
        content["frames"][2]["h"] = 80
        cameras.write_text(json.dumps(content))
    assert dataset[0].name == "sample_000000"
    named = "cam_002" if "image" in damage or damage == "another size" else "opencv_cameras"
    with pytest.raises(DatasetError, match=rf"sample sample_000001 \(number 1\): .*{named}"):
        dataset[1]
    for workers in (0, 1) if damage == "no image" else (0,):
        with pytest.raises(DatasetError, match="sample_000001"):
            list(batches(dataset, 2, workers=workers))


def test_a_header_that_lies_is_found_on_decoding(make_sample: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_sample(tmp_path / "sample_000000")
    content = json.loads((folder / "opencv_cameras.json").read_text())
    content["frames"][1]["file_path"] = "images/small.jpg"  # sizes of other formats are known once decoded
    cv2.imwrite(str(folder / "images/small.jpg"), np.zeros((48, 48, 3), dtype=np.uint8))
    (folder / "opencv_cameras.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"small\.jpg: is 48 x 48, its camera says w = 96"):
        MultiViewDataset(folder)[0]


def test_samples_of_several_sizes_make_no_batch(make_sample: Callable[..., Path], tmp_path: Path) -> None:
    a = make_sample(tmp_path / "sample_000000")
    b = make_sample(tmp_path / "sample_000001", side=48)
    c = make_sample(tmp_path / "sample_000002", views=3)
    with pytest.raises(DatasetError, match=r"sample_000001: image: expected shape \(4, 4, 96, 96\)"):
        collate([MultiViewDataset(f)[0] for f in (a, b)])
    with pytest.raises(DatasetError, match="sample_000002: image"):
        collate([MultiViewDataset(f)[0] for f in (a, c)])
    assert MultiViewDataset([a, b], size=32)[1].image.shape == (4, 4, 32, 32)


def test_a_batch_hands_out_inputs_and_targets(marked_dataset: Marked) -> None:
    dataset = MultiViewDataset(marked_dataset[0], views=ViewChoice(inputs=2, draw="random"), seed=1)
    batch = collate([dataset[k] for k in range(3)])
    assert batch.inputs.shape == (3, 2)
    assert batch.targets.shape == (3, 4)
    for row in range(3):
        one = dataset[row]
        for key in ("image", "c2w", "fxfycxcy", "inputs", "targets"):
            assert torch.equal(getattr(batch, key)[row], getattr(one, key))
    moved = batch.to("cpu")
    assert torch.equal(moved.image, batch.image)
    assert moved.names == ("sample_000000", "sample_000001", "sample_000002")


def test_lists_of_a_moved_dataset(make_sample: Callable[..., Path], tmp_path: Path) -> None:
    old = tmp_path / "old"
    folders = [make_sample(old / f"sample_{k:06d}") for k in range(3)]
    (old / "data_train.txt").write_text(f"{folders[2]}\n\n{folders[0]}\n")
    (old / "data_val.txt").write_text(f"{folders[1]}\n")
    assert split_samples(old, "train") == [folders[2], folders[0]]
    new = tmp_path / "elsewhere" / "new"
    shutil.move(old, new)
    assert split_samples(new, "train") == [new / "sample_000002", new / "sample_000000"]
    assert find_samples(new / "data_val.txt") == [new / "sample_000001"]
    assert len(find_samples(new)) == 3
    with pytest.raises(DatasetError, match=r"lists in that folder: data_train\.txt, data_val\.txt"):
        split_samples(new, "test")
    shutil.rmtree(new / "sample_000000")
    with pytest.raises(DatasetError, match=r"data_train.txt: line 3: .*sample_000000, which is not there"):
        split_samples(new, "train")


def test_lists_that_say_too_much_or_nothing(make_sample: Callable[..., Path], tmp_path: Path) -> None:
    make_sample(tmp_path / "sample_000000")
    make_sample(tmp_path / "a/sample_000000")
    file = tmp_path / "data_train.txt"
    file.write_text("/gone/a/sample_000000\n")
    with pytest.raises(DatasetError, match="its end fits"):
        find_samples(file)
    file.write_text("C:\\gone\\sample_000000\n")
    assert find_samples(file) == [tmp_path / "sample_000000"]
    file.write_text("sample_000000\n/gone/sample_000000\n")
    with pytest.raises(DatasetError, match="lines 1 and 2 name the same sample"):
        find_samples(file)
    file.write_text("\n")
    with pytest.raises(DatasetError, match="found none"):
        find_samples(file)
