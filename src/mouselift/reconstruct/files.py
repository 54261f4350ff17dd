"""Names of what a reconstruction's folder holds. No torch here: `mouselift view` reads such folders too."""

from __future__ import annotations

DESCRIPTION, TABLE = "reconstruction.json", "metrics.csv"  # of all samples
SPLATS, CAMERAS, METRICS, PAGE = "gaussians.ply", "cameras.json", "metrics.json", "index.html"  # of each
VIDEO, STILLS = "turntable.mp4", "turntable.jpg"
RENDERS = "renders"
