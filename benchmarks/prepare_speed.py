"""Speed and memory of `prepare` on videos, against the straightforward pipeline and against decoding alone.

    python benchmarks/prepare_speed.py [--gop 30] [--every 10] [--frames 500] [--noise 4] [--crf 17] [--yardstick 6]

Prints CPU seconds (user + system, child processes included) a six-view sample, and ratios measured in one run.
The yardstick makes only a few of the samples, spread over the recording, because it is slow.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

VIEWS = 6
PER_VIEW_MS = 9.0  # what masks, plan, warp and PNG may cost on top of decoding

DECODE = """
import sys
import av
total = 0
for path in sys.argv[1:]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            total += memoryview(frame.planes[0])[0]
"""

OURS = """
import sys, json, resource
from pathlib import Path
def peak_mb():  # ru_maxrss of a process starts at its parent's size
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
from mouselift.capture.capture import load_capture
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset
if __name__ == "__main__":
    folder, out, every, workers = sys.argv[1:]
    options = PrepareOptions(every=int(every), on_cut="keep")
    made = prepare_dataset(load_capture(Path(folder)), Path(out), options, workers=int(workers))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"kept": made.kept, "worker_mb": children if int(workers) > 1 else peak_mb()}))
"""


def timed(command: list[str]) -> tuple[float, float, str]:
    """(CPU seconds, wall seconds, last line of output) of a command and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gop", type=int, default=30)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--noise", type=float, default=4.0, help="of the sensor, levels: sets the bytes a frame")
    parser.add_argument("--crf", type=int, default=17, help="of the videos; with --noise it sets the bytes a frame")
    parser.add_argument("--yardstick", type=int, default=6, help="samples that the straightforward pipeline makes")
    options = parser.parse_args()

    from recording import recording

    source = recording(options.frames, options.gop, options.noise, options.crf)
    samples = len(range(0, options.frames, options.every))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        ours_script, decode_script = script(work, "ours.py", OURS), script(work, "decode.py", DECODE)
        idle, _, _ = timed([sys.executable, "-c", "import mouselift.prepare.pipeline, mouselift.prepare.resample"])
        step = max(1, samples // options.yardstick) * options.every
        chosen = list(range(0, options.frames, step))[: options.yardstick]
        yardstick = [sys.executable, str(HERE / "baseline" / "straightforward.py"), "video"]
        plain, _, _ = timed(
            [*yardstick, str(source / "videos"), str(source / "masks"), str(work / "plain"), *map(str, chosen)]
        )
        videos = sorted(str(path) for kind in ("videos", "masks") for path in (source / kind).iterdir())
        decode, _, _ = timed([sys.executable, decode_script, *videos])
        results = {}
        for workers in (1, 2):
            out = work / f"out{workers}"
            cpu, wall, line = timed(
                [sys.executable, ours_script, str(source), str(out), str(options.every), str(workers)]
            )
            results[workers] = {"cpu": cpu, "wall": wall, **json.loads(line)}
            shutil.rmtree(out)
    size = sum(path.stat().st_size for path in (source / "videos").iterdir()) / options.frames / VIEWS / 1000
    print(f"videos of {size:.0f} kB a frame")
    report(options, samples, len(chosen), idle, plain, decode, results)


def report(
    options: argparse.Namespace, samples: int, chosen: int, idle: float, plain: float, decode: float, results: dict
) -> None:
    ours = results[1]["cpu"] - idle
    budget = decode + samples * VIEWS * PER_VIEW_MS / 1000
    plain_each = plain / chosen
    print(f"six views 1152x1024, {options.frames} frames, GOP {options.gop}, every {options.every}: {samples} samples")
    print(f"{'straightforward':<28}{1000 * plain_each:9.0f} ms CPU a sample ({chosen} made)")
    print(f"{'mouselift, one process':<28}{1000 * ours / samples:9.0f} ms CPU a sample (without {idle:.1f} s of start)")
    print(f"{'decoding alone':<28}{1000 * decode / samples:9.0f} ms CPU a sample")
    print(f"{'decoding + 9 ms a view':<28}{1000 * budget / samples:9.0f} ms CPU a sample")
    print(f"ratio to straightforward     1/{plain_each / (ours / samples):.1f}")
    print(f"ratio to decoding alone      {ours / decode:.2f}")
    print(f"ratio to decoding + 9 ms     {ours / budget:.2f}")
    print(f"beyond decoding              {1000 * (ours - decode) / samples / VIEWS:.1f} ms a view")
    faster = results[1]["wall"] / results[2]["wall"]
    print(f"two workers                  {faster:.2f} x one (wall, {os.cpu_count()} cores)")
    one, two = results[1]["worker_mb"], results[2]["worker_mb"]
    print(f"peak memory                  {one:.0f} MB one process, {two:.0f} MB a worker")


if __name__ == "__main__":
    main()
