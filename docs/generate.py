"""Writes the parts of the documentation that are made from the code: `python docs/generate.py [--check]`.

--compared FOLDER adds the table of framings in docs/guides/per-view-or-per-sample.md, from what `mouselift demo demo`
and then `mouselift compare demo/capture FOLDER --instants 12` wrote.

--check writes nothing, and exits with 1 where a page differs from what the code says now.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path

import mouselift
from mouselift.diagnosis.causes import CAUSES
from mouselift.findings import CODES, GUIDES
from mouselift.framing.framing import PRESETS

DOCS = Path(__file__).resolve().parent
USE = {
    "per-sample": "you want the views' relative sizes kept, as the cameras saw them; the default",
    "per-view": "every view should fill its frame; focal lengths then differ from view to view",
    "canonical": "you want cameras as near as possible to those that the model was trained with",
    "legacy": "never for training: pixels scaled per view, intrinsics left alone",
}
COMPARED = (
    "framing",
    "verdict",
    "tangency, px",
    "hull coverage, worst",
    "views clipped",
    "area, largest / smallest",
    "smallest animal, px",
    "focal length, largest / smallest",
    "principal point off the middle, px",
    "rays: directions, nearest points",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is stale")
    parser.add_argument("--compared", type=Path, help="folder of `mouselift compare` on the demo's recording")
    options = parser.parse_args()
    check = options.check
    made = pages() | (compared_page(options.compared) if options.compared else {})
    stale = {path: text for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path}: {'differs from the code: run python docs/generate.py' if check else 'written'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def pages() -> dict[Path, str]:
    """Every generated page, whole."""
    return {
        DOCS / "api/index.md": with_part(DOCS / "api/index.md", "names", api_parts()),
        DOCS / "reference/findings.md": findings_page(),
        DOCS / "guides/audit.md": with_part(DOCS / "guides/audit.md", "findings", audit_table()),
        DOCS / "concepts/framing.md": with_part(DOCS / "concepts/framing.md", "presets", presets_table()),
        DOCS / "guides/repair.md": with_part(DOCS / "guides/repair.md", "causes", causes_table()),
    }


def findings_page() -> str:
    """All codes of the registry, and all causes."""
    rows = [
        (f"`{code}`", ", ".join(known.commands), ", ".join(known.severities), known.sentence, known.advice)
        for code, known in sorted(CODES.items())
    ]
    about = ", ".join(f"[{command}](../{where})" for command, where in GUIDES.items())
    return f"""# Findings

Made from `mouselift.findings` by `python docs/generate.py`. A code keeps its meaning between releases. Where two
severities stand, the first is the usual one. What the commands look at: {about}.

{table(("code", "given by", "severity", "what it says", "what to do, where the message does not say it"), rows)}

## Causes

What the diagnosis of an audit names: [diagnosis and repair](../guides/repair.md).

{causes_table()}
"""


def audit_table() -> str:
    """The codes that an audit can give."""
    rows = [
        (f"`{code}`", ", ".join(known.severities), known.sentence)
        for code, known in CODES.items()
        if "audit" in known.commands
    ]
    return table(("code", "severity", "what it says"), rows)


def causes_table() -> str:
    rows = [(f"`{code}`", cause.sentence, cause.repair) for code, cause in CAUSES.items()]
    return table(("code", "in words", "repair"), rows)


def api_parts() -> str:
    """Every public name: a sentence here, which is readable in the repository; the site adds the whole docstring."""
    public = {name: getattr(mouselift, name) for name in mouselift.__all__ if not name.startswith("_")}
    functions = {name: thing for name, thing in public.items() if inspect.isfunction(thing)}
    options = {name: thing for name, thing in public.items() if name.endswith("Options")}
    values = {name: thing for name, thing in public.items() if name not in functions and name not in options}
    parts = [
        ("Functions", "One for each verb of the command line, and what reads files.", functions),
        ("Values", "What the functions take and return.", values),
        ("Options", "One frozen dataclass a verb; the flags of the command line are its fields.", options),
    ]
    page: list[str] = []
    for title, about, things in parts:
        rows = [(f"[`{name}`](#{name.lower()})", first_sentence(thing)) for name, thing in things.items()]
        page += [f"## {title}", about, table(("name", "what it is"), rows)]
        for name, thing in things.items():
            lines = [f"### {name}", f"```py\n{signature_of(thing)}\n```", f"::: {thing.__module__}.{name}"]
            page += lines if thing in functions.values() else [lines[0], lines[2]]
    return "\n\n".join(page)


def signature_of(function: Callable[..., object]) -> str:
    """As one would write the call, a parameter a line; options stand as `PrepareOptions()`."""
    signature = inspect.signature(function)
    parameters = []
    for parameter in signature.parameters.values():
        shown = parameter.replace(default=parameter.empty)
        default = parameter.default
        if default is not parameter.empty:
            plain = (
                f"{type(default).__name__}()"
                if is_dataclass(default)
                else getattr(default, "__name__", repr(default)).replace("<lambda>", "...")
            )
            parameters.append(f"{str(shown).replace(chr(39), '')} = {plain}")
        else:
            parameters.append(str(shown).replace(chr(39), ""))
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.insert(-1, "*")
    returns = str(signature.return_annotation).replace("'", "")
    return "\n".join([f"{function.__name__}(", *(f"    {parameter}," for parameter in parameters), f") -> {returns}"])


def first_sentence(thing: object) -> str:
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", text)[0]


def presets_table() -> str:
    """The choices of every preset, from the code, and when to use it."""
    rows = [
        (f"`{name}`", framing.aim, f"{framing.zoom.quantity}, {framing.zoom.scope}", framing.world, USE[name])
        for name, framing in PRESETS.items()
    ]
    return table(("preset", "aim", "zoom: what is equal, over what", "world", "use it when"), rows)


def compared_page(folder: Path) -> dict[Path, str]:
    """The guide's page with the table of a comparison that was just made."""
    page = DOCS / "guides/per-view-or-per-sample.md"
    return {page: with_part(page, "comparison", comparison_table(folder))}


def comparison_table(folder: Path) -> str:
    found = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    views = len(json.loads(next(folder.glob("*/sample_*/opencv_cameras.json")).read_text("utf-8"))["frames"])
    rows = [
        (
            f"`{way['name']}`",
            way["verdict"] if way["verdict"] == "pass" else f"**{way['verdict']}**",
            f"{way['tangency_px']:.2f}",
            f"{way['coverage']:.3f}",
            f"{way['clipped']} of {way['samples'] * views}",
            f"{way['size_ratio']:.2f}",
            f"{way['smallest_px']:.0f}",
            f"{way['focal_ratio']:.2f}",
            f"{way['principal_px']:.0f}",
            f"{way['ray_direction']:.3f}, {way['ray_nearest']:.3f}",
        )
        for way in found["ways"]
    ]
    return table(COMPARED, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def with_part(path: Path, name: str, text: str) -> str:
    """The page with what stands between its two marks of that name replaced."""
    begin, end = f"<!-- {name}: made by docs/generate.py -->", f"<!-- {name}: end -->"
    page = path.read_text(encoding="utf-8")
    found = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.S)
    if found[1] != 1:
        raise ValueError(f"{path}: expected the marks {begin} and {end} once, found them {found[1]} times")
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
