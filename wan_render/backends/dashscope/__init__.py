"""Alibaba Model Studio (DashScope): takes that a service renders for money.

A take is ordered once. Its purchase is in the store's ledger before the service is asked (purchase.py), and its task
is taken up again after a crash. Nothing here was run against the real service; docs/cloud.md says what is untried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.backends.dashscope.hosted_cards import BACKEND_ID, OURS, hosted_cards, task_seconds
from wan_render.backends.dashscope.service_access import lacking, region_of, service_url
from wan_render.errors import Problem, RenderError, UsageError, WeightsError
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.render_values import ALONE, Device, Listen, Phase, Progress, Workspace
from wan_render.settings import MachineSettings, machine_settings
from wan_render.take import Take

if TYPE_CHECKING:  # only doctor needs it
    from wan_render.diagnosis import Finding

KIND = "dashscope"

_PROCESS_BYTES = 300_000_000
"""An allowance for a process with NumPy, PyAV and a client; not measured."""


@dataclass(frozen=True)
class DashScope:
    """The backend's description. It has no state, so all instances are equal."""

    @property
    def id(self) -> str:
        """Name and pixel version."""
        return BACKEND_ID

    @property
    def is_preview(self) -> bool:
        """False: its takes are final."""
        return False

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Slots at the service: as many takes are there at once."""
        return (KIND,)

    def own_devices(self, settings: MachineSettings) -> tuple[Device, ...]:
        """See HasOwnDevices. None without a key."""
        if lacking() is not None:
            return ()
        label = f"Alibaba Model Studio, {region_of(service_url(settings))}"
        return tuple(Device(f"{KIND}:{number}", label, 0) for number in range(settings.cloud_slots))

    @property
    def offered(self) -> tuple[ModelCard, ...]:
        """See OffersModels."""
        settings = machine_settings()
        return tuple(hosted_cards(settings.cloud_models or OURS, region_of(service_url(settings))).values())

    def findings(self) -> Iterator[Finding]:
        """For doctor: whether takes can be bought."""
        from wan_render.diagnosis import Finding

        try:
            url = service_url(machine_settings())
        except UsageError as error:
            yield Finding("cloud", error.problems[0].found, error.problems[0].remedy)
            return
        problem = lacking()
        if problem is None:
            yield Finding("cloud", f"{url}, with a key")
        else:
            yield Finding("cloud", f"{url}: {problem.found}", problem.remedy)

    def missing(
        self,
        card: ModelCard,
        loras: Sequence[PublishedLora] = (),  # noqa: ARG002 - the plan refuses them
        profile: str = "exact",  # noqa: ARG002 - likewise
        variant: str = "",  # noqa: ARG002 - likewise
    ) -> Problem | None:
        """A key, a package, or a model that the service has."""
        if card.hosted is None:
            return Problem("backend dashscope", f"does not host {card.name}", remedy="write model: dashscope:NAME")
        return lacking()

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002 - see `missing`
        """There is one."""
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002 - see `missing`
        """Every slot is as able as the others."""
        return {}

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - the service decides
        """One slot for a take."""
        return (1,)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002 - one kind
        """A guess by the vendor's pages."""
        return task_seconds(take.frames / take.rate)

    def host_bytes(self, take: Take, card: ModelCard, device: Device, tighter: int = 0) -> int:  # noqa: ARG002 - no model is loaded
        """The process, the frames, and as much again while they are written."""
        return _PROCESS_BYTES + 2 * 3 * take.frames * take.size.width * take.size.height

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002 - there is one kind
        """Any slot."""
        return ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:  # noqa: ARG002 - it keeps no stages
        """A renderer. Raises RenderError on a foreign device; WeightsError if a key or a package is missing."""
        if device.kind != KIND:
            raise RenderError(Problem("backend dashscope", f"cannot render on {device.name}", f"it renders on: {KIND}"))
        if (problem := self.missing(card)) is not None:
            raise WeightsError(problem)
        listen(Progress(Phase.LOADING))
        from wan_render.backends.dashscope.cloud_renderer import CloudRenderer

        return CloudRenderer(card, machine_settings())


BACKEND = DashScope()
