"""Files with one time for each image: found beside the recording, read, their unit told.

campy's frametimes.npy / .mat ([2, T]: numbers, seconds), tables and lists of times as text, dates and times among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import av
import numpy as np

from mouselift.array_types import Array, Float64
from mouselift.calibration.dannce_files import load_mat
from mouselift.capture.camera_names import CameraNames
from mouselift.errors import CalibrationError, CaptureError
from mouselift.foreign import npy_numbers, numbers, short, short_text
from mouselift.limits import SCENE_BYTES, limited_bytes
from mouselift.media.video_index import VideoInfo

SUFFIXES = (".npy", ".csv", ".txt", ".mat", ".tsv")  # in this order, where a camera has the same times in several
_UNREAD = (".npz", ".json", ".pkl", ".pickle", ".h5", ".hdf5", ".xlsx", ".parquet", ".feather", ".log", ".dat", ".bin")
_NAME = re.compile(r"(frame|time|image)[_\- ]?(times?|stamps?)|(?<![a-z])times(?![a-z])", re.IGNORECASE)
_LENGTH = re.compile(r"exposure|duration|delta|interval|diff|latency", re.IGNORECASE)  # a length, no time of an image
_TIME = re.compile(r"time|stamp|seconds|(?<![a-z])(pts|ts|t)(?![a-z])", re.IGNORECASE)
_COUNT = re.compile(r"frame|index|count|number|image|(?<![a-z])(id|n|no|nr)(?![a-z])", re.IGNORECASE)
_MAT_TIMES, _MAT_NUMBERS = ("timeStamp", "timestamps"), "frameNumber"
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNIT = re.compile(
    r"(?<![a-z])(ns|nanosec\w*|us|µs|microsec\w*|ms|msec|millisec\w*|s|sec|secs|seconds?)(?![a-z])", re.I
)
_DATE = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
_CLOCK = re.compile(r"(?<![\d:.])(\d{1,2}):(\d\d):(\d\d(?:\.\d+)?)(?![\d:])")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
# At which clocks start again: 16, 31 and 32 bits; cameras on FireWire's bus at 128 s; the time of day at midnight.
_WRAPS = (2.0**16, 2.0**31, 2.0**32, *(s * unit for s in (128.0, 86400.0) for unit in (1, 1e3, 1e6, 1e9)))
_COUNT_WRAPS = (2.0**8, 2.0**16 - 1, 2.0**16, 2.0**24, 2.0**32)  # block numbers of GigE Vision leave out 0
_LOST_AT_WRAP = 10  # images that may be lost where a clock starts again
_LARGEST_TIME = 1e19  # nanoseconds since 1970 are 1.8e18
_FASTEST = 20_000.0  # images a second: no camera of animals, so that the column holds something else
_RATES = (1.0, 1000.0)  # images a second, where the files do not say: one factor of 1000, so one unit fits


@dataclass(frozen=True, eq=False)
class Times:
    """As the file holds them."""

    path: Path
    values: Float64[Array, " n"]  # in `unit`
    unit: str | None = None  # None: the file does not say
    numbers: Float64[Array, " n"] | None = None  # the camera's own count of each image


@dataclass(frozen=True)
class TimeFiles:
    """Of one camera. others: what it has in other kinds of file, which should say the same."""

    path: Path
    others: tuple[Path, ...]


def find_times(names: CameraNames, recording: Mapping[str, Path]) -> dict[str, TimeFiles]:
    """The files of times of each camera; CaptureError where a camera has several of one kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(names.folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not _NAME.search(path.stem):
            continue
        if path.is_file() and (named := names.find(path)) is not None and named.camera in recording:
            found.setdefault(named.camera, []).append(path)
    out: dict[str, TimeFiles] = {}
    for name, paths in found.items():
        beside = [path for path in paths if path.parent == recording[name].parent] or paths
        best = min(SUFFIXES.index(path.suffix.lower()) for path in beside)
        first = [path for path in beside if SUFFIXES.index(path.suffix.lower()) == best]
        if len(first) > 1:
            listed = ", ".join(str(path) for path in first)
            raise CaptureError(f"camera {name}: several files of times: {listed}; move those away that are not meant")
        out[name] = TimeFiles(first[0], tuple(path for path in beside if path != first[0]))
    return out


def unread_times(names: CameraNames) -> Iterator[tuple[Path, str]]:
    """Files that are named as times and are not read, each with the reason."""
    for path in sorted(names.folder.rglob("*")):
        suffix = path.suffix.lower()
        if suffix not in (*SUFFIXES, *_UNREAD) or path.name.startswith(".") or not _NAME.search(path.stem):
            continue
        try:
            camera = names.find(path)
        except CaptureError:
            continue  # `find_times` says so
        if not path.is_file():
            continue
        if suffix in _UNREAD:
            yield path, f"named as times, which are not read from {suffix}: write CAMERA_timestamps.csv, one a line"
        elif camera is None:
            yield path, "named as times, of no camera: init reads one file a camera, CAMERA_timestamps.csv, one a line"


def read_times(path: Path) -> Times:
    """CaptureError where the file holds no list of times."""
    try:
        if path.suffix.lower() == ".npy":
            return _array(path, npy_numbers(limited_bytes(path, SCENE_BYTES), "biufM"))
        if path.suffix.lower() == ".mat":
            return _mat(path)
        return _text(path)
    except (OSError, ValueError, CalibrationError) as error:
        raise CaptureError(f"{path}: times cannot be read: {error}") from None


def _array(path: Path, values: np.ndarray) -> Times:
    if values.dtype.kind != "M":
        return _columns(path, values, [])
    if np.isnat(values).any():
        raise CaptureError(f"{path}: number {int(np.argmax(np.isnat(values)))} (from 0) is no time (NaT)")
    return replace(_columns(path, values.astype("datetime64[ns]").astype(np.int64), []), unit="ns")


def _mat(path: Path) -> Times:
    """campy's variables, one row or one column each."""
    content = load_mat(path)
    name = next((name for name in _MAT_TIMES if name in content), None)
    if name is None:
        raise CaptureError(f"{path}: expected timeStamp (and frameNumber), got {', '.join(content) or 'nothing'}")
    values = _row(path, name, content[name])
    numbers = _row(path, _MAT_NUMBERS, content[_MAT_NUMBERS]) if _MAT_NUMBERS in content else None
    if numbers is not None and len(numbers) != len(values):
        raise CaptureError(f"{path}: {len(values)} times in {name}, but {len(numbers)} numbers in {_MAT_NUMBERS}")
    return Times(path, values, None, numbers)


def _row(path: Path, name: str, values: object) -> Float64[Array, " n"]:
    """CaptureError unless they are one row or one column of finite real numbers."""
    found = np.asarray(values)
    if found.dtype.kind not in "iufb" or not found.size or found.size != max(found.shape, default=0):
        shape = " x ".join(map(str, found.shape))
        raise CaptureError(f"{path}: {name}: expected one row of numbers, one an image; got {shape} of {found.dtype}")
    row = found.astype(np.float64).ravel()
    if not np.isfinite(row).all():
        raise CaptureError(f"{path}: {name}: number {int(np.argmin(np.isfinite(row)))} (from 0) is not finite")
    return numbers(row, name=name, most=_LARGEST_TIME)


def _text(path: Path) -> Times:
    data = limited_bytes(path, SCENE_BYTES)
    lines = [line for line in _decoded(data).replace('"', "").splitlines() if line.strip()]
    comments = sum(1 for line in lines if line.lstrip().startswith(("#", "%")))
    if comments and all(line.lstrip().startswith(("#", "%")) for line in lines[:comments]):
        lines = lines[comments - 1 :]  # the last of them may name the columns
    first, skipped = lines[0] if lines else "", max(comments - 1, 0)
    told = any(_CLOCK.search(line) for line in lines[1:])  # of dates, too
    lines = [_CLOCK.sub(_since_midnight, _DATE.sub(_since_1970, line)) for line in lines]
    if lines and all(";" in line or "\t" in line for line in lines):
        lines = [_COMMA.sub(".", line) for line in lines]  # so tables are written where the comma is the decimal sign
    rows = [re.split(r"[,;\t]\s*|\s+", line.strip().strip(",;")) for line in lines]
    header: list[str] = []
    if rows and not _is_number(rows[0][0]) and not _is_number(rows[0][-1]):
        header = [cell.strip() for cell in re.split(r"[,;\t]", first.strip().lstrip("#%").strip())]
        rows = rows[1:]
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]) or not all(map(_is_number, row)):
            at = index + bool(header)
            raise CaptureError(f"{path}: line {skipped + at + 1}: expected numbers only, got {short(lines[at])}")
    times = _columns(path, np.array(rows, dtype=np.float64), header)
    return replace(times, unit="s") if told else times


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # a table of Windows, where the column's name has a letter of its own: µs
        return data.decode("latin-1")


def _since_1970(date: re.Match[str]) -> str:
    """Seconds, of a date and time of ISO 8601; without a zone that of Greenwich, for differences alone matter."""
    zone = (date[6] or "Z").replace("Z", "+00:00")
    try:
        whole = datetime.fromisoformat(f"{date[1]}-{date[2]}-{date[3]}T{date[4]}{zone}").timestamp()
    except ValueError:  # the 31st of February
        return date[0]
    return f"{whole + float('0' + (date[5] or '')):.7f}"


def _since_midnight(clock: re.Match[str]) -> str:
    """Seconds, of a time of day."""
    return f"{int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]):.9f}"


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _columns(path: Path, values: np.ndarray, header: list[str]) -> Times:
    """Which column holds times: by its name; of two without names, the other counts images."""
    table = numbers(values, most=_LARGEST_TIME)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise CaptureError(f"{path}: expected one time for each image, got an array of shape {values.shape}")
    if not header and len(table) == 2 and table.shape[1] > 2:
        table = table.T  # campy: [2, T]
    if header and len(header) == table.shape[1]:
        timed = [i for i, name in enumerate(header) if _TIME.search(name) and not _LENGTH.search(name)]
        counted = [i for i, name in enumerate(header) if i not in timed and _COUNT.search(name)]
        timed = [0] if not timed and len(header) == 1 else timed
        if len(timed) != 1:
            there = short_text(", ".join(header))
            raise CaptureError(f"{path}: expected one column of times, got columns {there}; keep the one that is meant")
        unit = _UNIT.search(header[timed[0]].replace("_", " ").replace("\N{GREEK SMALL LETTER MU}", "µ"))
        return Times(
            path, table[:, timed[0]], _short(unit[1]) if unit else None, table[:, counted[0]] if counted else None
        )
    if table.shape[1] == 1:
        return Times(path, table[:, 0])
    counts = [i for i in range(table.shape[1]) if _counts_images(table[:, i])]
    if table.shape[1] != 2 or len(counts) != 1:
        raise CaptureError(
            f"{path}: {table.shape[1]} columns without names: expected times, or numbers of images and times. Add a "
            "line with the columns' names"
        )
    return Times(path, table[:, 1 - counts[0]], None, table[:, counts[0]])


def _short(unit: str) -> str:
    unit = unit.lower().replace("µ", "u")
    return {"n": "ns", "u": "us", "mic": "us", "mil": "ms", "ms": "ms"}.get(
        next((key for key in ("mic", "mil", "ms", "n", "u") if unit.startswith(key)), ""), "s"
    )


def _counts_images(column: np.ndarray) -> bool:
    steps = np.diff(column)
    return bool((column == np.rint(column)).all() and (steps >= 1).all() and np.median(steps) == 1)


def seconds(name: str, times: Times, rate: float) -> tuple[Float64[Array, " n"], str]:
    """Seconds and the unit. rate: of the video, or 0: then the unit is told by what cameras can do.

    Units are a factor of 1000 apart: the one whose rate is nearest the video's is meant, though the video may have been
    written at another rate.
    """
    step = float(np.median(np.diff(times.values))) if len(times.values) > 1 else 0.0
    if not step * min(_UNITS.values()) > 0:  # nor by less than a double can say
        raise CaptureError(f"camera {name}: {times.path}: times do not increase")
    if times.unit is not None and step * _UNITS[times.unit] * _FASTEST < 1:
        raise CaptureError(
            f"camera {name}: {times.path}: {1 / (step * _UNITS[times.unit]):,.0f} images a second, by its times in "
            f"{times.unit}: another column, or another unit"
        )
    if times.unit is not None:
        return times.values * _UNITS[times.unit], times.unit
    rates = {unit: 1 / (step * factor) for unit, factor in _UNITS.items()}
    if rate > 0:
        unit = min(rates, key=lambda u: abs(np.log(rates[u] / rate)))
        return times.values * _UNITS[unit], unit
    fitting = [unit for unit, found in rates.items() if _RATES[0] < found <= _RATES[1]]
    if len(fitting) != 1:
        raise CaptureError(
            f"camera {name}: {times.path}: the unit of its times cannot be told (steps of {step:g}); add a line with "
            "the column's name, such as time_ms"
        )
    return times.values * _UNITS[fitting[0]], fitting[0]


def unwrapped(times: Times) -> tuple[Times, float]:
    """Times of a clock that starts again at a known value, going on; the value, or 0."""
    values, wrap = _unwrapped(times.values, _WRAPS)
    return (replace(times, values=values), wrap) if wrap else (times, 0.0)


def _unwrapped(values: Float64[Array, " n"], wraps: Sequence[float]) -> tuple[Float64[Array, " n"], float]:
    """With one of `wraps` added from each step back on, where that makes all of them steps of few images."""
    steps = np.diff(values)
    back, forth = steps[steps < 0], steps[steps > 0]
    if not back.size or not forth.size or values.min() < 0:
        return values, 0.0
    longest = _LOST_AT_WRAP * float(np.median(forth))
    for wrap in sorted(wraps):
        made = back + wrap
        if values.max() <= wrap and made.min() > 0 and made.max() < longest:
            return values + wrap * np.r_[0, np.cumsum(steps < 0)], wrap
    return values, 0.0


def check_numbers(name: str, times: Times, ticks: np.ndarray) -> None:
    """CaptureError where the camera's own count has gaps and its times have others. A count without gaps says nothing:
    recorders count what they write."""
    if times.numbers is None:
        return
    readings = [_unwrapped(times.numbers, [wrap])[0] - times.numbers[0] for wrap in _COUNT_WRAPS]
    if any((np.diff(counted) == 1).all() or np.array_equal(counted, ticks) for counted in readings):
        return
    # Where the count never starts again all readings are equal; else the one that follows the times longest is meant.
    counted = max(readings, key=lambda each: int(np.argmax(each != ticks)))
    other = np.flatnonzero(counted != ticks)
    if other.size:
        at = int(other[0])
        raise CaptureError(
            f"camera {name}: {times.path}: by its count image {at} is number {counted[at]:.0f} from the first, by its "
            f"times {ticks[at]}: the two lose other images. Remove the one that is wrong"
        )


def cut(times: Times, first: int, count: int) -> Times:
    """The times of one chunk."""
    numbers = None if times.numbers is None else times.numbers[first : first + count]
    return replace(times, values=times.values[first : first + count], numbers=numbers)


def stamps(video: VideoInfo) -> Float64[Array, " n"] | None:
    """The video's presentation times, seconds; None where it has none."""
    if video.times is None:
        return None
    with av.open(str(video.path)) as container:
        base = container.streams.video[0].time_base
    return None if base is None else video.times * float(base)
