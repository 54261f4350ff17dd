"""`mouselift view`: a dataset's cameras, images and hulls live in the browser; or Gaussians beside cameras."""

from __future__ import annotations

import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mouselift.cli.console import EXIT_OK, say
from mouselift.errors import DatasetError
from mouselift.ranges import PORTS
from mouselift.reconstruct.options import Activated, Form

_NOT_ALONE = (
    "--host {}: other machines can reach this viewer. Whoever has the address with its token can read the scene, and "
    "whoever listens on the network too: nothing is encrypted. `ssh -L 8080:127.0.0.1:8080 MACHINE` needs no --host"
)


@dataclass
class View:
    """Serve the 3D scene of a dataset: cameras with their images, the hull of the silhouettes, a slider over samples.

    Or of Gaussians: a .ply or .splat, or what `mouselift reconstruct` wrote, next to the cameras.

    Only this machine can reach it unless --host says otherwise, and only who has the printed address, which holds a
    random token, new for every start. Ctrl-C ends it. Needs
    `pip install 'mouselift[view]'`. Example: `mouselift view out/mouse7 --sample sample_000120`
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """Folder of samples in FaceLift's format, one sample, or a list file (data_train.txt); a .ply or .splat of
    Gaussians; a reconstruction's folder, or the folder of several."""
    sample: str | None = None
    """Name of the sample's folder to start with; the first otherwise. With a .ply: the sample folder whose cameras
    stand beside the Gaussians (default: those that `mouselift reconstruct` wrote next to it)."""
    activated: Activated | None = None
    """Which numbers of a .ply of Gaussians are activated already (opacities 0..1, scales as lengths), in place of
    logits and logarithms; by default none, and a file in which they look so is refused."""
    read_as: tuple[Form, ...] = ()
    """What a .ply of Gaussians holds in another form than the standard's. colours: f_dc are colours 0..1. log10: scales
    are logarithms to base 10. xyzw: rotations have w last."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0: every network that this machine is in. Other than the default, everyone there who
    has the printed address can read the scene, and what is sent is not encrypted; a tunnel (`ssh -L`) is safer."""
    port: Annotated[int, PORTS] = 8080
    """Port; 0: any free one."""
    open: bool = False
    """Open the address in this machine's browser."""

    def run(self) -> int:
        from mouselift.view.gate import is_loopback
        from mouselift.view.live import LiveView, SplatView, is_splats

        own = (self.path, self.host, self.port, self.sample)
        splats = is_splats(self.path)
        if (self.activated is not None or self.read_as) and not splats:
            told = "--read-as" if self.read_as else "--activated"
            raise DatasetError(f"{self.path}: {told} says how a .ply of Gaussians is read; expected one, or a folder")
        with SplatView(*own, self.activated, self.read_as) if splats else LiveView(*own) as live:
            try:
                say(f"Open {live.address}  (Ctrl-C ends it)")
                if not is_loopback(live.gate.host):
                    say(_NOT_ALONE.format(self.host), error=True)
                if self.open:
                    webbrowser.open(live.address)
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                return EXIT_OK
