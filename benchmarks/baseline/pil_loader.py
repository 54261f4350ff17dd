"""The yardstick for loading: PIL, one image after the other, resized and turned to float, in our own few lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class PlainDataset(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Samples of a FaceLift-format folder on white, resized to `size` with their intrinsics."""

    def __init__(self, root: Path, size: int) -> None:
        self.folders, self.size = sorted(path.parent for path in root.glob("*/opencv_cameras.json")), size

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        folder = self.folders[index]
        images, poses, intrinsics = [], [], []
        for frame in json.loads((folder / "opencv_cameras.json").read_text())["frames"]:
            image = Image.open(folder / frame["file_path"]).convert("RGBA")
            ratio = self.size / image.width
            if ratio != 1:
                image = image.resize((self.size, self.size), Image.Resampling.LANCZOS)
            rgba = np.array(image).astype(np.float32) / 255.0
            rgba[..., :3] = rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])
            images.append(torch.from_numpy(rgba).permute(2, 0, 1))
            poses.append(torch.from_numpy(np.linalg.inv(np.array(frame["w2c"]))).float())
            intrinsics.append(torch.tensor([frame[key] * ratio for key in ("fx", "fy", "cx", "cy")]))
        return {"image": torch.stack(images), "c2w": torch.stack(poses), "fxfycxcy": torch.stack(intrinsics)}
