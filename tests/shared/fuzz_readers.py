"""Readers of foreign files for the fuzzer: how a small valid input is written, and what is then done with it.

An input is a folder; `read` gets the path in it that a user would name, and goes on as far as `prepare`, `audit` or
`train` would with what was accepted. Only a `MouseliftError` may come out; of `load_sample` not even that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.io import savemat

from mouselift.calibration.registry import load_rig, rig_at
from mouselift.errors import MouseliftError
from rig_files import Writers, bent_cameras, straight_cameras
from rig_standins import STANDINS, StandIn

_POINTS = np.random.default_rng(3).normal(size=(4, 5, 3)) * 30  # frames, keypoints, mm
_SIZE = (640, 480)


@dataclass(frozen=True)
class Reader:
    """write: fills the empty folder and gives the path that is read; the files in it are what is changed."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]
    kept: tuple[str, ...] = ()  # endings of files that stay as they are
    memory_mb: int = 1000  # largest growth of the process


# --- rigs ---


def _rig(format_name: str, variant: str | None = None) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        with contextlib.suppress(MouseliftError):
            rig_at(path)
        rig = load_rig(path, format_name, variant)
        return [camera.camera(camera.size or _SIZE) for camera in rig.cameras]

    return read


def _standin(standin: StandIn) -> Reader:
    return Reader(lambda folder: standin.write(folder, standin.rig()), _rig(standin.format, standin.variant))


def _own_rigs() -> dict[str, Reader]:
    """Formats whose stand-ins `rig_files` writes."""
    write = Writers()
    bent, straight = bent_cameras(), straight_cameras()
    return {
        "DANNCE": Reader(lambda f: write.dannce(f, bent), _rig("dannce")),
        "DANNCE json": Reader(lambda f: write.calibration_json(f / "calibration.json", bent), _rig("dannce")),
        "DANNCE labels": Reader(
            lambda f: write.label3d(f / "label3d_dannce.mat", bent, _POINTS.reshape(20, 3)), _rig("dannce")
        ),
        "MAMMAL": Reader(lambda f: write.mammal(f / "new_cam.pkl", straight), _rig("mammal")),
        "anipose": Reader(
            lambda f: write.anipose(f / "calibration.toml", bent, "", "[metadata]\nerror = 0.5\n"), _rig("anipose")
        ),
        "JARVIS": Reader(lambda f: write.jarvis(f, straight), _rig("jarvis")),
        "FaceLift": Reader(_sample_cameras, _rig("facelift")),
    }


def _sample_cameras(folder: Path) -> Path:
    from ball_samples import write

    file = write(folder / "sample_000001", 1, 16) / "opencv_cameras.json"
    return file.rename(folder / file.name)


# --- recordings ---


def _capture(folder: Path) -> Path:
    write = Writers()
    cameras = bent_cameras()[:2]
    write.anipose(folder / "calibration.toml", cameras)
    text = 'format = 1\nunit = "mm"\nup = "+z"\nfloor = 1.5\njumps = [2]\nnumbering = "common"\n'
    text += '[rig]\nfile = "calibration.toml"\nformat = "anipose"\n'
    for camera in cameras:
        write.images(folder / camera.name, 2, (camera.width, camera.height))
        text += f'[[camera]]\nname = "{camera.name}"\nimages = "{camera.name}"\ncrop_offset = [0, 0]\n'
        text += f'rig_name = "{camera.name}"\nframe_offset = 0\nas_stored = true\n'
    (folder / "capture.toml").write_text(text)
    return folder


def _load_capture(folder: Path) -> object:
    from mouselift.capture.capture import load_capture

    return load_capture(folder)


def _coco(folder: Path) -> Path:
    images = [{"id": k, "file_name": f"cam1_{k:06d}.png", "width": 30, "height": 20} for k in range(3)]
    box = [[4, 3, 17, 3, 17, 9, 4, 9]]
    runs = {"size": [20, 30], "counts": [83, *[6, 14] * 12, 6, 600 - 83 - 20 * 12 - 6]}
    text = {"size": [20, 30], "counts": "c26>00000000000000000000000Q8"}
    marks = [
        {"id": k, "image_id": k, "category_id": 1, "iscrowd": 0, "attributes": {"track_id": 1}, "segmentation": shape}
        for k, shape in enumerate((box, runs, text))
    ]
    file = folder / "masks.json"
    file.write_text(json.dumps({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "mouse"}]}))
    return file


def _masks(path: Path) -> object:
    from mouselift.capture.mask_files import open_masks

    masks: Any = open_masks(path, ("cam1",), None)
    return [masks.read(number) for number in list(masks.numbers)[:3]]


def _stack(suffix: str, deflated: bool = True) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        masks = np.zeros((4, 20, 30), dtype=np.uint8)
        masks[:, 3:9, 4:17] = 255
        file = folder / f"cam1{suffix}"
        if suffix == ".npy":
            np.save(file, masks)
        else:
            save = np.savez_compressed if deflated else np.savez
            save(file, masks=masks, frames=np.arange(4) * 10)
        return file

    return write


def _frames_npz(folder: Path) -> Path:
    mask = np.zeros((20, 30), dtype=bool)
    mask[3:9, 4:17] = True
    np.savez_compressed(folder / "cam1.npz", **cast(Any, {f"{k:04d}": mask for k in range(4)}))
    return folder / "cam1.npz"


def _slp(folder: Path) -> Path:
    from sleap_labels import sleap_labels

    mask = np.zeros((20, 30), dtype=bool)
    mask[3:9, 4:17] = True
    rows = [{"mask": mask, "frame_idx": k, "video": 0} for k in range(3)]
    return sleap_labels(folder / "labels.slp", rows, ("/d/cam1/0.mp4",))


def _times(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = folder / f"frametimes{suffix}"
        times = np.stack([np.arange(20.0), np.arange(20) * 0.01])
        if suffix == ".npy":
            np.save(file, times)
        elif suffix == ".mat":
            savemat(file, {"timeStamp": times[1], "frameNumber": times[0]})
        else:
            rows = "".join(f"{int(count)},{time:.3f}\n" for count, time in times.T)
            file.write_text(f"frame,time_s\n{rows}")
        return file

    return write


def _read_times(path: Path) -> object:
    from mouselift.capture.timestamps import read_times, seconds

    return [seconds("cam1", read_times(path), rate) for rate in (0.0, 100.0)]


def _keypoints(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        if suffix == ".mat":
            file = folder / "save_data_AVG.mat"
            ids = np.array([[1.0, 11.0, 21.0, 31.0]])
            savemat(file, {"pred": np.moveaxis(_POINTS, 2, 1), "p_max": np.ones((4, 5)), "sampleID": ids})
        elif suffix == ".csv":
            file = folder / "mouse.csv"
            head = [f"{name}_{column}" for name in "ab" for column in ("x", "y", "z", "error", "score")]
            head += [f"M_{i}{j}" for i in range(3) for j in range(3)] + [f"center_{i}" for i in range(3)] + ["fnum"]
            row = ["1.5", "2", "3", "1", "0.9"] * 2 + [*"100010001345"]
            file.write_text("\n".join(map(",".join, [head, *([*row, str(k)] for k in range(4))])) + "\n")
        else:
            import h5py

            file = folder / "points3d.h5"
            with h5py.File(file, "w") as root:
                root["tracks"] = _POINTS[:, None]
                root["node_names"] = [name.encode() for name in "abcde"]
        return file

    return write


def _load_keypoints(path: Path) -> object:
    from mouselift.keypoints.registry import load_keypoints

    return load_keypoints(path, 100.0)


# --- datasets ---


def _sample(folder: Path) -> Path:
    from ball_samples import write

    made = write(folder / "sample_000001", 1, 16)
    file = made / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    views = [{"camera": frame["camera"], "cut": False} for frame in content["frames"]]
    provenance = {"preset": "per-sample", "version": "1"}
    record = {"frame": 1, "views": views}
    points = {"file": "a/b.csv", "format": "anipose", "points": {"nose": [0.1, 0.0, 0.2], "tail": None}}
    content["mouselift"] = {"record": record, "provenance": provenance, "plan": {"any": [1]}, "keypoints": points}
    file.write_text(json.dumps(content))
    return made


def _load_sample(folder: Path) -> object:
    from mouselift.dataset.foreign_sample import load_sample
    from mouselift.dataset.sample import read_sample

    try:
        load_sample(folder, colours=True)
    except MouseliftError as error:
        raise AssertionError(f"load_sample promises not to raise: {error}") from error
    return read_sample(folder)


def _collection(folder: Path) -> Path:
    from mouselift.dataset.collection import COLLECTION

    recordings = [
        {"name": f"m{k}", "capture": f"/r/m{k}", "status": "prepared", "frames": 3, "kept": 2, "dropped": {"cut": 1}}
        for k in range(2)
    ]
    (folder / COLLECTION).write_text(json.dumps({"split": "time", "recordings": recordings, "schema": 1}))
    return folder


def _read_collection(folder: Path) -> object:
    from mouselift.dataset.collection import datasets_of

    return datasets_of(folder)


def _lists(folder: Path) -> Path:
    from ball_samples import balls

    return balls(folder, 8)


def _read_splits(folder: Path) -> object:
    from mouselift.audit.leaks import read_splits

    return read_splits(folder)


def _dataset(folder: Path) -> Path:
    """Two samples, and what `prepare` says of them in dataset.json."""
    from ball_samples import write

    samples = [write(folder / f"sample_{k:06d}", k, 16) for k in range(2)]
    told = {"schema": 1, "identity": {"config": {"size": 16}}, "complete": False, "frame_rate": 100.0}
    (folder / "dataset.json").write_text(json.dumps(told))
    for name, sample in zip(("train", "val"), samples, strict=True):
        (folder / f"data_{name}.txt").write_text(f"{sample.name}\n")
    return folder


def _audit(folder: Path) -> object:
    from mouselift.audit.dataset import audit_dataset
    from mouselift.dataset.mistaken import what_it_is

    what_it_is(folder)
    return audit_dataset(folder, workers=1)


def _lists_of_dataset(folder: Path) -> Path:
    made = _dataset(folder)
    (made / "data_train.txt").write_text(f"sample_000000\n/elsewhere/{folder.name}/sample_000001\n")
    return made


def _split_samples(folder: Path) -> object:
    from mouselift.dataset.layout import find_samples, split_samples
    from mouselift.dataset.lists import rewrite_lists

    with contextlib.suppress(MouseliftError):
        rewrite_lists(folder, dry_run=True)
    return split_samples(folder, "train"), find_samples(folder / "data_train.txt")


def _run_folder(folder: Path) -> Any:
    from mouselift.prepare.sample import Record
    from mouselift.run_folder import RunFolder

    return RunFolder(folder, {"config": {"size": 16}}, description="dataset.json", record=Record, verb="prepare")


def _run(folder: Path) -> Path:
    """A run that was stopped: description, manifest of an earlier end, journal, lock."""
    from mouselift.prepare.sample import Record
    from mouselift.run_lines import MANIFEST

    run = _run_folder(folder)
    with run.locked():
        run.open()
        for k in range(3):
            record = Record(f"sample_{k:06d}", k, "kept", 0.1 * k, centre=(0.0, 1.0, 2.0), views=[{"camera": "a"}])
            with run.writing(record.id) as inside:
                (inside / "data.bin").write_bytes(bytes(8))
            run.log([record])
    (journal,) = folder.glob(".journal*")
    (folder / MANIFEST).write_bytes(journal.read_bytes())
    return folder


def _go_on(folder: Path) -> object:
    """What every verb that fills a folder does with it when the command is given again."""
    from mouselift.prepare.sample import Record
    from mouselift.run_lines import read_manifest

    with contextlib.suppress(MouseliftError):
        read_manifest(folder, Record)
    run = _run_folder(folder)
    run.open()
    return list(run.read_back([record.id for record in run.records()]))


def _train_log(folder: Path) -> Path:
    from mouselift.train.log import DESCRIPTION, LogLine, append_log

    config = {"recipe": "tiny_cpu", "updates": 4, "hold_out": ["top"], "losses": {"l2": 1.0}}
    dataset = {"train": {"samples": 9, "sha256": "x"}, "val": {"samples": 1, "sha256": "y"}}
    said = {"identity": {"config": config, "dataset": dataset}, "complete": True, "summary": {"warnings": ["slow"]}}
    (folder / DESCRIPTION).write_text(json.dumps(said))
    for k in range(4):
        append_log(folder, LogLine(update=k + 1, loss=0.5, parts={"l2": 0.5}, views={"a": 0.1}, seconds=0.2))
    return folder


def _read_log(folder: Path) -> object:
    from mouselift.report.training_page import write_training_page
    from mouselift.train.log import read_log

    write_training_page(folder, folder / "page.html")  # replaced if there
    return [line.merit for line in read_log(folder)]


def _audit_of(folder: Path) -> Path:
    from ball_samples import write
    from mouselift.audit.dataset import audit_dataset
    from mouselift.audit.result import encode_audit

    write(folder / "dataset/sample_000001", 3, 16)
    file = folder / "audit.json"
    file.write_bytes(encode_audit(audit_dataset(folder / "dataset")))
    return file


def _report_of(file: Path) -> object:
    from mouselift.audit.result import read_audit
    from mouselift.report.dataset_page import write_report

    return write_report(file.parent / "dataset", file.with_name("page.html"), read_audit(file), force=True)


def _audited_page(sample: Path) -> object:
    """What `audit --json` and `report` do with a dataset of one sample."""
    from mouselift.audit.dataset import audit_dataset
    from mouselift.audit.result import encode_audit
    from mouselift.report.dataset_page import write_report

    found = audit_dataset(sample.parent, workers=1)
    return encode_audit(found), write_report(sample.parent, sample.parent / "page.html", found, force=True)


def _video(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from mouselift.media.encode import VideoWriter

        file = folder / f"a{suffix}"
        with VideoWriter(file, (32, 16), 25.0, gop=4, crf=30) as out:
            for k in range(10):
                out.write(np.full((16, 32, 3), 20 * k, dtype=np.uint8))
        return file

    return write


def _probe(path: Path) -> object:
    from mouselift.media.video import VideoReader
    from mouselift.media.video_index import probe

    info = probe(path)
    reader = VideoReader(info)
    try:
        return [number for number, _ in reader.read(range(min(info.frames, 3)))]
    finally:
        reader.close()


def _splats(kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from mouselift.gaussians.splats import Splats
        from ply_file import columns_of, ply_file, vertices
        from splat_file import write_splat

        rng = np.random.default_rng(1)
        shapes = {"positions": (6, 3), "harmonics": (6, 1, 3), "opacities": (6,), "scales": (6, 3), "rotations": (6, 4)}
        splats = Splats(**{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
        file = folder / f"a.{'splat' if kind == 'splat' else 'ply'}"
        if kind == "splat":
            write_splat(file, splats)
        else:
            file.write_bytes(ply_file([vertices(columns_of(splats))], kind))
        return file

    return write


def _read_splats(path: Path) -> object:
    from mouselift.gaussians.files import read_splats

    return read_splats(path)


def _checkpoint(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import torch

        from mouselift.models.gslrm.config import tiny
        from mouselift.models.gslrm.facelift import save_gslrm
        from mouselift.models.gslrm.model import GSLRM

        network, file = GSLRM(tiny()), folder / f"m{suffix}"
        if suffix == ".safetensors":
            save_gslrm(network, file)
            return file
        torch.save({"model": dict(network.state_dict())}, file)
        return file

    return write


def _load_checkpoint(path: Path) -> object:
    from mouselift.models.gslrm.facelift import read_state

    return read_state(path)


def _trainer(folder: Path) -> Path:
    file = folder / "trainer.yaml"
    file.write_text("mouse:\n  normalize_distance_to: 2.7\ntraining:\n  dataset:\n    remove_alpha: false\n")
    return file


def _read_trainer(path: Path) -> object:
    from mouselift.audit.trainer import read_trainer

    return read_trainer(path)


def readers() -> dict[str, Reader]:
    """By name; those of rigs first."""
    return {
        **{name: _standin(standin) for name, standin in STANDINS.items()},
        **_own_rigs(),
        "capture.toml": Reader(_capture, _load_capture, kept=(".png", "calibration.toml")),
        "COCO masks": Reader(_coco, _masks),
        "masks npy": Reader(_stack(".npy"), _masks),
        "masks npz": Reader(_stack(".npz"), _masks),
        "masks npz stored": Reader(_stack(".npz", False), _masks),
        "masks npz of frames": Reader(_frames_npz, _masks),
        "masks SLEAP": Reader(_slp, _masks),
        "times csv": Reader(_times(".csv"), _read_times),
        "times npy": Reader(_times(".npy"), _read_times),
        "times mat": Reader(_times(".mat"), _read_times),
        "keypoints csv": Reader(_keypoints(".csv"), _load_keypoints),
        "keypoints mat": Reader(_keypoints(".mat"), _load_keypoints),
        "keypoints h5": Reader(_keypoints(".h5"), _load_keypoints),
        "sample": Reader(_sample, _load_sample, kept=()),
        "lists": Reader(_lists, _read_splits, kept=(".png", ".json")),
        "collection.json": Reader(_collection, _read_collection),
        "dataset.json": Reader(_dataset, _audit, kept=(".png", "opencv_cameras.json", ".txt")),
        "data_train.txt": Reader(_lists_of_dataset, _split_samples, kept=(".png", ".json", "data_val.txt")),
        "journals": Reader(_run, _go_on, kept=(".bin", "-lock")),
        "train log": Reader(_train_log, _read_log),
        "audit json": Reader(_audit_of, _report_of, kept=(".png", "opencv_cameras.json")),
        "page of a sample": Reader(_sample, _audited_page),
        "video mp4": Reader(_video(".mp4"), _probe),
        "video mkv": Reader(_video(".mkv"), _probe),
        "ply text": Reader(_splats("ascii"), _read_splats),
        "ply": Reader(_splats("binary_little_endian"), _read_splats),
        "splat": Reader(_splats("splat"), _read_splats),
        "trainer yaml": Reader(_trainer, _read_trainer),
        "checkpoint safetensors": Reader(_checkpoint(".safetensors"), _load_checkpoint),
        "checkpoint pt": Reader(_checkpoint(".pt"), _load_checkpoint),
    }
