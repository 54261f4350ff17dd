"""Shards on an S3 server of this machine: uploaded, killed, read through connections that break off, trained on.

    python -m venv moto && moto/bin/pip install 'moto[s3,server]'      # 40 packages: in an environment of its own
    python benchmarks/s3_server.py moto/bin/moto_server

Says: whether the server holds a local export's bytes after an upload that was killed; whether tensors are the same bit
for bit; whether a training that was stopped in mid-epoch on folders ends on the server's shards with the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import torch

import _paths  # noqa: F401
from ball_samples import SIDE, balls
from mouselift.data.dataset import MultiViewDataset
from mouselift.dataset.open_store import split_stores
from mouselift.dataset.remote import RemoteBytes
from mouselift.export.registry import export
from mouselift.models.gslrm.config import from_scratch
from mouselift.train.config import tiny_cpu
from mouselift.train.loop import train_model
from mouselift.train.optimiser import Optimiser, Step

URL = Path("s3://lab/balls")


class CuttingProxy:
    """Passes bytes on, and ends each connection after a random number of them, `least` to `most` (0: never).

    pause: seconds after every 4 KB of a request, for a slow way up.
    """

    def __init__(self, port: int) -> None:
        self.to, self.least, self.most, self.cuts, self.pause = port, 0, 0, 0, 0.0
        self._draw = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self.to))
            left = self._draw.randint(self.least, self.most) if self.most else 1 << 60
            for source, target, budget in ((client, server, left), (server, client, left)):
                threading.Thread(target=self._pass, args=(source, target, budget), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, left: int) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                time.sleep(self.pause)
                target.sendall(data[:left])
                left -= len(data)
                if left <= 0:
                    self.cuts += 1
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="the program moto_server")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    quiet = subprocess.DEVNULL
    server = subprocess.Popen([given.server, "-H", "127.0.0.1", "-p", str(port)], stdout=quiet, stderr=quiet)
    try:
        with tempfile.TemporaryDirectory() as work:
            compare(Path(work), port)
    finally:
        server.terminate()
        server.wait()


def compare(work: Path, port: int) -> None:
    proxy = CuttingProxy(port)
    # moto takes any key; a bucket is made by an unsigned PUT
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}", "XDG_CACHE_HOME": str(work / "cache")}
    make_bucket(port)
    dataset = balls(work / "balls", side=128)
    export(dataset, work / "shards", "webdataset")
    held = {path.name: path.read_bytes() for path in (work / "shards").iterdir() if not path.name.startswith(".")}
    print(f"{len(held)} files, {sum(map(len, held.values())) / 1e6:.1f} MB", flush=True)

    kills, proxy.pause = 0, 0.05  # 5 s for all, after the start of an interpreter
    for seconds in (4.0, 6.0, 8.0, 10.0, 12.0):
        kills += killed([sys.executable, "-m", "mouselift", "export", str(dataset), str(URL), "--format",
                         "webdataset"], seconds)  # fmt: skip
    done = export(dataset, URL, "webdataset")
    proxy.pause = 0.0
    source = RemoteBytes(str(URL).replace(":/", "://"))
    same = all(source.found(name) == data for name, data in held.items())
    print(f"after {kills} killed uploads: {done.notes[-1]}; equal to the local export: {same}", flush=True)

    proxy.least, proxy.most, proxy.cuts = 1_000, 300_000, 0  # a sample is 40 kB
    pair = [split_stores(path) for path in (work / "shards", URL)]
    local, there = (MultiViewDataset(stores[0]) for stores in pair if stores is not None)
    assert local.order(1) == there.order(1)
    began = time.monotonic()
    pairs = [(local.sample(at, turn), there.sample(at, turn)) for turn in range(5) for at in local.order(turn)]
    equal = all(torch.equal(mine.image, theirs.image) for mine, theirs in pairs)
    print(f"{len(pairs)} samples, {proxy.cuts} connections cut, {time.monotonic() - began:.1f} s; equal: {equal}")

    small = replace(from_scratch(), width=32, head_width=16, layers=2)
    config = replace(tiny_cpu(), network=small, size=SIDE, inputs=3, warmup=1, updates=6, readers=0, validate_every=0)
    config = replace(config, save_minutes=1e-9)
    train_model(config, dataset, work / "whole", checked=False)
    real, steps = Optimiser.step, iter([True] * 3)

    def stopping(self: Optimiser, update: int) -> Step:
        if not next(steps, False):
            raise KeyboardInterrupt
        return real(self, update)

    Optimiser.step = stopping
    with suppress(KeyboardInterrupt):
        train_model(config, dataset, work / "run", checked=False)
    Optimiser.step = real
    proxy.cuts = 0
    train_model(config, URL, work / "run", checked=False)
    sums = {hashlib.sha256((work / run / "last.safetensors").read_bytes()).hexdigest() for run in ("whole", "run")}
    print(f"trained on in mid-epoch, {proxy.cuts} connections cut; the same weights: {len(sums) == 1}")


def make_bucket(port: int) -> None:
    """When the server answers."""
    import http.client

    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("PUT", "/lab")
            assert connection.getresponse().status == 200
            return
        except ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def killed(command: list[str], seconds: float) -> bool:
    """Whether it still ran then."""
    quiet = subprocess.DEVNULL
    program = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        program.wait(seconds)
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGKILL)
        program.wait()
        return True
    return False


if __name__ == "__main__":
    main()
