"""What a fault in a video's data spoils: later images copy from earlier ones until a key frame starts afresh.

Only faults that the decoder reports are known: H.264 has no checksums, and damage that still parses passes.
"""

from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream


class Trust:
    """Which images a fault in the data has spoilt: all decoded after it, until the next key frame."""

    def __init__(self) -> None:
        self._group: list[int] = []  # time stamps in decoding order since the last key frame
        self._before: list[int] = []  # the same of the group of images before
        self._broken = False
        self._leading = False  # images shown before this group's key frame refer to a broken group
        self._spoilt: set[int | None] = set()

    def holds(self, time: int | None) -> bool:
        return time not in self._spoilt

    def submit(self, packet: Packet[VideoStream]) -> None:
        if packet.pts is None:
            return
        if packet.is_keyframe:
            self._before, self._group = self._group, []
            self._leading, self._broken = self._broken, False
        self._group.append(packet.pts)
        if self._broken or (self._leading and packet.pts < self._group[0]):
            self._spoilt.add(packet.pts)
        if packet.is_corrupt:
            self.fault(packet.pts)

    def fault(self, time: int | None) -> None:
        """Something went wrong at the packet or the image with this time stamp.

        The packet before it is spoilt too: damage seldom starts at a packet's edge, and a decoder accepts a bad tail.
        """
        if time in self._before:
            self._leading = True
            self._spoilt.update(self._before[max(self._before.index(time) - 1, 0) :])
            self._spoilt.update(t for t in self._group if t < self._group[0])
            return
        self._broken = True
        self._spoilt.update(self._group[max(self._group.index(time) - 1, 0) :] if time in self._group else self._group)
