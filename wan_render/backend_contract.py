"""The contract between what is planned and what renders it.

A `Backend` is inert: it can be pickled, compared and asked what it can do without weights or a device.
A `Renderer` is live: weights on a device. What crosses the seam between them is in `render_values`; what comes back is
checked by `frame_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wan_render.errors import Problem
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, TakeInputs, Workspace
from wan_render.take import Take


@dataclass(frozen=True)
class Variant:
    """How a profile is computed where a film is rendered.

    name:   enters the key of its takes (take.Sampling.variant).
    told:   what is worth knowing of the choice, in words; "" where there was none.
    others: the profile's other variants: name → how it is computed, in words. A take that is there in one of them
            counts.
    """

    name: str = ""
    told: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


THE_ONLY_VARIANT = Variant()
"""Of a profile that is computed in one way."""


class Renderer(Protocol):
    """One model, ready on one device."""

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Get ready for takes that follow, as far as that saves time in all: may do nothing. `plates` gives a take's,
        and may raise any error of wan_render.errors. Only those leave it."""
        ...

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take; with a group, as its leader. Only errors of wan_render.errors leave it."""
        ...

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:
        """Help the leader of a group to render a take, until it needs no more help; WAITING is told every second
        before it begins. Of the plates only the LoRAs are used. Only errors of wan_render.errors leave it."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What is recorded beside a take but is not in its key: library versions, device, resolved commit."""
        ...

    def close(self) -> None:
        """Free the device."""
        ...


class Backend(Protocol):
    """A way to render, described. Inert, hashable and picklable."""

    @property
    def id(self) -> str:
        """Name and pixel version, `animatic/1`: raised whenever the same take would come out otherwise."""
        ...

    @property
    def is_preview(self) -> bool:
        """Whether films made with it carry its name, burned in."""
        ...

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Kinds of devices that it renders on, the best first: `cuda`, `cpu`."""
        ...

    def missing(
        self, card: ModelCard, loras: Sequence[PublishedLora] = (), profile: str = "exact", variant: str = ""
    ) -> Problem | None:
        """What this machine lacks to render with this model, these LoRAs of it and this profile (a package, weights,
        a device, a setting), or None."""
        ...

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:
        """In which variant a film's takes of this profile are computed on these devices: one for all of them. Without
        devices, the strongest that there is. Raises nothing."""
        ...

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:
        """Which of these devices cannot render this profile in this variant, by their names, and what each of them
        lacks; equal devices are alike in it. Raises nothing: a device that does not answer cannot."""
        ...

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        """How many equal devices can render this take together, ascending; 1 always can."""
        ...

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        """A rough time for one take on so many devices (one of `group_sizes`), for the plan and for deciding about
        groups; what was measured in the store goes before it."""
        ...

    def timed_on(self, device_kind: str) -> str:
        """The device that those times are of, by the name that its driver gives it; "" where they are of whatever
        device of the kind is here."""
        ...

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        """Load a model on a device. Raises WeightsError, DeviceError or RenderError."""
        ...


def of_devices(unable: Mapping[str, Problem]) -> Problem:
    """What devices lack, at least one, as one problem: each reason once, after the names of those that have it."""
    names: dict[Problem, list[str]] = {}
    for name, problem in unable.items():
        names.setdefault(problem, []).append(name)
    return Problem(
        next(iter(names)).where,
        "; ".join(f"{', '.join(those)}: {problem.found}" for problem, those in names.items()),
        ", ".join(dict.fromkeys(problem.allowed for problem in names)),
        ", or ".join(dict.fromkeys(problem.remedy for problem in names)),
    )
