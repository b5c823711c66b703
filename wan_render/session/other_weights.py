"""Warnings about takes of one film that come from different commits of the same model's weights.

A take's key contains only the declared model, so that a commit that changes a README does not render takes again. The
commit is recorded with the take, and differences are reported.
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
    """One problem per model and commit, if takes in the film came from other weights than those on this machine."""
    for card in plan.models.values():
        if card not in family.cards or not (version := family.weights(card).version):
            continue
        here = _commit(version)
        for commit in sorted(_earlier(card, found, store) - {here}):
            words = f"takes of this film were rendered with weights {commit}; this machine has {here}"
            yield Problem(card.name, words, remedy="new takes may look slightly different")


def _earlier(card: ModelCard, found: FilmStatus, store: Store) -> set[str]:
    keys = (take.key for shot in found.shots for take in shot.takes if take.clip is not None)
    records = (store.record(key) for key in keys)
    weights = (
        record.provenance.versions.get(WEIGHTS_FACT) for record in records if record.take["model"] == card.identity
    )
    return {_commit(text) for text in weights if text}


def _commit(text: str) -> str:
    """The commit, without the source and the layout that follow it."""
    return text.split()[0]
