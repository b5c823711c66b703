"""What things are called when they are handed over."""

from __future__ import annotations


def delivered_name(slug: str, shot_id: str, number: int | None = None) -> str:
    """`river-to-dove_sc1_sh020_t02`: film, scene, shot and, where it has takes, take; without a suffix."""
    scene, _, name = shot_id.partition("/")
    return f"{slug}_sc{scene}_sh{name}" + (f"_t{number:02}" if number is not None else "")
