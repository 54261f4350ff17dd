"""`verdict` says PASS, FAIL or UNKNOWN, of a sample and of a dataset; `in_words` says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mouselift.audit.result import CodeCount, Verdict
from mouselift.diagnosis.cause import Cause
from mouselift.findings import Finding

_CAUSES = 2  # told in the sentence; all of them are in the result
_NAMED = 3  # cameras, or recordings, that were not tested and stand in the sentence
_RIGS = 3  # whose samples speak together in the sentence; all of them are in the findings
_UNTESTED = "cameras-untested"  # masks were cut so that they agree with the cameras, whatever these are
_MOSTLY = 0.5  # a majority: fewer samples that were compared do not speak for those that were not


def verdict(findings: Sequence[Finding], compared: float, failed: int = 0) -> Verdict:
    """The one place that says PASS: no finding is an error, and cameras were compared with silhouettes that were not
    made to agree with them.

    compared: of a sample 1 or 0, whether its silhouettes could be compared; of a dataset the share of the samples
    without an error that could be. failed: of a dataset, samples with an error; `findings` are then those about the
    dataset as a whole.
    """
    if failed or any(finding.severity == "error" for finding in findings):
        return "fail"
    if any(finding.code == _UNTESTED and finding.camera is None for finding in findings):
        return "unknown"
    return "pass" if compared > _MOSTLY else "unknown"


def in_words(
    answer: Verdict,
    samples: int,
    failed: int,
    unknown: int,
    counts: Mapping[str, CodeCount],
    whole: Sequence[Finding],
    causes: Sequence[Cause],
) -> str:
    """One or two sentences: what the verdict is, of how many samples, and why."""
    aside = f" {unknown} of {samples} samples could not be judged{_unknown_because(counts)}." if unknown else ""
    together = [finding for finding in whole if finding.code == "tangency-pooled"]
    untested = [finding for finding in whole if finding.code == _UNTESTED]
    if answer == "pass" and together and not untested:
        return _pooled(together, samples, unknown)
    if answer == "pass":
        if together:  # how finely masks agree that were cut to agree is not said
            unknown, aside = 0, ""
        judged = samples - unknown
        which = "the sample" if samples == 1 else f"all {judged} samples"
        barely = counts.get("tangency")
        if barely is not None:
            aside = f" {barely.samples} of {samples} lie barely above the limit (`tangency`): look at them.{aside}"
        rough = counts.get("masks-rough")
        if rough is not None and rough.severity == "warning":
            where = f"In {rough.samples} of {samples} samples"
            aside = f" {where} the masks are too rough to show small faults of cameras.{aside}"
        silent = counts.get("view-not-compared")
        if silent is not None:
            aside = (
                f" In {silent.samples} of {samples} samples a view was not compared (`view-not-compared`): nothing is "
                f"known about its camera.{aside}"
            )
        assumed = counts.get("repair-assumed")
        if assumed is not None:
            aside = (
                f" In {assumed.samples} of {samples} samples cameras were repaired by an assumption that silhouettes "
                f"do not test (`repair-assumed`): compare them with the original calibration.{aside}"
            )
        cameras = "The cameras that were compared match" if silent is not None else "The cameras match"
        if untested:
            aside = (
                f" But masks were cut so that they do, and not all was compared before. {_first_of(untested)}{aside}"
            )
        return f"{cameras} the pixels in {which}{' that could be judged' if unknown else ''}.{aside}"
    if answer == "unknown":
        lacking = f" {_first_of(untested)}" if untested else "".join(f" {one.as_sentence}" for one in together)
        return f"Nothing says that the cameras match the pixels, or that they do not.{aside}{lacking}"
    why = [_cause(cause) for cause in causes[:_CAUSES]]
    if not why:
        gravest = sorted(
            (code for code, count in counts.items() if count.severity == "error"),
            key=lambda code: -counts[code].samples,
        )
        why = [f"{counts[code].samples} x {code}" for code in gravest[:3]]
        why = [f"Found: {', '.join(why)}."] if why else []
    why[:0] = [finding.as_sentence for finding in whole if finding.severity == "error"]
    which = "The sample fails. " if samples == 1 else f"{failed} of {samples} samples fail. " if failed else ""
    return f"{which}{' '.join(why)}{aside}"


def _pooled(together: Sequence[Finding], samples: int, unknown: int) -> str:
    """Of samples that have too few views for a verdict one by one."""
    alone = f"The cameras match the pixels in all {samples - unknown} samples that could be judged alone. "
    messages = [one.as_sentence for one in together[:_RIGS]]
    if len(together) > _RIGS:
        messages.append(f"So for {len(together) - _RIGS} more rigs, see the findings.")
    return f"{alone if unknown < samples else ''}{' '.join(messages)}"


def _first_of(untested: Sequence[Finding]) -> str:
    """What the first ones say, each thing once."""
    said = list(dict.fromkeys(finding.as_sentence for finding in untested))
    more = f" So for {len(said) - _NAMED} more, see the findings." if len(said) > _NAMED else ""
    return f"{' '.join(said[:_NAMED])}{more}"


def _cause(cause: Cause) -> str:
    """Its sentence; where nothing explains the disagreement, or another cause does as well, also what would decide."""
    decided = f" What decides: {cause.decided_by}." if cause.decided_by else ""
    if cause.ambiguous_with:
        return f"{cause.sentence.rstrip('.')}; {', '.join(cause.ambiguous_with)} explains it as well.{decided}"
    return f"{cause.sentence.rstrip('.')}.{decided if cause.code == 'unexplained' else ''}"


def _unknown_because(counts: Mapping[str, CodeCount]) -> str:
    """The likeliest reason among the codes that keep silhouettes away."""
    return next((f": {reason}" for code, reason in _SILENT.items() if code in counts), "")


_SILENT = {
    "no-alpha": "their images have no alpha, so there is no silhouette to compare",
    "empty-mask": "their alpha is empty",
    "masks-rough": "their masks are too rough",
    "tangency-unknown": "too few pairs of views see the subject whole",
}
