"""Takes of one film from different weights: the declared model is the same, the commit it resolved to is not.

A take's key has the declared model alone, so that a take is never rendered again for a commit that changed a
README; what the weights were is recorded beside it, and a difference is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.errors import Problem
from wan_render.model_card import ModelCard
from wan_render.model_family import WEIGHTS_FACT, ModelFamily
from wan_render.plan import FilmPlan
from wan_render.status import FilmStatus
from wan_render.store import Store


def other_weights(plan: FilmPlan, found: FilmStatus, store: Store, family: ModelFamily) -> Iterator[Problem]:
    """One problem for each model of which takes in the film came from other weights than those that are here."""
    for card in plan.models.values():
        if card.folder is not None or not (version := family.weights(card).version):
            continue
        here = _commit(version)
        for commit in sorted(_earlier(card, found, store) - {here}):
            words = f"takes of this film came from its weights at {commit}, those that are here are {here}"
            yield Problem(card.name, words, remedy="what is rendered now may look a little different")


def _earlier(card: ModelCard, found: FilmStatus, store: Store) -> set[str]:
    keys = (take.key for shot in found.shots for take in shot.takes if take.clip is not None)
    records = (store.record(key) for key in keys)
    weights = (
        record.provenance.versions.get(WEIGHTS_FACT) for record in records if record.take["model"] == card.identity
    )
    return {_commit(text) for text in weights if text}


def _commit(text: str) -> str:
    """Without where it was pulled from and how it lies on disk."""
    return text.split()[0]
