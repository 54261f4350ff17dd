"""Kills every verb that fills a folder before each of its changes on disk, and at random moments; then runs it again.

    python benchmarks/kill_everywhere.py [--verbs prepare mask ...] [--points 40] [--random 200] [--results FILE.json]

The second run must end well and leave the bytes of a run that nothing disturbed. A tiny recording (72 x 64 px; `mask`
finds no subject in it, and has three cameras at 360 x 288 px) and one process that forks for each run keep a point
short. --points: at most so many of each verb, evenly spaced over all, both ends included. Files that two undisturbed
runs write differently (times in a log), or that are known to hold times, are compared by name alone, and counted under
`timed`. Random moments are for `prepare` and `mask`, a half each, or for the one of them that is named. Exit code 1
where a point failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path

import _paths  # noqa: F401  (puts tests/shared on the path)
from kill_points import KillPoint
from mouselift.cli.app import run
from mouselift.run_lock import LOCK
from mouselift.sampling import evenly_spaced

VERBS = ("prepare", "mask", "repair", "reconstruct", "evaluate", "compare", "train", "report")
_KILLED = {"prepare", "mask"}  # at random moments too
_HOLD_TIMES = {  # of each verb's folder: seconds, rounded, so that two runs may state the same ones by chance
    "evaluate": ("out/index.html", "out/manifest.jsonl"),
    "reconstruct": ("out/manifest.jsonl", "out/sample_000000/index.html", "out/sample_000000/metrics.json"),
}
_LOADED = (
    "prepare.pipeline", "prepare.preparation", "masks.segment_capture", "repair.dataset", "reconstruct.pipeline",
    "report.compare", "report.dataset_page", "report.reconstruction_page", "report.evaluation_page", "train.loop",
    "reconstruct.fit_source", "synthetic.capture", "audit.dataset",
)  # fmt: skip


@dataclass
class Outcome:
    """Of one verb. failures: point -> what was wrong."""

    verb: str
    points: int = 0  # changes on disk of one run
    tried: int = 0  # of them
    kinds: dict[str, int] = field(default_factory=dict)
    timed: list[str] = field(default_factory=list)
    random: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


def arguments(verb: str, root: Path) -> list[str]:
    """The command line; all that it reads and writes lies in `root`."""
    capture, out = str(root / "mouse"), str(root / "out")
    short, split = str(root / "one"), str(root / "split")
    one = ["--workers", "1", "-q"]
    fit = ["--method", "fit", "--steps", "1", "--size", "16", *one]
    framed = ["--size", "32", "--on-cut", "keep", "--frames", "0", "1", "2"]
    return {
        "prepare": ["prepare", capture, out, *framed, *one],
        "mask": ["mask", capture, "--out", out, "--learn-from", "8", "--rows", "1", *one],
        "repair": ["repair", short, out, *one],
        "reconstruct": ["reconstruct", short, out, "--turntable", "2", *fit],
        "evaluate": ["evaluate", short, "--out", out, *fit],
        "compare": ["compare", capture, out, "--size", "32", "--frames", "0", "--presets", "per-view", *one],
        "train": ["train", "tiny_cpu", split, out, "--updates", "2", "--size", "16", "--unchecked", "-q"],
        "report": ["report", short, str(root / "out/page.html"), "--force", "--rows", "1", *one],
    }[verb]


def forked(work: Callable[[], int], log: Path, after: float | None = None) -> tuple[int, bool]:
    """(exit code, whether it was killed) of `work` in a process of its own. after: seconds until it is killed."""
    child = os.fork()
    if child == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = 70
        try:
            code = work()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, status == -signal.SIGKILL


def content(root: Path, place: Path) -> dict[str, bytes]:
    """Bytes by name; folders' own paths are taken out of them."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes().replace(os.fsencode(place), b"ROOT")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


class Trial:
    """One verb over copies of one input."""

    def __init__(self, verb: str, given: Path, work: Path) -> None:
        self.given, self.root, self.log = given, work / "root", work / "log"
        self.outcome = Outcome(verb)
        self.arguments = arguments(verb, self.root)
        begun = time.perf_counter()
        first, counted = self._whole(), work / "counted"
        self.seconds = time.perf_counter() - begun
        self._fresh()

        def count() -> int:
            point = KillPoint(0, str(self.root))
            code = run(self.arguments)
            counted.write_text(json.dumps(point.by_kind))
            return code

        self._must(*forked(count, self.log))
        self.outcome.kinds = json.loads(counted.read_text())
        self.outcome.points = sum(self.outcome.kinds.values())
        second = content(self.root, self.root)
        differ = {name for name in first if first[name] != second.get(name)}
        self.outcome.timed = sorted(differ.union(_HOLD_TIMES.get(verb, ())))
        self.expected = {name: b"" if name in self.outcome.timed else data for name, data in first.items()}

    def _fresh(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.given, self.root)

    def _whole(self) -> dict[str, bytes]:
        self._fresh()
        self._must(*forked(lambda: run(self.arguments), self.log))
        return content(self.root, self.root)

    def _must(self, code: int, killed: bool) -> None:
        if code not in (0, 1) or killed:  # 1: the answer is no
            raise SystemExit(f"{self.outcome.verb}: exit code {code} undisturbed\n{self.log.read_text()[-2000:]}")
        self.code = code

    def at_point(self, number: int) -> None:
        self._fresh()

        def work() -> int:
            KillPoint(number, str(self.root))
            return run(self.arguments)

        _, killed = forked(work, self.log)
        self._again(f"point {number}", "" if killed else "was not killed")

    def at_random(self, after: float) -> None:
        self._fresh()
        forked(lambda: run(self.arguments), self.log, after)
        self.outcome.random += 1
        self._again(f"after {after:.4f} s", "")

    def _again(self, where: str, wrong: str) -> None:
        left = sorted(content(self.root, self.root).keys() - content(self.given, self.root).keys())
        code, _ = forked(lambda: run(self.arguments), self.log)
        if not wrong and code != self.code:
            wrong = f"exit code {code}: {self.log.read_text()[-400:]}"
        if not wrong:
            found = content(self.root, self.root)
            found = {name: b"" if name in self.outcome.timed else data for name, data in found.items()}
            names = sorted(n for n in {*found, *self.expected} if found.get(n) != self.expected.get(n))
            wrong = f"other content in {names[:6]}" if names else ""
        if wrong:
            self.outcome.failures.append(f"{where}: {wrong}; it had left {left[-4:]}")
            print(f"{self.outcome.verb}: {self.outcome.failures[-1]}", flush=True)


def make_input(folder: Path) -> int:
    from mouselift.capture.capture_toml import write_capture_toml
    from mouselift.capture.discovery import discover
    from mouselift.synthetic.capture import CaptureSpec, write_capture
    from mouselift.synthetic.rigs import markerless_rig, scaled_rig

    capture = folder / "mouse"
    write_capture(capture, CaptureSpec(frames=8, rig=scaled_rig(markerless_rig(), 1 / 16), fps=2.0, seed=3))
    write_capture_toml(capture / "capture.toml", discover(capture).spec)
    given = [*arguments("prepare", folder)[:2], "--size", "32", "--on-cut", "keep", "--workers", "1", "-q"]
    one = run([*given[:2], str(folder / "one"), *given[2:], "--frames", "0"])
    return one or run(
        [*given[:2], str(folder / "split"), *given[2:], "--frames", "0", "7", "--val", "0.5", "--gap", "0"]
    )


def make_filmed(folder: Path) -> int:
    """What `mask` takes: an ellipsoid with a tail on a mirroring floor, as in the tests of masks."""
    from arena import Arena, ring, walk
    from mouselift.capture.capture_toml import write_capture_toml
    from mouselift.capture.discovery import discover
    from mouselift.media.png import encode_png
    from mouselift.synthetic.capture import write_dannce_calibration

    capture, arena = folder / "mouse", Arena(ring([15, 85, 160]))
    write_dannce_calibration(capture, arena.cameras)
    for view in range(len(arena.cameras)):
        images = capture / "images" / f"Camera{view + 1}"
        images.mkdir(parents=True)
        for frame, pose in enumerate(walk(8)):
            (images / f"{frame:04d}.png").write_bytes(encode_png(arena.image(view, pose, frame).colours))
    write_capture_toml(capture / "capture.toml", replace(discover(capture).spec, up=(0.0, 0.0, 1.0)))
    return 0


def tried(verb: str, given: Path, work: Path, points: int, moments: int) -> Outcome:
    begun = time.perf_counter()
    trial = Trial(verb, given, work)
    for number in evenly_spaced(range(1, trial.outcome.points + 1), points or trial.outcome.points):
        trial.at_point(number)
        trial.outcome.tried += 1
    draw = random.Random(verb)
    for _ in range(moments):
        trial.at_random(draw.uniform(0.0, trial.seconds))
    trial.outcome.seconds = round(time.perf_counter() - begun, 1)
    return trial.outcome


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbs", nargs="+", default=list(VERBS), choices=VERBS)
    parser.add_argument("--points", type=int, default=0, help="at most so many of each verb; 0: all")
    parser.add_argument("--random", type=int, default=0, help="moments, half for prepare, half for mask")
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args(argv)
    for name in _LOADED:
        import_module(f"mouselift.{name}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for make, given in ((make_input, work / "given"), (make_filmed, work / "filmed")):
            if (code := forked(lambda make=make, given=given: make(given), work / "log")[0]) != 0:
                raise SystemExit(f"no input: {code}\n{(work / 'log').read_text()}")
        for verb in asked.verbs:
            moments = asked.random // len(_KILLED & {*asked.verbs}) if verb in _KILLED else 0
            given = work / ("filmed" if verb == "mask" else "given")
            outcomes.append(tried(verb, given, work, asked.points, moments))
            done = outcomes[-1]
            kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(done.kinds).items()))
            print(
                f"{verb}: {done.tried} of {done.points} points ({kinds}), {done.random} moments, "
                f"{len(done.failures)} failed, {done.seconds:.0f} s; by name alone: {', '.join(done.timed) or 'none'}",
                flush=True,
            )
            if asked.results:
                asked.results.write_text(json.dumps([asdict(each) for each in outcomes], indent=1))
    return int(any(done.failures for done in outcomes))


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # a process that forks has no threads: said before NumPy is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})
    sys.exit(main())
