"""FaceLift's own training sample through the loader, and into a network (`<repo>/../shared/data`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mouselift.data.dataset import MultiViewDataset, ViewChoice
from mouselift.data.moves import Augmentation
from mouselift.data.rays import nearest_points, pixel_rays
from mouselift.data.sample import collate
from mouselift.models.gslrm.config import tiny
from mouselift.models.gslrm.model import GSLRM

SAMPLE = Path(__file__).resolve().parents[3] / "shared/data/facelift_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"real data not at {SAMPLE}")
torch.set_num_threads(1)


def test_released_cameras_and_images() -> None:
    sample = MultiViewDataset(SAMPLE)[0]
    assert sample.image.shape == (8, 4, 512, 512)
    np.testing.assert_allclose(sample.fxfycxcy, [[548.99377, 548.99377, 256, 256]] * 8, rtol=1e-6)
    np.testing.assert_allclose(sample.c2w[:, :3, 3].norm(dim=1), 2.7, rtol=1e-5)
    assert 0.05 < sample.image[:, 3].mean() < 0.5
    assert (sample.image[:, :3][(sample.image[:, 3:] == 0).expand(-1, 3, -1, -1)] == 1).all()


@pytest.mark.parametrize("size", [256, 128])
def test_axes_pass_through_the_origin_at_every_size(size: int) -> None:
    """Half a pixel put into the resized cameras moves the middle rays by 2.7 / f: it is noticed."""

    def miss(K: torch.Tensor) -> float:
        o, d = pixel_rays(sample.c2w, K, size, size)
        middle = nearest_points(o, d)[:, :, size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1]
        return float(middle.mean(dim=(2, 3)).norm(dim=1).max())

    sample = MultiViewDataset(SAMPLE, size=size)[0]
    assert miss(sample.fxfycxcy) < 1e-4
    assert miss(sample.fxfycxcy + torch.tensor([0, 0, 0.5, 0.5])) > 1e-3


def test_into_the_network_and_back() -> None:
    augment = Augmentation(turn_degrees=15.0, zoom=(0.9, 1.1), brightness=0.1)
    dataset = MultiViewDataset(SAMPLE, size=64, views=ViewChoice(inputs=4, draw="random"), augment=augment)
    batch = collate([dataset[0]])
    given = batch.inputs[0]
    found = GSLRM(tiny())(batch.image[:, given], batch.c2w[:, given], batch.fxfycxcy[:, given])
    assert found.xyz.shape == (1, tiny().gaussians(4, 64, 64), 3)
    found.xyz.square().mean().backward()
