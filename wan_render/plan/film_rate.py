"""The rate of the film. It does not depend on where a shot is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from wan_render.model_card import ModelCard
from wan_render.plan.findings import Findings
from wan_render.plan.footage import FilmFootage
from wan_render.plan.joints import Rates
from wan_render.plan.laid_out import ShotInProgress

_RATE_WITHOUT_MODELS = Fraction(16)
"""The rate of a film of only stills and cards: that of most models."""


def film_rates(drafts: Sequence[ShotInProgress], footage: FilmFootage, findings: Findings) -> Rates:
    """The rate of the film: the written one, else that of its first model, else that of its first clip.

    A service's model counts only if no other model renders a shot. So a film does not become one of 30 frames per
    second because its first shot is bought.
    """
    written = findings.document.storyboard.film.rate.fps
    if written != "native":
        return Rates(film=Fraction(written), written=Fraction(written))
    if (first := _first(drafts)) is not None:
        shot, card = first
        _tell(shot, card, drafts, findings)
        return Rates(film=card.rate, written=card.rate)
    clips = (footage.native_rate(draft.inherited) for draft in drafts)
    rate = next(filter(None, clips), _RATE_WITHOUT_MODELS)
    return Rates(film=rate, written=rate)


def _first(drafts: Sequence[ShotInProgress]) -> tuple[str, ModelCard] | None:
    """The shot whose model gives the film its rate, and that model."""
    rendered = [(draft.inherited.id, draft.written) for draft in drafts if draft.written is not None]
    own = ((shot, card) for shot, card in rendered if card.hosted is None)
    return next(own, rendered[0] if rendered else None)


def _tell(shot: str, card: ModelCard, drafts: Sequence[ShotInProgress], findings: Findings) -> None:
    """Say where the rate comes from, if the film's models have several."""
    if all(draft.modelled is None or draft.modelled.card.rate == card.rate for draft in drafts):
        return
    found = f"the film has {float(card.rate):g} frames per second, as {card.name}, the model of {shot}"
    findings.note(("film", "rate"), found, "", "write film: {rate: 24} to choose another rate")
