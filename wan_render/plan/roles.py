"""What a shot is: it follows from what it has."""

from __future__ import annotations

from enum import StrEnum

from wan_render.model import Shot
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.take import ShotKind

PREVIOUS = "previous"
"""`from: previous` continues the shot before it; no keyframe has this name."""


class Role(StrEnum):
    """How a shot comes to its pictures."""

    RENDER = "render"
    STILL = "still"
    CARD = "card"
    CLIP = "clip"


_OTHERS = (Role.STILL, Role.CARD, Role.CLIP)
_OF_MODELS = ("circle", "ng", "prompt", "render", "takes")


def role_of(inherited: Inherited, findings: Findings) -> Role:
    """A still, a card, a clip, or else a shot that a model renders; contradictions are errors."""
    shot = inherited.shot
    others = [role for role in _OTHERS if getattr(shot, role.value) is not None]
    if not others:
        _check_ends(inherited, findings)
        return Role.RENDER
    rivals = [key for key in ("from", "to", "through") if _has(shot, key)] + [role.value for role in others[1:]]
    for key in rivals:
        allowed = f"a shot has keyframes, or one of {', '.join(_OTHERS)}"
        findings.error(
            inherited.at(key), f"stands beside {others[0].value!r}", allowed, "make two shots, or delete one"
        )
    _warn_of_idle_keys(inherited, others[0], findings)
    return others[0]


def kind_of(shot: Shot) -> ShotKind:
    """What a model is asked for: by the keyframes that the shot has."""
    if shot.from_ is None:
        return ShotKind.T2V
    return ShotKind.I2V if shot.to is None else ShotKind.FLF2V


def _has(shot: Shot, key: str) -> bool:
    return bool(getattr(shot, {"from": "from_"}.get(key, key)))


def _check_ends(inherited: Inherited, findings: Findings) -> None:
    shot = inherited.shot
    if shot.to is not None and shot.from_ is None:
        allowed = "`from` and `to`, only `from`, or neither"
        findings.error(inherited.at("to"), "`to` without `from`", allowed, "write the keyframe that the shot begins on")
    if shot.through and (shot.from_ is None or shot.to is None):
        findings.error(inherited.at("through"), "`through` without both `from` and `to`", "it stands between them")


def _warn_of_idle_keys(inherited: Inherited, role: Role, findings: Findings) -> None:
    idle = [key for key in _OF_MODELS if _has(inherited.shot, key)]
    if idle:
        findings.warn(inherited.at(idle[0]), f"a {role.value} is not rendered by a model: {', '.join(idle)} do nothing")
