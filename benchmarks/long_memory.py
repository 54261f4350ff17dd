"""Peak memory of `prepare` over recordings of two lengths: what it holds of a frame for as long as it runs.

    python benchmarks/long_memory.py [--frames 1000 100000]

A tiny recording of six videos and mask videos is repeated by copying its packets. Its index, the selection, journal,
split, manifest and the lists are the real ones; frames are not decoded, and each sample's record is the one of
frame 0 with another number and without files: memory for pixels does not depend on the length.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

MAKE = """
import sys
from pathlib import Path
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig
folder = Path(sys.argv[1])
write_capture(folder, CaptureSpec(frames=20, rig=scaled_rig(markerless_rig(), 1 / 16), gop=20, seed=3))
write_capture_toml(folder / "capture.toml", discover(folder).spec)
"""

RUN = """
import json, sys, time
from pathlib import Path
import msgspec
from mouselift.capture.capture import load_capture
from mouselift.capture.source import CaptureSource
from mouselift.media.images import FrameSet
from mouselift.prepare import pipeline, preparation
from mouselift.prepare.sample import sample_id
from mouselift.prepare.options import PrepareOptions
from mouselift.run_lines import read_manifest
folder, like, out = map(Path, sys.argv[1:4])
(first,) = read_manifest(like, preparation.Record)
unread = lambda self, frames, images=True: (FrameSet(int(frame), ()) for frame in frames)
made = lambda frames, setting: (
    msgspec.structs.replace(first, id=sample_id(frames.frame), frame=frames.frame), {})
CaptureSource.read, preparation.make_sample = unread, made
preparation.DatasetStore.add = lambda self, sample, files: None
begun = time.perf_counter()
done = pipeline.prepare_dataset(load_capture(folder), out, PrepareOptions(on_cut="keep"), workers=1)
status = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss starts at the parent's size
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
print(json.dumps({"kept": done.kept, "MB": peak, "seconds": time.perf_counter() - begun}))
"""


def repeated(source: Path, target: Path, times: int) -> None:
    """The video's packets, so many times after one another."""
    with av.open(str(source)) as video, av.open(str(target), "w") as copy:
        stream = video.streams.video[0]
        packets = [packet for packet in video.demux(stream) if packet.dts is not None]
        shown = [packet.pts or 0 for packet in packets]
        length = (max(shown) - min(shown)) * len(packets) // (len(packets) - 1)
        out = copy.add_stream_from_template(stream)
        starts = [(time, packet.dts or 0) for time, packet in zip(shown, packets, strict=True)]
        for k in range(times):
            for packet, (pts, dts) in zip(packets, starts, strict=True):
                packet.pts, packet.dts, packet.stream = pts + k * length, dts + k * length, out
                copy.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1_000, 100_000])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        subprocess.run([sys.executable, "-c", MAKE, str(work / "tiny")], check=True)
        prepare = ["prepare", str(work / "tiny"), str(work / "one"), "--frames", "0", "--on-cut", "keep"]
        subprocess.run([sys.executable, "-m", "mouselift", *prepare], check=True, stdout=subprocess.DEVNULL)
        for frames in asked.frames:
            folder = work / str(frames)
            shutil.copytree(work / "tiny", folder)
            for video in [*(work / "tiny/videos").rglob("*.mp4"), *(work / "tiny/masks").rglob("*.mp4")]:
                repeated(video, folder / video.relative_to(work / "tiny"), frames // 20)
            begun = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(folder), str(work / "one"), str(work / f"out{frames}")],
                check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            wall = time.perf_counter() - begun
            print(f"{found['kept']:,} samples: peak {found['MB']:.1f} MB, {wall:.0f} s", flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
