"""Gaussians of one sample without a network: started on the visual hull, fitted to the input views."""
