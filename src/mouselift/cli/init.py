"""`mouselift init`: recognise a folder and write its capture.toml."""

from __future__ import annotations
