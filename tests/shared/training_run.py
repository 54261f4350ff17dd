"""What a training run leaves in its folder, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mouselift.media.encode import encode_jpeg
from mouselift.train.log import LogLine, append_log


def training_run(out: Path) -> Path:
    """40 updates, two validations with a picture each, a warning of the guard."""
    (out / "validation").mkdir(parents=True)
    config: dict[str, Any] = {
        "recipe": "tiny_cpu",
        "updates": 40,
        "hold_out": ["top"],
        "losses": {"l2": 1.0, "ssim": 0.0},
    }
    config |= {"validation_samples_at_once": False, "lora": None}
    dataset = {"train": {"samples": 90, "sha256": "x"}, "val": {"samples": 1, "sha256": "y"}}
    said: dict[str, Any] = {"identity": {"config": config, "dataset": dataset}, "complete": True}
    said["summary"] = {"warnings": ["update 30: view left is 7 times worse than the others"]}
    (out / "best.safetensors").write_bytes(b"")
    (out / "train.json").write_bytes(msgspec.json.encode(said))
    for update in range(1, 41):
        loss = 1.0 / update
        line = LogLine(update=update, loss=loss, parts={"l2": loss}, views={"left": loss, "right": 2 * loss})
        line.norm, line.seconds, line.waited, line.taken = loss, 0.5, 0.05, update != 7
        append_log(out, line)
        if update % 20 == 0:
            append_log(
                out, LogLine(update=update, kind="validation", psnr=10.0 + update / 10, iou=0.5, views={"top": 1.0})
            )
            image = encode_jpeg(np.full((8, 16, 3), 200, dtype=np.uint8), 90)
            (out / "validation" / f"update_{update:06d}.jpg").write_bytes(image)
    return out
