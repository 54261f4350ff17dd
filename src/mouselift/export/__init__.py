"""Datasets and captures in the formats of other tools."""
