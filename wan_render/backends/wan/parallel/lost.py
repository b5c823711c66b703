"""What a device of a group says when it cannot go on for the others' sake."""

from __future__ import annotations

from wan_render.errors import LostPeerError, Problem
from wan_render.render_values import Group


def lost(group: Group, found: str) -> LostPeerError:
    """An error that is worth another attempt. found: what is known of the others."""
    where = f"device {group.rank} of a group of {group.size}"
    return LostPeerError(Problem(where, found, remedy="the log of their processes says why; the take is tried again"))


def unreachable(group: Group, fault: Exception) -> LostPeerError:
    """The same, for what torch.distributed has raised."""
    said = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
    return lost(group, f"lost the others ({said})")
