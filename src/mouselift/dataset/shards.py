"""Samples in tar files: what lies where, as the index beside each file says.

A folder of shards (`mouselift export --format webdataset` makes one):

shards.json         which shards there are, of which split
shard-000000.tar    whole samples, one after another; `<sample>.<file>`, with "/" in the file's path as "."
shard-000000.json   its index: for each file of each sample (offset, size, CRC-32)

Names are webdataset's: a sample's key ends at the first dot, so a dot in a sample's own name is written as %2E.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

SHARDS_FILE = "shards.json"


class ShardSample(msgspec.Struct):
    """One sample. What training asks before it reads images stands here too."""

    name: str
    views: list[str]  # cameras, in the order of the sample's file
    images: list[str]  # of the views: paths in the sample's folder
    side: int  # pixels, of the first view
    cameras_sha256: str  # of the cameras file
    files: dict[str, tuple[int, int, int]]  # path in the sample's folder -> (offset in the tar, size, CRC-32)


class ShardIndex(msgspec.Struct):
    """The file beside a tar."""

    tar: str
    bytes: int
    sha256: str  # of the tar
    samples: list[ShardSample]
    schema: int = 1


class ShardEntry(msgspec.Struct):
    """A shard's line in shards.json."""

    index: str
    index_sha256: str
    samples: int
    bytes: int  # of the tar
    split: str | None  # "train", "val"; None: in neither list


class ShardList(msgspec.Struct):
    """shards.json, as far as it is read."""

    complete: bool = False
    shards: list[ShardEntry] = []


def member_name(sample: str, file: str) -> str:
    """In the tar. Two files of one sample may get one name (`a/b.png`, `a.b.png`): the writer refuses that."""
    return f"{sample.replace('%', '%25').replace('.', '%2E')}.{file.replace('/', '.')}"


def is_shards(path: Path) -> bool:
    """Whether `path` is a folder of shards."""
    return (path / SHARDS_FILE).is_file()
