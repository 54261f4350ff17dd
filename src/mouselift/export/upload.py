"""A folder of shards on a server, filled a shard at a time: a reader never takes a half-written set for a whole one.

`shards.json` says that the set is complete, and is written last; while shards are on their way it says that the set is
not. A shard is there when its index is, which follows its tar and is removed before that tar is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from mouselift.dataset.remote import PART_BYTES, RemoteBytes, remote_url
from mouselift.dataset.shards import SHARDS_FILE, ShardEntry
from mouselift.errors import DatasetError
from mouselift.foreign import json_as, json_of

_WRITTEN = ("s3://", "gs://")


class _Description(msgspec.Struct):
    """shards.json, as far as it says whose the folder is."""

    identity: msgspec.Raw
    complete: bool = False


@dataclass
class Upload:
    """Shards made one at a time in `folder` on this machine, and sent. sent, kept: how many were, and were there.

    A server keeps the parts of a shard whose upload was killed, and bills them: `notes` says so.
    """

    server: RemoteBytes
    folder: Path
    sent: int = 0
    kept: int = 0
    stopped: bool = False  # an earlier upload of this set was, before it was complete
    in_parts: bool = False  # a shard was sent that takes more than one

    def begin(self) -> None:
        """DatasetError where the server's folder holds another export. Nothing is changed there yet."""
        self._unfinished = (self.folder / SHARDS_FILE).read_bytes()
        self._there = self.server.found(SHARDS_FILE)
        if self._there is None:
            return
        where = f"{self.server.where}/{SHARDS_FILE}"
        try:
            theirs = json_as(self._there, _Description)
            their_identity = json_of(bytes(theirs.identity))
        except ValueError as error:
            raise DatasetError(f"{where}: was not written by `mouselift export` ({error}); use a new address") from None
        mine = json_as(self._unfinished, _Description)
        if their_identity != json_of(bytes(mine.identity)):
            raise DatasetError(
                f"{where}: holds another export: other samples, or another size of shards. Use a new address, or the "
                "same dataset and options. Nothing was changed"
            )
        self.stopped = not theirs.complete

    def take(self, shard: ShardEntry) -> None:
        """Send a shard that the server lacks, as its index and its tar's size say; its tar leaves this machine."""
        tar, index = self.folder / shard.tar, (self.folder / shard.index).read_bytes()
        theirs = self.server.found(shard.index)
        if theirs == index and self.server.size(shard.tar) == shard.bytes:
            self.kept += 1
        else:
            self._say(self._unfinished)
            if theirs is not None:
                self.server.remove(shard.index)
            self.server.send(shard.tar, tar)
            there = self.server.size(shard.tar)
            if there != shard.bytes:
                raise DatasetError(
                    f"{self.server.where}/{shard.tar}: sent {shard.bytes} bytes, {there} are there; give the same "
                    "command again, once"
                )
            self.server.send(shard.index, index)
            self.sent += 1
            self.in_parts |= shard.bytes > PART_BYTES
        tar.unlink()

    def end(self) -> None:
        """The set is complete."""
        self._say((self.folder / SHARDS_FILE).read_bytes())

    def notes(self) -> Iterator[str]:
        """For the user."""
        yield f"{self.sent} of {self.sent + self.kept} shards were sent; the others were there already"
        if self.stopped and self.in_parts:
            yield (
                "an earlier upload was stopped; parts of its last shard may be left, which are no file but count as "
                "storage: a lifecycle rule of the bucket for unfinished multipart uploads removes them"
            )

    def _say(self, description: bytes) -> None:
        if self._there != description:
            self.server.send(SHARDS_FILE, description)
            self._there = description


@contextmanager
def upload_to(url: str) -> Iterator[Upload]:
    """DatasetError where it cannot be written or reached."""
    server = writable(url)
    with TemporaryDirectory(prefix="mouselift-shards-") as folder:
        yield Upload(server, Path(folder))


def writable(url: str) -> RemoteBytes:
    """The server's folder, which answered. DatasetError where it is no place to write to, or does not answer."""
    address = remote_url(url)
    if address is None or not address.startswith(_WRITTEN):
        raise DatasetError(f"{url}: expected an address to write to: s3://bucket/folder or gs://bucket/folder")
    server = RemoteBytes(address)
    server.size(SHARDS_FILE)
    return server
