"""Checkpoints in other layouts than diffusers': Wan's own files, and ComfyUI's. They are converted once."""
