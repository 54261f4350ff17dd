"""Shards on an S3 server of this machine: uploaded, killed, read and trained on through connections that break off, are
refused with 503, or find nobody.

    python -m venv moto && moto/bin/pip install 'moto[s3,server]'      # 40 packages: in an environment of its own
    python benchmarks/s3_server.py moto/bin/moto_server

Says: whether the server holds a local export's bytes after an upload that was killed, in mid-shard too, and what it
keeps of that; whether tensors are the same bit for bit; whether a training that was stopped in mid-epoch on folders
ends on the server's shards with the same weights; how `mouselift train` ends when the server goes away, and goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
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

    pause: seconds after every 4 KB of a request, for a slow way up. busy: every n-th connection gets a 503 (0: none).
    away: connections end at once.
    """

    def __init__(self, port: int) -> None:
        self.to, self.least, self.most, self.cuts, self.pause = port, 0, 0, 0, 0.0
        self.busy, self.refused, self.away, self._count = 0, 0, False, 0
        self._draw = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self._count += 1
            if self.away:
                client.close()
                continue
            if self.busy and self._count % self.busy == 0:
                threading.Thread(target=self._refuse, args=(client,), daemon=True).start()
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            left = self._draw.randint(self.least, self.most) if self.most else 1 << 60
            for source, target, budget in ((client, server, left), (server, client, left)):
                threading.Thread(target=self._pass, args=(source, target, budget), daemon=True).start()

    def _refuse(self, client: socket.socket) -> None:
        self.refused += 1
        with suppress(OSError), client:
            client.recv(1 << 16)
            client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

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
    killed_in_mid_shard(work, port, proxy)
    source = RemoteBytes(str(URL).replace(":/", "://"))
    same = all(source.found(name) == data for name, data in held.items())
    print(f"after {kills} killed uploads: {done.notes[-1]}; equal to the local export: {same}", flush=True)

    proxy.least, proxy.most, proxy.cuts, proxy.busy = 1_000, 120_000, 0, 4  # a sample is 40 kB
    pair = [split_stores(path) for path in (work / "shards", URL)]
    local, there = (MultiViewDataset(stores[0]) for stores in pair if stores is not None)
    assert local.order(1) == there.order(1)
    began = time.monotonic()
    pairs = [(local.sample(at, turn), there.sample(at, turn)) for turn in range(5) for at in local.order(turn)]
    equal = all(torch.equal(mine.image, theirs.image) for mine, theirs in pairs)
    cut = f"{proxy.cuts} connections cut, {proxy.refused} refused"
    print(f"{len(pairs)} samples, {cut}, {time.monotonic() - began:.1f} s; equal: {equal}", flush=True)

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
    proxy.cuts = proxy.refused = 0
    train_model(config, URL, work / "run", checked=False)
    sums = {hashlib.sha256((work / run / "last.safetensors").read_bytes()).hexdigest() for run in ("whole", "run")}
    cut = f"{proxy.cuts} connections cut, {proxy.refused} refused"
    print(f"trained on in mid-epoch, {cut}; the same weights: {len(sums) == 1}", flush=True)
    gone_and_back(dataset, work, proxy)


def killed_in_mid_shard(work: Path, port: int, proxy: CuttingProxy) -> None:
    """A shard that goes in parts."""
    dataset, url = balls(work / "large"), Path("s3://lab/large")
    (dataset / "sample_000000/notes.bin").write_bytes(random.Random(0).randbytes(40_000_000))
    command = [sys.executable, "-m", "mouselift", "export", str(dataset), str(url), "--format", "webdataset"]
    proxy.pause = 0.004  # 1 MB/s a connection
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not unfinished(port) and program.poll() is None:
        time.sleep(0.1)
    time.sleep(5.0)
    program.send_signal(signal.SIGKILL)
    program.wait()
    held, left = objects(port, "large"), unfinished(port)
    proxy.pause = 0.0
    export(dataset, work / "large shards", "webdataset")
    done = export(dataset, url, "webdataset")
    source = RemoteBytes("s3://lab/large")
    names = [path.name for path in (work / "large shards").iterdir() if not path.name.startswith(".")]
    same = all(source.found(name) == (work / "large shards" / name).read_bytes() for name in names)
    print(f"killed in mid-shard: objects {held}, unfinished uploads {left}; given again: equal {same},")
    print(f"  unfinished uploads {unfinished(port)}; it says: {done.notes[-1]}", flush=True)


def gone_and_back(dataset: Path, work: Path, proxy: CuttingProxy) -> None:
    """By the command line, with the process that reads ahead."""
    command = [sys.executable, "-m", "mouselift", "train", "tiny_cpu"]
    options = ["--updates", "12", "--unchecked", "--threads", "1"]
    subprocess.run([*command, str(dataset), str(work / "here"), *options], check=True, capture_output=True)
    there = [*command, "s3://lab/balls", str(work / "there"), *options]
    program = subprocess.Popen(there, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log = work / "there/log.jsonl"
    while program.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= 2):
        time.sleep(0.05)
    proxy.away = True
    said = program.communicate()[0].strip().splitlines()
    print(f"the server went away: exit {program.returncode}, {said[-1]}", flush=True)
    proxy.away = False
    again = subprocess.run(there, check=False, capture_output=True).returncode
    sums = {hashlib.sha256((work / run / "last.safetensors").read_bytes()).hexdigest() for run in ("here", "there")}
    print(f"it came back: exit {again}; the same weights: {len(sums) == 1}")


def asked(port: int, path: str) -> str:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def unfinished(port: int) -> int:
    """Multipart uploads that the server keeps."""
    return asked(port, "/lab?uploads").count("<UploadId>")


def objects(port: int, folder: str) -> list[str]:
    return re.findall(rf"<Key>{folder}/([^<]*)</Key>", asked(port, f"/lab?list-type=2&prefix={folder}/"))


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
