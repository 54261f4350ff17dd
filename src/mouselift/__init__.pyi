from mouselift.audit.dataset import audit_dataset as audit_dataset
from mouselift.audit.options import AuditOptions as AuditOptions
from mouselift.audit.result import DatasetAudit as DatasetAudit
from mouselift.audit.result import SampleReport as SampleReport
from mouselift.audit.sample import audit_sample as audit_sample
from mouselift.calibration.registry import load_rig as load_rig
from mouselift.calibration.rig import Rig as Rig
from mouselift.capture.capture import Capture as Capture
from mouselift.capture.capture import load_capture as load_capture
from mouselift.dataset.collection import Collection as Collection
from mouselift.dataset.foreign_sample import load_sample as load_sample
from mouselift.dataset.sample import Sample as Sample
from mouselift.diagnosis.cause import Diagnosis as Diagnosis
from mouselift.diagnosis.explain import diagnose as diagnose
from mouselift.engines.dask import DaskEngine as DaskEngine
from mouselift.engines.local import LocalEngine as LocalEngine
from mouselift.findings import Finding as Finding
from mouselift.framing.framing import Framing as Framing
from mouselift.geometry.camera import Camera as Camera
from mouselift.inspect.collection import inspect_collection as inspect_collection
from mouselift.inspect.facts import Inspection as Inspection
from mouselift.inspect.inspect_capture import inspect_capture as inspect_capture
from mouselift.inspect.options import InspectOptions as InspectOptions
from mouselift.masks.options import MaskOptions as MaskOptions
from mouselift.masks.segment_capture import MaskReport as MaskReport
from mouselift.masks.segment_capture import segment_capture as segment_capture
from mouselift.prepare.collection import gather_collection as gather_collection
from mouselift.prepare.collection import prepare_collection as prepare_collection
from mouselift.prepare.options import PrepareOptions as PrepareOptions
from mouselift.prepare.options import Shard as Shard
from mouselift.prepare.pipeline import prepare_dataset as prepare_dataset
from mouselift.prepare.shards import measure_shard as measure_shard
from mouselift.prepare.shards import merge_shards as merge_shards
from mouselift.prepare.shards import prepare_shard as prepare_shard
from mouselift.prepare.totals import PrepareSummary as PrepareSummary
from mouselift.reconstruct.options import EvaluateOptions as EvaluateOptions
from mouselift.reconstruct.options import ReconstructOptions as ReconstructOptions
from mouselift.reconstruct.pipeline import evaluate_reconstruction as evaluate_reconstruction
from mouselift.reconstruct.pipeline import reconstruct_samples as reconstruct_samples
from mouselift.render.backends import render_gaussians as render_gaussians
from mouselift.render.base import Gaussians as Gaussians
from mouselift.repair.dataset import RepairSummary as RepairSummary
from mouselift.repair.dataset import repair_dataset as repair_dataset
from mouselift.repair.options import RepairOptions as RepairOptions
from mouselift.report.compare import Comparison as Comparison
from mouselift.report.compare import compare_framings as compare_framings
from mouselift.report.dataset_page import write_report as write_report
from mouselift.report.options import CompareOptions as CompareOptions
from mouselift.report.options import ReportOptions as ReportOptions
from mouselift.train.config import TrainConfig as TrainConfig
from mouselift.train.loop import TrainSummary as TrainSummary
from mouselift.train.loop import train_model as train_model
from mouselift.train.options import TrainOptions as TrainOptions

__version__: str

__all__ = [
    "AuditOptions",
    "Camera",
    "Capture",
    "Collection",
    "CompareOptions",
    "Comparison",
    "DaskEngine",
    "DatasetAudit",
    "Diagnosis",
    "EvaluateOptions",
    "Finding",
    "Framing",
    "Gaussians",
    "InspectOptions",
    "Inspection",
    "LocalEngine",
    "MaskOptions",
    "MaskReport",
    "PrepareOptions",
    "PrepareSummary",
    "ReconstructOptions",
    "RepairOptions",
    "RepairSummary",
    "ReportOptions",
    "Rig",
    "Sample",
    "SampleReport",
    "Shard",
    "TrainConfig",
    "TrainOptions",
    "TrainSummary",
    "__version__",
    "audit_dataset",
    "audit_sample",
    "compare_framings",
    "diagnose",
    "evaluate_reconstruction",
    "gather_collection",
    "inspect_capture",
    "inspect_collection",
    "load_capture",
    "load_rig",
    "load_sample",
    "measure_shard",
    "merge_shards",
    "prepare_collection",
    "prepare_dataset",
    "prepare_shard",
    "reconstruct_samples",
    "render_gaussians",
    "repair_dataset",
    "segment_capture",
    "train_model",
    "write_report",
]
