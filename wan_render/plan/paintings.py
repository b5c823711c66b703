"""Keyframes that are painted from a prompt: one frame of a T2V model, a take like any other."""

from __future__ import annotations

from dataclasses import dataclass, field

from wan_render.cleaning import cleaned
from wan_render.model_card import ModelCard
from wan_render.plan.inherit import PaintedKeyframe
from wan_render.plan.model_choice import Chooser
from wan_render.plan.resolve import Ends, Resolver
from wan_render.take import FramePlate, ShotKind, Take


@dataclass(frozen=True)
class Painter:
    """Plans the painted keyframes of one film, each once.

    takes: keyframe name → its take. cards: identity → the card of each model that paints.
    """

    resolver: Resolver
    chooser: Chooser
    takes: dict[str, Take] = field(default_factory=dict)
    cards: dict[str, ModelCard] = field(default_factory=dict)

    def plate(self, name: str) -> FramePlate:
        """The plate of a painted keyframe."""
        if name not in self.takes:
            self.takes[name] = self._take(name)
        return FramePlate(self.takes[name].key, 0, self.resolver.size)

    def _take(self, name: str) -> Take:
        settings = PaintedKeyframe(self.resolver.findings.document.storyboard, name)
        keyframe = settings.keyframe
        for key in ("focus", "fit"):
            if getattr(keyframe, key) is not None:
                found = f"{name} is painted at the film's raster: its {key} is ignored"
                self.resolver.findings.warn((*settings.place, key), found, "", "delete it")
        modelled = self.chooser.choose(settings, ShotKind.T2V)
        self.cards[modelled.card.identity] = modelled.card
        take = self.resolver.take(settings, modelled, cleaned(keyframe.prompt or ""), 1, Ends())
        return self.resolver.settled(settings, take)
