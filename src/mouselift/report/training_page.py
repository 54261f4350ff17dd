"""The page of a training run: curves, held-out views over time, the config, what the guard said. Opens offline.

Read from the run's folder alone; torch is not needed.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from markupsafe import Markup

from mouselift import __version__
from mouselift.dataset.layout import is_file, lies_inside
from mouselift.errors import DatasetError
from mouselift.foreign import json_as
from mouselift.limits import CALIBRATION_BYTES, limited_bytes
from mouselift.reconstruct.record import counted
from mouselift.report.charts import legend, over_frames
from mouselift.report.page import Fact, data_uri, render_page
from mouselift.sampling import evenly_spaced
from mouselift.train.log import BEST, DESCRIPTION, LAST, LOG, PICTURES, LogLine, read_log

_SHOWN = 6  # pictures of held-out views, spread over the run


def is_training_run(folder: Path) -> bool:
    """`mouselift train` writes there."""
    return (folder / DESCRIPTION).is_file() and (folder / LOG).is_file()


def write_training_page(run: Path, page: Path) -> None:
    """Write `page` (replaced if there), atomically. DatasetError where the run has no update yet."""
    lines = read_log(run)
    updates = [line for line in lines if line.kind == "update"]
    validations = [line for line in lines if line.kind == "validation"]
    if not updates:
        raise DatasetError(f"{run}: no update was made yet; is `mouselift train` still at the audit?")
    said, config, every = _read_description(run / DESCRIPTION)
    render_page(
        "training.html.j2",
        page,
        name=run.name,
        version=__version__,
        lead=_lead(updates, validations, config, said.complete),
        facts=_facts(updates, validations),
        next=_next(run, bool(validations)),
        charts=_charts(updates, validations),
        pictures=_pictures(run / PICTURES),
        held_out=", ".join(config.hold_out),
        warnings=said.summary.warnings,
        config=[(key, _short(value)) for key, value in sorted(every.items())],
        dataset=[(key, counted(part.samples, "sample")) for key, part in said.identity.dataset.items()],
    )


class _Config(msgspec.Struct):
    """What the page says in words; the others it lists."""

    recipe: str
    updates: int
    hold_out: list[str]


class _Samples(msgspec.Struct):
    samples: int


class _Identity(msgspec.Struct):
    config: msgspec.Raw
    dataset: dict[str, _Samples]


class _Summary(msgspec.Struct):
    warnings: list[str] = []


class _Description(msgspec.Struct):
    """Of train.json, what the page needs."""

    identity: _Identity
    complete: bool = False
    summary: _Summary = msgspec.field(default_factory=_Summary)


def _read_description(file: Path) -> tuple[_Description, _Config, dict[str, Any]]:
    """(the whole, what is said of the config in words, all of the config). DatasetError where it is damaged."""
    try:
        said = json_as(limited_bytes(file, CALIBRATION_BYTES), _Description)
        config = bytes(said.identity.config)
        return said, json_as(config, _Config), json_as(config, dict)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise DatasetError(
            f"{file}: expected what `mouselift train` writes, got: {error}; train again, in a new folder"
        ) from None


def _pictures(folder: Path) -> list[tuple[int, str]]:
    """(update, picture), a few spread over the run. Files of other names are the user's."""
    found = {
        int(p.stem[7:]): p
        for p in folder.glob("update_*.jpg")
        if p.stem[7:].isdecimal() and is_file(p) and lies_inside(folder, p)  # a link may lead to any file
    }
    return [
        (k, data_uri(limited_bytes(found[k], CALIBRATION_BYTES), "image/jpeg"))
        for k in evenly_spaced(sorted(found), _SHOWN)
    ]


def _lead(updates: Sequence[LogLine], validations: Sequence[LogLine], config: _Config, complete: bool) -> str:
    done = f"{updates[-1].update:,} of {config.updates:,} updates of recipe {config.recipe}"
    state = "finished" if complete else "not finished: the same command goes on"
    scored = " Nothing was validated." if not validations else ""
    return f"{done}, {state}.{scored}"


def _facts(updates: Sequence[LogLine], validations: Sequence[LogLine]) -> list[Fact]:
    seconds = np.array([line.seconds or np.nan for line in updates])
    waited = np.array([line.waited or 0.0 for line in updates])
    facts = [
        Fact(f"{np.nanmedian(seconds):.2f} s", "a step (median)"),
        Fact(f"{100 * waited.sum() / np.nansum(seconds):.1f} %", "of the time waiting for samples"),
        Fact(str(sum(not line.taken for line in updates)), "updates skipped: gradient not finite"),
    ]
    scored = [line for line in validations if line.psnr is not None and line.iou is not None]
    if scored:
        best = max(scored, key=lambda line: line.merit)
        words = f"foreground PSNR of held-out views at update {best.update}, the best weights"
        facts[:0] = [Fact(f"{best.psnr:.2f} dB", words), Fact(f"{best.iou:.3f}", "IoU there")]
    return facts


def _charts(updates: Sequence[LogLine], validations: Sequence[LogLine]) -> list[tuple[Markup, str]]:
    """(chart with its legend, words)."""
    out: list[tuple[Markup, str]] = []
    if len(validations) > 1:
        psnr = {"all": _values([line.psnr for line in validations])}
        psnr |= {name: _values([line.views.get(name) for line in validations]) for name in validations[0].views}
        psnr = psnr if len(psnr) > 2 else {"held-out views": psnr["all"]}
        out.append((_chart(validations, psnr, "foreground PSNR, dB"), "Held-out views: what the network never saw."))
    parts = {name: _values([line.parts.get(name) for line in updates]) for name in updates[0].parts}
    out.append((_chart(updates, parts, "loss"), "Parts of the loss, each before its weight."))
    views = sorted({name for line in updates for name in line.views})
    by_view = {name: _values([line.views.get(name) for line in updates]) for name in views}
    words = "Each camera's weighted loss. One that stays far above the others is a wrong camera, or its masks."
    out.append((_chart(updates, by_view, "loss of a view"), words))
    norms = {"gradient": _values([line.norm for line in updates])}
    out.append((_chart(updates, norms, "norm of the gradient"), "Before clipping."))
    return out


def _chart(lines: Sequence[LogLine], series: dict[str, np.ndarray], label: str) -> Markup:
    at = np.array([line.update for line in lines], dtype=float)
    drawn = over_frames(at, series, label, along="update", counted="updates")
    return drawn + legend(list(series)) if len(series) > 1 else drawn


def _values(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _next(run: Path, validated: bool) -> str:
    """What the run's weights are for."""
    weights = run / (BEST if validated else LAST)
    if not weights.is_file():
        return ""
    which = "best" if validated else "last"
    return f"Its {which} weights in 3D: `mouselift reconstruct DATASET OUT --checkpoint {shlex.quote(str(weights))}`"


def _short(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items() if inner not in (0, 0.0, None, []))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
