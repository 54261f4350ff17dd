"""Gaussians to images: a slow reference, a compiled CPU path, gsplat on CUDA; orbits."""
