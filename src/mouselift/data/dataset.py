"""Prepared samples for torch: decoded, resized with their cameras, views chosen, all by seed, epoch and index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mouselift.array_types import Array, Float32, Matrix3
from mouselift.data.decode import Premultiplied, cutout_of
from mouselift.data.moves import Augmentation, ColourGains, ViewMove, resized
from mouselift.data.sample import Batch, SampleTensors, collate
from mouselift.dataset.open_store import open_store
from mouselift.dataset.sample import View
from mouselift.dataset.store import FolderStore, OpenSample, SampleStore
from mouselift.errors import DatasetError, MouseliftError
from mouselift.geometry.camera import Camera
from mouselift.media.orientation import Box
from mouselift.progress import Progress, silent

WHITE = (1.0, 1.0, 1.0)

_VIEWS, _COLOURS, _ORDER = 0, 1, 2  # streams of random numbers: changing one option leaves the others' draws alone
_EACH_VIEW = 3  # and one for each view after it
_WORLD = 1 << 20


@dataclass(frozen=True)
class Chosen:
    """Places of views in a sample's file, ascending; `inputs` and `targets` are places among `loaded`."""

    loaded: tuple[int, ...]
    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    held_out: tuple[bool, ...]  # for every loaded view


@dataclass(frozen=True)
class ViewChoice:
    """The rule. View order carries no information to the model; which views it gets does."""

    inputs: int | tuple[str, ...] | None = None  # how many, or which by name; None: all that are loaded
    of_inputs: int | None = None  # of the named inputs so many, drawn anew in every epoch; None: all of them
    views: int | None = None  # loaded a sample, inputs among them (held-out ones apart); None: all
    draw: Literal["first", "random"] = "first"  # by the sample's file order, or anew in every epoch
    targets: Literal["all", "others"] | tuple[str, ...] = "all"  # that are loaded; that are no inputs; or by name
    held_out: tuple[str, ...] = ()  # never inputs nor targets; left out altogether ...
    show_held_out: bool = False  # ... unless asked for: then they are targets (evaluation)

    def __post_init__(self) -> None:
        if isinstance(self.inputs, tuple):
            both = sorted(set(self.inputs) & set(self.held_out))
            if both or not self.inputs:
                raise ValueError(f"ViewChoice: expected inputs that are not held out, got {both or 'none'}")
        if isinstance(self.targets, tuple):
            both = sorted(set(self.targets) & set(self.held_out))
            if both or not self.targets or self.views is not None:
                raise ValueError(
                    "ViewChoice: expected targets that are not held out, and no number of views beside their names; "
                    f"got {both or self.targets} and views {self.views}"
                )
        most = len(self.inputs) if isinstance(self.inputs, tuple) else 0
        if self.of_inputs is not None and self.of_inputs > most:
            raise ValueError(f"ViewChoice: of_inputs: expected at most {most}, the named inputs, got {self.of_inputs}")
        for key in ("inputs", "of_inputs", "views"):
            value = getattr(self, key)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"ViewChoice: {key}: expected at least 1, got {value}")

    def choose(self, names: Sequence[str], rng: np.random.Generator) -> Chosen:
        """For a sample with views `names`. DatasetError for a view that is not there, or too few of them."""
        named = self.inputs if isinstance(self.inputs, tuple) else ()
        compared = self.targets if isinstance(self.targets, tuple) else ()
        absent = [name for name in dict.fromkeys((*named, *compared, *self.held_out)) if name not in names]
        if absent:
            raise DatasetError(
                f"expected the view{'s' if len(absent) > 1 else ''} {', '.join(absent)}; the sample has "
                f"{', '.join(names)}"
            )
        open_views = [place for place, name in enumerate(names) if name not in self.held_out]
        order = [int(k) for k in rng.permutation(open_views)] if self.draw == "random" else open_views
        first: list[int] = []
        if named:
            first = [names.index(name) for name in named]
            rest = [place for place in order if place not in first]
            if self.of_inputs is not None:
                first = rng.permutation(first)[: self.of_inputs].tolist()
            order = first + rest
        total = len(order) if self.views is None else self.views
        count = len(first) if named else total if self.inputs is None else int(self.inputs)  # pyright: ignore
        if max(total, count) > len(order) or count > total:
            raise DatasetError(
                f"expected {max(total, count)} views of which {count} go in; the sample has {len(order)} that are not "
                f"held out: {', '.join(names[place] for place in open_views)}. Let fewer go in (`inputs`), or "
                "hold none out"
            )
        shown = [names.index(name) for name in self.held_out] if self.show_held_out else []
        wanted = [names.index(name) for name in compared] + shown
        # inputs that are drawn meet named targets now and then: all are loaded, so that every sample has as many
        loaded = sorted({*order[:count], *wanted} if named and compared else {*order[:total], *shown})
        inputs = sorted(loaded.index(place) for place in order[:count])
        if compared:
            targets = [k for k, place in enumerate(loaded) if place in wanted]
        else:
            targets = [k for k in range(len(loaded)) if self.targets == "all" or k not in inputs]
        if not targets:
            raise DatasetError(f"no view is left as a target: all {count} loaded ones go in; take targets='all'")
        return Chosen(tuple(loaded), tuple(inputs), tuple(targets), tuple(names[k] in self.held_out for k in loaded))


class MultiViewDataset(Dataset[SampleTensors]):
    """Prepared samples (FaceLift format), read when asked for.

    samples: a list file, a folder of samples or of shards, one sample's folder, such folders
    (`dataset.layout.split_samples`), or a store (`dataset.open_store.split_stores`). The tensors do not depend on it.
    size: pixels a side of what is given out; None: as stored. background: red, green, blue, 0..1.
    What a sample looks like depends on (seed, epoch, index) only: not on workers, order or what was read before.
    Set the epoch (`set_epoch`) before iterating; workers that live on see it.

    A sample that cannot be read raises DatasetError with its name; it is never replaced. So does an image whose size
    is not what its camera says: cameras are data, nothing here mends them.
    """

    def __init__(
        self,
        samples: Path | Sequence[Path] | SampleStore,
        *,
        size: int | None = None,
        views: ViewChoice | None = None,
        augment: Augmentation | None = None,
        background: tuple[float, float, float] = WHITE,
        seed: int = 0,
    ) -> None:
        if isinstance(samples, Path):
            self.store = open_store(samples)
        else:
            self.store = samples if isinstance(samples, SampleStore) else FolderStore(tuple(samples))
        self.size, self.views, self.augment, self.seed = size, views or ViewChoice(), augment, seed
        self.background = np.array(background, dtype=np.float32)
        if not len(self.store):
            raise DatasetError("expected at least one sample, got none")
        if size is not None and size < 1:
            raise ValueError(f"MultiViewDataset: size: expected a positive number of pixels, got {size}")
        if self.background.shape != (3,) or not ((self.background >= 0) & (self.background <= 1)).all():
            raise ValueError(f"MultiViewDataset: background: expected three numbers in 0..1, got {background}")
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # one number for all workers

    def __len__(self) -> int:
        return len(self.store)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Another epoch: other draws. Call it before iterating, not while."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> SampleTensors:
        return self.sample(range(len(self))[index], self.epoch)

    def order(self, epoch: int) -> list[int]:
        """The samples' places in the order that an epoch takes them when it shuffles."""
        return np.random.default_rng([self.seed, epoch, len(self), _ORDER]).permutation(len(self)).tolist()

    def sample(self, place: int, epoch: int, inputs: int | None = None) -> SampleTensors:
        """What `self[place]` gives in that epoch, whatever epoch is set.

        inputs: how many go in, in place of the choice's number; of those that it names, where it names them.
        """
        try:
            return self._read(self.store.open(place), place, epoch, inputs)
        except (MouseliftError, ValueError) as error:
            raise DatasetError(f"sample {self.store.names[place]} (number {place}): {error}") from error

    def check(self, progress: Progress = silent) -> None:
        """Makes every choice of views, before hours are spent on training; of folders, reads all cameras and image
        headers too (an export did that for shards).

        DatasetError at the first sample that cannot be used. No image is decoded.
        """
        for place in range(len(self)):
            try:
                self.views.choose(self.store.facts(place).views, self._rng(self.epoch, place, _VIEWS))
            except MouseliftError as error:
                raise DatasetError(f"sample {self.store.names[place]} (number {place}): {error}") from error
            progress("samples", place + 1, len(self))

    def _read(self, opened: OpenSample, place: int, epoch: int, inputs: int | None) -> SampleTensors:
        views, found = self.views, opened.sample
        if inputs is not None:
            named = isinstance(views.inputs, tuple)
            views = replace(views, of_inputs=inputs) if named else replace(views, inputs=inputs)
        chosen = views.choose(found.names, self._rng(epoch, place, _VIEWS))
        gains = None if self.augment is None else self.augment.gains(self._rng(epoch, place, _COLOURS))
        R_new_old = np.eye(3) if self.augment is None else self.augment.world(self._rng(epoch, place, _WORLD))
        side = self.size or found.views[0].camera.width
        image = np.empty((len(chosen.loaded), 4, side, side), dtype=np.float32)
        cameras = []
        for out, k in zip(image, chosen.loaded, strict=True):
            target = self._target(found.views[k].camera, self._rng(epoch, place, _EACH_VIEW + k))
            self._fill(out, found.views[k], opened.image(k), target, gains)
            cameras.append(target)
        return SampleTensors(
            name=found.id,
            views=tuple(camera.name for camera in cameras),
            image=torch.from_numpy(image),
            c2w=torch.from_numpy(np.stack([_c2w(camera, R_new_old) for camera in cameras])),
            fxfycxcy=torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32),
            index=torch.tensor([[k, place] for k in chosen.loaded]),
            background=torch.from_numpy(self.background.copy()),
            inputs=torch.tensor(chosen.inputs),
            targets=torch.tensor(chosen.targets),
            held_out=torch.tensor(chosen.held_out),
        )

    def _target(self, camera: Camera, rng: np.random.Generator) -> Camera:
        """The camera of the image that is given out."""
        if self.size is not None and self.size != camera.width:
            camera = resized(camera, self.size, self.size)
        if self.augment is None:
            return camera
        return self.augment.camera(camera, rng)

    def _fill(
        self,
        out: Float32[Array, "4 h w"],
        view: View,
        data: bytes,
        target: Camera,
        gains: ColourGains | None,
    ) -> None:
        """Decodes, moves and colours one view into `out`, on the background."""
        file = view.path
        cutout = cutout_of(data, file)
        if (cutout.width, cutout.height) != (view.camera.width, view.camera.height):
            raise DatasetError(
                f"{file}: is {cutout.width} x {cutout.height}, its camera says w = {view.camera.width}, "
                f"h = {view.camera.height}"
            )
        if out.shape[1:] != (target.height, target.width):
            raise DatasetError(
                f"{file}: view {view.camera.name} is {target.width} x {target.height}, the sample's first view "
                f"{out.shape[2]} x {out.shape[1]}; give a size to resize all, or prepare it again"
            )
        image, box = ViewMove(view.camera, target).apply(cutout)
        if gains is not None and self.augment is not None and self.augment.colours:
            if cutout.opaque:
                raise DatasetError(
                    f"{file}: has no transparent pixel, so colour jitter would change the background with the subject; "
                    "prepare it without --background, or leave brightness, contrast and saturation at 0"
                )
            image = gains.apply(image)
        compose(out, image, box, self.background)

    def _rng(self, epoch: int, place: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, place, stream])


def compose(
    out: Float32[Array, "4 rows columns"], image: Premultiplied, box: Box, background: Float32[Array, "3"]
) -> None:
    """Fills `out`: colour + (1 - alpha) * background, and alpha; outside `box` the background and zero."""
    x0, y0, x1, y1 = box
    out[:3] = background[:, None, None]
    out[3] = 0.0
    if image.size == 0:
        return
    clear = 1.0 - image[3]
    for channel in range(3):
        np.add(image[channel], clear * background[channel], out=out[channel, y0:y1, x0:x1])
    out[3, y0:y1, x0:x1] = image[3]


class Shuffled(Sampler[int]):
    """A dataset's indices in an order that depends on its seed and epoch only."""

    def __init__(self, dataset: MultiViewDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        yield from self.dataset.order(self.dataset.epoch)


def batches(
    dataset: MultiViewDataset,
    batch_size: int = 1,
    *,
    shuffle: bool = False,
    workers: int = 0,
    pin_memory: bool = False,
    drop_last: bool = False,
) -> DataLoader[Batch]:
    """The dataset in batches. `workers` processes, which live on between epochs; 0: in this one.

    Workers begin as fresh interpreters: a script that uses them needs `if __name__ == "__main__":`.
    """
    return DataLoader(  # pyright: ignore[reportReturnType] - torch types a loader by its dataset's items
        dataset,
        batch_size=batch_size,
        sampler=Shuffled(dataset) if shuffle else None,
        collate_fn=collate,
        pin_memory=pin_memory,
        drop_last=drop_last,
        persistent_workers=workers > 0,
        **reading_processes(workers),
    )


def reading_processes(workers: int) -> dict[str, Any]:
    """A loader's arguments for so many processes that read ahead; 0: in this one.

    Not forked: a copy of a process whose OpenCV threads have run waits for them for ever.
    """
    started = {"worker_init_fn": _one_thread, "multiprocessing_context": "spawn"} if workers else {}
    return {"num_workers": workers, **started}


def _one_thread(worker: int) -> None:
    """Workers are the parallelism; OpenCV's own threads would only get in each other's way."""
    cv2.setNumThreads(1)


def _c2w(camera: Camera, R_new_old: Matrix3) -> Float32[Array, "4 4"]:
    """In the turned world."""
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = R_new_old @ camera.R_cam_world.T
    T_world_cam[:3, 3] = R_new_old @ camera.centre
    return T_world_cam.astype(np.float32)
