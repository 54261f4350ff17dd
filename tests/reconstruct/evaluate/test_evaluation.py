"""Whole evaluations: Gaussians that are known score as they should, spoiled ones worse, killed runs go on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError, ModelError
from mouselift.gaussians.files import read_splats, write_ply
from mouselift.geometry.similarity import Similarity
from mouselift.reconstruct.gaussian_source import Engine, FileSource, NetworkSource
from mouselift.reconstruct.options import NONE, EvaluateOptions, HoldOut
from mouselift.reconstruct.pipeline import Evaluation, evaluate_reconstruction
from mouselift.reconstruct.plan import make_plan
from mouselift.reconstruct.record import SHEET
from mouselift.render.base import Gaussians
from mouselift.report.evaluation_page import write_evaluation_page
from mouselift.run_lock import LOCK

if TYPE_CHECKING:
    from conftest import Known

ALL = (NONE,)  # hold none out
CPU = torch.device("cpu")


class Counted:
    """Files as a source; counts, changes what they hold, and may stop like a killed run."""

    def __init__(self, path: Path, change: Similarity | None = None, stop_after: int | None = None) -> None:
        self.files, self.change, self.stop_after = FileSource(path, CPU), change, stop_after
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    @property
    def identity(self) -> dict[str, object]:
        return self.files.identity

    @property
    def device(self) -> torch.device:
        return CPU

    def key(self, sample: str) -> str:
        return self.files.key(sample)

    @property
    def words(self) -> str:
        return self.files.words

    def gaussians(
        self, sample: SampleTensors, inputs: Sequence[int], progress: Callable[[str, int, int], None]
    ) -> Gaussians:
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((sample.name, tuple(inputs)))
        found = self.files.gaussians(sample, inputs, progress)
        return found.in_world(self.change) if self.change else found


def scored(
    dataset: Path, source: Counted | FileSource | NetworkSource, out: Path | None = None, **options: Any
) -> Evaluation:
    asked = EvaluateOptions(checkpoint=Path("none.pt"), **options)
    return evaluate_reconstruction(dataset, out, asked, source=source)


def mean(result: Evaluation, figure: str, role: str = "input") -> float:
    return next(group.figures[figure].mean for group in result.means if group.role == role)


def test_what_the_images_were_drawn_from_is_perfect(known: Known) -> None:
    """But for 8 bits and straight alpha in the files."""
    result = scored(known.dataset, FileSource(known.gaussians, CPU), hold_out=ALL)
    assert (result.samples, result.images, result.without_mask) == (3, 12, 0)
    assert mean(result, "foreground_psnr") > 50
    assert mean(result, "foreground_ssim") > 0.9995
    assert mean(result, "iou") > 0.998


def test_activated_files_are_scored_as_what_they_are(make_known: Any, tmp_path: Path) -> None:
    known = make_known(tmp_path, samples=1)
    file = known.gaussians / "sample_000000.ply"
    splats = read_splats(file)
    file.unlink()
    opacities = 1 / (1 + np.exp(-splats.opacities))
    write_ply(file, replace(splats, opacities=opacities, scales=np.exp(splats.scales)))
    asked = EvaluateOptions(gaussians=known.gaussians, hold_out=ALL, device="cpu")
    with pytest.raises(DatasetError, match=r"sample_000000\.ply: expected logits .* --activated both"):
        evaluate_reconstruction(known.dataset, None, asked)
    told = evaluate_reconstruction(known.dataset, None, replace(asked, activated="both"))
    assert mean(told, "foreground_psnr") > 50
    assert told.records[0].notes[0].startswith("read as activated values, as told: opacities and scales; rotations are")
    wrong = evaluate_reconstruction(known.dataset, None, replace(asked, activated="none"))
    assert mean(wrong, "foreground_psnr") < 30


def test_files_in_another_form_are_scored_as_what_they_are(make_known: Any, tmp_path: Path) -> None:
    known = make_known(tmp_path, samples=1)
    file = known.gaussians / "sample_000000.ply"
    splats = read_splats(file)
    file.unlink()
    scales, rotations = splats.scales / np.float32(np.log(10)), np.roll(splats.rotations, -1, axis=1)
    write_ply(file, replace(splats, scales=scales, rotations=rotations))
    asked = EvaluateOptions(gaussians=known.gaussians, hold_out=ALL, device="cpu", read_as=("log10", "xyzw"))
    told = evaluate_reconstruction(known.dataset, None, asked)
    assert mean(told, "foreground_psnr") > 50
    assert told.records[0].notes == ("read as log10, xyzw, as told",)
    wrong = evaluate_reconstruction(known.dataset, None, replace(asked, read_as=("xyzw",)))
    assert mean(wrong, "foreground_psnr") < 40


def test_a_gaussian_that_was_left_out_is_on_record(make_known: Any, tmp_path: Path) -> None:
    known = make_known(tmp_path, samples=1)
    file = known.gaussians / "sample_000000.ply"
    splats = read_splats(file)
    splats.scales[4, 1] = np.nan
    file.unlink()
    write_ply(file, splats)
    result = evaluate_reconstruction(
        known.dataset, tmp_path / "out", EvaluateOptions(gaussians=known.gaussians, hold_out=ALL, device="cpu")
    )
    assert (result.records[0].made, len(splats)) == (899, 900)
    note = "1 of 900 Gaussians left out: 1 with numbers that are not finite; the first is vertex 4: scale_1 = nan"
    assert result.records[0].notes == (note,)
    assert note in (tmp_path / "out/manifest.jsonl").read_text()
    write_evaluation_page(result, tmp_path / "out", tmp_path / "out/index.html")
    assert f"sample_000000: {note}" in (tmp_path / "out/index.html").read_text()


def test_faults_of_cameras_cost_every_figure(camera_fault: Any, make_known: Any, tmp_path: Path) -> None:
    spoiled = make_known(tmp_path, samples=1, change=camera_fault)
    result = scored(spoiled.dataset, FileSource(spoiled.gaussians, CPU), hold_out=ALL)
    with pytest.raises(AssertionError):
        assert mean(result, "foreground_psnr") > 50
    assert mean(result, "foreground_psnr") < 40
    assert mean(result, "foreground_ssim") < 0.998
    assert mean(result, "iou") < 0.992


@pytest.mark.parametrize("change", [Similarity(1.01), Similarity(1.0, origin_old=np.array([0.01, 0.01, 0.01]))])
def test_gaussians_moved_by_one_per_cent_cost_every_figure(known: Known, change: Similarity) -> None:
    result = scored(known.dataset, Counted(known.gaussians, change), hold_out=ALL)
    assert mean(result, "foreground_psnr") < 40
    assert mean(result, "iou") < 0.99


def test_resized_images_keep_their_cameras(known: Known, make_known: Any, tmp_path: Path) -> None:
    """Twice the size: what is drawn with the resized cameras lies on the resized images, unless they are off."""
    whole = scored(known.dataset, FileSource(known.gaussians, CPU), hold_out=ALL, size=128)
    assert mean(whole, "iou") > 0.96  # not 1: the dilation of 0.3 px^2 is of pixels, whatever their size
    off = make_known(tmp_path, change=lambda c: replace(c, cx=c.cx + 0.5, cy=c.cy + 0.5))
    spoiled = scored(off.dataset, FileSource(off.gaussians, CPU), hold_out=ALL, size=128)
    assert mean(spoiled, "iou") < mean(whole, "iou") - 0.005
    assert mean(spoiled, "foreground_psnr") < mean(whole, "foreground_psnr") - 2


def test_on_another_background(known: Known) -> None:
    result = scored(known.dataset, FileSource(known.gaussians, CPU), hold_out=ALL, background=(51, 102, 153))
    assert mean(result, "foreground_psnr") > 50


def test_only_inputs_go_in_and_held_out_views_come_first(known: Known) -> None:
    source = Counted(known.gaussians)
    result = scored(known.dataset, source, hold_out=("cam1",))
    assert [inputs for _, inputs in source.asked] == [(0, 2, 3)] * 3
    assert [group.role for group in result.means] == ["held-out", "input"]
    assert {row.view for record in result.records for row in record.views if row.role == "held-out"} == {"cam1"}


def test_rotation_holds_each_view_out_once(known: Known) -> None:
    source = Counted(known.gaussians)
    result = scored(known.dataset, source, rotate=True)
    assert [inputs for name, inputs in source.asked if name == "sample_000000"] == [
        (1, 2, 3),
        (0, 2, 3),
        (0, 1, 3),
        (0, 1, 2),
    ]
    held = [(row.view, row.round) for row in result.records[0].views if row.role == "held-out"]
    assert held == [("cam0", 0), ("cam1", 1), ("cam2", 2), ("cam3", 3)]
    assert result.images == 3 * 16


def test_files_of_a_run(known: Known, tmp_path: Path) -> None:
    result = scored(known.dataset, Counted(known.gaussians), tmp_path / "out")
    out = tmp_path / "out"
    said = json.loads((out / "evaluation.json").read_text())
    assert said["complete"]
    assert said["held_out"] == "held out: cam3"
    assert said["means"][0]["role"] == "held-out"
    assert said["means"][0]["figures"]["foreground_psnr"]["mean"] == pytest.approx(
        mean(result, "foreground_psnr", "held-out")
    )
    table = list(csv.DictReader(io.StringIO((out / "views.csv").read_text())))
    assert len(table) == 12
    assert (table[0]["sample"], table[0]["view"], table[0]["role"]) == ("sample_000000", "cam3", "held-out")
    assert (out / "samples.csv").is_file()
    assert sorted(path.parent.name for path in out.glob(f"*/{SHEET}")) == [record.id for record in result.records]
    assert not [path for path in out.iterdir() if path.name.startswith(".") and path.name != LOCK]


def test_a_killed_run_goes_on_to_the_same(known: Known, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(known.dataset, Counted(known.gaussians, stop_after=2), tmp_path / "out")
    rest = Counted(known.gaussians)
    scored(known.dataset, rest, tmp_path / "out")
    assert [name for name, _ in rest.asked] == ["sample_000020"]
    scored(known.dataset, Counted(known.gaussians), tmp_path / "whole")
    assert (tmp_path / "out/views.csv").read_bytes() == (tmp_path / "whole/views.csv").read_bytes()


def test_what_has_changed_is_done_again(make_known: Any, tmp_path: Path) -> None:
    """New Gaussians or new cameras under the old names never get the old figures."""
    made = make_known(tmp_path, samples=3)
    scored(made.dataset, Counted(made.gaussians), tmp_path / "out", hold_out=ALL)
    (made.gaussians / "sample_000010.ply").write_bytes((made.gaussians / "sample_000000.ply").read_bytes())
    cameras = made.dataset / "sample_000020/opencv_cameras.json"
    content = json.loads(cameras.read_text())
    content["frames"][0]["cx"] += 0.5
    cameras.write_text(json.dumps(content))
    again = Counted(made.gaussians)
    result = scored(made.dataset, again, tmp_path / "out", hold_out=ALL)
    assert [name for name, _ in again.asked] == ["sample_000010", "sample_000020"]
    values = [record.mean("foreground_psnr", "input") for record in result.records]
    assert values[0] is not None
    assert all(value is not None and value < values[0] - 3 for value in values[1:])
    assert len((tmp_path / "out/manifest.jsonl").read_text().splitlines()) == 3


def test_fewer_samples_then_all(known: Known, tmp_path: Path) -> None:
    few = Counted(known.gaussians)
    scored(known.dataset, few, tmp_path / "out", samples=2)
    assert [name for name, _ in few.asked] == ["sample_000000", "sample_000020"]  # spread over the dataset
    more = Counted(known.gaussians)
    result = scored(known.dataset, more, tmp_path / "out")
    assert [name for name, _ in more.asked] == ["sample_000010"]
    assert [record.id for record in result.records] == ["sample_000000", "sample_000010", "sample_000020"]


@pytest.mark.parametrize("other", ["rule", "size", "source"])
def test_another_evaluation_does_not_go_on_in_the_same_folder(known: Known, tmp_path: Path, other: str) -> None:
    out = tmp_path / "out"
    scored(known.dataset, FileSource(known.gaussians, CPU), out)
    source = Counted(known.gaussians)
    if other == "source":
        source.files = FileSource(known.dataset, CPU)
    changed: dict[str, dict[str, Any]] = {"rule": {"hold_out": ALL}, "size": {"size": 32}, "source": {}}
    with pytest.raises(DatasetError, match="another run of `mouselift evaluate`"):
        scored(known.dataset, source, out, **changed[other])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(DatasetError, match=r"is not empty and holds no evaluation.json"):
        scored(known.dataset, FileSource(known.gaussians, CPU), tmp_path / "mine")


def test_images_without_masks_are_said_to_be_so(make_known: Any, tmp_path: Path) -> None:
    opaque = make_known(tmp_path, samples=1, opaque=True)
    result = scored(opaque.dataset, FileSource(opaque.gaussians, CPU), hold_out=ALL)
    assert (result.images, result.without_mask) == (4, 4)
    assert set(result.means[0].figures) == {"psnr", "ssim"}


def test_a_network(known: Known, checkpoint: Path) -> None:
    """Random weights: the plumbing, not the quality."""
    result = scored(known.dataset, NetworkSource(checkpoint, device_name="cpu"))
    assert result.records[0].made == 3 * 64 * 64 + 2
    assert mean(result, "foreground_psnr", "held-out") < 30


def test_what_goes_in_decides_what_comes_out(known: Known, checkpoint: Path) -> None:
    """A held-out view's image changes nothing about the Gaussians; an input's does."""
    engine = Engine.load(checkpoint, device="cpu")
    from mouselift.data.dataset import MultiViewDataset

    sample = MultiViewDataset(known.dataset)[0]
    image = sample.image.clone()
    image[3] = 0.0
    spoiled = replace(sample, image=image)
    before, after = (engine.reconstruct(s, (0, 1, 2)).positions for s in (sample, spoiled))
    assert torch.equal(before, after)
    assert not torch.equal(before, engine.reconstruct(spoiled, (1, 2, 3)).positions)


def test_files_that_are_missing_or_ambiguous_are_named(known: Known, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"sample x: expected one of x/gaussians.ply, x.ply, x.splat, got none"):
        FileSource(known.gaussians, CPU).check(["sample_000000", "x"])
    one = known.gaussians / "sample_000000.ply"
    FileSource(one, CPU).check(["any"])
    with pytest.raises(DatasetError, match="one file, but 2 samples"):
        FileSource(one, CPU).check(["a", "b"])
    for name in ("s.ply", "s.splat"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"got s.ply and s.splat"):
        FileSource(tmp_path, CPU).check(["s"])


def test_plans_check_every_sample_first(known: Known, make_known: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="sample sample_000000: expected the view camX"):
        make_plan(known.dataset, HoldOut(held_out=("camX",)))
    made = make_known(tmp_path, samples=2, views=4)
    file = made.dataset / "sample_000010/opencv_cameras.json"
    content = json.loads(file.read_text())
    del content["frames"][3]
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="sample sample_000010: expected the view cam3; the sample has cam0"):
        make_plan(made.dataset, HoldOut())
    said: list[tuple[str, int, int]] = []
    plan = make_plan(made.dataset, HoldOut(held_out=("cam0",)), progress=lambda *step: said.append(step))
    assert [done for _, done, _ in said] == list(range(len(plan.tasks) + 1)), "from 0, else it reads as done before"
    assert [(task.views, task.inputs, task.side) for task in plan.tasks] == [(4, 3, 64), (3, 2, 64)]
    assert plan.rounds == 2


def test_memory_is_checked_for_each_sample(known: Known, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mouselift.models.gslrm import config as network_config

    monkeypatch.setattr(network_config, "available_bytes", lambda device: 1000)
    with pytest.raises(ModelError, match=r"3 views at 64 x 64: expected at most the"):
        scored(known.dataset, NetworkSource(checkpoint, device_name="cpu"))
