"""The exceptions that mouselift raises on purpose.

Every message states what was expected, what came, in which file, camera and frame, and what to do.
Anything else that escapes is a defect of mouselift.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 3000  # characters of a message: it may quote a line of a file, which may be its whole content


class MouseliftError(Exception):
    """Base of all errors that are meant for the user."""

    def __str__(self) -> str:
        text = super().__str__()
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]} ... {text[-_LONGEST // 4 :]}"


class OptionError(MouseliftError):
    """A number or a path that a function or a command was given is none that it takes."""


class CalibrationError(MouseliftError):
    """A rig file or a camera in it is missing, malformed, ambiguous or impossible."""


class LensFoldError(CalibrationError):
    """A point lies where the lens model maps two rays to one pixel: it has no unique ray."""


class CaptureError(MouseliftError):
    """`capture.toml`, or the set of files that it names, does not describe a usable capture."""


class VideoError(MouseliftError):
    """A video or image sequence cannot be read as promised: truncated, short, or of another size."""


def check_name(path: str) -> None:
    """OptionError for a path that no record of ours can hold: records are UTF-8, lists have a path a line."""
    why = ""
    if any("\ud800" <= letter <= "\udfff" for letter in path):
        why = "its name is no UTF-8"
    elif any(letter in "\0\n\r" for letter in path):
        why = "its name holds a line break or a zero byte"
    if why:
        raise OptionError(f"{path!a}: {why}, so that no list of files can name it; rename it, or the folder it is in")


_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "it lies on a file system that can only be read; choose another place",
    errno.EACCES: "permission denied; change the permissions, or choose another place",
    errno.EPERM: "not permitted; change the permissions, or choose another place",
    errno.ENAMETOOLONG: "the name is too long; use a shorter one",
    errno.ENOTDIR: "a part of the path is a file where a folder is expected; check the path",
    errno.EEXIST: "something else is there already, a file where a folder is expected, or a link; choose another place",
    errno.EISDIR: "it is a folder where a file is expected; check the path",
    errno.ELOOP: "its links lead in a circle, or it is a link where none is followed; remove the link",
    errno.ENOENT: "no such file or folder; check the path",
    errno.EMFILE: "too many files are open; raise the limit (`ulimit -n 4096`), or take fewer --workers",
}


def why_not(error: OSError) -> str:
    """What stands in the way, and what to do, in words for the user."""
    known = _REMEDIES.get(error.errno or 0)
    return known or f"{error.strerror or error}; check the path, the drive and the permissions"


# What a path says for good: nothing of that name, or no name at all. Everything else may be otherwise tomorrow.
_OF_THE_PATH = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ}
)


def is_outage(error: OSError) -> bool:
    """Whether it tells of the surroundings (permission, disk, network), and nothing of what is there.

    Libraries raise OSError without a number for content that they cannot read: no outage.
    """
    return error.errno is not None and error.errno not in _OF_THE_PATH


class UnreachableError(VideoError):
    """A file cannot be read now: its folder is away, permission is denied, the disk or the network fails.

    The run stops. Nothing about the recording follows from it, so nothing is recorded: the next run makes what is left.
    """

    @classmethod
    @contextmanager
    def reading(cls, path: object) -> Iterator[None]:
        """An OSError inside becomes one of these, which names `path`."""
        try:
            yield
        except OSError as error:
            raise cls.because(path, f"cannot be read now ({error.strerror or error})") from error

    @classmethod
    def on_outage(cls, path: object, error: Exception, what: str = "read") -> None:
        """Raises one of these where `error` says nothing about what is there (`is_outage`)."""
        if isinstance(error, OSError) and is_outage(error):
            raise cls.because(path, f"cannot be {what} now ({error.strerror})") from error

    @classmethod
    def because(cls, path: object, what: str) -> UnreachableError:
        return cls(
            f"{path}: {what}. This says nothing about the recording: bring the folder, the drive or the permission "
            "back and give the same command again; finished samples are kept"
        )


class MaskError(MouseliftError):
    """A mask is missing, empty, or does not belong to its image."""


class DatasetError(MouseliftError):
    """A prepared dataset is malformed, or belongs to another preparation."""


class OutputError(MouseliftError):
    """A file or folder cannot be written: it is there already, its place is wrong, or the disk is full."""


class FramingError(MouseliftError):
    """No framing exists: fewer than two views see the subject, or it lies behind a camera."""


class MissingExtraError(MouseliftError):
    """An optional dependency is needed; the message holds the line that installs it."""


class ModelError(MouseliftError):
    """A network cannot run on what it was given: sizes that do not fit, or more than the memory holds."""


class CheckpointError(ModelError):
    """A checkpoint is missing, damaged, unsafe, or of another network."""
