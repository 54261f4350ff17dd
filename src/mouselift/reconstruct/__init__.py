"""Samples to Gaussians, renders, scores and a turntable on disk."""
