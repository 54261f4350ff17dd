"""Gaussians, checkpoints and configs of training, for the fuzzer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz_run import Reader


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


NETWORKS = {
    "ply text": Reader(_splats("ascii"), _read_splats),
    "ply": Reader(_splats("binary_little_endian"), _read_splats),
    "splat": Reader(_splats("splat"), _read_splats),
    "trainer yaml": Reader(_trainer, _read_trainer),
    "checkpoint safetensors": Reader(_checkpoint(".safetensors"), _load_checkpoint),
    "checkpoint pt": Reader(_checkpoint(".pt"), _load_checkpoint),
}
