"""What a device process does that finishes clips: it upscales or retimes one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wan_render.production.clip_finisher import ClipFinisher, ClipWork
from wan_render.render_values import Device, Listen, Phase, Progress


def finish_clips(device: Device, store: Path) -> Callable[[ClipWork, Listen], None]:
    """Networks stay loaded between clips. store: not needed, a clip's job names all files."""
    del store
    finisher = ClipFinisher(device.kind)

    def handle(job: ClipWork, listen: Listen) -> None:
        listen(Progress(Phase.LOADING))
        finisher.finish_clip(job, lambda done, total: listen(Progress(Phase.STEP, done, total)))

    return handle
