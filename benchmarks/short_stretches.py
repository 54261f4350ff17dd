"""What all samples together say of cameras where the samples are of a short stretch of a recording.

    python benchmarks/short_stretches.py DATASET [--frames 250 500 1000]

DATASET: a prepared recording with right cameras (`prepare --every 10 --on-cut keep`). Every stretch of so many frames
and every choice of two cameras or more is pooled as the audit does it, as it is and with each focal length 3 % longer
in turn (to first order: `sample_planes`).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from mouselift.audit.sample import audit_views
from mouselift.consistency.pooled_tangency import pool
from mouselift.consistency.sample_planes import NUMBERS, SamplePlanes, by_camera, columns_of
from mouselift.dataset.foreign_sample import load_sample
from mouselift.dataset.layout import find_samples

LONGER = 0.03
FOCAL = 3  # of a camera's numbers


def planes_of(dataset: Path) -> list[tuple[int, SamplePlanes]]:
    found: list[tuple[int, SamplePlanes]] = []
    for folder in find_samples(dataset):
        sample = load_sample(folder)
        seen = audit_views(sample)[1]
        if sample.frame is not None:
            found.append((sample.frame, SamplePlanes.of(sample, seen.tangency.planes, seen.outlines)))
    return found


def of_cameras(one: SamplePlanes, chosen: Sequence[int]) -> SamplePlanes:
    keep = np.isin(one.view, chosen).all(axis=1)
    number = np.full(len(one.cameras), -1, dtype=np.int16)
    number[list(chosen)] = np.arange(len(chosen))
    own = list(chosen)
    return replace(
        one, cameras=tuple(one.cameras[k] for k in own), view=number[one.view[keep]], residual=one.residual[keep],
        place=one.place[keep], slope=one.slope[keep], R=one.R[own], centre=one.centre[own], towards=one.towards[own],
        reach=one.reach[own], few=len(own) < 4,
    )  # fmt: skip


def longer(samples: Sequence[SamplePlanes], camera: int) -> list[SamplePlanes]:
    """One camera's focal length stated longer than it is."""
    out: list[SamplePlanes] = []
    for one in samples:
        columns = by_camera(one.view, columns_of([one], samples[0].R), len(one.cameras))
        moved = LONGER * columns[:, NUMBERS * camera + FOCAL]
        out.append(replace(one, residual=(one.residual + moved).astype(np.float32)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 500, 1000])
    options = parser.parse_args()
    every = planes_of(options.dataset)
    last, cameras = max(frame for frame, _ in every) + 1, len(every[0][1].cameras)
    print(
        "| views | frames | places | stretches | right cameras blamed | fault named | no name | wrong name | not seen |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for views in range(2, cameras + 1):
        for length in [*(n for n in options.frames if n < last), last]:
            stretches = [
                [one for frame, one in every if start <= frame < start + length]
                for start in range(0, last - length + 1, length)
            ]
            right, fault, places = Counter[str](), Counter[str](), []
            for stretch in stretches:
                for chosen in combinations(range(cameras), views):
                    own = [of_cameras(one, chosen) for one in stretch]
                    own = [one for one in own if len(one.residual)]
                    together = pool(own)
                    if together is None:
                        continue
                    places.append(together.places)
                    right["blamed" if together.blame else "right"] += 1
                    for camera, name in enumerate(own[0].cameras):
                        spoilt = pool(longer(own, camera))
                        blame = None if spoilt is None else spoilt.blame
                        named = () if blame is None else blame.cameras
                        fault[
                            "missed"
                            if blame is None
                            else "named"
                            if named == (name,)
                            else "wrong"
                            if named
                            else "blamed"
                        ] += 1
            seen, total = sum(fault.values()), sum(right.values())
            shares = " | ".join(
                f"{100 * fault[key] / max(seen, 1):.0f} %" for key in ("named", "blamed", "wrong", "missed")
            )
            where = f"{min(places)} to {max(places)}" if places else ""
            print(f"| {views} | {length} | {where} | {total} | {right['blamed']} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
