"""What a device process is asked to render. It needs no plan for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wan_render.backend_contract import Backend
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.purchase import Allowance
from wan_render.render_values import Device, Group
from wan_render.take import Take


@dataclass(frozen=True)
class RenderOrder:
    """One take to render, with everything that a device process needs. It pickles.

    pictures: the picture file of each keyframe, by SHA-256. loras: the file of each LoRA that is not published, by
             SHA-256.
    film, shot, number: the slug, shot id and take number that it is for. Without a slug nothing is remembered. A take
             that belongs to no shot of its own is called `keyframe deer` or `1/020 part 2`.
    why:     why it is rendered ("prompt changed").
    later:   later orders with the same model, for a renderer that prepares them; their own `later` is empty.
    tighter: how often this model ran out of memory on such a device; see render_values.Workspace.
    gpus:    how many devices are to render it together; None leaves that to the farm.
    barred:  names of the devices that cannot render it; see Backend.unable.
    group:   the rank of the device among those that render it together; None for a single device. helpers: names of
             the group's other devices, by rank.
    remarks: what the plan says about this take; recorded in take.json.
    store:   root of the store that gets the take; None for that of the farm.
    spare:   whether it is neither the take that the film shows nor a part of it, or a retake that no other shot waits
             for. Such takes come last in a night.
    allowance: what its film may spend at services; None if nothing may be spent on this take.
    keeps_latents: whether another take begins on its latents.
    is_checked: False if every shot that wants this take has `qc: {check: off}`.
    """

    take: Take
    backend: Backend
    card: ModelCard
    pictures: Mapping[str, Path]
    shot: str
    number: int
    film: str = ""
    why: str = ""
    later: tuple[RenderOrder, ...] = ()
    tighter: int = 0
    gpus: int | None = None
    barred: frozenset[str] = frozenset()
    group: Group | None = None
    helpers: tuple[str, ...] = ()
    loras: Mapping[str, Path] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    store: Path | None = None
    spare: bool = False
    is_checked: bool = True
    allowance: Allowance | None = None
    keeps_latents: bool = False

    @property
    def published(self) -> tuple[PublishedLora, ...]:
        """The published LoRAs that the take uses. The backend knows their files."""
        return published_loras(self.take, self.card, self.loras)

    def __hash__(self) -> int:
        return hash(self.take.key)

    def able(self, devices: Sequence[Device]) -> tuple[Device, ...]:
        """The devices that can render it."""
        return tuple(device for device in devices if device.name not in self.barred)

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the takes that must be in the store first."""
        return self.take.needs


def published_loras(take: Take, card: ModelCard, files: Mapping[str, Path]) -> tuple[PublishedLora, ...]:
    """The LoRAs of a take that its model's publisher offers. files: those that the storyboard names, by SHA-256."""
    used = {lora.content for lora in take.loras}
    return tuple(lora for lora in card.distilled if lora.content in used and lora.content not in files)
