"""Which views training sees, which validation scores, and which are kept from the network, by name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mouselift.data.dataset import ViewChoice
from mouselift.reconstruct.options import MIN_VIEWS, NONE
from mouselift.train.config import TrainConfig

LOG = logging.getLogger(__name__)


def with_views(config: TrainConfig, names: Sequence[str]) -> TrainConfig:
    """With the held-out views by name, and no more inputs than samples have beside them (`names`, the first sample's),
    where the config takes a range of numbers of inputs. DatasetError as `held_out`."""
    if config.fewest_inputs is not None and not config.input_views:
        kept = len(_named(config)) if config.hold_out else int(len(names) >= MIN_VIEWS)
        inputs = max(config.fewest_inputs, min(config.inputs, len(names) - kept))
        if inputs < config.inputs:
            LOG.warning("samples have %d views: at most %d go in, not %d", len(names), inputs, config.inputs)
            config = replace(config, inputs=inputs)
    return replace(config, hold_out=held_out(config, names))


def held_out(config: TrainConfig, names: Sequence[str]) -> tuple[str, ...]:
    """By name: what the config says; else the last of `names`, the first sample's, that no other option names, where
    enough are left. DatasetError for a view that is not there, or too few that are left."""
    if config.hold_out == (NONE,):
        held: tuple[str, ...] = ()
    else:
        free = [name for name in names if name not in (*config.input_views, *config.target_views)]
        enough = free and len(names) >= max(MIN_VIEWS, config.inputs + 1)
        held = config.hold_out or ((free[-1],) if enough else ())
    training_views(replace(config, hold_out=held or (NONE,))).choose(names, np.random.default_rng(0))
    return held or (NONE,)


def _named(config: TrainConfig) -> tuple[str, ...]:
    return () if config.hold_out == (NONE,) else config.hold_out


def training_views(config: TrainConfig) -> ViewChoice:
    return ViewChoice(
        inputs=config.input_views or config.inputs,
        views=config.targets,
        draw="random",
        targets=config.target_views or "all",
        held_out=_named(config),
    )


def validation_views(config: TrainConfig) -> ViewChoice:
    """The named views or the first go in, and only those that training never sees are scored; where none is held out,
    those that training compares."""
    held = _named(config)
    return ViewChoice(
        inputs=config.input_views or config.inputs,
        views=config.inputs if held else config.targets,
        targets="others" if held else config.target_views or "all",
        held_out=held,
        show_held_out=bool(held),
    )
