"""mouselift: multi-camera animal recordings to model-ready samples with cameras that match their pixels.

What is listed in `__all__` is the public API; everything else may change without notice. Nothing heavy is loaded
before a name is used. Conventions (pixel centres, axes, poses): docs/concepts/conventions.md. Example:

    import mouselift as ml
    capture = ml.load_capture(Path("recordings/mouse7"))
    audit = ml.audit_dataset(Path("out/mouse7"))
"""

# pyright: reportUnsupportedDunderAll=false
# The names come by `__getattr__`; their types stand in __init__.pyi.

from __future__ import annotations

import importlib
import logging
from typing import Any

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent until a program asks for its words

_HOMES = {
    "AuditOptions": "audit.options",
    "Camera": "geometry.camera",
    "Capture": "capture.capture",
    "Collection": "dataset.collection",
    "CompareOptions": "report.options",
    "Comparison": "report.compare",
    "DaskEngine": "engines.dask",
    "DatasetAudit": "audit.result",
    "Diagnosis": "diagnosis.cause",
    "EvaluateOptions": "reconstruct.options",
    "Finding": "findings",
    "Framing": "framing.framing",
    "Gaussians": "render.base",
    "InspectOptions": "inspect.options",
    "Inspection": "inspect.facts",
    "LocalEngine": "engines.local",
    "MaskOptions": "masks.options",
    "MaskReport": "masks.segment_capture",
    "PrepareOptions": "prepare.options",
    "PrepareSummary": "prepare.totals",
    "ReconstructOptions": "reconstruct.options",
    "RepairOptions": "repair.options",
    "RepairSummary": "repair.dataset",
    "ReportOptions": "report.options",
    "Rig": "calibration.rig",
    "Sample": "dataset.sample",
    "SampleReport": "audit.result",
    "Shard": "prepare.options",
    "TrainConfig": "train.config",
    "TrainOptions": "train.options",
    "TrainSummary": "train.loop",
    "audit_dataset": "audit.dataset",
    "audit_sample": "audit.sample",
    "compare_framings": "report.compare",
    "diagnose": "diagnosis.explain",
    "evaluate_reconstruction": "reconstruct.pipeline",
    "gather_collection": "prepare.collection",
    "inspect_capture": "inspect.inspect_capture",
    "inspect_collection": "inspect.collection",
    "load_capture": "capture.capture",
    "load_rig": "calibration.registry",
    "load_sample": "dataset.foreign_sample",
    "measure_shard": "prepare.shards",
    "merge_shards": "prepare.shards",
    "prepare_collection": "prepare.collection",
    "prepare_dataset": "prepare.pipeline",
    "prepare_shard": "prepare.shards",
    "reconstruct_samples": "reconstruct.pipeline",
    "render_gaussians": "render.backends",
    "repair_dataset": "repair.dataset",
    "segment_capture": "masks.segment_capture",
    "train_model": "train.loop",
    "write_report": "report.dataset_page",
}

__all__ = sorted(("__version__", *_HOMES))


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used."""
    if name not in _HOMES:
        import difflib

        near = difflib.get_close_matches(name, _HOMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name, obj=None)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
