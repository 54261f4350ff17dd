"""Networks that turn posed views into Gaussians, and their fine-tuning."""
