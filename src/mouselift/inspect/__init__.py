"""Facts about a recording: its rig, its frames, its masks, the lag between cameras, the subject's path."""
