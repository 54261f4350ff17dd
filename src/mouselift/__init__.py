"""mouselift: multi-camera animal recordings to model-ready samples with cameras that match their pixels.

Importing this package loads nothing heavy; see `mouselift.geometry` for the geometry,
`mouselift.prepare` for the pipeline, and docs/concepts/conventions.md for the conventions.
"""

__version__ = "0.1.0"
