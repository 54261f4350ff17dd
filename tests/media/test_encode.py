from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from mouselift.errors import VideoError
from mouselift.media.encode import PngWriter, VideoWriter

Reader = Callable[[Path], np.ndarray]


def images(count: int = 25) -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    frames = [np.stack([120 + 80 * np.sin((x + 2 * k) / 9), 90 + y, 200 - 2 * x], axis=2) for k in range(count)]
    return np.stack(frames).astype(np.uint8)


def written(path: Path, frames: np.ndarray, **options: object) -> Path:
    settings = {"fps": 100.0, "gop": 10, "crf": 10, **options}
    with VideoWriter(path, (64, 48), **settings) as writer:  # type: ignore[arg-type]
        for frame in frames:
            writer.write(frame)
    return path


def test_every_frame_comes_back_in_order(tmp_path: Path, frames_of: Reader) -> None:
    frames = images()
    seen = frames_of(written(tmp_path / "a.mp4", frames))
    assert seen.shape == frames.shape
    for k, frame in enumerate(seen):
        errors = [np.abs(frame.astype(int) - other).mean() for other in frames]
        assert int(np.argmin(errors)) == k
        assert errors[k] < 8


def test_key_frames_come_every_gop(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", images(), gop=10)
    with av.open(str(path)) as container:
        keys = [k for k, frame in enumerate(container.decode(video=0)) if frame.key_frame]
        stream = container.streams.video[0]
        assert keys == [0, 10, 20]
        assert stream.average_rate == 100
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_the_colour_matrix_is_the_one_it_is_tagged_with(tmp_path: Path) -> None:
    """A saturated colour tells BT.709 from BT.601 by its luma."""
    red = np.full((3, 48, 64, 3), (220, 30, 30), dtype=np.uint8)
    luma = {}
    for tag in ("bt709", "untagged"):
        with av.open(str(written(tmp_path / f"{tag}.mp4", red, colour=tag))) as container:
            frame = next(iter(container.decode(video=0)))
            luma[tag] = float(frame.to_ndarray()[:48].mean())
            assert int(frame.colorspace) == (1 if tag == "bt709" else 2)  # H.273: BT.709, unspecified
    r, g, b = 220.0, 30.0, 30.0
    assert luma["bt709"] == pytest.approx(16 + 219 / 255 * (0.2126 * r + 0.7152 * g + 0.0722 * b), abs=1.5)
    assert luma["untagged"] == pytest.approx(16 + 219 / 255 * (0.299 * r + 0.587 * g + 0.114 * b), abs=1.5)


def test_masks_are_lossy_but_near(tmp_path: Path, frames_of: Reader) -> None:
    mask = np.zeros((4, 48, 64), dtype=np.uint8)
    mask[:, 10:31, 15:44] = 255
    seen = frames_of(written(tmp_path / "m.mp4", mask, crf=30))
    assert seen.shape == (4, 48, 64, 3)
    assert ((seen[..., 0] > 127) == (mask > 127)).mean() > 0.98
    assert not np.isin(seen, [0, 255]).all()


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    """Also where the memory that the encoder gets was used before, which x264's macroblock tree tells."""
    random, frames = np.random.default_rng(0), images()
    files = set()
    for _ in range(30):
        used = [random.integers(0, 255, int(random.integers(1_000, 400_000)), dtype=np.uint8) for _ in range(20)]
        del used
        files.add(written(tmp_path / "a.mp4", frames).read_bytes())
    assert len(files) == 1


def test_png_folders_are_lossless(tmp_path: Path, frames_of: Reader) -> None:
    frames = images(3)
    with PngWriter(tmp_path / "p") as writer:
        for frame in frames:
            writer.write(frame)
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    np.testing.assert_array_equal(frames_of(tmp_path / "p"), frames)


def test_sizes_that_cannot_be_stored_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"even size, got 63 x 48"):
        VideoWriter(tmp_path / "a.mp4", (63, 48), 100.0, 10, 18)
    with (
        pytest.raises(VideoError, match=r"b.mp4: expected a frame of 64 x 48, got 64 x 50"),
        VideoWriter(tmp_path / "b.mp4", (64, 48), 100.0, 10, 18) as writer,
    ):
        writer.write(np.zeros((50, 64, 3), dtype=np.uint8))
