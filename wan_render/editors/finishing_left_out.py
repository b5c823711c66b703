"""What finishing does to the takes of a film, and an export to an editor does not, in words."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.cut import Cut
from wan_render.footage.footage_part import FootagePart


def finishing_left_out(cut: Cut, *, is_linked: bool) -> Iterator[str]:
    """is_linked: the export links takes and video files as they are, instead of writing files."""
    done = {"jumps are not repaired": cut.repair, "joints are not eased": cut.easing}
    if missing := [words for words, form in done.items() if form is not None]:
        yield f"motion is that of the takes: {' and '.join(missing)}, as in the film"
    if is_linked:
        yield from _as_rendered(cut)


def _as_rendered(cut: Cut) -> Iterator[str]:
    done = {
        "matched in colour": cut.match_colours is not None,
        "retimed": any(event.rate is not None for event in cut.events),
        "upscaled": cut.upscale is not None,
    }
    if any(isinstance(event.source, FootagePart) for event in cut.events):
        yield "video files are linked as they are: they are not fitted, tone-mapped or retimed, as in the film"
    if missing := [words for words, is_done in done.items() if is_done]:
        yield f"takes are linked as they were rendered: they are not {' or '.join(missing)}, as in the film"
