"""Orders under test."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

import psutil

from tests.forked_devices import COMM
from wan_render.backend_contract import Backend, Renderer
from wan_render.backends import backend
from wan_render.backends.animatic import Animatic
from wan_render.model_card import KindDefaults, ModelCard
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, Phase, Progress, TakeInputs, Workspace
from wan_render.store import Clip
from wan_render.take import Sampling, ShotKind, Size, Take

HANDLER = "tests.farm.duties:scripted"


def order(prompt: str, shot: str = "1/010", model: str = "a model@1") -> RenderOrder:
    """An order for a T2V take of 9 frames, 64x48, whose prompt says what its device process does."""
    animatic = backend("animatic")
    sampling = Sampling(steps=1, guidance=(1.0,), shift=1.0)
    take = Take(
        backend=animatic.id,
        model=model,
        first=None,
        last=None,
        prompt=prompt,
        negative=shot,  # so that two shots have two takes
        frames=9,
        size=Size(64, 48),
        rate=Fraction(16),
        seed=1,
        sampling=sampling,
    )
    card = ModelCard(model, model, dict.fromkeys(ShotKind, KindDefaults(sampling, "")), Fraction(16))
    return RenderOrder(take, animatic, card, {}, shot, 1)


def device_processes(farm: int | None = None) -> list[int]:
    """Those of a farm in this process, or in that of this number, in the order of their start. Other children, such as
    ffmpeg, may come and go meanwhile."""
    found = []
    for child in psutil.Process(farm).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name() == COMM or "wan_render.farm.process.child" in child.cmdline():
                found.append((child.create_time(), child.pid))
    return [number for _, number in sorted(found)]


@dataclass(frozen=True)
class Grouping(Animatic):
    """Several devices can render a take, each of them as fast as one alone."""

    seconds: float = 600.0

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - the seam's
        return (1, 2, 4)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002
        return self.seconds / devices


@dataclass(frozen=True)
class Wide(Grouping):
    """Eight can, too."""

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - the seam's
        return (1, 2, 4, 8)


@dataclass(frozen=True)
class Drawing(Grouping):
    """The animatic, in groups whose helpers look on."""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        return LooksOn(super().open(card, device, listen, workspace))


@dataclass(frozen=True)
class LooksOn:
    renderer: Renderer

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        self.renderer.prepare(takes, plates, listen)

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        while group is not None and not (group.rendezvous / "looks on").exists():
            listen(Progress(Phase.WAITING))
            time.sleep(0.01)
        return self.renderer.render(take, plates, listen)

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:  # noqa: ARG002 - the seam's
        (group.rendezvous / "looks on").touch()
        while not group.is_over:
            listen(Progress(Phase.WAITING))
            time.sleep(0.01)

    def facts(self) -> Mapping[str, str]:
        return self.renderer.facts()

    def close(self) -> None:
        self.renderer.close()


def grouped(prompt: str, shot: str = "1/010", gpus: int | None = None, backend: Backend | None = None) -> RenderOrder:
    """An order of a backend that forms groups, for duties.together."""
    return replace(order(prompt, shot), backend=backend or Grouping(), gpus=gpus)


def nobody(_progress: Progress) -> None:
    """Listens to nothing."""


def pid(clip: Clip) -> int:
    """The process that made a clip of duties.scripted."""
    return int(clip.folder.name)


def device(clip: Clip) -> str:
    """The device that it was made on."""
    return clip.folder.parent.name
