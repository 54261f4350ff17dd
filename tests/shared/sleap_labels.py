"""SLEAP's labels with segmentation masks, in the layout that sleap-io 0.9.5 writes (format 2.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_COLUMNS = """height:<u4 width:<u4 annotation_type:u1 video:<i4 frame_idx:<i8 track:<i4 instance:<i4 from_predicted:<i4
    is_predicted:u1 score:<f4 tracking_score:<f4 rle_start:<u8 rle_end:<u8
    scale_x:<f4 scale_y:<f4 offset_x:<f4 offset_y:<f4"""
ROW = np.dtype([(name, kind) for name, kind in (column.split(":") for column in _COLUMNS.split())])


def sleap_labels(path: Path, masks: list[dict[str, Any]], videos: tuple[str, ...] = ("/d/Camera1/0.mp4",)) -> Path:
    """masks: `mask` [h, w] bool, whose first pixel is 0, and columns. Skips the test where h5py is not installed."""
    h5py = pytest.importorskip("h5py")
    rows, data = np.zeros(len(masks), dtype=ROW), b""
    for row, columns in zip(rows, masks, strict=True):
        flat = columns["mask"].ravel()
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.array([0, *edges, flat.size])).astype("<u4").tobytes()
        height, width = columns["mask"].shape
        given = {"height": height, "width": width, "track": -1, "scale_x": 1, "scale_y": 1, **columns}
        for key, value in given.items():
            if key != "mask":
                row[key] = value
        row["rle_start"], row["rle_end"] = len(data), len(data) + len(runs)
        data += runs
    with h5py.File(path, "w") as file:
        file["videos_json"] = [json.dumps({"filename": name}).encode() for name in videos]
        file["tracks_json"] = [json.dumps([0, name]).encode() for name in ("a", "b")]
        file["mask_categories"] = [b""] * len(masks)
        if masks:
            file["masks"], file["mask_rle"] = rows, np.frombuffer(data, np.uint8)
    return path
