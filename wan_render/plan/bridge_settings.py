"""The settings of a bridge: those of the shot before it, without its LoRAs and its profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wan_render.authored import PathInFile, Transition
from wan_render.plan.inherit import Inherited, KindSettings, Setting
from wan_render.take import ShotKind

_OF_SHOTS = ("loras", "profile", "variant", "frames")
"""Settings of `render` that hold for shots alone. LoRAs are made for other models, and bridges are computed in one
way."""


@dataclass(frozen=True)
class BridgeSettings:
    """See Settings. shot: the one before the bridge. written: its transition."""

    shot: Inherited
    written: Setting[Transition]

    @property
    def place(self) -> PathInFile:
        """The place of the transition."""
        return self.written.place

    @property
    def avoid(self) -> tuple[str, ...]:
        """The words to avoid of the shot."""
        return self.shot.avoid

    def common(self, key: str) -> Setting[Any] | None:
        """The setting of the shot, if it holds for bridges."""
        return None if key in _OF_SHOTS else self.shot.common(key)

    def of_kind(self, kind: ShotKind) -> KindSettings:
        """The settings under `render.<kind>`."""
        return self.shot.of_kind(kind)

    def cloud(self, key: str) -> Setting[Any] | None:
        """That of the shot."""
        return self.shot.cloud(key)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The settings of the shot that change its pixels and don't hold for the bridge, in words."""
        loras, profile = self.shot.common("loras"), self.shot.common("profile")
        has_loras = loras is not None and any(lora.scale for lora in loras.value)
        other = "" if profile is None or profile.value == "exact" else f"profile {profile.value}"
        return tuple(filter(None, ("LoRAs" if has_loras else "", other)))
