"""The contract between a plan and what renders it.

A `Backend` is inert: it can be pickled and compared, and it says what it can do without weights or a device.
A `Renderer` is live: weights on a device. `render_values` holds the values that cross the seam; `frame_checks` checks
what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from wan_render.errors import Problem
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, TakeInputs, Workspace
from wan_render.settings import MachineSettings
from wan_render.take import Take


@dataclass(frozen=True)
class Variant:
    """How a profile is computed where a film is rendered.

    name:   part of the key of its takes (take.Sampling.variant).
    note:   what the user should know about the choice, in words; "" if there was no choice.
    others: the profile's other variants: name → how it is computed, in words. A finished take in one of them is used.
    """

    name: str = ""
    note: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


THE_ONLY_VARIANT = Variant()
"""The variant of a profile that has no others."""


class Renderer(Protocol):
    """One model, ready on one device."""

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Prepare for the takes that follow, where that saves time overall. It may do nothing.

        `plates` returns a take's inputs; it may raise any error of wan_render.errors. No other error leaves this call.
        """

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take; with a group, as its leader. Raises only errors of wan_render.errors."""

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:
        """Help the leader of a group to render a take, until the leader needs no more help.

        Reports WAITING every second until the leader begins. Uses only the LoRAs of the inputs. Raises only errors of
        wan_render.errors.
        """

    def facts(self) -> Mapping[str, str]:
        """What take.json records and the key does not contain: library versions, device, resolved commit."""

    def close(self) -> None:
        """Free the device."""


class Backend(Protocol):
    """The description of a way to render. Inert, hashable and picklable."""

    @property
    def id(self) -> str:
        """Name and pixel version, `animatic/1`. The version goes up whenever the same take would look different."""

    @property
    def is_preview(self) -> bool:
        """Whether its name is burned into its films."""

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """The kinds of devices that it renders on, best first: `cuda`, `cpu`."""

    def missing(
        self, card: ModelCard, loras: Sequence[PublishedLora] = (), profile: str = "exact", variant: str = ""
    ) -> Problem | None:
        """What this machine lacks to render with this model, its LoRAs and this profile: a package, weights, a device
        or a setting. None if nothing is missing."""

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:
        """The variant in which these devices compute a film's takes of this profile: one for all of them. Without
        devices, the strongest one. Raises nothing."""

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:
        """The devices that cannot render this profile in this variant: name → what the device lacks. Identical devices
        get the same answer. Raises nothing: a device that does not answer counts as unable."""

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        """How many identical devices can render this take together, ascending. Always includes 1."""

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        """A rough time for one take on `devices` devices (one of `group_sizes`). The plan and the decision about groups
        use it until the store has measured times."""

    def timed_on(self, device_kind: str) -> str:
        """The device for which `expected_seconds` holds, by its driver's name for it; "" if it holds for any device of
        this kind."""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        """Load a model on a device. Raises WeightsError, DeviceError or RenderError."""


@runtime_checkable
class HasHostMemory(Protocol):
    """A backend that knows how much host memory its device processes need. Optional: of others nothing is checked."""

    def host_bytes(self, take: Take, card: ModelCard, device: Device, tighter: int = 0) -> int:
        """About how many bytes of host memory a process on this device needs for a take, with all that it has loaded
        for it. tighter: see Workspace.tighter. 0 if it is not known. Fast, and raises nothing."""


@runtime_checkable
class HandsOverLatents(Protocol):
    """A backend that renders in latents, and can begin a take on those of another. Optional."""

    def hands_latents(self, card: ModelCard) -> bool:
        """Whether takes of this model can begin on the latents of its other takes (TakeInputs.latents). Fast, and
        raises nothing."""


@runtime_checkable
class HasOwnDevices(Protocol):
    """A backend that renders on devices of its own, which are no hardware of this machine: a service, other servers."""

    def own_devices(self, settings: MachineSettings) -> tuple[Device, ...]:
        """One device for each take that it renders at once. Their kind is the backend's only one. Empty if this machine
        has no access; `missing` then says what it lacks. Raises UsageError for a wrong setting."""


@runtime_checkable
class HasUnjudgedChecks(Protocol):
    """A backend whose way of drawing has the marks of some faults. Optional: takes of others get every check."""

    @property
    def unjudged_checks(self) -> tuple[str, ...]:
        """The checks of `quality` that do not apply to its takes."""


def of_devices(unable: Mapping[str, Problem]) -> Problem:
    """What these devices lack, as one problem: each reason once, after the names of its devices.

    unable: at least one device; see Backend.unable.
    """
    names: dict[Problem, list[str]] = {}
    for name, problem in unable.items():
        names.setdefault(problem, []).append(name)
    return Problem(
        next(iter(names)).where,
        "; ".join(f"{', '.join(those)}: {problem.found}" for problem, those in names.items()),
        ", ".join(dict.fromkeys(problem.allowed for problem in names)),
        ", or ".join(dict.fromkeys(problem.remedy for problem in names)),
    )
