"""One run in two processes, started by torchrun; `python two_processes.py JOB` is what each of them does."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import rank_faults
from mouselift.train.config import TrainConfig


@dataclass(frozen=True)
class Job:
    """fault: a function of `rank_faults`, called in both processes before the run."""

    config: TrainConfig
    dataset: Path
    out: Path
    fault: str | None = None


def train_together(job: Job, seconds: float = 120) -> tuple[int, str]:
    """(exit status of torchrun, all that was printed)."""
    file = job.out.with_name(f"{job.out.name}.job")
    file.write_bytes(pickle.dumps(job))
    here = Path(__file__).parent
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", __file__, str(file)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _train() -> None:
    from mouselift.train.loop import train_model

    job: Job = pickle.loads(Path(sys.argv[1]).read_bytes())
    if job.fault is not None:
        getattr(rank_faults, job.fault)(int(os.environ["RANK"]))
    train_model(job.config, job.dataset, job.out, checked=False)


if __name__ == "__main__":
    sys.modules["two_processes"] = sys.modules["__main__"]  # the name under which the job was pickled
    _train()
