"""Networks of finishing, upscaling and retiming, which end with the window of a night: devices are free on time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from wan_render.plan import FilmPlan
from wan_render.production.clip_finisher import ClipWork, FinishesClips


class WindowOver(Exception):  # noqa: N818 - an end, not an error
    """The window ended while a network was at work. What it has finished is kept."""


@dataclass(frozen=True)
class WorkUntil:
    """Does the work of finishing on devices until the window ends. Then it raises WindowOver."""

    work: FinishesClips
    until: datetime | None

    def __call__(self, job: ClipWork, progress: Callable[[int, int], None]) -> None:
        """Write `job.target`. Raises WindowOver, and what `work` raises."""

        def watched(done: int, total: int) -> None:
            if self.until is not None and datetime.now(UTC) >= self.until:
                raise WindowOver
            progress(done, total)

        watched(0, job.frames)
        self.work(job, watched)


def without_networks(plan: FilmPlan) -> FilmPlan:
    """The film as the CPU finishes it in minutes: enlarged by ffmpeg, and retimed by optical flow instead of RIFE."""
    if plan.upscale is not None and plan.upscale.has_network:
        plan = replace(plan, upscale=None, upscaler=None)
    return plan if plan.retimer is None else replace(plan, retime="flow", retimer=None)
