"""The page of an audit: stands alone, says the verdict first, shows the faulty view, and keeps to its size."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.options import AuditOptions
from mouselift.audit.profile import facelift
from mouselift.audit.result import CodeCount, DatasetAudit, encode_audit
from mouselift.dataset.foreign_sample import load_sample
from mouselift.diagnosis.cause import Cause
from mouselift.errors import DatasetError, OutputError
from mouselift.findings import Finding
from mouselift.report.conclusion import conclusion
from mouselift.report.dataset_page import along_samples, drawn_large, drawn_small, per_camera, write_report
from mouselift.report.options import ReportOptions
from mouselift.report.sheet import caption
from mouselift.report.tangent_sheet import tangent_sheet

MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def audit(dataset: Path) -> DatasetAudit:
    return audit_dataset(dataset, AuditOptions(hull=True))


@pytest.fixture(scope="module")
def page(dataset: Path, audit: DatasetAudit, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "out" / "report.html"
    summary = write_report(dataset, path, audit)
    assert summary.bytes == path.stat().st_size
    assert not list(path.parent.glob(".writing*"))
    return path.read_text(encoding="utf-8")


def test_stands_alone(page: str) -> None:
    outside = re.findall(r'(?:src|href|action|url)\s*[=(]\s*["\']?(?!data:|#)([a-z]+:[^"\')\s]+)', page)
    assert outside == []
    assert "<script src" not in page
    assert "@import" not in page


def test_verdict_comes_first(page: str, audit: DatasetAudit) -> None:
    assert audit.verdict == "fail"
    body = page[page.index("<body>") :]
    assert body.index("FAIL") < body.index("<svg")
    first = re.sub(r"<[^>]+>", " ", body[: body.index("<svg")])
    assert "2 of 3" in first, "how many pass"
    assert "px" in first


def test_a_cause_that_the_verdict_says_whole_makes_no_empty_bullet(
    dataset: Path, audit: DatasetAudit, tmp_path: Path
) -> None:
    said = Cause("none-known", "No one cause explains it.", (), {})
    more = Cause("shifted", "One camera is shifted.", ("cam2",), {})
    changed = msgspec.structs.replace(audit, sentence="3 samples. No one cause explains it.", causes=[said, more])
    write_report(dataset, tmp_path / "page.html", changed)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<li>One camera is shifted. Views: cam2.</li>" in text
    assert not re.search(r"<li>\s*</li>", text)
    write_report(dataset, tmp_path / "page.html", msgspec.structs.replace(changed, causes=[said]), force=True)
    alone = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"<li>(.*?)</li>", alone[alone.index('class="causes"') : alone.index("</header>")]) == [
        "3 samples. No one cause explains it."
    ]


def test_nothing_of_the_verdict_is_behind_a_fold(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    long = "A clause of the verdict; " * 20 + "see `mouselift <b>repair` and `prepare --every 5`."
    write_report(dataset, tmp_path / "page.html", msgspec.structs.replace(audit, sentence=long))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    header = text[text.index("<header") : text.index("</header>")]
    assert "<details" not in text
    assert header.count("A clause") == 20
    assert "<code>mouselift &lt;b&gt;repair</code>" in header, "backticks are code, names are text"
    assert '<code>prepare <span class="option">--every</span> 5</code>' in header, "no line ends after its hyphens"
    assert text.index('class="contents"') < text.index('class="facts"')


def with_residual(audit: DatasetAudit, value: float) -> DatasetAudit:
    columns = {**audit.sample_columns, "tangency_px": np.full(audit.samples, value, dtype=np.float32)}
    return msgspec.structs.replace(audit, verdict="pass", sample_columns=columns, counts={}, findings=[], causes=[])


def test_the_conclusion_is_in_plain_words(audit: DatasetAudit) -> None:
    said = conclusion(with_residual(audit, 2.0)).outlines
    assert "disagree by 2.00 px of the prepared images (median of 3 samples, worst 2.00 px)" in said
    assert said.endswith("good is below 1, masks explain up to 3.")
    assert "could not be compared" in conclusion(with_residual(audit, np.nan)).outlines
    rough = {"masks-rough": CodeCount("warning", 3, 3, [Finding.of("masks-rough", "rough")])}
    coarse = msgspec.structs.replace(with_residual(audit, 3.1), counts=rough)
    assert conclusion(coarse).outlines.endswith("without their thin parts (tail, ears, paws) the outlines agree.")
    fault = Finding.of("tangency", "cam2 is off", camera="cam2")
    small = with_residual(audit, 0.6)
    assert "pattern" not in conclusion(small).outlines
    failing = msgspec.structs.replace(small, verdict="fail", counts={"tangency": CodeCount("error", 1, 1, [fault])})
    assert conclusion(failing).outlines.endswith("in a pattern that masks do not make.")


def test_the_conclusion_says_one_thing_to_do(audit: DatasetAudit) -> None:
    passing = with_residual(audit, 0.3)
    assert conclusion(passing).action == "Nothing to mend in the cameras."
    rough = Finding.of("masks-rough", "rough", severity="warning")
    masks = msgspec.structs.replace(passing, counts={"masks-rough": CodeCount("warning", 2, 2, [rough])})
    assert conclusion(masks).action.startswith("Look where the outlines disagree")
    fault = Finding.of("tangency", "cam2 is off", camera="cam2")
    camera = msgspec.structs.replace(passing, verdict="fail", counts={"tangency": CodeCount("error", 1, 1, [fault])})
    assert conclusion(camera).action.startswith("Check camera cam2: ")
    undoable = Cause("view-scale", "Scaled.", ("cam2",), {})
    assert conclusion(msgspec.structs.replace(camera, causes=[undoable])).action.startswith(
        "Repair: `mouselift repair`"
    )
    swapped = Cause("views-swapped", "Exchanged.", ("cam2", "cam5"), {})
    said = conclusion(msgspec.structs.replace(camera, causes=[swapped], cameras=list("abcdef"))).action
    assert said.startswith("Exchange the files of cameras cam2, cam5 in `capture.toml` and prepare again")
    flipped = Cause("mirrored", "Mirrored.", ("cam2",), {})
    assert conclusion(msgspec.structs.replace(camera, causes=[flipped])).action == "Check camera cam2: flip the image."


def test_readable_without_eyes(page: str) -> None:
    assert '<html lang="en">' in page
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img[^>]*>", page))
    drawings = [tag for tag in re.findall(r"<svg[^>]*>", page) if "viewBox" in tag and 'x="' not in tag]
    for tag in drawings:
        assert "aria-hidden" in tag or ('role="img"' in tag and re.search(r'aria-label="[^"]+"', tag)), tag
    assert all("scope=" in tag for tag in re.findall(r"<th\b[^>]*>", page))
    assert page.count("<table") == page.count("<caption")


def test_worst_sample_shows_the_faulty_view(dataset: Path, audit: DatasetAudit) -> None:
    worst = drawn_large(audit)[0]
    assert worst.id == "sample_000005"
    sheet = tangent_sheet(load_sample(dataset / worst.id, colours=True))
    assert sheet.names[sheet.reference] != "cam2"
    off = {panel.name for panel in sheet.panels if any(line.off for line in panel.crossings[sheet.reference].lines)}
    assert off == {"cam2"}
    assert sheet.worst_px == pytest.approx(6, abs=2)


def test_exchanged_views_show_the_gap_that_is_named(dataset: Path) -> None:
    sample = load_sample(dataset / "sample_000003", colours=True)
    a, b, *rest = sample.views
    swapped = (replace(a, camera=b.camera), replace(b, camera=a.camera), *rest)
    sheet = tangent_sheet(replace(sample, views=swapped))
    gaps = [line.gap_px for panel in sheet.panels for line in panel.crossings[sheet.reference].lines]
    assert sheet.worst_px is not None
    assert max(gaps) >= sheet.worst_px / 2
    named = sheet.names[sheet.reference] == sheet.worst_words.split("tangents of ")[1]
    assert named != sheet.worst_words.endswith("; choose it"), "where it is not the one that is shown, it says so"


def test_good_sample_has_no_red(dataset: Path) -> None:
    sheet = tangent_sheet(load_sample(dataset / "sample_000003", colours=True))
    assert not any(line.off for panel in sheet.panels for crossing in panel.crossings for line in crossing.lines)


def test_inset_shows_the_gap(dataset: Path) -> None:
    """The magnified window holds both ends of the gap, at the scale that it states."""
    sheet = tangent_sheet(load_sample(dataset / "sample_000005", colours=True))
    panel = next(panel for panel in sheet.panels if panel.name == "cam2")
    crossing = panel.crossings[sheet.reference]
    assert crossing.inset is not None
    x, y, side = crossing.inset.window
    worst = max(crossing.lines, key=lambda line: line.gap_px)
    for point in (worst.touch, worst.foot):
        assert x <= point[0] <= x + side
        assert y <= point[1] <= y + side
    assert crossing.inset.zoom == pytest.approx(crossing.inset.side / side, abs=0.06)


def test_names_that_no_utf_8_can_hold(dataset: Path, tmp_path: Path) -> None:
    """The page's images of all views ended the process, in OpenCV's putText."""
    copy = shutil.copytree(next(path for path in dataset.iterdir() if path.is_dir()), tmp_path / "data/sample_000001")
    file = copy / "opencv_cameras.json"
    content = json.loads(file.read_bytes())
    content["frames"][0]["camera"] = "a\ud800"
    file.write_text(json.dumps(content))
    audit = audit_dataset(tmp_path / "data", workers=1)
    assert r"a\ud800" in audit.cameras
    (tmp_path / "audit.json").write_bytes(encode_audit(audit))
    write_report(tmp_path / "data", tmp_path / "page.html", audit)
    assert r"a\ud800" in (tmp_path / "page.html").read_text()
    caption(np.zeros((16, 16, 3), np.uint8), "a\ud800", (0, 9), (0, 0, 0))


def test_never_overwrites_unasked(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    path = tmp_path / "mine.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_report(dataset, path, audit)
    assert path.read_text() == "mine"
    write_report(dataset, path, audit, force=True)
    assert path.read_text() != "mine"


def test_another_datasets_audit_is_refused(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    other = replace_ids(audit, ["elsewhere_1", *audit.ids[1:]])
    with pytest.raises(DatasetError, match="elsewhere_1"):
        write_report(dataset, tmp_path / "page.html", other)


def test_another_profile_is_refused(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(msgspec.json.encode(msgspec.structs.replace(facelift(), name="other")))
    with pytest.raises(DatasetError, match="--profile"):
        write_report(dataset, tmp_path / "page.html", audit, ReportOptions(profile=str(other)))


def test_same_bytes_every_time(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    for name in "ab":
        write_report(dataset, tmp_path / f"{name}.html", audit)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_thousands_of_samples_keep_to_ten_megabytes(dataset: Path, audit: DatasetAudit, tmp_path: Path) -> None:
    """Three thousand samples in the audit, the same three folders behind them."""
    many = tmp_path / "many"
    many.mkdir()
    ids = []
    for number in range(3000):
        source = dataset / f"sample_{3 + number % 3:06d}"
        ids.append(f"sample_{number:06d}")
        (many / ids[-1]).symlink_to(source)
    big = repeated(audit, 1000, ids)
    summary = write_report(many, tmp_path / "page.html", big, ReportOptions(rows=24))
    assert summary.bytes < MOST_BYTES
    assert summary.bytes < 3_000_000, "what is drawn does not grow with the dataset"


def test_scene_data_cannot_end_its_script(page: str) -> None:
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    assert len(blocks) == 2
    for block in blocks:
        assert "<" not in block
        scene = json.loads(block)
        assert [camera["name"] for camera in scene["cameras"]] == [f"cam{k}" for k in range(6)]
    assert json.loads(blocks[1])["hull"]["count"] > 500


def test_samples_drawn_small_are_distinct_and_hold_the_worst(audit: DatasetAudit) -> None:
    shown = drawn_small(repeated(audit, 20, [f"s_{k}" for k in range(60)]), 12)
    assert len({s.id for s in shown}) == 12
    assert sum(s.role == "among the worst" for s in shown) == 4
    assert len(drawn_small(audit, 12)) == 3


def test_columns_by_camera_and_over_samples(audit: DatasetAudit) -> None:
    frames, series = along_samples(audit, "fx")
    assert frames.tolist() == [3, 4, 5]
    assert {name: values.tolist() for name, values in series.items()} == {f"cam{k}": [190.0] * 3 for k in range(6)}
    assert per_camera(audit, "cx")["cam2"].tolist() == pytest.approx([83.7, 83.7, 89.7])


def replace_ids(audit: DatasetAudit, ids: list[str]) -> DatasetAudit:
    return msgspec.structs.replace(audit, ids=ids)


def repeated(audit: DatasetAudit, times: int, ids: list[str]) -> DatasetAudit:
    """The audit of the same samples over and over, under new names."""
    samples = {key: np.tile(column, times) for key, column in audit.sample_columns.items()}
    views = {key: np.tile(column, times) for key, column in audit.view_columns.items()}
    count = len(audit.view_columns["sample"])
    views["sample"] = views["sample"] + np.repeat(np.arange(times) * audit.samples, count).astype(np.float32)
    samples["frame"] = np.arange(len(ids), dtype=np.float32)
    return msgspec.structs.replace(audit, ids=ids, sample_columns=samples, view_columns=views)
