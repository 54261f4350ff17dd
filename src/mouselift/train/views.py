"""Which views training sees, which validation scores, and which are kept from the network, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mouselift.data.dataset import ViewChoice
from mouselift.dataset.sample import read_sample
from mouselift.reconstruct.options import MIN_VIEWS, NONE
from mouselift.train.config import TrainConfig


def held_out(config: TrainConfig, first: Path) -> tuple[str, ...]:
    """By name: what the config says; else the first sample's last view, where enough are left. DatasetError for a view
    that is not there, or too few that are left."""
    names = read_sample(first).names
    if config.hold_out == (NONE,):
        held: tuple[str, ...] = ()
    else:
        held = config.hold_out or ((names[-1],) if len(names) >= max(MIN_VIEWS, config.inputs + 1) else ())
    ViewChoice(inputs=config.inputs, views=config.targets, held_out=held).choose(names, np.random.default_rng(0))
    return held or (NONE,)


def _named(config: TrainConfig) -> tuple[str, ...]:
    return () if config.hold_out == (NONE,) else config.hold_out


def training_views(config: TrainConfig) -> ViewChoice:
    return ViewChoice(inputs=config.inputs, views=config.targets, draw="random", held_out=_named(config))


def validation_views(config: TrainConfig) -> ViewChoice:
    """The first views go in, and only those that training never sees are scored; where none is held out, all are."""
    held = _named(config)
    return ViewChoice(
        inputs=config.inputs,
        views=config.inputs if held else config.targets,
        targets="others" if held else "all",
        held_out=held,
        show_held_out=bool(held),
    )
