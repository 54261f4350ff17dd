"""Gaussians beside the subject: two masks decide, one does not, and a view decides only on what it sees."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mouselift.data.sample import SampleTensors
from mouselift.geometry.similarity import looking_at
from mouselift.models.gslrm.config import from_scratch, tiny
from mouselift.models.gslrm.model import GSLRM
from mouselift.reconstruct.gaussian_source import Engine
from mouselift.reconstruct.specks import without_specks
from mouselift.render.base import Gaussians

SIDE, FOCAL, AWAY, RADIUS = 128, 200.0, 4.0, 20  # pixels; world units from the origin; of the masks, pixels
PIXEL = AWAY / FOCAL  # world units, at the origin
# From +x, +y and -x: what moves along x leaves one mask, along y two, along z (up) all three.
EYES = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])


class Seen:
    """What the views see: discs about the origin, unless a test says otherwise."""

    def __init__(self, eyes: np.ndarray = EYES) -> None:
        place = torch.arange(SIDE) + 0.5 - SIDE / 2
        disc = (place[:, None] ** 2 + place**2 <= RADIUS**2).float()
        self.alpha = disc.repeat(len(eyes), 1, 1)
        T = np.stack([looking_at(np.zeros(3), AWAY * eye) for eye in eyes])
        self.c2w = torch.from_numpy(np.linalg.inv(T).astype(np.float32))
        self.fxfycxcy = torch.tensor([[FOCAL, FOCAL, SIDE / 2, SIDE / 2]]).repeat(len(eyes), 1)

    def stay(self, *points: tuple[float, float, float]) -> list[bool]:
        """Of Gaussians at the origin and at these points, which stay; the origin's does, and is left out."""
        positions = torch.tensor([(0.0, 0.0, 0.0), *points])
        n = len(positions)
        which = torch.arange(n, dtype=torch.float32)  # the opacities here: who is who
        turned = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(n, 1)
        given = Gaussians(positions, torch.ones(n, 3), turned, which, torch.rand(n, 3))
        kept = without_specks(given, self.alpha, self.c2w, self.fxfycxcy, "sample_000007")
        ids = kept.opacities.tolist()
        assert ids == sorted(ids)
        assert 0.0 in ids
        assert torch.equal(kept.colours, given.colours[kept.opacities.long()])
        return [float(k) in ids for k in range(1, n)]


def test_outside_two_masks_goes_outside_one_stays() -> None:
    out = (RADIUS + 10) * PIXEL
    assert Seen().stay((out, 0.0, 0.0), (0.0, out, 0.0), (0.0, 0.0, -out)) == [True, False, False]


def test_masks_are_grown() -> None:
    """By 3 pixels of 128: masks and Gaussians are not exact to the pixel."""
    near, far = (RADIUS + 2.0) * PIXEL, (RADIUS + 5.0) * PIXEL
    assert Seen().stay((0.0, near, 0.0), (0.0, far, 0.0)) == [True, False]


def test_a_view_does_not_judge_what_lies_beside_its_image() -> None:
    """A cut view: nobody can tell whether the animal goes on there."""
    out = (RADIUS + 10) * PIXEL
    seen = Seen()
    assert seen.stay((0.0, out, 0.0)) == [False]
    for place in (0, 2):
        cut = Seen()  # its image ends 5 pixels beside the subject, on that side
        cut.fxfycxcy[place, 2] += (SIDE // 2 - RADIUS - 5) * (1 if _right_of(cut, place, out) else -1)
        assert cut.stay((0.0, out, 0.0)) == [True]


def _right_of(seen: Seen, place: int, out: float) -> bool:
    return float((torch.linalg.inv(seen.c2w[place]) @ torch.tensor([0.0, out, 0.0, 1.0]))[0]) > 0


def test_a_view_does_not_judge_what_lies_behind_it() -> None:
    """Behind the camera at +x, where its mirrored place lies in the image; that at +y does not have it in its image."""
    x = 5 * AWAY
    behind = (x, 0.0, -(RADIUS + 10) * (x + AWAY) / FOCAL)
    assert RADIUS + 10 < FOCAL * -behind[2] / (x - AWAY) < SIDE / 2
    assert Seen().stay(behind) == [True]
    # a second view like that at -x: now two see it
    assert Seen(np.array([*EYES, [-1.0, 0.0, 0.0]])).stay(behind) == [False]


@pytest.mark.parametrize("empty", [(), (0,), (0, 2)])
def test_a_view_without_a_subject_does_not_judge(empty: tuple[int, ...]) -> None:
    seen = Seen()
    seen.alpha[list(empty)] = 0.0
    out = (RADIUS + 10) * PIXEL
    assert seen.stay((0.0, out, 0.0)) == [bool(empty)]


def test_a_view_without_a_mask_does_not_judge() -> None:
    seen = Seen()
    seen.alpha[0] = 1.0
    assert seen.stay((0.0, (RADIUS + 10) * PIXEL, 0.0)) == [True]


def test_where_all_would_go_all_stay_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    seen, n = Seen(), 3
    seen.alpha[:] = 0.0
    seen.alpha[:, :4, :4] = 1.0  # three corners of which no two meet
    given = Gaussians(torch.zeros(n, 3), torch.ones(n, 3), torch.ones(n, 4), torch.ones(n), torch.ones(n, 3))
    with caplog.at_level(logging.WARNING):
        kept = without_specks(given, seen.alpha, seen.c2w, seen.fxfycxcy, "sample_000007")
    assert len(kept) == n
    assert "sample_000007" in caplog.text


def test_networks_that_read_the_hull_leave_them_out(make_sample: Callable[..., SampleTensors]) -> None:
    """And no other: of a network that ignores masks, one Gaussian a pixel is what its format says."""
    seen = Seen()
    colours: Tensor = torch.full((3, 3, SIDE, SIDE), 0.5)
    image = torch.cat([colours, seen.alpha[:, None]], dim=1)
    sample = replace(make_sample(), image=image, c2w=seen.c2w, fxfycxcy=seen.fxfycxcy)
    torch.manual_seed(0)
    network = replace(from_scratch(), width=32, layers=1, mask_margin=24)  # patches beside the masks, where no hull is
    engines = [
        Engine(GSLRM(config).requires_grad_(False), torch.device("cpu"), torch.float32)
        for config in (network, replace(network, hull_channels=False, hull_range=None), tiny())
    ]
    reads, ignores, whole = (len(engine.reconstruct(sample)) for engine in engines)
    assert reads < ignores
    assert whole == tiny().gaussians(3, SIDE, SIDE)
