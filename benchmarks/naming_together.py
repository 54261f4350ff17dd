"""How sure a vote of many samples under rough masks is: what the right reading reaches, and the best wrong one.

    python benchmarks/naming_together.py                          # synthetic samples, masks spoiled
    python benchmarks/naming_together.py --dataset prepared/mouse # samples of one's own, whose cameras are right

Every fault of tests/shared/faults.py is put into all samples alike (the same views), and every other reading of the
written numbers votes (`diagnosis/vote.py`). A fault that no reading undoes must elect nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import _paths  # noqa: F401  (puts tests/shared on the path)
from corpus import corpus
from faults import FAULTS, rough
from mouselift.consistency.cameras import check_sample
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples
from mouselift.dataset.sample import Sample
from mouselift.diagnosis.explain import problem_of
from mouselift.diagnosis.search import Problem
from mouselift.diagnosis.vote import Vote, cast_votes, winning_vote

READINGS = {
    "r_transposed": "rotation-transposed",
    "c2w_for_w2c": "c2w-for-w2c",
    "opengl_axes": "opengl-axes",
    "mirrored_view": "mirrored",
    "swapped_views": "views-swapped",
    "k_transposed": "k-transposed",
    "copied_calibration": "calibration-copied",
    "one_intrinsics_for_all": "one-intrinsics",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="a prepared dataset whose cameras are known to be right")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--draws", type=int, default=6, help="of the faulty views, or of the values")
    parser.add_argument("--faults", nargs="+", choices=tuple(FAULTS), default=tuple(FAULTS))
    options = parser.parse_args()
    samples = own(options.dataset, options.samples) if options.dataset else spoiled(options.samples)
    print(f"{len(samples)} samples, {len(samples[0].views)} views\n", flush=True)
    print("| fault | draws | named | elected | right: ratio, better, after px | best wrong: ratio, better, after px |")
    print("|---|---|---|---|---|---|", flush=True)
    row("none", [samples], [()])
    for fault in options.faults:
        if fault == "rough":
            continue
        drawn = [[FAULTS[fault](s, np.random.default_rng(seed)) for s in samples] for seed in range(options.draws)]
        row(fault, [[i.sample for i in each] for each in drawn], [each[0].views for each in drawn])


def own(path: Path, count: int) -> list[Sample]:
    folders = find_samples(path)
    at = np.unique(np.linspace(0, len(folders) - 1, min(count, len(folders))).round().astype(int)).tolist()
    samples = [load_sample(folders[k]) for k in at]
    return [sample for sample in samples if sample.names == samples[0].names]


def spoiled(count: int) -> list[Sample]:
    made = corpus(5 * count)
    return [rough(made[k], np.random.default_rng([k, 3])).sample for k in range(0, len(made), 5)]


def row(fault: str, datasets: Sequence[Sequence[Sample]], faulty: Sequence[tuple[int, ...]]) -> None:
    code = READINGS.get(fault)
    named, elections, right, wrong = 0, [], [], []
    width = float(datasets[0][0].views[0].camera.width)
    for samples, views in zip(datasets, faulty, strict=True):
        problem: Problem = [problem_of(sample, check_sample(sample)) for sample in samples]
        found = winning_vote(problem)
        correct = found is not None and found.candidate.code == code and found.candidate.views == views
        named += correct or (found is None and code is None)
        elections.append("nothing" if found is None else f"{found.candidate.code} {list(found.candidate.views)}")
        every = list(cast_votes(problem))
        mine = [v for v in every if v.candidate.code == code and v.candidate.views == views]
        right += [min(mine, key=lambda v: v.ratio)] if mine else [found] if correct and found is not None else []
        wrong.append(min((v for v in every if v not in mine), key=lambda v: not_convincing(v, width)))
    said = ", ".join(f"{text} x {elections.count(text)}" for text in dict.fromkeys(elections))
    worst = max(right, key=lambda v: v.ratio) if right else None
    nearest = min(wrong, key=lambda v: not_convincing(v, width))
    print(f"| {fault} | {len(datasets)} | {named} | {said} | {figures(worst)} | {figures(nearest)} |", flush=True)


def not_convincing(vote: Vote, width: float) -> float:
    """How far from being believed: the ratio, with what is left far above the limit counted too."""
    return max(vote.ratio, vote.after_px / (0.02 * width) * 0.55, (1 - vote.better) / 0.2 * 0.55)


def figures(vote: Vote | None) -> str:
    if vote is None:
        return ""
    return f"{vote.ratio:.2f}, {100 * vote.better:.0f} %, {vote.after_px:.1f} ({vote.candidate.code})"


if __name__ == "__main__":
    main()
