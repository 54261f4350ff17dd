"""Golden cases (numbers of random networks, ../shared/golden/README.md) and small inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mouselift.models.gslrm.config import GSLRMConfig
from mouselift.models.gslrm.model import GSLRM
from mouselift.render.base import Gaussians

MINI = Path(__file__).parents[1] / "golden/gslrm_mini.npz"
CASE_A = Path(__file__).resolve().parents[3] / "shared/golden/gslrm_case_a.npz"
torch.set_num_threads(1)


@dataclass(frozen=True, eq=False)
class Golden:
    """One case: a network, what goes in and every recorded stage."""

    model: GSLRM
    image: Tensor
    c2w: Tensor
    fxfycxcy: Tensor
    out: dict[str, Tensor]

    def stages(self, **changes: Tensor) -> dict[str, Tensor]:
        """Every stage of a forward pass, under the golden names; `changes` to the input."""
        seen: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[..., None]:
            return lambda module, given, result: seen.__setitem__(name, result)

        model = self.model
        hooks = [
            model.patch_embedder[1].register_forward_hook(keep("patch_tokens")),
            model.patch_embedder[0].register_forward_pre_hook(lambda m, given: seen.update(input_channels=given[0])),
            model.input_layer_norm.register_forward_hook(keep("tokens_in")),
            model.input_layer_norm.register_forward_pre_hook(lambda m, given: seen.update(tokens_in_preln=given[0])),
            model.gaussian_upsampler.register_forward_hook(keep("gaussian_head_out")),
            model.pixel_gaussian_decoder.register_forward_hook(keep("pixel_head_out")),
            model.pixel_gaussian_decoder.register_forward_pre_hook(lambda m, given: seen.update(img_tokens=given[0])),
        ]
        for index, block in enumerate(model.transformer_layers):
            hooks.append(block.register_forward_hook(keep(f"tokens_layer{index}")))
            hooks.append(block.get_submodule("attn").register_forward_hook(keep(f"attn_out_layer{index}")))
        given = {"image": self.image, "c2w": self.c2w, "fxfycxcy": self.fxfycxcy, **changes}
        try:
            with torch.no_grad():
                found = model(**given)
        finally:
            for hook in hooks:
                hook.remove()
        raw = [seen["gaussian_head_out"], seen["pixel_head_out"].reshape(len(self.image), -1, 14)]
        seen["raw_params"] = torch.cat(raw, dim=1)
        for name in ("xyz", "features", "scaling", "rotation", "opacity"):
            seen[name] = getattr(found, name)
        stored = (found.xyz, found.features, found.opacity[..., 0], found.scaling, found.rotation)
        drawn = [Gaussians.from_stored(*parts) for parts in zip(*stored, strict=True)]  # a sample each
        seen["act_scaling"] = torch.stack([g.scales for g in drawn])
        seen["act_opacity"] = torch.stack([g.opacities for g in drawn])
        # renderers take quaternions of any length
        seen["act_rotation"] = torch.nn.functional.normalize(torch.stack([g.rotations for g in drawn]), dim=-1)
        return seen


def read_golden(file: Path, head_width: int) -> Golden:
    content = {key: torch.from_numpy(value) for key, value in np.load(file).items()}
    state = {key.removeprefix("state/"): value for key, value in content.items() if key.startswith("state/")}
    model = GSLRM(GSLRMConfig(width=state["input_layer_norm.weight"].shape[0], head_width=head_width, layers=2))
    model.load_state_dict(state, strict=True)
    out = {key.removeprefix("out/"): value for key, value in content.items() if key.startswith("out/")}
    return Golden(model.eval(), content["in/image"], content["in/c2w"], content["in/fxfycxcy"], out)


@pytest.fixture(scope="session")
def mini() -> Golden:
    return read_golden(MINI, 16)


@pytest.fixture(params=["mini", "case a"])
def golden(request: pytest.FixtureRequest) -> Golden:
    """Both cases; the larger one where it lies next to the repository."""
    if request.param == "mini":
        return read_golden(MINI, 16)
    if not CASE_A.is_file():
        pytest.skip(f"golden case not at {CASE_A}")
    return read_golden(CASE_A, 16)
