"""Rendering with the Wan models through diffusers' components. Importing this needs no torch.

Each answer imports what it needs: `check` asks only for models, kinds of devices and variants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wan_render.backend_contract import Renderer, Variant
from wan_render.backends.wan.family import WanFamily
from wan_render.backends.wan.profiles import ability
from wan_render.errors import Problem
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.model_family import ModelFamily
from wan_render.render_values import ALONE, Device, Listen, Workspace
from wan_render.take import ShotKind, Take

if TYPE_CHECKING:
    from wan_render.diagnosis import Finding


@dataclass(frozen=True)
class WanBackend:
    """The Wan models as a Backend."""

    @property
    def id(self) -> str:
        """Name and pixel version. The version goes up whenever the same take would get other pixels."""
        return "wan/1"

    @property
    def is_preview(self) -> bool:
        """False: it renders final frames."""
        return False

    def hands_latents(self, card: ModelCard) -> bool:
        """Every model that begins on a keyframe can begin on latents of its own."""
        return not {ShotKind.I2V, ShotKind.FLF2V}.isdisjoint(card.kinds)

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """NVIDIA GPUs, and CPUs for tests."""
        return ability.KINDS

    @property
    def family(self) -> ModelFamily:
        """The published Wan models."""
        return WanFamily()

    def findings(self) -> Iterator[Finding]:
        """The packages of the extra 'wan'."""
        from wan_render.backends.wan.checkpoint import location
        from wan_render.diagnosis import installed

        yield installed("wan", location.PACKAGES)

    def missing(
        self, card: ModelCard, loras: Sequence[PublishedLora] = (), profile: str = "exact", variant: str = ""
    ) -> Problem | None:
        """The first missing package, setting, device or file of weights, with what to do."""
        from wan_render.backends.wan.checkpoint import location
        from wan_render.backends.wan.lora import lora_location

        return (
            location.missing_packages()
            or ability.missing_for(profile, ability.KINDS, variant)  # before 47 GB are downloaded for it
            or location.missing_weights(card)
            or lora_location.missing_loras(loras)
        )

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:
        """A draft is computed in float8 if all devices can, else like `exact`."""
        return ability.variant(profile, devices)

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:
        """Float8 needs a Hopper GPU and FlashAttention 3."""
        return ability.unable(profile, devices, variant)

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        """Those of 1, 2, 4 and 8 that divide the model's heads and the take's tokens."""
        from wan_render.backends.wan.parallel import layout

        return layout.group_sizes(take, card)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        """A rough time for one take, from measurements on an H200. The gain of several devices is in `estimate`."""
        from wan_render.backends.wan.models import estimate

        return estimate.estimated_seconds(take, device_kind, devices)

    def host_bytes(self, take: Take, card: ModelCard, device: Device, tighter: int = 0) -> int:
        """From the headers of the weights, and the offload level that they would get."""
        from wan_render.backends.wan.memory import host_need

        return host_need.host_bytes(take, card, device, tighter)

    def timed_on(self, device_kind: str) -> str:
        """The GPU of the measurements; "" for a CPU, whose times follow from its number of cores."""
        from wan_render.backends.wan.models import estimate

        return estimate.TIMED_ON if device_kind == "cuda" else ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        """A renderer for a model. Each component is loaded when it is first needed.

        Raises WeightsError, DeviceError, MachineError or RenderError.
        """
        from wan_render.backends.wan import opening

        return opening.open_renderer(card, device, listen, workspace)


BACKEND = WanBackend()
