"""Gaussians to pictures: a slow reference, a compiled CPU path, gsplat on CUDA; orbits."""
