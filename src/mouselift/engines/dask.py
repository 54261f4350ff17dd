"""A cluster of Dask: workers on any machines that see the same files under the same paths."""

from __future__ import annotations

import importlib
import io
import logging
import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

from mouselift import __version__
from mouselift.engines.engine import Job, Result, Unit
from mouselift.engines.worker import digest_of, heard_by, run_unit
from mouselift.errors import MissingExtraError, MouseliftError
from mouselift.progress import Step, unheard

LOG = logging.getLogger(__name__)

_CONNECT = 20  # seconds: a scheduler that runs answers in one, also where 64 workers are starting
_AHEAD, _LEAST_AHEAD = 2, 32  # units a thread, and in all: an adaptive cluster grows by what waits


class DaskEngine:
    """Runs work on the cluster whose Dask scheduler is at `address`; extra `dask`.

    address: "host:8786", "tcp://host:8786", or the path of the file that `dask scheduler --scheduler-file` writes
    (*.json). Workers have this version of mouselift, and see captures and outputs under the same absolute paths. A
    block whose worker is lost runs again on another one. Within `with` it stays connected; it is for one thread.

    Errors: MissingExtraError without dask.distributed; MouseliftError where no scheduler answers within 20 s or it
    goes away, where a worker has another version, and where a block is lost with several workers, one after another.

    Example:
        >>> with ml.DaskEngine("head-node:8786") as engine:
        ...     summary = ml.prepare_dataset(capture, Path("/data/out/mouse7"), engine=engine)
    """

    # Each job is a task of its own, which Dask makes again; data that are scattered are lost with their worker.

    def __init__(self, address: str) -> None:
        self.address = address
        try:
            self._dask: Any = importlib.import_module("distributed")
        except ImportError as missing:
            raise MissingExtraError(
                f"a Dask cluster needs dask.distributed ({missing}); install it with: pip install 'mouselift[dask]'"
            ) from None
        self._client: Any = None

    def __enter__(self) -> DaskEngine:
        self._connected()
        return self

    def __exit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def run(self, units: Iterable[Unit[Result]], hears: Step = unheard) -> Iterator[Result]:
        """As `Engine.run`; steps are heard when their unit is done."""
        client = self._connected()
        finished = self._dask.as_completed(loop=client.loop)
        pending: set[Any] = set()  # futures
        last, digest, packed, todo, ahead = None, "", None, iter(units), self._ahead()
        try:
            while True:
                for job, block in todo:
                    if job is not last:
                        data = _packed(job)
                        last, digest, packed = job, digest_of(data), client.submit(_itself, data, pure=False)
                    unit = client.submit(_run, __version__, digest, packed, list(block), pure=False)
                    pending.add(unit)
                    finished.add(unit)
                    if len(pending) >= ahead:
                        break
                if not pending:
                    return
                unit = next(finished)
                pending.discard(unit)
                results, steps = self._result(unit)
                ahead = self._ahead() if len(pending) % _LEAST_AHEAD == 0 else ahead  # workers come and go
                if steps:
                    hears(steps)
                yield from results
        finally:
            if pending:
                with suppress(Exception):  # what went wrong first is what is said
                    client.cancel(list(pending), force=True)

    def _result(self, unit: Any) -> tuple[list[Any], int]:
        try:
            return unit.result()
        except self._dask.KilledWorker as error:
            raise MouseliftError(
                f"{self.address}: a block was tried on several workers, and each was lost: killed by the system if "
                f"memory ran out (`dask worker --memory-limit`). Finished samples are kept. Dask says: {error}"
            ) from error
        except (OSError, CancelledError) as error:  # a closed connection is an OSError
            if unit.status == "error":  # of the job
                raise
            raise self._gone(error) from error

    def _ahead(self) -> int:
        threads = sum(self._client.nthreads().values())
        if not threads:
            LOG.warning("%s: there is no worker yet; waiting for one", self.address)
        return max(_AHEAD * threads, _LEAST_AHEAD)

    def _connected(self) -> Any:
        if self._client is None:
            file = self.address.endswith(".json")
            if file and not Path(self.address).is_file():
                raise MouseliftError(f"{self.address}: no such file; expected what `dask scheduler` wrote")
            where: dict[str, Any] = {"scheduler_file": self.address} if file else {"address": self.address}
            try:
                self._client = self._dask.Client(**where, timeout=_CONNECT, set_as_default=False, name="mouselift")
            except (OSError, ValueError) as error:
                raise self._gone(error) from error
        return self._client

    def _gone(self, error: Exception) -> MouseliftError:
        return MouseliftError(
            f"{self.address}: no Dask scheduler answers there ({error or type(error).__name__}); expected host:port as "
            "`dask scheduler` prints it. Finished samples are kept: the same command goes on from them"
        )


class _Packer(pickle.Pickler):
    """Workers start in folders of their own, so relative paths are made absolute."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Path) and not obj.is_absolute():
            return obj.absolute().__reduce__()
        return NotImplemented


def _packed(job: Job[Any]) -> bytes:
    stream = io.BytesIO()
    _Packer(stream).dump(job)
    return stream.getvalue()


def _itself(packed: bytes) -> bytes:
    return packed


def _run(version: str, digest: str, packed: bytes, block: list[int]) -> tuple[list[Any], int]:
    """(results, steps), in a worker."""
    if version != __version__:
        raise MouseliftError(f"a Dask worker has mouselift {__version__}, expected {version}: results could differ")
    steps: list[int] = []
    with heard_by(steps.append):
        results = run_unit(digest, lambda: packed, block)
    return results, sum(steps)
