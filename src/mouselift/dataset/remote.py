"""Shards on a server: S3, Google Cloud Storage or HTTP, read by ranges of bytes; S3 and Google's are written too.

Needs obstore (extra `remote`).

Credentials and endpoints come from the variables that those services' own tools read (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS ...). An answer that breaks off is asked for again, after a pause that
doubles. Indexes are kept on this machine under the checksum that shards.json says, so none is ever out of date.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from mouselift.atomic import write_whole
from mouselift.errors import DatasetError, MissingExtraError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_URL = re.compile(r"(s3|gs|https?):/{1,2}(?=[^/])")  # a Path keeps one slash of two
_TRIES = 6
PART_BYTES = 8 << 20  # more than so many are sent in parts, each tried again on its own
_PARTS = 9000  # S3 takes 10,000 an object
_PARTS_AT_ONCE = 4  # with PART_BYTES and the next number, 1 Mbit/s up is enough
_SEND_TIME = timedelta(minutes=4)  # for a part; obstore's own 30 s are for answers
_PAUSE = 0.2  # seconds after the first failure, then twice as long: 6.2 in all, for answers that break off


def remote_url(path: Path | str) -> str | None:
    """The address that a path is; None where it is none, or such a folder exists.

    DatasetError where it holds a name or password: it would be printed, and stand in files.
    """
    text = str(path)
    found = _URL.match(text)
    if found is None or Path(text).exists():
        return None
    url = f"{found[1]}://{text[found.end() :].rstrip('/')}"
    if "@" in urlsplit(url).netloc:
        raise DatasetError(
            "an address with a name or password before its host (@): credentials come from the environment (AWS_..., "
            "GOOGLE_...)"
        )
    return url


def index_cache() -> Path:
    """The folder in which indexes are kept. Deleting it costs a download."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mouselift" / "indexes"


class RemoteBytes:
    """`ByteSource` over a server's folder. Each process has its own connections."""

    def __init__(self, url: str) -> None:
        if find_spec("obstore") is None:
            raise MissingExtraError(f"{url}: a server's folder needs obstore: pip install 'mouselift[remote]'")
        self.url = url

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    @property
    def where(self) -> str:
        return self.url

    @cached_property
    def _store(self) -> ObjectStore:
        return self._opened(timedelta(seconds=30), timedelta(seconds=60))

    @cached_property
    def _sending(self) -> ObjectStore:
        return self._opened(_SEND_TIME, _SEND_TIME)

    def _opened(self, request: timedelta, retries: timedelta) -> ObjectStore:
        """request: for one; retries: after its beginning it is tried again no more."""
        from obstore.store import from_url

        plain = self.url.startswith("http://") or _plain_endpoint()
        client: Any = {"allow_http": plain, "timeout": request}
        retry: Any = {"max_retries": 3, "retry_timeout": retries}
        return from_url(self.url, client_options=client, retry_config=retry)

    def content(self, file: str) -> bytes:
        import obstore

        return self._retried(file, lambda: bytes(obstore.get(self._store, file).bytes()))

    def index(self, file: str, sha256: str) -> Path:
        kept = index_cache() / f"{sha256}.json"
        if not kept.is_file() or hashlib.sha256(kept.read_bytes()).hexdigest() != sha256:
            data = self.content(file)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise DatasetError(
                    f"{self.url}/{file}: is not the index that shards.json names; was it uploaded whole?"
                )
            write_whole(kept, data, replace=True)
        return kept

    def part(self, file: str, offset: int, size: int) -> bytes:
        import obstore

        def asked() -> bytes:
            data = bytes(obstore.get_range(self._store, file, start=offset, length=size))
            if len(data) != size:
                raise OSError(f"expected {size} bytes from {offset} on, got {len(data)}")
            return data

        return self._retried(file, asked)

    def found(self, file: str) -> bytes | None:
        """Its content; None where it is not there."""
        import obstore

        def asked() -> bytes | None:
            try:
                return bytes(obstore.get(self._store, file).bytes())
            except FileNotFoundError:
                return None

        return self._retried(file, asked)

    def size(self, file: str) -> int | None:
        """In bytes; None where it is not there."""
        import obstore

        def asked() -> int | None:
            try:
                return int(obstore.head(self._store, file)["size"])
            except FileNotFoundError:
                return None

        return self._retried(file, asked)

    def send(self, file: str, content: bytes | Path) -> None:
        """Replaced whole, or left as it was. Killed, it may leave parts on the server that are no object."""
        import obstore

        size = content.stat().st_size if isinstance(content, Path) else len(content)
        part = max(PART_BYTES, size // _PARTS)

        def asked() -> object:
            return obstore.put(self._sending, file, content, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)

        self._retried(file, asked, missing="there is no such bucket")

    def remove(self, file: str) -> None:
        """Whether it is there or not."""
        import obstore

        def asked() -> None:
            try:
                obstore.delete(self._store, file)
            except FileNotFoundError:
                return

        self._retried(file, asked)

    def _retried(
        self, file: str, work: Callable[[], T], missing: str = "not on the server; is it a folder of shards?"
    ) -> T:
        """DatasetError where it is not there, not allowed, or fails `_TRIES` times."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        for failures in range(1, _TRIES + 1):
            try:
                return work()
            except FileNotFoundError:
                raise DatasetError(f"{self.url}/{file}: {missing}") from None
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise DatasetError(
                    f"{self.url}/{file}: the server does not allow it ({_short(error)}); credentials come from the "
                    "environment (AWS_..., GOOGLE_...); AWS_SKIP_SIGNATURE=true for public buckets"
                ) from None
            except (BaseError, OSError) as error:
                if failures == _TRIES:
                    raise DatasetError(
                        f"{self.url}/{file}: failed {_TRIES} times, the last: {_short(error)}; the same command goes "
                        "on when the server answers again"
                    ) from None
                LOG.info("%s/%s: %s; asking again", self.url, file, _short(error))
                time.sleep(_PAUSE * 2 ** (failures - 1))
        raise AssertionError


def _plain_endpoint() -> bool:
    """An object server of one's own may speak plain HTTP."""
    return any(os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"))


def _short(error: Exception) -> str:
    """Without the server's own text, in which some repeat the key that was given."""
    lines = str(error).partition("<")[0].splitlines()
    return lines[0][:200] if lines else type(error).__name__
