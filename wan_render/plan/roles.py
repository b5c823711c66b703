"""What a shot is: it follows from what it has. The reader has refused what contradicts itself."""

from __future__ import annotations

from enum import StrEnum

from wan_render.authored import Shot
from wan_render.take import ShotKind


class ShotRole(StrEnum):
    """How a shot comes to its pictures."""

    RENDER = "render"
    STILL = "still"
    CARD = "card"
    CLIP = "clip"


def role_of(shot: Shot) -> ShotRole:
    """A still, a card (which may be ""), a clip, or else a shot that a model renders."""
    for role in (ShotRole.STILL, ShotRole.CARD, ShotRole.CLIP):
        if getattr(shot, role.value) is not None:
            return role
    return ShotRole.RENDER


def kind_of(shot: Shot) -> ShotKind:
    """What a model is asked for: by the keyframes that the shot has."""
    if shot.from_ is None:
        return ShotKind.T2V
    return ShotKind.I2V if shot.to is None else ShotKind.FLF2V
