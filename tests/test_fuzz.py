"""Damaged files end in the project's errors: five of each of 27 readers here, thousands by `benchmarks/fuzz.py`."""

from __future__ import annotations

import mmap
import os
import random
import re
import signal
from pathlib import Path

import pytest

import fuzz_run
import mutations
from fuzz_readers import readers
from fuzz_run import Reader, Result, Seed, fuzz
from mat73 import save73
from mouselift import hdf5_file
from mouselift.errors import DatasetError
from mutations import mutated

COUNT = 5
# One of each decoder; checkpoints need torch.
NAMES = (
    *("COLMAP text", "COLMAP binary", "nerfstudio", "OpenCV xml", "Caliscope", "DANNCE", "MAMMAL"),
    *("capture.toml", "COCO masks", "masks npy", "masks npz", "masks npz of frames", "times csv", "times npy"),
    *("keypoints csv", "sample", "lists", "collection.json", "ply text", "ply", "splat"),
    *("data_train.txt", "journals", "train log", "video mp4", "OpenCV yaml", "keypoints h5", "page of a sample"),
)
FEW = {name: readers()[name] for name in NAMES}


def last(seed: Seed, count: int) -> Result:
    *_, out = fuzz(seed, 0, count)
    return out


@pytest.mark.parametrize("name", FEW)
def test_no_reader_ends_in_a_raw_traceback(name: str, tmp_path: Path) -> None:
    found = last(Seed(name, FEW[name], 1, tmp_path), COUNT)
    assert found.failures == []
    assert found.accepted + found.refused == found.inputs == COUNT


@pytest.mark.parametrize(
    ("program", "well"), [("", True), ("1 / 0", False), ("import os; os.kill(os.getpid(), 9)", False), (None, True)]
)
def test_the_guard_of_hdf5_judges_alike_forked_and_started(program: str | None, well: bool, tmp_path: Path) -> None:
    save73(tmp_path / "a.mat", {"a": 1.0})
    arguments = [str(tmp_path / "a.mat"), "1000", "4", "1e6"]
    code = hdf5_file._READ_ALL if program is None else program
    assert fuzz_run._forked(code, arguments) == hdf5_file._ends_well(code, arguments) == well


def test_whatever_goes_wrong_is_named_with_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_run, "SECONDS", 0.2)
    monkeypatch.setattr(fuzz_run, "MEMORY_MB", 40)
    calls = tmp_path / "calls"

    def read(path: Path) -> None:
        with calls.open("a") as file:
            file.write(".")
        match calls.stat().st_size - 2:  # the first call is for the whole file
            case 1:
                raise DatasetError("no")
            case 2:
                raise KeyError("x")
            case 3:
                os.kill(os.getpid(), signal.SIGSEGV)
            case 4:
                while True:
                    pass
            case 5:
                pages = mmap.mmap(-1, 60_000_000)  # of its own: a pool's process keeps what malloc freed
                for at in range(0, len(pages), mmap.PAGESIZE):
                    pages[at] = 1

    def write(folder: Path) -> Path:
        (folder / "a.txt").write_text("a")
        return folder / "a.txt"

    (tmp_path / "seed").mkdir()
    found = last(Seed("any", Reader(write, read), 1, tmp_path / "seed"), 7)
    assert (found.inputs, found.accepted, found.refused) == (7, 3, 1)
    said = ["KeyError: 'x' at .*", "the process died: SIGSEGV", "more than 0.2 s", ".* MB"]
    assert [number for number, _ in found.failures] == [2, 3, 4, 5]
    for (_, words), pattern in zip(found.failures, said, strict=True):
        assert re.match(pattern, words)


@pytest.mark.parametrize("name", ["a.json", "a.toml"])
def test_no_change_makes_a_file_of_more_than_a_few_megabytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "LARGEST", 60_000)
    long = b'{"x": "' + b"a" * 50_000 + b'", "y": [1]}\n'
    data = long if name == "a.json" else b"x = 1\n" + long
    sizes = [len(mutated(data, random.Random(number), name)) for number in range(300)]
    assert max(sizes) <= 60_000


def test_equal_numbers_give_equal_inputs(tmp_path: Path) -> None:
    seeds = [Seed("Caliscope", FEW["Caliscope"], 5, tmp_path / name) for name in "ab" if not (tmp_path / name).mkdir()]
    one, two = ([seed.mutated(number)[1] for number in range(30)] for seed in seeds)
    assert one == two
    assert len(set(one)) > 25
