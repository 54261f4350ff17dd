"""`mouselift doctor`: what is here, what is missing, and the line that installs it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mouselift import __version__
from mouselift.cli.console import EXIT_NO, EXIT_OK, Styled, emit_json, table
from mouselift.cli.flags import Json

_CORE = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "av",
    "pillow",
    "zlib-ng",
    "threadpoolctl",
    "msgspec",
    "tomlkit",
    "tyro",
    "rich",
    "jinja2",
)
_EXTRAS = {  # a package of each optional part: the part, and what needs it
    "torch": ("train", "train, reconstruct and evaluate"),
    "safetensors": ("train", "train, reconstruct and evaluate"),
    "numba": ("train", "drawing Gaussians on a CPU"),
    "viser": ("view", "view"),
}
_DECODERS = ("h264", "hevc", "mpeg4", "ffv1", "mjpeg")
_ENCODERS = ("ffv1", "libx264")
_LOW_DISK_GB = 5.0

State = Literal["ok", "missing", "note"]


@dataclass(frozen=True)
class Check:
    """One line of the answer."""

    what: str
    state: State
    detail: str


@dataclass
class Doctor:
    """Say which versions, codecs and devices are here, what is missing, and how to get it.

    Exit code 0: everything that preparation needs is here; 1: something is missing.
    """

    json: Json = False

    def run(self) -> int:
        checks = [*_versions(), *_codecs(), *_codec_round_trip(), *_machine()]
        if self.json:
            emit_json(checks)
        else:
            colour = {"ok": "", "missing": "bold red", "note": "bold"}
            table(
                f"mouselift {__version__}",
                ["", "", ""],
                [[c.what, Styled(c.state, colour[c.state]), c.detail] for c in checks],
            )
        return EXIT_NO if any(check.state == "missing" for check in checks) else EXIT_OK


def _versions() -> list[Check]:
    found = [Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    for name in _CORE:
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Check(name, "missing", f"{sys.executable} -m pip install --upgrade mouselift"))
    for name, (extra, use) in _EXTRAS.items():
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Check(name, "note", f"optional, for {use}: pip install 'mouselift[{extra}]'"))
    clashing = [n for n in ("opencv-python", "opencv-contrib-python") if _installed(n)]
    if clashing:
        found.append(
            Check("opencv", "note", f"{', '.join(clashing)} is installed too; two OpenCVs overwrite each other's files")
        )
    return found


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _codecs() -> list[Check]:
    if importlib.util.find_spec("av") is None:
        return []
    import av

    found: list[Check] = []
    modes: tuple[tuple[Literal["r", "w"], str, tuple[str, ...]], ...] = (
        ("r", "decode", _DECODERS),
        ("w", "encode", _ENCODERS),
    )
    for mode, kind, names in modes:
        for name in names:
            try:
                av.Codec(name, mode)
                found.append(Check(f"{kind} {name}", "ok", ""))
            except ValueError:
                found.append(Check(f"{kind} {name}", "missing", "pip install --force-reinstall av (its wheel has it)"))
    return found


def _codec_round_trip() -> list[Check]:
    """A mask through FFV1 and back, since a codec that is listed may still not work."""
    if importlib.util.find_spec("av") is None:
        return []
    import io

    import av
    import numpy as np

    levels = (np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) * 37 % 256).astype(np.uint8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "gray"
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(levels, format="gray")), *stream.encode(None)]:
            out.mux(packet)
    buffer.seek(0)
    with av.open(buffer, "r") as back:
        same = all(np.array_equal(frame.to_ndarray(), levels) for frame in back.decode(video=0))
    return [
        Check("lossless mask video", "ok" if same else "missing", "" if same else "FFV1 does not give back its input")
    ]


def _machine() -> list[Check]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    checks = [
        Check("cores", "ok", f"{os.cpu_count()} (--workers 0 uses them all)"),
        Check(
            "disk here",
            "ok" if free > _LOW_DISK_GB else "note",
            f"{free:.0f} GB free; a six-view 512 px sample takes about 0.5 MB",
        ),
    ]
    if shutil.which("nvidia-smi") is not None:
        checks.append(Check("GPU", "ok", "NVIDIA driver found; preparation does not need it"))
    else:
        checks.append(Check("GPU", "note", "none found; preparation does not need one"))
    return checks
