"""Warnings about a film, given before it is rendered and on its page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from wan_render.cut import assemble
from wan_render.errors import Problem
from wan_render.media.fonts import missing_glyphs
from wan_render.media.lettering import cards_cut_short
from wan_render.media.subtitle_blocks import subtitle_blocks
from wan_render.plan import FilmPlan, Rendered
from wan_render.plan.drawn_texts import SURELY_FITS
from wan_render.printable import path_name, shown
from wan_render.production.run import Run
from wan_render.status import FilmStatus, pin_warnings

PLAN = "plan.json"
"""The file with a film's plan, next to it: the output of `plan --json`."""

MOST_NAMED = 5
"""How many characters a warning names. The fonts may lack every letter of a script."""


def film_warnings(plan: FilmPlan, found: FilmStatus) -> tuple[Problem, ...]:
    """Warnings of planning, of lettering, and of pins, given the status `found`."""
    return (*plan.warnings, *lettering_warnings(plan), *pin_warnings(found))


def warnings_of(run: Run) -> tuple[str, ...]:
    """The warnings of a run, in sentences. Warnings that the newest version of the film already had are only counted,
    because twelve warnings that come every night hide the thirteenth."""
    known, version = _known(run)
    found = film_warnings(run.plan, run.before)
    new = [str(problem) for problem in found if problem not in known]
    old = len(found) - len(new)
    if old:
        warnings = "1 warning" if old == 1 else f"{old} warnings"
        new.append(f"{warnings} unchanged since {version}: `wan-render plan {path_name(run.plan.file)}` prints all")
    return (*new, *map(str, run.confined))


def _known(run: Run) -> tuple[frozenset[Problem], str]:
    """The warnings in the newest version's plan.json, and that version's name."""
    film = run.store.films.latest(run.plan.slug)
    if film is None:
        return frozenset(), ""
    try:
        warnings = json.loads((film.folder / PLAN).read_bytes())["warnings"]
        return frozenset(Problem(**warning) for warning in warnings), film.name
    except (OSError, ValueError, KeyError, TypeError):  # an old or damaged file: every warning counts as new
        return frozenset(), ""


def lettering_warnings(plan: FilmPlan) -> tuple[Problem, ...]:
    """One warning for each text with characters that no font has, and for texts that need too many lines."""
    return (*boxes_for_letters(plan), *too_long_texts(plan))


def too_long_texts(plan: FilmPlan) -> tuple[Problem, ...]:
    """A warning for each card whose end is not shown, and one if subtitles are shown in parts."""
    return (*shortened_cards(plan), *divided_subtitles(plan))


def boxes_for_letters(plan: FilmPlan) -> tuple[Problem, ...]:
    """A problem for each text with characters that no font has. `check` refuses them; a film has boxes instead."""
    without_glyph = ((lettering.where, missing_glyphs(lettering.text)) for lettering in plan.lettering)
    return tuple(
        Problem(
            where,
            f"no font has a glyph for {_named(missing)}",
            "a character of the fonts in docs/finishing.md",
            "use other characters, or put a font with these into WAN_RENDER_FONTS (a folder); else they are boxes",
        )
        for where, missing in without_glyph
        if missing
    )


def shortened_cards(plan: FilmPlan) -> Iterator[Problem]:
    """A warning for each card whose text is longer than the picture has room for."""
    if all(len(lettering.text) <= SURELY_FITS for lettering in plan.lettering):
        return
    cut = assemble(plan, {}, {shot.id: "" for shot in plan.shots if isinstance(shot.content, Rendered)})
    short = set(cards_cut_short(cut))
    for lettering in plan.lettering:
        if lettering.text in short:
            yield Problem(
                lettering.where,
                f"the text is too long for a card, and its end is not shown: {shown(lettering.text)}",
                "as much as fits into the picture in the smallest letters, 2% of its shorter side",
                "shorten it, or write several cards",
            )


def divided_subtitles(plan: FilmPlan) -> Iterator[Problem]:
    """A warning if subtitles are shown in parts."""
    cues = plan.subtitles.cues if plan.subtitles is not None else ()
    divided = [cue for cue in cues if len(cue.text) > SURELY_FITS and len(subtitle_blocks((cue,), plan.delivery)) > 1]
    if divided:
        which = "a subtitle does" if len(divided) == 1 else f"{len(divided)} subtitles do"
        found = f"{which} not fit into two lines: {shown(divided[0].text)}"
        yield Problem(
            path_name(plan.file), found, "", "shown in parts, one after the other; write several to choose them"
        )


def _named(characters: Sequence[str]) -> str:
    """Each character with its code point, since the reader's font may also lack it."""
    named = [f"{character} (U+{ord(character):04X})" for character in characters[:MOST_NAMED]]
    more = len(characters) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
