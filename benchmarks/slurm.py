"""The job array of the guide "From one recording to a thousand", given to a Slurm as it stands on the page.

    python benchmarks/slurm.py WORK        # WORK is seen by all nodes; a node has 4 CPUs and 8 GB

One machine is enough: `apt-get install slurm-wlm munge`, and in /etc/slurm/slurm.conf beside the host's names
ProctrackType=proctrack/linuxproc, TaskPlugin=task/none and, where it has fewer than 4 CPUs,
SlurmdParameters=config_overrides with `NodeName=... CPUs=8 RealMemory=20000`.

Says: whether the array and its merge end with the bytes of a run alone; whether they do after a part was killed, with
what Slurm made of the merge, and after parts were put back into the queue.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from engines import digest, mouselift, recordings, timed

PAGE = Path(__file__).resolve().parents[1] / "docs/guides/many-recordings.md"
MADE = Path("out/mouse7")


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Array:
    """The page's script and its two commands, in the folder `work`."""

    def __init__(self, work: Path) -> None:
        page = PAGE.read_text(encoding="utf-8")
        script = re.search(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        merge = re.search(r"^sbatch (--dependency=.*)$", page, re.MULTILINE)
        assert script is not None
        assert merge is not None
        self.work, self.merge = work, merge[1]
        (work / "part.sh").write_text(script[1], encoding="utf-8")

    def given(self) -> tuple[str, str]:
        """Numbers of the array and of the merge."""
        array = self._sbatch("part.sh")
        return array, self._sbatch(*shlex.split(self.merge.replace("$array", array)))

    def _sbatch(self, *words: str) -> str:
        return said("sbatch", "--parsable", f"--chdir={self.work}", *words)

    def ended(self, merge: str) -> str:
        """What became of the merge."""
        while said("squeue", "--noheader", "--user", said("id", "-un")):
            time.sleep(1)
        found = re.search(r"JobState=(\S+) Reason=(\S+)", said("scontrol", "show", "job", merge))
        return " ".join(found.groups()) if found else "unknown"

    def under_way(self) -> None:
        """Until the first samples are there."""
        while len(list((self.work / MADE).glob("sample_*"))) < 3:
            time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--frames", type=int, default=160)
    given = parser.parse_args()
    work = given.work.resolve()
    (capture,) = recordings(work, 1, given.frames)
    recording = work / "recordings/mouse7"
    shutil.rmtree(recording, ignore_errors=True)
    shutil.copytree(capture, recording)
    for folder in (work / "alone", work / "out"):
        shutil.rmtree(folder, ignore_errors=True)
    timed(mouselift("prepare", recording, work / "alone/mouse7"))
    wanted, array = digest(work / "alone/mouse7"), Array(work)
    print(said("sbatch", "--version"), f"{given.frames} frames", sep=", ")

    def compare(what: str, merge: str) -> None:
        state = array.ended(merge)
        there = (work / MADE / "data_train.txt").exists()
        same = "no lists" if not there else "identical" if digest(work / MADE) == wanted else "DIFFERENT"
        print(f"{what}: merge {state}, {same}", flush=True)

    compare("array and merge", array.given()[1])
    shutil.rmtree(work / "out")
    job, merge = array.given()
    array.under_way()
    said("scancel", "--full", "--signal=KILL", f"{job}_0", f"{job}_1")
    compare("two parts killed", merge)
    compare("given again", array.given()[1])
    shutil.rmtree(work / "out")
    job, merge = array.given()
    array.under_way()
    said("scontrol", "requeue", f"{job}_0")
    compare("a part put back into the queue", merge)


if __name__ == "__main__":
    main()
