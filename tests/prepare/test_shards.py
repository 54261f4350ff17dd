"""Jobs that know nothing of one another fill one dataset; merged, it has the bytes of a run alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from folder_files import files_of
from mouselift.capture.capture import load_capture
from mouselift.errors import CaptureError, DatasetError, MaskError, OptionError
from mouselift.media.images import FrameSet
from mouselift.prepare import preparation
from mouselift.prepare.options import PrepareOptions, Shard
from mouselift.prepare.pipeline import prepare_dataset
from mouselift.prepare.sample import Record, Setting, make_sample
from mouselift.prepare.shards import measure_shard, merge_shards, prepare_shard

OPTIONS = PrepareOptions(size=64, preset="canonical", scope="dataset", interpolation="linear")


def dropping_frame_5(
    frameset: FrameSet, setting: Setting, make: Callable[..., tuple[Record, dict[str, bytes]]] = make_sample
) -> tuple[Record, dict[str, bytes]]:
    record, files = make(frameset, setting)
    if frameset.frame != 5:
        return record, files
    return Record(record.id, 5, "dropped", record.time, "empty-mask"), {}


def killed_at_6(frameset: FrameSet, setting: Setting) -> tuple[Record, dict[str, bytes]]:
    if frameset.frame == 6:
        raise MaskError("stopped")
    return dropping_frame_5(frameset, setting)


def test_three_shards_and_a_merge_are_a_run_alone(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a zoom over the dataset, a sample that is dropped, and a shard that was killed."""
    capture, out, alone = load_capture(recording), tmp_path / "out", tmp_path / "alone"
    shards = [Shard(index, 3) for index in range(3)]
    monkeypatch.setattr(preparation, "make_sample", dropping_frame_5)
    prepare_dataset(capture, alone, OPTIONS, workers=1)
    with pytest.raises(DatasetError, match="first pass by all shards; there so far: none"):
        prepare_shard(capture, out, OPTIONS, shards[0], workers=1)
    assert sum(measure_shard(capture, out, OPTIONS, shard, workers=1) for shard in shards) == 12
    with pytest.raises(DatasetError, match="other frames, options or sources"):
        prepare_shard(capture, out, replace(OPTIONS, speck=0.02), shards[0], workers=1)
    prepare_shard(capture, out, OPTIONS, shards[2], workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "make_sample", killed_at_6)
        with pytest.raises(MaskError, match="stopped"):
            prepare_shard(capture, out, OPTIONS, shards[1], workers=1)
    with pytest.raises(DatasetError, match=r"6 of 12 .* the first: 0; shards that have not finished: 0/3, 1/3"):
        merge_shards(capture, out, OPTIONS)
    prepare_shard(capture, out, OPTIONS, shards[0], workers=1)
    assert prepare_shard(capture, out, OPTIONS, shards[1], workers=1).made == 2, "the killed one's samples were kept"
    made: list[int] = []
    monkeypatch.setattr(preparation, "make_sample", lambda *_: made.append(1))
    summary = merge_shards(capture, out, OPTIONS)
    assert not made, "a merge makes no sample, not those that were dropped either"
    assert summary.dropped == {"empty-mask": 1}
    assert summary.kept == 11
    assert files_of(out) == files_of(alone)


TASK = {f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(("ID", "COUNT", "MIN", "MAX"), "2807", strict=True)}


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("3/8", {}, Shard(3, 8)),
        ("slurm", TASK, Shard(2, 8)),
        ("8/8", {}, "I from 0 to N - 1"),
        ("3", TASK, "I from 0"),
        ("3/" + "9" * 5000, {}, "I from 0"),
        ("3/4000002", {}, "--shard: expected 1 to 4,000,001"),
        ("slurm", {}, "is not set"),
        ("slurm", TASK | {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "8"}, "from 0 without gaps"),
    ],
)
def test_parts_by_name(text: str, environment: Mapping[str, str], expected: Shard | str) -> None:
    if isinstance(expected, Shard):
        assert Shard.parse(text, environment) == expected
    else:
        with pytest.raises((CaptureError, OptionError), match=expected):
            Shard.parse(text, environment)
