"""Progress in frames, of a part and of the whole."""

from __future__ import annotations

from collections.abc import Callable

OnDone = Callable[[int, int], None]
"""Called with the frames that are done, and their total."""


def part_progress(report: OnDone, before: int, total: int) -> OnDone:
    """A part's progress as progress of the whole. before: the frames of the parts before it; total: of all."""
    return lambda done, _: report(before + done, total)
