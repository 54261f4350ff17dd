"""Cost of the background model of `mouselift mask`, against decoding alone.

    python benchmarks/mask_speed.py VIDEO... [--samples 48]

Per video: CPU of decoding every image, and of decoding plus learning the background from images spread over the
whole recording (as `mask` does). The target is at most 3. Without VIDEO: the synthetic recording of its siblings.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import av
import cv2
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mouselift.masks.background import learn_background  # noqa: E402
from mouselift.masks.options import MaskOptions  # noqa: E402
from mouselift.media.video import VideoReader  # noqa: E402  (after the path above, like its siblings)
from mouselift.media.video_index import probe  # noqa: E402  (after the path above, like its siblings)
from mouselift.sampling import evenly_spaced  # noqa: E402


def decode(path: Path) -> float:
    """CPU seconds of decoding every image, one thread."""
    start = time.process_time()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass
    return time.process_time() - start


def learn(path: Path, samples: int) -> float:
    """CPU seconds of reading the samples and learning the background from them."""
    start = time.process_time()
    info = probe(path)
    reader = VideoReader(info)
    learn_background((image for _, image in reader.read(evenly_spaced(range(info.frames), samples))), str(path))
    reader.close()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--samples", type=int, default=MaskOptions().learn_from)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    videos = options.videos
    if not videos:
        from recording import recording

        videos = sorted((recording(500, 30, 4.0, 17) / "videos").iterdir())
    with threadpool_limits(1, user_api="blas"):
        for path in videos:
            alone, learned = decode(path), learn(path, options.samples)
            print(f"{path.name:<24}{alone:7.2f} s decoding, {learned:7.2f} s background, ratio {learned / alone:.2f}")


if __name__ == "__main__":
    main()
