"""Settings of FaceLift's trainer that would move cameras or drop masks are named; the right ones pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from mouselift.audit.trainer import read_trainer, trainer_findings
from mouselift.errors import DatasetError

RIGHT = """
mouse: {normalize_cameras: false, target_camera_distance: 0, auto_generate_mask: false}
training: {dataset: {num_views: 6, num_input_views: 4}}
"""


def found(tmp_path: Path, text: str, views: int = 6) -> list[tuple[str, str]]:
    config = tmp_path / "mouse.yaml"
    config.write_text(text, encoding="utf-8")
    return [(f.code, f.message) for f in trainer_findings(config, read_trainer(config), views)]


def test_right_settings_and_the_plain_loader_say_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, RIGHT) == []
    assert found(tmp_path, "training: {dataset: {num_views: 8}}", views=32) == []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("normalize_cameras: false", "normalize_cameras: true"), "trainer-moves-cameras", "normalize_cameras is True"),
        (("target_camera_distance: 0", "target_camera_distance: 2.7"), "trainer-moves-cameras", "is 2.7"),
        (("normalize_cameras: false, ", ""), "trainer-moves-cameras", "mouse.normalize_cameras is not given"),
        (("auto_generate_mask: false", "auto_generate_mask: true"), "trainer-drops-alpha", "auto_generate_mask is on"),
        (("num_views: 6", "num_views: 8"), "trainer-views", "training.dataset.num_views is 8"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, change: tuple[str, str], code: str, words: str) -> None:
    ((given, message),) = found(tmp_path, RIGHT.replace(*change))
    assert given == code
    assert words in message


@pytest.mark.parametrize("text", ["- a list", "a: [", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_config_is_refused_and_never_run(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match=r"mouse.yaml: expected"):
        found(tmp_path, text)
