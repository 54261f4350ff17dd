"""GS-LRM as FaceLift released it: posed views in, pixel-aligned Gaussians out."""
