"""`render: {previous: latents}`: whether a shot with `from: previous` can begin on latents, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from wan_render.authored import PREVIOUS
from wan_render.model_card import ModelCard
from wan_render.plan.film_plan import NotYet, PlannedShot, Rendered
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Level
from wan_render.plan.model_choice import Modelled
from wan_render.plan.previous import PinnedClips
from wan_render.take import LATENTS_VERSION, FramePlate, Take

HandsLatents = Callable[[ModelCard], bool]
"""Whether the film's backend can continue the latents of this model's takes."""


def no_latents(_card: ModelCard) -> bool:
    """The HandsLatents of a backend without latents."""
    return False


@dataclass(frozen=True)
class Handover:
    """Decides what the shots of one film begin on. backend: the id of the film's."""

    backend: str
    hands: HandsLatents
    kept: PinnedClips
    findings: Findings

    def handed(
        self, plate: FramePlate | NotYet, inherited: Inherited, modelled: Modelled, before: PlannedShot
    ) -> FramePlate | NotYet:
        """The first plate of a shot that continues `before`: in latents if the storyboard asks for them and they can be
        had. Says which, as a warning where it is not what was asked."""
        asked = inherited.common("previous")
        if asked is None or asked.value != "latents" or isinstance(plate, NotYet):
            return plate
        if modelled.card.backend not in ("", self.backend) or not self.hands(modelled.card):
            who = modelled.card.backend or self.backend
            self.findings.note(
                asked.place, f"{inherited.id} begins on the last picture of {before.id}: {who} has no latents"
            )
            return plate
        if why := self._obstacle(plate, modelled.card, before):
            found = f"{inherited.id} begins on the last picture of {before.id}, not on its latents: {why}"
            self.findings.warn(asked.place, found)
            return plate
        self.findings.note(asked.place, f"{inherited.id} begins on the latents of {before.id}")
        return replace(plate, conform=LATENTS_VERSION)

    def warn_if_unused(self, inherited: Inherited) -> None:
        """Warn about `previous` on a shot that continues no other."""
        asked = inherited.common("previous")
        if asked is not None and asked.level is Level.SHOT and inherited.shot.from_ != PREVIOUS:
            self.findings.warn(
                asked.place,
                f"{inherited.id} does not begin with `from: previous`",
                "`previous` is for shots that continue another",
                "delete it",
            )

    def _obstacle(self, plate: FramePlate, card: ModelCard, before: PlannedShot) -> str:
        """Why the latents cannot be had; "" if they can."""
        take = _planned(before, plate.take)
        if take is None:
            return "its clip is pinned, and may be another model's"
        if take.through:
            return "it passes through keyframes, so its take is joined from others"
        if take.model != card.identity or take.backend != self.backend:
            return f"{before.model} renders it, not {card.name}"
        clip = self.kept(plate.take)
        if clip is not None and not clip.has_latents:
            return f"its take @{plate.take[:8]} was rendered without keeping them"
        return ""


def _planned(shot: PlannedShot, key: str) -> Take | None:
    """The shot's planned take with this key."""
    if not isinstance(shot.content, Rendered):
        return None
    return next((planned.take for planned in shot.content.takes if planned.take.key == key), None)
