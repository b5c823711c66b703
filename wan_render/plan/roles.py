"""The role and kind of a shot, which follow from its keys. The reader has refused contradictions."""

from __future__ import annotations

from enum import StrEnum

from wan_render.authored import Shot
from wan_render.take import ShotKind


class ShotRole(StrEnum):
    """Where a shot's frames come from."""

    RENDER = "render"
    STILL = "still"
    CARD = "card"
    CLIP = "clip"


def role_of(shot: Shot) -> ShotRole:
    """A still, a card (even ""), a clip, or else a shot that a model renders."""
    for role in (ShotRole.STILL, ShotRole.CARD, ShotRole.CLIP):
        if getattr(shot, role.value) is not None:
            return role
    return ShotRole.RENDER


def kind_of(shot: Shot) -> ShotKind:
    """What a model has to do, by the keyframes of the shot."""
    if shot.from_ is None:
        return ShotKind.T2V
    return ShotKind.I2V if shot.to is None else ShotKind.FLF2V
