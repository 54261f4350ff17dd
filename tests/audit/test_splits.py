"""Lists that leak are found; lists that keep their distance are not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mouselift.audit.leaks import Likeness, read_splits, split_findings
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.selection import assign_roles, gap_finding

IDS = [f"sample_{k:06d}" for k in range(100)]
FRAMES: list[int | None] = list(range(100))


def unlike(count: int = 100) -> list[Likeness]:
    rng = np.random.default_rng(0)
    return [Likeness((k,), rng.integers(0, 256, 64, dtype=np.uint8)) for k in range(count)]


def codes(train: list[int], val: list[int], seen: list[Likeness] | None = None, rate: float = 0.0) -> dict[str, str]:
    lists = {"train": [IDS[k] for k in train], "val": [IDS[k] for k in val]}
    return {f.code: f.severity for f in split_findings(lists, IDS, FRAMES, seen or unlike(), rate)}


def test_blocks_with_a_gap_do_not_leak() -> None:
    roles = assign_roles(PrepareOptions(val=0.2, val_blocks=2), range(100))
    train, val = ([k for k, role in roles.items() if role == wanted] for wanted in ("train", "val"))
    assert codes(train, val) == {}


def test_shuffled_lists_leak() -> None:
    order = np.random.default_rng(0).permutation(100).tolist()
    assert codes(order[:90], order[90:]) == {"split-neighbours": "warning"}


def test_one_block_without_a_gap_is_noted() -> None:
    assert codes(list(range(50)), list(range(50, 100))) == {"split-neighbours": "note"}


def test_neighbours_count_in_seconds_where_the_rate_is_known() -> None:
    train, val = list(range(40)), list(range(45, 100))
    assert codes(train, val) == {}
    assert codes(train, val, rate=20.0) == {"split-neighbours": "warning"}  # 10 frames are half a second
    assert codes(list(range(50)), list(range(50, 100)), rate=1.0) == {}  # a second apart


def test_one_sample_in_both() -> None:
    assert codes(list(range(50)), [49, *range(60, 99)]) == {"split-overlap": "error"}


def test_a_pose_in_both() -> None:
    seen = unlike()
    seen[80] = Likeness((999,), seen[3].cells)
    assert codes(list(range(50)), list(range(60, 100)), seen) == {"split-near-duplicates": "warning"}


def test_lists_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "sample_000001").mkdir()
    (tmp_path / "data_train.txt").write_text(f"{tmp_path}/sample_000001\n\n/moved/sample_000002\n")
    lists, found = read_splits(tmp_path)
    assert lists == {"train": ["sample_000001", "sample_000002"]}
    assert [f.code for f in found] == ["stale-list"]
    assert "1 of 2 lines" in found[0].message
    assert read_splits(tmp_path / "data_train.txt") == ({}, [])


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "data_val.txt").write_bytes(b"\xff\xfe\x00")
    lists, found = read_splits(tmp_path)
    assert lists == {}
    assert [f.code for f in found] == ["bad-list"]


@pytest.mark.parametrize("frames", [[None] * 100, [0] * 100])
def test_without_frame_numbers_time_says_nothing(frames: list[int | None]) -> None:
    lists = {"train": IDS[:50], "val": IDS[50:]}
    assert split_findings(lists, IDS, frames, unlike()) == []


@pytest.mark.parametrize("rate", [0.0, 1.6, 25.0, 100.0, 1000.0])
@pytest.mark.parametrize("every", [1, 3, 40])
@pytest.mark.parametrize("gap", [None, 0, 2, 60])
def test_prepare_says_of_its_own_lists_what_the_audit_says(rate: float, every: int, gap: int | None) -> None:
    options = PrepareOptions(val=0.2, val_blocks=3, gap=gap)
    frames = list(range(0, 120 * every, every))
    roles = assign_roles(options, frames, rate)
    names = {frame: f"sample_{frame:06d}" for frame in frames}
    lists = {part: [names[f] for f in frames if roles[f] == part] for part in ("train", "val")}
    rng = np.random.default_rng(2)
    seen = [Likeness((k,), rng.integers(0, 256, 64, dtype=np.uint8)) for k in range(len(frames))]
    by_audit = split_findings(lists, list(names.values()), frames, seen, rate)
    by_prepare = gap_finding(options, roles, rate)
    assert [(f.code, f.severity, f.sample, f.value) for f in by_audit] == [
        (f.code, f.severity, f.sample, f.value) for f in by_prepare
    ]
    if by_prepare:
        assert ("the gap was given" in by_prepare[0].message) == (gap is not None)


def test_a_gap_that_cannot_be_kept_is_said() -> None:
    """Sixty frames at 100 a second: half a second is most of the recording."""
    roles = assign_roles(PrepareOptions(), range(60), 100.0)
    (found,) = gap_finding(PrepareOptions(), roles, 100.0)
    assert "within 50 frames" in found.message
    assert "quarter of a validation run" in found.message
    assert "with --val 0" in found.message
    long = assign_roles(PrepareOptions(), range(10_000), 100.0)
    assert gap_finding(PrepareOptions(), long, 100.0) == []


@pytest.mark.parametrize("rate", [0.0, 2.0, 25.0, 100.0])
@pytest.mark.parametrize("gap", [None, 0, 7])
@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("count", [2, 12, 60, 400, 3000])
def test_what_is_advised_against_neighbours_keeps_them_apart(
    count: int, blocks: int, gap: int | None, rate: float
) -> None:
    options = PrepareOptions(val_blocks=blocks, gap=gap)
    for found in gap_finding(options, assign_roles(options, range(count), rate), rate):
        advised: dict[str, Any] = {
            name.replace("-", "_"): float(value) if name == "val" else int(value)
            for name, value in re.findall(r"--(val-blocks|gap|val) (\d+)", found.message)
        }
        other = replace(options, **advised)
        assert other != options
        assert gap_finding(other, assign_roles(other, range(count), rate), rate) == []


def test_a_list_that_is_a_link_out_of_the_dataset_is_not_quoted(tmp_path: Path) -> None:
    """The audit's message, and a report's page, would hold its first line."""
    (tmp_path / "private.txt").write_text("the password")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/data_train.txt").symlink_to(tmp_path / "private.txt")
    names, found = read_splits(tmp_path / "set")
    assert names == {}
    assert [finding.code for finding in found] == ["bad-list"]
    assert "password" not in found[0].message
