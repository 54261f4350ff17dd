"""Points of an animal in 3D, as other tools found or people labelled them: read, and compared with masks."""
