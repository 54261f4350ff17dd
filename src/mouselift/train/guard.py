"""What stands in the way of a run before it begins, and what goes wrong while it runs; each with what to do.

Before: the cameras of a part of the samples are audited, every sample's files are looked for, and the memory is
compared. While it runs, the log's latest lines are looked at: an output that is empty or covers all, gradients that
explode, one view that stays far worse than the others, time spent waiting for data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mouselift.audit.dataset import audit_dataset
from mouselift.audit.options import AuditOptions
from mouselift.dataset.shards import ShardStore
from mouselift.dataset.store import SampleStore
from mouselift.errors import DatasetError
from mouselift.progress import Progress, silent
from mouselift.sampling import evenly_spaced
from mouselift.train.log import LogLine

_AUDITED = 24  # samples: one wrong camera shows in every one of them
_WINDOW = 50  # updates that are looked at together
_EMPTY, _ALL = 0.05, 5.0  # drawn alpha over the targets'
_SKIPPED = 0.2  # share of the window's updates without a finite gradient
_EXPLODING = 20.0  # a gradient's norm over the median of the window before
_WORSE = 4.0  # one view's loss over the median of the others'
_WAITING = 0.2  # share of the time
_FROZEN = 1e-4  # range of the losses of a window over the largest: samples differ by more
_FLAT = 1e-10  # norm of the gradient


def check_cameras(dataset: Path, samples: SampleStore, progress: Progress = silent) -> str:
    """An audit of samples spread over the dataset; its sentence. DatasetError unless it passes or cannot say.

    Rays that do not belong to the pixels are learned as noise: weeks were lost to it. samples: those that are trained
    on; of shards some are unpacked for the audit.
    """
    with TemporaryDirectory(prefix="mouselift-audit-") as spare:
        path = dataset
        if isinstance(samples, ShardStore):
            path = Path(spare)
            for place in evenly_spaced(range(len(samples)), _AUDITED):
                samples.unpack(place, path)
        found = audit_dataset(path, AuditOptions(samples=_AUDITED), workers=1, progress=progress)
    if found.verdict == "fail":
        raise DatasetError(
            f"{dataset}: its cameras do not belong to its pixels, and a network that sees only their rays learns "
            f"nothing. {found.sentence} Look with: mouselift audit {dataset}; correct with: mouselift repair. To train "
            "on it nevertheless: --unchecked"
        )
    return found.sentence


@dataclass
class Watch:
    """Looks at the log as it grows. Each warning is given once, and again when it was gone for a window."""

    warmup: int
    lines: list[LogLine] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)  # kind -> the update that it was last true at

    def add(self, line: LogLine) -> list[str]:
        """A finished update; what there is to say about it."""
        self.lines = [*self.lines, line][-2 * _WINDOW :]
        said: list[str] = []
        if len(self.lines) < _WINDOW:
            return said
        for kind, text in _faults(self.lines, line.update > self.warmup + 2 * _WINDOW):
            last = self.given.get(kind)
            self.given[kind] = line.update
            if last is None or line.update - last > _WINDOW:
                said.append(f"update {line.update}: {text}")
        return said


def _faults(lines: Sequence[LogLine], warm: bool) -> list[tuple[str, str]]:
    recent, before = lines[-_WINDOW:], lines[: -_WINDOW or None]
    out: list[tuple[str, str]] = []
    skipped = np.mean([not line.taken for line in recent])
    if skipped > _SKIPPED:
        text = f"{skipped:.0%} of the last {_WINDOW} gradients were not finite; lower the learning rate, or float32"
        out.append(("skipped", text))
    covered = float(np.median([line.covered for line in recent if line.covered is not None] or [1.0]))
    if warm and covered < _EMPTY:
        out.append(("empty", f"what is drawn is empty ({covered:.1%} of the subject); raise the alpha loss's weight"))
    if warm and covered > _ALL:
        text = f"what is drawn covers {covered:.0f} times the subject; look at validation/, and at the masks"
        out.append(("covers-all", text))
    norms = [line.norm for line in before if line.norm is not None and np.isfinite(line.norm)]
    now = recent[-1].norm
    if norms and now is not None and now > _EXPLODING * float(np.median(norms)):
        text = f"the gradient's norm is {now:.3g}, usually {np.median(norms):.3g}; it is clipped. If it stays: a lower "
        out.append(("exploding", text + "learning rate, a longer warm-up"))
    out += _worse_view(recent) if warm else []
    seconds, waited = (sum(getattr(line, key) or 0.0 for line in recent) for key in ("seconds", "waited"))
    if seconds and waited > _WAITING * seconds:
        out.append(("waiting", f"{waited / seconds:.0%} of the time goes by waiting for samples; give more --readers"))
    losses = [line.loss for line in recent if line.loss is not None]
    still = bool(losses) and max(losses) - min(losses) <= _FROZEN * max(losses)
    flat = max((line.norm for line in recent if line.norm is not None), default=1.0) < _FLAT
    if warm and (still or flat):
        text = (
            "the loss does not change, or has no gradient: is what is drawn white (validation/), is anything to train?"
        )
        out.append(("frozen", text))
    return out


def _worse_view(recent: Sequence[LogLine]) -> list[tuple[str, str]]:
    """A view far worse than the others in the mean: its camera or its masks."""
    found: dict[str, list[float]] = {}
    for line in recent:
        for name, loss in line.views.items():
            found.setdefault(name, []).append(loss)
    means = {name: float(np.mean(losses)) for name, losses in found.items()}
    if len(means) < 3:
        return []
    worst = max(means, key=lambda name: means[name])
    others = float(np.median([mean for name, mean in means.items() if name != worst]))
    if means[worst] <= _WORSE * others:
        return []
    text = (
        f"view {worst} is {means[worst] / others:.0f} times worse than the others; is its camera right? mouselift audit"
    )
    return [("worse-view:" + worst, text)]
