"""Each video is decoded once in a campaign: there are few, and decoding them again would be most of the work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wan_render.backends.dashscope import cloud_renderer
from wan_render.backends.dashscope.delivered_video import WrongVideoError
from wan_render.take import Take


@contextmanager
def remembered_videos() -> Iterator[None]:
    """What was found in a video is found again in one with the same bytes, mistakes included."""
    kept = {name: getattr(cloud_renderer, name) for name in ("check_video", "frames_of")}
    for name, function in kept.items():
        setattr(cloud_renderer, name, _remembering(function))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(cloud_renderer, name, function)


def _remembering(function: Callable[[Path, Take], Any]) -> Callable[[Path, Take], Any]:
    known: dict[tuple[str, str], Any] = {}

    def remembered(file: Path, take: Take) -> Any:
        place = hashlib.sha256(file.read_bytes()).hexdigest(), take.key
        if place not in known:
            try:
                known[place] = function(file, take)
            except WrongVideoError as error:
                known[place] = error
        if isinstance(known[place], WrongVideoError):
            raise WrongVideoError(known[place].found, is_whole=known[place].is_whole)
        return known[place]

    return remembered
