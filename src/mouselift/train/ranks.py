"""The processes of one run (ranks): how they share samples, gradients and figures, and how they end together.

`torchrun` starts the processes and says which each one is; in one process nothing here does anything. Each takes its
own part of an update's samples. Gradients are summed once an update, when all batches have added to them: the backward
pass is made in two steps and once a batch (`train.gradients`), and the sum of 1.2 GB (the released network) takes less
than it, so hooks that sum while the pass still runs (DistributedDataParallel) would save little and change its order.
Sharded (FSDP2), each process holds a part of every weight, its gradient and its moments; torch sums in the backward
pass.

Whole weights and the whole state go through the first process, one tensor at a time, into the same files that one
process writes. So a run goes on with another number of processes, sharded or not; torch's own sharded checkpoints
would be a second format, to spare a few seconds at this size.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from mouselift.errors import ModelError
from mouselift.reconstruct.gaussian_source import device_of

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

LOG = logging.getLogger(__name__)

T = TypeVar("T")

# What one process may do alone while the others wait: an audit, weights on a slow disk. One that ended is noticed at
# once, whatever this is.
_PATIENCE = timedelta(hours=2)
_LAST_WORDS = 5.0  # seconds that a process with an error stays, so that the others can read it before torchrun ends all
_BUCKET = 32_000_000  # gradients summed at a time: 128 MB on top of them
_REASON, _HEARD = "mouselift/reason", "mouselift/heard"


@dataclass(frozen=True, eq=False)
class Ranks:
    """This process among those of the run. Every method is called by all of them, in the same order."""

    rank: int = 0
    count: int = 1
    local: int = 0  # among those of this machine: which card
    store: Store | None = None  # where an error is left for the others

    @property
    def first(self) -> bool:
        """The one that writes files, logs, and checks what needs to be checked once."""
        return self.rank == 0

    def device(self, name: str | None) -> torch.device:
        """As `device_of`; with several processes each has its own card. ModelError for one card named for all."""
        if self.count > 1 and name is not None and name.startswith("cuda:"):
            raise ModelError(f"device: {name} is one card for {self.count} processes; leave it out: each takes its own")
        device = device_of(name)
        if self.count == 1 or device.type != "cuda":
            return device
        device = device_of(f"cuda:{self.local}")
        torch.cuda.set_device(device)
        return device

    def from_first(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, in all of them."""
        box: list[Any] = [work() if self.first else None]
        if self.count > 1:
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Everyone's value, in everyone."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def check_equal(self, what: str, value: object) -> None:
        """ModelError, in all processes, where they do not begin alike: another folder, file or version there."""
        found = self.gather(value)
        other = next((rank for rank, each in enumerate(found) if each != found[0]), None)
        if other is not None:
            raise ModelError(
                f"{what}: expected the same in all {self.count} processes, got {found[0]} in the first and "
                f"{found[other]} in process {other}; do all machines see the same folders, files and versions?"
            )

    def begin_alike(self, model: nn.Module) -> None:
        """The first process's weights in all: other processors draw random numbers that differ in the last bit."""
        for value in model.state_dict().values() if self.count > 1 else ():
            distributed.broadcast(value, src=0)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients become their mean over the processes, the same bits in each. Sharded ones are so already."""
        own = [p for p in parameters if self.count > 1 and not _sharded(p)]
        for p in own:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        gradients = [p.grad for p in own if p.grad is not None]
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            distributed.all_reduce(flat)
            flat /= self.count
            for gradient, part in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def shard(self, model: nn.Module, blocks: Iterable[nn.Module], device: torch.device) -> None:
        """Each process keeps a part of every weight: FSDP2. Alone: nothing."""
        if self.count == 1:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard  # heavy, and seldom asked for

        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")  # none is changed in place
        mesh = init_device_mesh(device.type, (self.count,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)

    def shard_again(self, model: nn.Module) -> None:
        """After a forward pass without a backward one, which leaves the weights outside blocks whole."""
        reshard = getattr(model, "reshard", None)  # of FSDPModule
        if reshard is not None:
            reshard()


def placed() -> tuple[int, int]:
    """(This process's number, how many there are), as torchrun says; (0, 1) where it did not start this."""
    if "RANK" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def started(device: str | None) -> Iterator[Ranks]:
    """The processes that torchrun started, until the block ends; one process where it did not.

    An error in one of them ends all, each with the reason: ModelError in those that had none themselves.
    """
    rank, count = placed()
    if count == 1:
        yield Ranks()
        return
    cards = device_of(None if device is None else device.split(":")[0]).type == "cuda"
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    ranks = Ranks(rank, count, int(os.environ.get("LOCAL_RANK", rank)), store)
    backend = "cpu:gloo,cuda:nccl" if cards else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=_PATIENCE)
    try:
        yield ranks
        distributed.barrier()  # nobody leaves while another still asks
    except BaseException as error:
        raise _ended(ranks, store, error, leave=not cards) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def whole(value: Any, ranks: Ranks) -> Any:
    """Sharded tensors inside mappings and lists become whole ones in the first process, on the CPU.

    All processes call it alike; in the others the sharded ones become None.
    """
    if _sharded(value):
        full = value.detach().full_tensor()
        return full.cpu() if ranks.first else None
    if isinstance(value, Mapping):
        return {key: whole(each, ranks) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole(each, ranks) for each in value)
    return value


def whole_here(value: Any) -> Tensor:
    """A sharded tensor whole, in every process."""
    return value.full_tensor() if _sharded(value) else value


def sharded_as(value: Tensor, like: Any) -> Tensor:
    """A whole tensor, the same in all processes, divided as `like` is; as it is where that is not divided."""
    if not _sharded(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def _ended(ranks: Ranks, store: Store, error: BaseException, leave: bool) -> BaseException:
    """What to raise here: the own error, after the others were told of it; or that of the one who told us."""
    try:
        told = store.get(_REASON).decode() if store.check([_REASON]) else ""
        if told:
            store.add(_HEARD, 1)
            return ModelError(f"process {ranks.rank} of {ranks.count} stops, for another one did. {told}")
        if not _is_lost(error):
            store.set(_REASON, f"Process {ranks.rank}: {type(error).__name__}: {error}")
            if leave:  # those that wait for this one wake up; not with NCCL, whose end may wait for them
                distributed.destroy_process_group()
            until = time.monotonic() + _LAST_WORDS
            while store.add(_HEARD, 0) < ranks.count - 1 and time.monotonic() < until:
                time.sleep(0.02)
            return error
    except distributed.DistError:  # the process that held the store is gone
        LOG.debug("the store is gone", exc_info=True)
    if not _is_lost(error):
        return error
    return ModelError(
        f"process {ranks.rank} of {ranks.count} stops: another one ended without a word ({error}). Was it killed, or "
        "out of memory? Its last lines and torchrun's summary say which; the same command goes on from the last state"
    )


def _is_lost(error: BaseException) -> bool:
    """Is it that another process cannot be reached?"""
    said = str(error).lower()
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and any(word in said for word in ("gloo", "nccl", "connection closed by peer"))
    )


def _sharded(value: Any) -> bool:
    """Is it torch's DTensor? Its module takes a second to import, so it is not asked for by type."""
    return isinstance(value, Tensor) and hasattr(value, "full_tensor")


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    held: list[Tensor] = []
    for tensor in tensors:
        if held and sum(t.numel() for t in held) + tensor.numel() > _BUCKET:
            yield held
            held = []
        held.append(tensor)
    if held:
        yield held
