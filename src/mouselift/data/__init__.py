"""Prepared samples as tensors."""
