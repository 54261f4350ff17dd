"""A camera whose gain and offset differ is found out, and its pictures agree with the others' again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mouselift.data.sample import SampleTensors
from mouselift.errors import DatasetError
from mouselift.fit.camera_colours import PRIOR, camera_colours
from mouselift.render.base import WHITE, Rendering

GAIN, OFFSET = torch.tensor([1.3, 0.9, 1.1]), torch.tensor([0.02, 0.05, -0.03])
OTHER = 4  # the view with another camera's colours


def textured(seed: int) -> SampleTensors:
    """Six views of the same colours; view 4 through another gain and offset."""
    rng = torch.Generator().manual_seed(seed)
    pixels = 0.1 + 0.7 * torch.rand(3, 16 * 16, generator=rng)
    image = torch.ones(6, 4, 32, 32)
    image[:, 3] = 0
    for k in range(6):
        mine = pixels[:, torch.randperm(256, generator=rng)].reshape(3, 16, 16)
        image[k, :3, 8:24, 8:24] = mine if k != OTHER else GAIN[:, None, None] * mine + OFFSET[:, None, None]
        image[k, 3, 8:24, 8:24] = 1
    return replace(_empty(), image=image)


def _empty() -> SampleTensors:
    every = torch.arange(6)
    return SampleTensors(
        "sample_000000", tuple(f"cam{k}" for k in range(6)), torch.ones(6, 4, 32, 32), torch.eye(4).repeat(6, 1, 1),
        torch.ones(6, 4), torch.zeros(6, 2, dtype=torch.int64), torch.ones(3), every, every,
        torch.zeros(6, dtype=torch.bool),
    )  # fmt: skip


def test_gain_and_offset_come_back() -> None:
    """Relative to the other cameras: what is common to all cannot be told from the animal's colour."""
    found = camera_colours(textured(k) for k in range(30)).cameras
    plain, other = (torch.tensor(found[name]) for name in ("cam0", "cam4"))
    gain = other[0] / plain[0]
    trust = 30 / (30 + PRIOR)
    torch.testing.assert_close(gain, 1 + trust * (GAIN - 1), atol=0.04, rtol=0)
    torch.testing.assert_close(other[1] - gain * plain[1], trust * OFFSET, atol=0.04, rtol=0)


def test_few_instants_say_little() -> None:
    one, many = (torch.tensor(camera_colours(textured(k) for k in range(n)).cameras["cam4"]) for n in (1, 15))
    assert ((one[0] - 1).abs() < 0.4 * (many[0] - 1).abs()).all()


def test_equal_cameras_stay_as_they_are(make_sample: Callable[[], SampleTensors]) -> None:
    sample = make_sample()
    same = replace(sample, image=sample.image[:1].repeat(6, 1, 1, 1))
    colours = camera_colours([same])
    torch.testing.assert_close(colours.common(same).image, same.image, atol=1e-6, rtol=0)


def test_out_and_back(make_sample: Callable[[], SampleTensors]) -> None:
    sample = textured(0)
    colours = camera_colours(textured(k) for k in range(8))
    common = colours.common(sample)
    assert float((common.image - sample.image)[OTHER].abs().max()) > 0.03
    assert torch.equal(common.image[:, 3], sample.image[:, 3])
    for k, name in enumerate(sample.views):
        back = colours.seen_by(name, Rendering(common.image[k, :3], common.image[k, 3]), WHITE)
        torch.testing.assert_close(back.colour, sample.image[k, :3], atol=1e-5, rtol=0)
    assert "cam4: gain" in colours.words
    with pytest.raises(DatasetError, match="camera cam9: its colours are not known"):
        colours.seen_by("cam9", Rendering(common.image[0, :3], common.image[0, 3]), WHITE)


def test_without_masks_nothing_is_guessed() -> None:
    with pytest.raises(DatasetError, match="no view shows a subject"):
        camera_colours([replace(_empty(), image=torch.zeros(6, 4, 32, 32))])
    with pytest.raises(DatasetError, match="sample_000000, view cam0: expected a mask"):
        camera_colours([_empty()])
