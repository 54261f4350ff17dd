"""A repair that silhouettes did not decide is not called right by the audit that follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mouselift.audit.result import CodeCount
from mouselift.audit.sample import audit_sample
from mouselift.audit.verdict import in_words
from mouselift.dataset.sample import Sample


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        (
            {"status": "repaired", "cause": "all-anisotropic", "ambiguous_with": ["all-shift"], "decided_by": "sizes"},
            True,
        ),
        ({"status": "repaired", "cause": "all-size", "ambiguous_with": []}, False),
        ({"status": "refused", "cause": "all-size", "ambiguous_with": ["all-shift"]}, False),
    ],
)
def test_the_choice_is_named(
    repair: dict[str, Any], said: bool, exact: Sample, write_sample: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_sample(tmp_path / "sample_000050", exact)
    file = folder / "opencv_cameras.json"
    content = json.loads(file.read_text())
    content["mouselift"] = {"repair": repair}
    file.write_text(json.dumps(content))
    report = audit_sample(folder)
    found = [finding for finding in report.findings if finding.code == "repair-assumed"]
    assert bool(found) == said
    if said:
        assert "all-shift" in found[0].message
        assert "sizes" in found[0].message
        counts = {"repair-assumed": CodeCount("warning", 1, 1, found)}
        sentence = in_words("pass", 1, 0, 0, counts, [], [])
        assert "by an assumption" in sentence
        assert sentence != in_words("pass", 1, 0, 0, {}, [], [])
