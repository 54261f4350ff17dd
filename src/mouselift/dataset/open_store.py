"""The store of what a user names: a folder of samples, a list, a folder of shards here or on a server."""

from __future__ import annotations

from pathlib import Path

from mouselift.dataset.layout import find_samples, has_lists, split_samples
from mouselift.dataset.remote import RemoteBytes, remote_url
from mouselift.dataset.shards import ByteSource, LocalBytes, ShardStore, is_shards
from mouselift.dataset.store import FolderStore, SampleStore


def open_store(dataset: Path) -> SampleStore:
    """All samples of a dataset, in the order of `find_samples`."""
    source = _shards_at(dataset)
    if source is not None:
        return ShardStore(source)
    return FolderStore(tuple(find_samples(dataset)))


def split_stores(dataset: Path) -> tuple[SampleStore, SampleStore] | None:
    """(training, validation) samples, in the order of their lists; None where there are no lists.

    DatasetError: one of the two is empty.
    """
    source = _shards_at(dataset)
    if source is not None:
        if not ShardStore(source).has_splits:
            return None
        return ShardStore(source, "train"), ShardStore(source, "val")
    if not has_lists(dataset):
        return None
    return FolderStore(tuple(split_samples(dataset, "train"))), FolderStore(tuple(split_samples(dataset, "val")))


def _shards_at(dataset: Path) -> ByteSource | None:
    """None where it is no folder of shards."""
    url = remote_url(dataset)
    if url is not None:
        return RemoteBytes(url)
    return LocalBytes(dataset) if is_shards(dataset) else None
