"""A sample backend: it fades from the first keyframe to the last, under film grain that is its "weights".

This module describes the backend; describing it loads nothing heavy. The imports are relative, so that a copy of the
folder works anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.diagnosis import Finding
from wan_render.errors import MachineError, Problem, WeightsError
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.model_family import ModelFamily
from wan_render.render_values import ALONE, Device, Listen, Phase, Progress, Workspace
from wan_render.take import Take

from .models import GrainFamily, weights_of

SECONDS_PER_MEGAPIXEL = 0.05


@dataclass(frozen=True)
class GrainBackend:
    """The backend, described."""

    @property
    def id(self) -> str:
        """Name and pixel version. Raise the version when the same take would come out differently."""
        return "grain/1"

    @property
    def is_preview(self) -> bool:
        """Its films do not carry its name."""
        return False

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """It renders on the CPU."""
        return ("cpu",)

    @property
    def family(self) -> ModelFamily:
        """Optional (model_family.HasModels): models of its own."""
        return GrainFamily()

    def findings(self) -> Iterator[Finding]:
        """Optional (diagnosis.HasFindings): what it needs, whichever model renders."""
        yield Finding("grain", "needs nothing but NumPy")

    def missing(
        self,
        card: ModelCard,
        loras: Sequence[PublishedLora] = (),  # noqa: ARG002 - its models have none
        profile: str = "exact",
        variant: str = "",  # noqa: ARG002 - every profile has one
    ) -> Problem | None:
        """The profile, if it is not `exact`; then the weights."""
        return _refused(profile) or weights_of(card).problem

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002 - see `missing`
        """There is one."""
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002 - see `missing`
        """No device can render another profile than `exact`."""
        problem = _refused(profile)
        return {} if problem is None else {device.name: problem for device in devices}

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - true of any take
        """One device renders a take."""
        return (1,)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002 - one CPU
        """In proportion to the pixels."""
        return SECONDS_PER_MEGAPIXEL * take.frames * take.size.width * take.size.height / 1e6

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002 - there is one kind
        """Any CPU."""
        return ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:  # noqa: ARG002 - it keeps no stages
        """Load the weights. Raises MachineError or WeightsError."""
        if device.kind not in self.device_kinds:
            raise MachineError(Problem("backend grain", f"cannot render on {device.name}", "allowed: cpu"))
        if (weights := weights_of(card)).problem is not None:
            raise WeightsError(weights.problem)
        listen(Progress(Phase.LOADING))
        from .renderer import GrainRenderer  # late: it brings NumPy

        return GrainRenderer(card, weights)


def _refused(profile: str) -> Problem | None:
    if profile == "exact":
        return None
    return Problem(f"profile '{profile}'", "grain computes takes in one way", "allowed: exact", "write profile: exact")


BACKEND = GrainBackend()
