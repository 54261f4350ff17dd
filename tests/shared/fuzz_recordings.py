"""What belongs to a recording, for the fuzzer: capture.toml, masks, times, keypoints, videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.io import savemat

from fuzz_run import Reader
from rig_files import Writers, bent_cameras

_POINTS = np.random.default_rng(3).normal(size=(4, 5, 3)) * 30  # frames, keypoints, mm


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


RECORDINGS = {
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
    "video mp4": Reader(_video(".mp4"), _probe),
    "video mkv": Reader(_video(".mkv"), _probe),
}
