"""Takes of one film from different weights: the declared model is the same, the commit it resolved to is not.

A take's key has the declared model alone, so that a take is never rendered again for a commit that changed a
README; what the weights were is recorded beside it, and a difference is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.backends.wan.location import resolved, weights_folder
from wan_render.errors import Problem
from wan_render.model_card import ModelCard
from wan_render.plan import FilmPlan
from wan_render.status import FilmStatus
from wan_render.store import Store

RECORDED = "weights"
"""The wan backend's name of it among the versions beside a take."""


def other_weights(plan: FilmPlan, found: FilmStatus, store: Store) -> Iterator[Problem]:
    """One problem for each model of which takes in the film came from other weights than those that are here."""
    for card in plan.models.values():
        folder = weights_folder(card)
        if card.folder is not None or folder is None:
            continue
        here = _commit(resolved(card, folder))
        for commit in sorted(_earlier(card, found, store) - {here}):
            words = f"takes of this film came from its weights at {commit}, those that are here are {here}"
            yield Problem(card.name, words, remedy="what is rendered now may look a little different")


def _earlier(card: ModelCard, found: FilmStatus, store: Store) -> set[str]:
    keys = (take.key for shot in found.shots for take in shot.takes if take.clip is not None)
    records = (store.record(key) for key in keys)
    weights = (record.provenance.versions.get(RECORDED) for record in records if record.take["model"] == card.identity)
    return {_commit(text) for text in weights if text}


def _commit(text: str) -> str:
    """Without where it was pulled from and how it lies on disk."""
    return text.split()[0]
