"""How large files of others may be: said here once, and compared before a parser or decoder sees the content.

Native parsers and decoders believe what a header says: a file of a kilobyte makes them take all memory, or write
beyond it. Real files are far below every limit; the margins are given beside each.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MEGABYTE = 1 << 20

CALIBRATION_BYTES = 64 * MEGABYTE  # JSON, TOML, pickles of rigs: real ones take kilobytes; centres of mass megabytes
YAML_BYTES = MEGABYTE // 4  # PyYAML reads 0.1 to 0.2 MB a second; a camera's file takes one kilobyte
SCENE_BYTES = 256 * MEGABYTE  # COLMAP's images with their 2D points: 1,000 images of 10,000 points take 240 MB
LIST_BYTES = 256 * MEGABYTE  # a path a line, or a record of a run: a million samples of 100 characters take 100 MB
IMAGE_BYTES = 1024 * MEGABYTE  # of a file: what IMAGE_PIXELS take with four channels of 16 bits, not packed
SPLATS_BYTES = 4096 * MEGABYTE  # 16 million Gaussians of 62 numbers; scenes of a city block have six
JSON_BYTES = 1024 * MEGABYTE  # annotations of masks: polygons of 100,000 images take some 200 MB
MAT_BYTES = 1024 * MEGABYTE
MAT_UNPACKED_BYTES = 512 * MEGABYTE  # all variables of one file; labels and frame numbers of an hour take 20 MB
MAT_DEPTH = 16  # structs and cells in one another; Label3D's files have 3
PICKLE_VALUES = 20_000_000  # with what is shared counted as often as it is used
PATH_CHARACTERS = 4096  # of a path: what Linux takes; a list of other content may have lines of megabytes
IMAGE_SIDE = (1 << 16) - 1  # pixels: what JPEG can say
IMAGE_PIXELS = 1 << 27  # 134 million: a 12k camera has 80; four channels of 8 bits then take 0.5 GB
LARGEST_NUMBER = 1e12  # of a calibration, in its unit: a million kilometres of millimetres

NETWORK = {  # a checkpoint's configuration: the release has 1024, 64, 24, 8, 2
    "width": 1 << 14,
    "head_width": 1 << 12,
    "layers": 1 << 9,
    "patch_size": 1 << 7,
    "global_gaussians": 1 << 16,
    "mask_margin": 1 << 12,
}
LARGEST_CONSTANT = 1e6  # of that configuration, in either direction: logarithms, and lengths of a world of size 1


def limited_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file. ValueError for more than `most` bytes, and for a pipe or a device, which never
    end; OSError as `open`."""
    with open(path, "rb", opener=_without_waiting) as stream:
        state = os.fstat(stream.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("expected a file, got a pipe or a device")
        if state.st_size > most:
            raise ValueError(f"expected at most {most:,} bytes, got {state.st_size:,}")
        return stream.read(state.st_size)


def first_bytes(path: Path, count: int) -> bytes:
    """Up to so many bytes of a regular file. ValueError for a pipe or a device; OSError as `open`."""
    with open(path, "rb", opener=_without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ValueError("expected a file, got a pipe or a device")
        return stream.read(count)


def check_image_size(width: int, height: int) -> None:
    """ValueError for an image or a video's frame that no camera takes."""
    if not (0 < width <= IMAGE_SIDE and 0 < height <= IMAGE_SIDE and width * height <= IMAGE_PIXELS):
        raise ValueError(
            f"its header says {width} x {height} pixels; expected at most {IMAGE_SIDE:,} a side and "
            f"{IMAGE_PIXELS / 1e6:.0f} million in all. Damaged, or made to fill the memory?"
        )


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # opening a pipe would wait for a writer
