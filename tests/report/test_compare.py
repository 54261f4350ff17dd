"""The same frames, several framings, one table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from mouselift.audit.result import Verdict
from mouselift.capture.capture_toml import write_capture_toml
from mouselift.capture.discovery import discover
from mouselift.cli.app import run
from mouselift.errors import CaptureError, DatasetError, FramingError
from mouselift.framing.framing import PRESETS
from mouselift.report.compare import Comparison, WayResult, compare_framings, reasons, recommendation, source_of, ways
from mouselift.report.options import CompareOptions
from mouselift.synthetic.capture import CaptureSpec, write_capture
from mouselift.synthetic.rigs import markerless_rig, scaled_rig

SIZE = 256


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare") / "capture"
    write_capture(folder, CaptureSpec(frames=3, rig=scaled_rig(markerless_rig(), 0.5), fps=1.6, start=0.5, seed=3))
    found = discover(folder)
    write_capture_toml(folder / "capture.toml", found.spec, comments=found.comments)
    return folder


@pytest.fixture(scope="module")
def compared(capture: Path) -> Comparison:
    presets, also = ("per-view", "per-sample", "legacy"), ("look-at/focal/sample/distance",)
    options = CompareOptions(presets, also, frames=(0, 2), size=SIZE)
    return compare_framings(source_of(capture), capture.parent / "compared", options, workers=1)


def test_exact_framings_pass_and_the_old_bug_fails(compared: Comparison) -> None:
    assert [way.name for way in compared.ways] == ["per-view", "per-sample", "legacy", "look-at-focal-sample-distance"]
    found = {way.name: way for way in compared.ways}
    assert found["legacy"].verdict == "fail"
    assert found["legacy"].tangency_px is not None
    for name in ("per-view", "per-sample", "look-at-focal-sample-distance"):
        way = found[name]
        assert way.verdict == "pass", way.sentence
        assert way.clipped == 0
        assert way.tangency_px is not None
        assert way.tangency_px < 0.1 * found["legacy"].tangency_px


def test_nothing_is_added_to_a_folder_of_others(compared: Comparison, capture: Path, tmp_path: Path) -> None:
    options = CompareOptions(("per-view",), frames=(0,), size=SIZE)
    for folder in (capture, tmp_path):
        (folder / "compare.html").write_text("mine")
        before = sorted(folder.iterdir())
        with pytest.raises(DatasetError, match="which no comparison writes"):
            compare_framings(source_of(capture), folder, options, workers=1)
        assert sorted(folder.iterdir()) == before
        assert (folder / "compare.html").read_text() == "mine"
    (capture / "compare.html").unlink()


def test_the_page_is_written_through_no_link(compared: Comparison, capture: Path, tmp_path: Path) -> None:
    kept = Path(compared.out) / "compare.json"
    data = kept.read_bytes()
    (tmp_path / "thesis").write_text("mine")
    kept.unlink()
    kept.symlink_to(tmp_path / "thesis")
    presets, also = ("per-view", "per-sample", "legacy"), ("look-at/focal/sample/distance",)
    options = CompareOptions(presets, also, frames=(0, 2), size=SIZE)
    compare_framings(source_of(capture), Path(compared.out), options, workers=1)
    assert (tmp_path / "thesis").read_text() == "mine"
    assert kept.read_bytes() == data


def test_the_numbers_are_what_the_framings_hold_equal(compared: Comparison) -> None:
    found = {way.name: way for way in compared.ways}
    assert found["look-at-focal-sample-distance"].focal_ratio == pytest.approx(1.0, abs=1e-6)
    assert found["look-at-focal-sample-distance"].principal_px == pytest.approx(0.0, abs=1e-4)
    assert found["per-view"].focal_ratio > 1.1
    assert found["per-sample"].size_ratio < found["per-view"].size_ratio


def test_the_page_is_whole_and_asks_nobody(compared: Comparison) -> None:
    page = Path(compared.page).read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<img ") == page.count('alt="All views')
    assert all(f"<strong>{way.name}.</strong>" in page for way in compared.ways)
    assert "<th scope" in page
    stored = json.loads((Path(compared.out) / "compare.json").read_text())
    assert [way["verdict"] for way in stored["ways"]] == [way.verdict for way in compared.ways]


def made(name: str, verdict: Verdict = "pass", clipped: int = 0, nearest: float = 0.2) -> WayResult:
    return WayResult(name, "words", 2, 0, 1.0, 50.0, 1.0, 0.0, 0.3, 1.0, clipped, 0.1, nearest, verdict, "sentence")


def test_one_framing_is_recommended_by_what_was_measured() -> None:
    usual, near = made("per-sample"), made("canonical", nearest=0.04)
    name, why = recommendation([near, usual], "facelift")
    assert name == "per-sample"
    assert "`canonical` has rays nearer to the profile `facelift` (0.140 against 0.300)" in why
    assert recommendation([made("per-view"), near], "facelift")[0] == "canonical", (
        "the nearest where there is no default"
    )
    assert recommendation([made("per-sample", clipped=1), made("per-view")], "facelift")[0] == "per-view"
    assert recommendation([made("per-sample", "fail"), made("per-view")], "facelift")[0] == "per-view"
    nothing, why = recommendation([made("per-sample", "fail"), made("legacy", "fail")], "facelift")
    assert nothing is None
    assert "no framing passes" in why
    unknown = [made("per-view", "unknown"), msgspec.structs.replace(made("per-sample", "unknown"), sentence="Too few.")]
    assert recommendation(unknown, "facelift") == (None, "None is recommended yet. Too few.")
    assert "old bug" in recommendation([made("legacy", "fail")], "facelift")[1]


def test_what_several_audits_say_is_said_once() -> None:
    ways = [made("a"), made("b"), msgspec.structs.replace(made("c"), sentence="another")]
    assert reasons(ways) == [(["a", "b"], "sentence"), (["c"], "another")]


def test_the_page_marks_the_recommended_row(compared: Comparison) -> None:
    page = Path(compared.page).read_text()
    assert compared.recommended == "per-sample"
    assert page.count(">recommended</span>") == 1
    assert re.search(r'<tr class="chosen"><th scope="row">per-sample <span class="tag good">recommended', page)
    assert page.index("Take <code>per-sample</code>") < page.index("<table")


def test_a_dataset_takes_the_place_of_a_capture(
    compared: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    dataset = Path(compared.out) / "per-sample"
    assert run(["compare", str(dataset), str(tmp_path / "out"), "--presets", "canonical", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == [0, 2]
    assert result["ways"][0]["verdict"] == "pass"


@pytest.mark.parametrize(
    "text", ["look-at", "look-at/focal/sample", "sideways/focal/sample/distance", "crop/scale/x/none"]
)
def test_an_unknown_framing_says_what_is_expected(text: str) -> None:
    with pytest.raises(FramingError, match=re.escape("crop|look-at/scale|focal|magnification/view|sample|dataset")):
        ways((), (text,), SIZE)


def test_unknown_preset_and_source(tmp_path: Path) -> None:
    with pytest.raises(FramingError, match="per-sample"):
        ways(("biggest",), (), SIZE)
    with pytest.raises(CaptureError, match=r"capture\.toml"):
        source_of(tmp_path)


def test_every_preset_has_its_words() -> None:
    assert {way.name for way in ways(tuple(PRESETS), (), SIZE)} == set(PRESETS)
