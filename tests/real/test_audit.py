"""The audit on real data: FaceLift's own sample, and the real recording prepared here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.options import AuditOptions
from mouselift.audit.sample import audit_sample
from mouselift.capture.capture import load_capture
from mouselift.masks.options import MaskOptions
from mouselift.masks.segment_capture import segment_capture
from mouselift.prepare.options import PrepareOptions
from mouselift.prepare.pipeline import prepare_dataset

DATA = Path(__file__).resolve().parents[3] / "shared/data"
FACELIFT, CYLINDER = DATA / "facelift_sample", DATA / "mouse_cylinder"
needs_facelift = pytest.mark.skipif(not FACELIFT.is_dir(), reason=f"real data not at {FACELIFT}")


def exchange(folder: Path, a: str, b: str) -> None:
    first, second, aside = (folder / "images" / name for name in (f"{a}.png", f"{b}.png", "aside"))
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@needs_facelift
@pytest.mark.parametrize("hull", [False, True])
def test_facelift_s_own_sample_passes(hull: bool) -> None:
    """Every view's subject is cut by the lower border: a warning a view, and no fault of a camera."""
    audit = audit_dataset(FACELIFT, AuditOptions(hull=hull))
    assert audit.verdict == "pass"
    assert audit.counts["clipped"].findings == 8
    assert not [code for code, count in audit.counts.items() if count.severity == "error"]
    assert [ray.wasserstein < 0.02 for ray in audit.rays] == [True] * 6  # 8 of the profile's own 32 cameras
    assert [finding for finding in audit.findings if finding.code == "distribution"] == []
    if hull:
        assert audit.quantiles["coverage"][0] > 0.98


@needs_facelift
def test_facelift_s_sample_with_two_images_exchanged_fails(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FACELIFT, tmp_path / "sample"))
    for path in (folder, folder / "images"):
        path.chmod(0o755)
    exchange(folder, "cam_004", "cam_016")
    audit = audit_dataset(folder)
    assert audit.verdict == "fail"
    assert set(audit.causes[0].views) == {"cam_004", "cam_016"}


@pytest.mark.slow
@pytest.mark.skipif(not CYLINDER.is_dir(), reason=f"real data not at {CYLINDER}")
def test_the_recording_prepared_and_with_two_cameras_exchanged(tmp_path: Path) -> None:
    """Masks of a mouse behind glass are rough (see docs/guides/masks.md), so no sample alone names the exchange."""
    lines = ["format = 1", 'unit = "mm"', 'up = "+z"', "[rig]", f'file = "{CYLINDER / "calibration"}"']
    lines += ['format = "dannce"']
    for name in "ELRSU":
        lines += ["[[camera]]", f'name = "Camera{name}"', f'video = "{CYLINDER / f"videos/Camera{name}_31500.mp4"}"']
        lines += [f'mask = "masks/Camera{name}"']
    (tmp_path / "capture.toml").write_text("\n".join(lines))
    unmasked = tmp_path / "unmasked"
    unmasked.mkdir()
    (unmasked / "capture.toml").write_text("\n".join(line for line in lines if not line.startswith("mask")))
    segment_capture(load_capture(unmasked), tmp_path / "masks", MaskOptions(every=100))
    prepare_dataset(load_capture(tmp_path), tmp_path / "out", PrepareOptions(every=100, val=0.0), workers=1)
    folders = sorted(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) >= 10
    before = [audit_sample(folder) for folder in folders]
    assert {cause.code for cause in audit_dataset(tmp_path / "out").causes} <= {"unexplained"}
    for folder in folders:
        exchange(folder, "cam_001", "cam_003")
    audit = audit_dataset(tmp_path / "out")
    assert audit.verdict == "fail"
    assert audit.failed > 0.8 * len(folders)
    rms = [report.numbers["tangency_px"] for report in before]
    known = [value for value in rms if value is not None]
    assert audit.quantiles["tangency_px"][3] > 1.5 * float(np.median(known))
    assert [(cause.code, set(cause.views)) for cause in audit.causes] == [("views-swapped", {"CameraL", "CameraS"})]
    after, stated = audit.causes[0].residual_after_px, audit.causes[0].residual_before_px
    assert after is not None
    assert stated is not None
    assert after < 0.4 * stated
