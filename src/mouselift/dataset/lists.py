"""Lists of a dataset that was moved or copied, rewritten: absolute paths, since FaceLift's own trainer needs them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mouselift.atomic import write_whole
from mouselift.dataset.description import read_description
from mouselift.dataset.layout import LISTS, is_folder, lines_of, sample_here
from mouselift.errors import DatasetError
from mouselift.foreign import short_text


@dataclass(frozen=True)
class RewrittenList:
    """One list, and what becomes of it."""

    file: str
    samples: int
    changed: int  # lines
    before: str = ""  # the first line that changes
    after: str = ""
    still_there: int = 0  # of the changed ones: the folder that was named exists too, the dataset is a copy


def rewrite_lists(dataset: Path, dry_run: bool = False) -> list[RewrittenList]:
    """Each list of the folder `dataset` names the samples in it; order and split stay.

    A line whose end fits no sample here stays where it names a folder elsewhere. DatasetError, and nothing is written:
    no lists, a line that names nothing or two places, or two lines that name one sample. dry_run: only say what would
    change.

    Example:
        >>> rewrite_lists(Path("out/mouse7"), dry_run=True)  # doctest: +SKIP
        [RewrittenList(file='data_train.txt', samples=1037, changed=1037, ...)]
    """
    files = [dataset / name for name in LISTS.values() if (dataset / name).is_file()]
    if not files:
        stopped = read_description(dataset).unfinished
        why = "; its preparation was stopped: give the same `mouselift prepare` again" if stopped else ""
        wanted = " or ".join(LISTS.values())
        raise DatasetError(f"{dataset}: expected a dataset's folder with {wanted}, found neither{why}")
    new = {file: [(line, str(_place(file, number, line))) for number, line in lines_of(file)] for file in files}
    for file, lines in new.items():
        places = Counter(now for _, now in lines)
        twice = next((place for place, count in places.items() if count > 1), None)
        if twice is not None:
            raise DatasetError(f"{file}: two lines would name {twice}; delete one of them. Nothing was changed")
    out: list[RewrittenList] = []
    for file, lines in new.items():
        changed = [(old, now) for old, now in lines if old != now]
        still = sum(
            is_folder(file.parent / old, of_others=True) and (file.parent / old).resolve() != Path(now)
            for old, now in changed
        )
        before, after = changed[0] if changed else ("", "")
        out.append(RewrittenList(file.name, len(lines), len(changed), before, after, still))
        if changed and not dry_run:
            write_whole(file, "".join(f"{now}\n" for _, now in lines).encode(), replace=True)
    return out


def _place(file: Path, number: int, line: str) -> Path:
    here = sample_here(file, number, line)
    if here is not None:
        return here
    elsewhere = file.parent / line
    if is_folder(elsewhere):
        return elsewhere.resolve()
    raise DatasetError(
        f"{file}: line {number}: {short_text(line, 600)} is not there, nor is a sample of that name in "
        f"{file.parent}. Nothing was changed: bring the sample back, or delete the line"
    )
