"""Keyframes that no shot names."""

from __future__ import annotations

from wan_render.authored import Scene, Storyboard
from wan_render.plan.findings import Findings


def warn_of_unused_keyframes(storyboard: Storyboard, findings: Findings) -> None:
    """Warn about keyframes that no shot names. Omitted shots count as using theirs."""
    used = set[str | None]()
    for scene in storyboard.scenes:
        used |= _named(scene)
    unused = [name for name in storyboard.keyframes if name not in used]
    listed = [name for name in unused if ("keyframes", name) not in findings.document.marks]
    for name in unused:
        if name not in listed:
            findings.warn(("keyframes", name), f"no shot uses the keyframe {name}", "", "use it or delete it")
    if listed:
        names = ", ".join(listed[:5]) + (", …" if len(listed) > 5 else "")
        findings.warn(("keyframes",), f"no shot uses these pictures of the folder: {names}")


def _named(scene: Scene) -> set[str | None]:
    ends = {name for shot in scene.shots for name in (shot.from_, shot.to, shot.still)}
    return ends | {waypoint.keyframe for shot in scene.shots for waypoint in shot.through}
