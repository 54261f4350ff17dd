"""Datasets and what runs leave, for the fuzzer: samples, lists, collections, journals, logs, audits."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from fuzz_run import Reader
from mouselift.errors import MouseliftError


def _sample(folder: Path) -> Path:
    from ball_samples import write

    made = write(folder / "sample_000001", 1, 16)
    file = made / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    views = [{"camera": frame["camera"], "cut": False} for frame in content["frames"]]
    provenance = {"preset": "per-sample", "version": "1"}
    record = {"frame": 1, "views": views}
    points = {"file": "a/b.csv", "format": "anipose", "points": {"nose": [0.1, 0.0, 0.2], "tail": None}}
    content["mouselift"] = {"record": record, "provenance": provenance, "plan": {"any": [1]}, "keypoints": points}
    file.write_text(json.dumps(content))
    return made


def _load_sample(folder: Path) -> object:
    from mouselift.dataset.foreign_sample import load_sample
    from mouselift.dataset.sample import read_sample

    try:
        load_sample(folder, colours=True)
    except MouseliftError as error:
        raise AssertionError(f"load_sample promises not to raise: {error}") from error
    return read_sample(folder)


def _collection(folder: Path) -> Path:
    from mouselift.dataset.collection import COLLECTION

    recordings = [
        {"name": f"m{k}", "capture": f"/r/m{k}", "status": "prepared", "frames": 3, "kept": 2, "dropped": {"cut": 1}}
        for k in range(2)
    ]
    (folder / COLLECTION).write_text(json.dumps({"split": "time", "recordings": recordings, "schema": 1}))
    return folder


def _read_collection(folder: Path) -> object:
    from mouselift.dataset.collection import datasets_of

    return datasets_of(folder)


def _lists(folder: Path) -> Path:
    from ball_samples import balls

    return balls(folder, 8)


def _read_splits(folder: Path) -> object:
    from mouselift.audit.leaks import read_splits

    return read_splits(folder)


def _dataset(folder: Path) -> Path:
    """Two samples, and what `prepare` says of them in dataset.json."""
    from ball_samples import write

    samples = [write(folder / f"sample_{k:06d}", k, 16) for k in range(2)]
    told = {"schema": 1, "identity": {"config": {"size": 16}}, "complete": False, "frame_rate": 100.0}
    (folder / "dataset.json").write_text(json.dumps(told))
    for name, sample in zip(("train", "val"), samples, strict=True):
        (folder / f"data_{name}.txt").write_text(f"{sample.name}\n")
    return folder


def _audit(folder: Path) -> object:
    from mouselift.audit.dataset import audit_dataset
    from mouselift.dataset.mistaken import what_it_is

    what_it_is(folder)
    return audit_dataset(folder, workers=1)


def _lists_of_dataset(folder: Path) -> Path:
    made = _dataset(folder)
    (made / "data_train.txt").write_text(f"sample_000000\n/elsewhere/{folder.name}/sample_000001\n")
    return made


def _split_samples(folder: Path) -> object:
    from mouselift.dataset.layout import find_samples, split_samples
    from mouselift.dataset.lists import rewrite_lists

    with contextlib.suppress(MouseliftError):
        rewrite_lists(folder, dry_run=True)
    return split_samples(folder, "train"), find_samples(folder / "data_train.txt")


def _run_folder(folder: Path) -> Any:
    from mouselift.prepare.sample import Record
    from mouselift.run_folder import RunFolder

    return RunFolder(folder, {"config": {"size": 16}}, description="dataset.json", record=Record, verb="prepare")


def _run(folder: Path) -> Path:
    """A run that was stopped: description, manifest of an earlier end, journal, lock."""
    from mouselift.prepare.sample import Record
    from mouselift.run_lines import MANIFEST

    run = _run_folder(folder)
    with run.locked():
        run.open()
        for k in range(3):
            record = Record(f"sample_{k:06d}", k, "kept", 0.1 * k, centre=(0.0, 1.0, 2.0), views=[{"camera": "a"}])
            with run.writing(record.id) as inside:
                (inside / "data.bin").write_bytes(bytes(8))
            run.log([record])
    (journal,) = folder.glob(".journal*")
    (folder / MANIFEST).write_bytes(journal.read_bytes())
    return folder


def _go_on(folder: Path) -> object:
    """What every verb that fills a folder does with it when the command is given again."""
    from mouselift.prepare.sample import Record
    from mouselift.run_lines import read_manifest

    with contextlib.suppress(MouseliftError):
        read_manifest(folder, Record)
    run = _run_folder(folder)
    run.open()
    return list(run.read_back([record.id for record in run.records()]))


def _train_log(folder: Path) -> Path:
    from mouselift.train.log import DESCRIPTION, LogLine, append_log

    config = {"recipe": "tiny_cpu", "updates": 4, "hold_out": ["top"], "losses": {"l2": 1.0}}
    dataset = {"train": {"samples": 9, "sha256": "x"}, "val": {"samples": 1, "sha256": "y"}}
    said = {"identity": {"config": config, "dataset": dataset}, "complete": True, "summary": {"warnings": ["slow"]}}
    (folder / DESCRIPTION).write_text(json.dumps(said))
    for k in range(4):
        append_log(folder, LogLine(update=k + 1, loss=0.5, parts={"l2": 0.5}, views={"a": 0.1}, seconds=0.2))
    return folder


def _read_log(folder: Path) -> object:
    from mouselift.report.training_page import write_training_page
    from mouselift.train.log import read_log

    write_training_page(folder, folder / "page.html")  # replaced if there
    return [line.merit for line in read_log(folder)]


def _audit_of(folder: Path) -> Path:
    from ball_samples import write
    from mouselift.audit.dataset import audit_dataset
    from mouselift.audit.result import encode_audit

    write(folder / "dataset/sample_000001", 3, 16)
    file = folder / "audit.json"
    file.write_bytes(encode_audit(audit_dataset(folder / "dataset")))
    return file


def _report_of(file: Path) -> object:
    from mouselift.audit.result import read_audit
    from mouselift.report.dataset_page import write_report

    return write_report(file.parent / "dataset", file.with_name("page.html"), read_audit(file), force=True)


def _audited_page(sample: Path) -> object:
    """What `audit --json` and `report` do with a dataset of one sample."""
    from mouselift.audit.dataset import audit_dataset
    from mouselift.audit.result import encode_audit
    from mouselift.report.dataset_page import write_report

    found = audit_dataset(sample.parent, workers=1)
    return encode_audit(found), write_report(sample.parent, sample.parent / "page.html", found, force=True)


DATASETS = {
    "sample": Reader(_sample, _load_sample, kept=()),
    "lists": Reader(_lists, _read_splits, kept=(".png", ".json")),
    "collection.json": Reader(_collection, _read_collection),
    "dataset.json": Reader(_dataset, _audit, kept=(".png", "opencv_cameras.json", ".txt")),
    "data_train.txt": Reader(_lists_of_dataset, _split_samples, kept=(".png", ".json", "data_val.txt")),
    "journals": Reader(_run, _go_on, kept=(".bin", "-lock")),
    "train log": Reader(_train_log, _read_log),
    "audit json": Reader(_audit_of, _report_of, kept=(".png", "opencv_cameras.json")),
    "page of a sample": Reader(_sample, _audited_page),
}
