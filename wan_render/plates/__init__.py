"""Keyframes as pictures: the facts of a file (`picture_facts`), and how it becomes a plate (`conform`).

Pillow is imported only when a picture is decoded. A plan whose facts are cached never loads it.
"""

from __future__ import annotations

from wan_render.plates.conform import conform, cover, crop_shown, cropped_share, focus_in_raster
from wan_render.plates.picture_facts import PictureFacts, picture_facts

__all__ = ["PictureFacts", "conform", "cover", "crop_shown", "cropped_share", "focus_in_raster", "picture_facts"]
