"""OpenCV's FileStorage files (YAML, JSON, XML) as plain values and matrices.

Read here: OpenCV's own reader writes beyond its memory where a matrix's sizes and numbers disagree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from mouselift.calibration.rig import content_of
from mouselift.errors import CalibrationError
from mouselift.foreign import is_whole, json_of, numbers, short, xml_of, yaml_of
from mouselift.limits import YAML_BYTES, first_bytes

_LARGEST = 64  # rows or columns; the lens has up to 14 numbers
_BEGINNING = 4096  # bytes: a few sizes and dates stand before the first matrix
_MARKS = (b"opencv-matrix", b"opencv_storage")
SUFFIXES = (".yaml", ".yml", ".json", ".xml")


def is_storage(file: Path) -> bool:
    """Whether a file is one that OpenCV wrote with a matrix in it, by its beginning: a folder can hold thousands."""
    if file.suffix.lower() not in SUFFIXES:
        return False
    try:
        data = first_bytes(file, _BEGINNING)
    except (OSError, ValueError):
        return False
    return any(mark in data for mark in _MARKS)


def storage_of(path: Path) -> dict[str, Any]:
    """Nodes by name: matrices as float64 arrays [rows, cols], others as they are. CalibrationError names the file."""
    data = content_of(path, YAML_BYTES)
    try:
        if path.suffix.lower() == ".xml":
            nodes: Any = {element.tag: _of_xml(element) for element in xml_of(data)}
        else:
            nodes = json_of(data) if path.suffix.lower() == ".json" else yaml_of(data.decode())
        if not isinstance(nodes, dict):
            raise ValueError(f"expected names with matrices, got {short(nodes)}")
        return {str(name): matrix_of(str(name), node) if _is_matrix(node) else node for name, node in nodes.items()}
    except ValueError as error:
        raise CalibrationError(f"{path}: not a readable file of OpenCV (FileStorage): {error}") from None


def matrix_of(name: str, node: dict[str, Any]) -> np.ndarray:
    """rows x cols of one channel of numbers. ValueError where the sizes do not say what `data` holds."""
    rows, columns, data = node.get("rows"), node.get("cols"), node.get("data")
    if not is_whole(rows) or not is_whole(columns) or not isinstance(data, list):
        raise ValueError(f"{name}: expected rows, cols and a list of data, got {short(node)}")
    if not (0 <= rows <= _LARGEST and 0 <= columns <= _LARGEST) or len(data) != rows * columns:
        raise ValueError(f"{name}: {rows} rows and {columns} cols with {len(data)} numbers")
    try:
        values = [float(value) if isinstance(value, str) else value for value in data]  # 1e-5 is a string to YAML 1.1
        return numbers(values, (None,)).reshape(rows, columns)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _is_matrix(node: Any) -> bool:
    return isinstance(node, dict) and {"rows", "cols", "data"} <= set(node)


def _of_xml(element: Element) -> Any:
    """A matrix as a dict, as in the other forms; else the text. Deeper nodes hold no calibration."""
    if "opencv-matrix" not in element.get("type_id", ""):
        return (element.text or "").strip()
    parts = {child.tag: (child.text or "").strip() for child in element}
    whole = {key: int(parts[key]) for key in ("rows", "cols") if parts.get(key, "").isdigit()}
    return {**parts, **whole, "data": parts.get("data", "").split()}
