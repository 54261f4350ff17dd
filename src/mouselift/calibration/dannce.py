"""DANNCE, sDANNCE and Label3D rigs: a folder of `*cam*_params.mat`, a `*_dannce.mat`, or `calibration.json`.

Documented layout ("dannce"): K transposed with a 1-based principal point, r = R^T (row vectors), t in world units,
RDistort = k1 k2 [k3], TDistort = p1 p2. Other writers use the same file names with other contents
(`VARIANTS`); what the files cannot tell is decided by `dannce_evidence`, and said.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mouselift.calibration import dannce_evidence as evidence_of
from mouselift.calibration.dannce_files import RawCamera, Variant, load_mat, params_of, to_rig_camera
from mouselift.calibration.rig import Rig, RigCamera, RigFormat, brown_conrady, matrices, shifted
from mouselift.errors import CalibrationError
from mouselift.geometry.camera import ZERO_BASED

VARIANTS = {
    "dannce": Variant("dannce", k_transposed=True, r_transposed=True, one_based=True),
    "newsdannce-old": Variant("newsdannce-old", k_transposed=True, r_transposed=False, one_based=False),
    "opencv": Variant("opencv", k_transposed=False, r_transposed=False, one_based=False),
}
_PARAMS = re.compile(r"^(?:.*?_)?cam(?P<era>era)?_?(?P<token>.+)_params\.mat$", re.IGNORECASE)


def read_dannce(path: Path, variant: str | None = None) -> Rig:
    """Rig from a folder of params files, a `*_dannce.mat`, or a `calibration.json`; `variant` settles which is meant.

    CalibrationError where a file is malformed, or where the variant stays in doubt.
    """
    if variant is not None and variant not in VARIANTS:
        raise CalibrationError(f"{path}: variant {variant!r} is unknown; expected one of {', '.join(VARIANTS)}")
    if path.suffix == ".json":
        return Rig(
            path, "dannce", json_cameras(path), (f"{path.name}: plain OpenCV convention, as its writer documents",)
        )
    raws = folder_cameras(path) if path.is_dir() else params_of(path)
    transposed = _k_orientation(raws)
    chosen, words = _choose(path, raws, transposed, variant)
    return Rig(path, "dannce", tuple(to_rig_camera(raw, chosen) for raw in raws), tuple(words))


def find_dannce(folder: Path) -> list[Path]:
    """The folder itself where it holds params files, else its calibration.json."""
    if params_files(folder):
        return [folder]
    file = folder / "calibration.json"
    return [file] if file.is_file() else []


def params_files(folder: Path) -> dict[str, Path]:
    """Camera name -> params file of a folder: `hires_cam1_params.mat` is Camera1, `..cam_CameraE_..` is CameraE."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir(), key=_natural):
        match = _PARAMS.match(file.name)
        if match is None or file.name.startswith("."):
            continue
        token = match["token"]
        name = f"Camera{token}" if token.isdigit() or match["era"] else token
        if name in found:
            raise CalibrationError(
                f"{folder}: two calibrations for {name}: {found[name].name} and {file.name}; keep one of them there"
            )
        found[name] = file
    return found


def folder_cameras(folder: Path) -> list[RawCamera]:
    """The params files of a folder, by camera name (numbers in numeric order)."""
    files = params_files(folder)
    if not files:
        raise CalibrationError(
            f"{folder}: expected DANNCE files such as hires_cam1_params.mat or cam1_params.mat, found none"
        )
    return [RawCamera.from_fields(name, file, load_mat(file)) for name, file in files.items()]


def json_cameras(path: Path) -> tuple[RigCamera, ...]:
    """Cameras of newsdannce's `calibration.json`: OpenCV convention throughout."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        entries = content["camera_params"]
        names = content.get("camera_names") or [f"Camera{i + 1}" for i in range(len(entries))]
        return tuple(_json_camera(path, str(name), entry) for name, entry in zip(names, entries, strict=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{path}: expected newsdannce's calibration.json with camera_params (camera_matrix, r_distort, t_distort, "
            f"rotation_matrix, translation_vector) and as many camera_names: {type(error).__name__}: {error}"
        ) from None


def _json_camera(path: Path, name: str, entry: dict[str, Any]) -> RigCamera:
    radial, tangential = np.ravel(entry["r_distort"]).tolist(), np.ravel(entry["t_distort"]).tolist()
    where = f"camera {name!r} ({path})"
    K, R, t = matrices(where, entry["camera_matrix"], entry["rotation_matrix"], entry["translation_vector"])
    return RigCamera(name, path, shifted(K, ZERO_BASED), R, t, brown_conrady(radial, tangential))


def _natural(file: Path) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", file.name)]


def _k_orientation(raws: list[RawCamera]) -> bool:
    """True where K is transposed (principal point in the last row), in all cameras alike."""
    which = {raw.name: raw.k_transposed() for raw in raws}
    if len(set(which.values())) > 1:
        rows = ", ".join(name for name, transposed in which.items() if transposed)
        columns = ", ".join(name for name, transposed in which.items() if not transposed)
        raise CalibrationError(
            f"{raws[0].source.parent}: K is transposed in {rows} but not in {columns}; expected one writer for all. "
            "Write the files again with one tool."
        )
    return next(iter(which.values()))


@dataclass(frozen=True)
class _StoredK:
    """How K is stored: what is known before any evidence."""

    path: Path
    k_transposed: bool

    @property
    def place(self) -> str:
        return "K is transposed (principal point in its last row)" if self.k_transposed else "K is not transposed"


def _choose(path: Path, raws: list[RawCamera], transposed: bool, asked: str | None) -> tuple[Variant, list[str]]:
    """The variant and the reasons for it."""
    stored = _StoredK(path, transposed)
    proofs = evidence_of.gather(path, raws, list(VARIANTS.values()), _calibration_json(path))
    words = [stored.place + ".", *(proof.words for proof in proofs), evidence_of.axis_hint(raws)]
    if asked is not None:
        return _asked(stored, VARIANTS[asked], proofs, words)
    verdicts = {proof.verdict for proof in proofs if proof.verdict is not None}
    if len(verdicts) > 1:
        raise _undecided(stored, words, "the evidence contradicts itself")
    if verdicts:
        r_transposed = verdicts.pop()
        fits = [v for v in VARIANTS.values() if (v.k_transposed, v.r_transposed) == (transposed, r_transposed)]
        if not fits:
            raise _undecided(stored, words, "no known writer stores K as it stands and r transposed")
        return fits[0], [*words, f"Decided by that evidence: variant {fits[0].words}."]
    if not transposed:
        raise _undecided(stored, words, "several writers leave K as it stands, and nothing tells how they store r")
    chosen = VARIANTS["dannce"]
    return chosen, [*words, f"Assumed for want of evidence, as documented for this layout: variant {chosen.words}."]


def _asked(
    stored: _StoredK, chosen: Variant, proofs: list[evidence_of.Proof], words: list[str]
) -> tuple[Variant, list[str]]:
    if chosen.k_transposed != stored.k_transposed:
        raise CalibrationError(f"{stored.path}: variant {chosen.words} was asked for, but {stored.place}")
    against = [p for p in proofs if p.verdict is not None and p.verdict != chosen.r_transposed]
    warning = ["WARNING: the evidence speaks against the variant that was asked for."] if against else []
    return chosen, [*words, f"Set by [rig] variant: {chosen.words}.", *warning]


def _calibration_json(path: Path) -> dict[str, RigCamera]:
    file = (path if path.is_dir() else path.parent) / "calibration.json"
    return {camera.name: camera for camera in json_cameras(file)} if file.is_file() else {}


def _undecided(stored: _StoredK, words: list[str], reason: str) -> CalibrationError:
    return CalibrationError(
        f"{stored.path}: the variant of this DANNCE rig is in doubt: {reason}. {' '.join(words)} "
        'Settle it in capture.toml: [rig] variant = "dannce" (K transposed, r transposed, 1-based), "newsdannce-old" '
        '(K transposed, r not, 0-based) or "opencv" (neither, 0-based); or put labels (*_dannce.mat) or centres of '
        "mass (com/*.pickle) beside the rig."
    )


FORMAT = RigFormat(read_dannce, find_dannce, ("*.mat", "*.json"), z_up=True)
