"""How many tokens a take has. Needs no torch."""

from __future__ import annotations

from wan_render.take import Take


def token_count(take: Take, cell: int, frame_step: int = 4) -> int:
    """Of one prediction. cell: edge of a token in pixels; frame_step: frames in a latent frame, one deep in a token."""
    latent_frames = (take.frames - 1) // frame_step + 1
    return latent_frames * (take.size.height // cell) * (take.size.width // cell)
