"""Training of the reconstructor on prepared samples."""
