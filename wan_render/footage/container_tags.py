"""The tags of a video's container: texts that programs write into it."""

from __future__ import annotations

from pathlib import Path

from wan_render.footage.any_video import opened_video

LONGEST_TAG = 32 << 20


def container_tags(file: Path) -> dict[str, str]:
    """Name of a tag in lower case → its text; too long ones are left out. Raises UsageError for a file that is no
    video."""
    with opened_video(file) as container:
        return {name.lower(): text for name, text in container.metadata.items() if len(text) <= LONGEST_TAG}
