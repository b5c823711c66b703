"""Films of a backend that spoils takes on request, rendered in this process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from wan_render.backend_contract import Renderer
from wan_render.backends.animatic import Animatic
from wan_render.errors import Problem, RenderError
from wan_render.farm.farm_contract import Begins, at_any_time
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.model_card import ModelCard
from wan_render.plan.seeds import DEFAULT_SEED, take_seed
from wan_render.production.failures import Outcome, failures
from wan_render.production.finish import finish
from wan_render.production.render_order import RenderOrder
from wan_render.production.render_take import render_take
from wan_render.production.run import begin
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, TakeInputs, Workspace
from wan_render.session.film_session import Session
from wan_render.session.retaking import Retaking
from wan_render.settings import machine_settings
from wan_render.store import Clip, FilmVersion
from wan_render.take import Take
from wan_render.take_fields import key_of

CPU = Device("cpu", "a processor", 1 << 30)
HEAD = "version: 1\nfilm: {title: Harbour, raster: 64x48, deliver: 64x48}\ndefaults: {duration: 1s}\nkeyframes: keys/\n"
NUMBERS = {take_seed(DEFAULT_SEED, number): number for number in range(1, 6)}


@dataclass(frozen=True)
class Faulty(Animatic):
    """Not a preview. A take whose prompt has `black2` is black if it is take 2; so `cut2`, and `lost2`, which
    cannot be rendered."""

    is_preview: bool = False

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        return _Spoiling(super().open(card, device, listen, workspace))


@dataclass(frozen=True)
class _Spoiling:
    """A renderer that spoils what another one renders."""

    inner: Renderer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        number = NUMBERS[take.seed]
        if f"lost{number}" in take.prompt:
            raise RenderError(Problem("faulty", "was lost"))
        frames = self.inner.render(take, plates, listen, group)
        if f"black{number}" in take.prompt:
            frames.pixels[2:-2] = 0
        if f"cut{number}" in take.prompt:
            frames.pixels[8:] = 255 - frames.pixels[8:]
        return frames


@dataclass
class HereFarm:
    """Renders one order after the other in this process."""

    session: Session
    rendered: list[str] = field(default_factory=list)
    devices: tuple[Device, ...] = (CPU,)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, orders: Sequence[RenderOrder]) -> None: ...

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        with self._one:
            begins(self.devices)
            self.rendered.append(f"{order.shot} {order.number}")
            return render_take(order, WarmRenderer(), CPU, self.session.store, listen)

    def abort(self, orders: Collection[RenderOrder]) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class FaultyFilm:
    """A storyboard in a folder with three pictures of one landscape, a little apart."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> FaultyFilm:
        (folder / "keys").mkdir(parents=True)
        dice = np.random.default_rng(1)
        picture = np.clip(128 + 60 * cv2.GaussianBlur(dice.normal(0, 4, (96, 128, 3)), (0, 0), 4), 0, 255)
        for at, name in enumerate("abc"):
            Image.fromarray(picture[at : at + 48, 2 * at : 2 * at + 64].astype(np.uint8)).save(
                folder / "keys" / f"{name}.png"
            )
        return cls(folder)

    def session(self, shots: str, backend: Animatic | None = None, retakes: int = 0) -> Session:
        file = self.folder / "harbour.yaml"
        file.write_text(f"{HEAD}{shots}", encoding="utf-8")
        settings = machine_settings().model_copy(update={"outputs": self.folder / "outputs"})
        return Session(file, (), settings, backend or Faulty(), retakes=retakes)

    def render(
        self, shots: str, backend: Animatic | None = None, retakes: int = 0, only: set[str] | None = None
    ) -> RenderedFilm:
        """Render and finish, as the terminal does."""
        session = self.session(shots, backend, retakes)
        with begin(session.plan_to_render, session.backend, session.store, only=only) as run:
            farm, retaking = HereFarm(session), Retaking(run, session.planned_again)
            outcomes = render_all(run.orders, farm, terms=RunTerms(follow_up=retaking.follow_up))
            film = finish(retaking.run, failures(outcomes))
        return RenderedFilm(session, farm.rendered, outcomes, film)


@dataclass(frozen=True)
class RenderedFilm:
    """What came of a run. rendered: `1/010 2`, in order."""

    session: Session
    rendered: list[str]
    outcomes: Mapping[RenderOrder, Outcome]
    film: FilmVersion

    @property
    def shown(self) -> list[str]:
        """`1/010 2`: the takes in the film."""
        names = {}
        for shot, numbers in self.session.store.memory.remembered(self.session.slug).items():
            for number, fields in numbers.items():
                names[key_of(fields)] = f"{shot} {number}"
        return [names[key] for key in self.film.takes]
