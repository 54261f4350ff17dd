"""Random access to samples of a dataset: folders against shards, cold and warm, one process.

    python benchmarks/shard_speed.py DATASET [--copies 20] [--work FOLDER]

Copies of the dataset's samples are written as folders and exported as shards. A pass reads the bytes of every sample
in one random order, without decoding. Cold: the files' pages are dropped first by posix_fadvise (needs no root). Names
and inodes stay in memory, so a machine that has just started is slower with folders.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.layout import find_samples
from mouselift.dataset.open_store import open_store
from mouselift.dataset.store import SampleStore
from mouselift.export.registry import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--work", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.work) as work:
        folders, shards = Path(work) / "folders", Path(work) / "shards"
        samples = find_samples(given.dataset)
        for number in range(given.copies * len(samples)):
            shutil.copytree(samples[number % len(samples)], folders / f"sample_{number:06d}")
        begun = time.process_time()
        done = export(folders, shards, "webdataset")
        took = 1e3 * (time.process_time() - begun) / done.samples
        print(f"{done.samples} samples, {done.bytes / 1e6:.0f} MB; export: {took:.1f} ms CPU a sample", flush=True)
        order = np.random.default_rng(0).permutation(done.samples).tolist()
        for state in ("cold", "warm", "warm"):
            for name, path in (("folders", folders), ("shards", shards)):
                store = open_store(path)
                store.open(0)
                if state == "cold":
                    drop(path)
                files, wall, cpu = read(store, order)
                print(
                    f"{state} {name}: {files / wall:,.0f} files/s, {1e3 * cpu / len(order):.2f} ms CPU a sample",
                    flush=True,
                )
        for name, path in (("folders", folders), ("shards", shards)):
            data, begun = MultiViewDataset(path), time.process_time()
            for place in order[:60]:
                data[place]
            print(f"tensors, {name}: {1e3 * (time.process_time() - begun) / 60:.1f} ms CPU a sample")


def read(store: SampleStore, order: list[int]) -> tuple[int, float, float]:
    """(files, seconds, seconds of CPU): the cameras and every image of each sample."""
    files, wall, cpu = 0, time.perf_counter(), time.process_time()
    for place in order:
        opened = store.open(place)
        views = len(opened.sample.views)
        for view in range(views):
            opened.image(view)
        files += 1 + views
    return files, time.perf_counter() - wall, time.process_time() - cpu


def drop(folder: Path) -> None:
    """Pages of the files in a folder leave the memory."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


if __name__ == "__main__":
    main()
