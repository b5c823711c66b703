"""The slug of a film's drafts: they have a folder of their own, and belong to the film's storyboard."""

from __future__ import annotations

_ENDING = "-draft"


def draft_slug(slug: str) -> str:
    """Of a film's drafts."""
    return f"{slug}{_ENDING}"


def film_slug(slug: str) -> str:
    """Of the film that a slug of drafts belongs to; a film's own slug as it is."""
    return slug.removesuffix(_ENDING)
