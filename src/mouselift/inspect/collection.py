"""Many captures inspected in one command: each as alone, one after the other, with one engine for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mouselift.capture.capture import load_capture
from mouselift.capture.given import captures_given, names_of
from mouselift.errors import MouseliftError
from mouselift.inspect.facts import Inspection
from mouselift.inspect.inspect_capture import inspect_capture
from mouselift.inspect.options import InspectOptions
from mouselift.parallel import Engine, LocalEngine
from mouselift.prepare.collection import as_error
from mouselift.progress import Progress, renamed, silent
from mouselift.strings_as_paths import takes_paths


@dataclass(frozen=True)
class InspectedRecording:
    """One capture of several: what was found, or why it could not be inspected."""

    name: str  # as `prepare_collection` calls its folder
    capture: str  # the path that was given
    found: Inspection | None
    error: MouseliftError | None

    @property
    def failed(self) -> bool:
        return self.found is None or self.found.failed


@takes_paths
def inspect_collection(
    captures: Sequence[str | Path],
    options: InspectOptions = InspectOptions(),
    *,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Iterator[InspectedRecording]:
    """Facts and findings of every capture, as `inspect_capture`, each when it is asked for; nothing is changed.

    captures: folders with a capture.toml, patterns, text files that list captures, or the folder of
    `prepare_collection`, whose captures are meant. A capture that cannot be used is told with its error, and the others
    go on. CaptureError where no capture is found, or one is given twice.

    Example:
        >>> for recording in ml.inspect_collection(["recordings/*"]):
        ...     print(recording.name, recording.failed, recording.error)
    """
    named = names_of(captures_given(captures))
    with ExitStack() as stack:
        runs_on = engine or stack.enter_context(LocalEngine(workers))
        for name, path in named.items():
            try:
                found = inspect_capture(load_capture(path), options, engine=runs_on, progress=renamed(progress, name))
            except Exception as error:
                yield InspectedRecording(name, str(path), None, as_error(error))
            else:
                yield InspectedRecording(name, str(path), found, None)
