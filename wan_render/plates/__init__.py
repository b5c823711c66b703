"""Keyframes as pictures: what is known about a file (`picture_facts`) and how it becomes a plate (`conform`).

Pillow is imported when a picture is decoded and not before: a plan whose facts are cached never loads it.
"""

from __future__ import annotations

from wan_render.plates.conform import conform, cover, crop_shown, cropped_share
from wan_render.plates.picture_facts import PictureFacts, picture_facts

__all__ = ["PictureFacts", "conform", "cover", "crop_shown", "cropped_share", "picture_facts"]
