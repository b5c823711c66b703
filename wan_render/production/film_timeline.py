"""The cut for editing software, next to every film."""

from __future__ import annotations

import os
from pathlib import Path

from wan_render.cut import Cut
from wan_render.editors.cut_timeline import MediaPlan, cut_timeline
from wan_render.editors.otio_document import otio_text
from wan_render.production.run import Run
from wan_render.store import CLIP

TIMELINE = "cut.otio"


def write_timeline(run: Run, cut: Cut, version: str, folder: Path) -> None:
    """Write the cut of a version, with links to its takes and video files, into its folder."""

    def original(file: Path) -> str:
        return Path(os.path.relpath(file, folder.absolute())).as_posix()

    link = MediaPlan(cut.rate, link=lambda clip: f"../../../takes/{clip.key}/{CLIP}", original=original)
    made = cut_timeline(cut, run.plan, run.store, version, link)
    (folder / TIMELINE).write_text(otio_text(made.timeline), encoding="utf-8")
