"""The session that every command on a storyboard starts from."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wan_render.authored import Document
from wan_render.backend_contract import Backend, Variant
from wan_render.backends import DEFAULT, backend, family_for, names
from wan_render.devices import local_devices, planned_devices
from wan_render.draft_slug import draft_slug
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.model_family import ModelFamily
from wan_render.plan import FilmPlan, JudgedTake, PinnedClip, TakeChecks, VariantChoice, make_plan
from wan_render.printable import path_name, shown
from wan_render.render_values import Device
from wan_render.settings import BACKEND_SETTING, MachineSettings, machine_settings
from wan_render.status import judged_take
from wan_render.store import Outputs, Store, outputs_for
from wan_render.storyboard import faultless, read_as_far_as_possible

_ITS_OWN_MODELS = "the models that the storyboard names"


@dataclass(frozen=True)
class Session:
    """One storyboard on this machine. Its parts are created on first use.

    draft: whether the storyboard is planned as its draft. backend_by: what chose the backend: `--backend`, a variable
    or the newest film; "" for the default. retakes: how many more takes a shot gets after failed ones, if its
    storyboard gives no number.
    """

    file: Path
    allow: tuple[Path, ...]
    settings: MachineSettings
    backend: Backend
    draft: bool = False
    backend_by: str = ""
    retakes: int = 0

    @classmethod
    def of(
        cls,
        file: Path,
        *,
        allow: Sequence[Path] = (),
        outputs: Path | None = None,
        backend: str | None = None,
        draft: bool = False,
    ) -> Session:
        """A session with some options; None means this machine's setting. Raises UsageError for an unknown backend, and
        for a path in `allow` that is not a folder."""
        settings = machine_settings()
        if outputs is not None:
            settings = settings.model_copy(update={"outputs": outputs})
        found, chosen_by = chosen_backend(backend, settings)
        return cls(file, _folders(allow), settings, found, draft, chosen_by)

    def with_backend_of_newest_film(self) -> Session:
        """For commands that show takes and films: if no backend was chosen, use that of the newest film. After `make
        film`, for example, they show the takes of the animatic, not those of models that never ran."""
        film = None if self.backend_by else self.store.films.latest(self.slug)
        name = film.backend if film is not None else ""
        if film is None or name == DEFAULT or name not in names():
            return self
        return replace(self, backend=backend(name), backend_by=f"the film {film.name} was made with it")

    @cached_property
    def outputs(self) -> Outputs:
        """The outputs folder, which may not exist yet. Raises UsageError; see outputs_for."""
        return outputs_for(self.file, self.settings.outputs)

    @property
    def opening(self) -> str:
        """The first lines of a command's output: the outputs folder, the backend, and warnings about skipped
        folders."""
        new = " (new)" if self.outputs.is_new else ""
        name = self.backend.id.partition("/")[0]
        by = self.backend_by or (_ITS_OWN_MODELS if name == DEFAULT else "")
        first = f"outputs: {path_name(self.outputs.folder)}{new}; backend: {name}{f' ({by})' if by else ''}"
        return "\n".join((first, *(f"warning: {problem}" for problem in self.outputs.passed_over)))

    @property
    def slug(self) -> str:
        """The name of the film's folder. Raises StoryboardError if the file cannot be read."""
        slug = self._read.storyboard.film.slug
        return draft_slug(slug) if self.draft else str(slug)

    @cached_property
    def cache(self) -> FactCache:
        """Cached facts about files."""
        return FactCache(self.settings.cache)

    @property
    def family(self) -> ModelFamily:
        """The model family that the storyboard's models are from."""
        return family_for(self.backend)

    @cached_property
    def models(self) -> Models:
        """The models that the storyboard may name, for reading and planning."""
        return self.family.catalogue(self.cache)

    @cached_property
    def document(self) -> Document:
        """The storyboard as written. Raises StoryboardError."""
        return faultless(self._read)

    @cached_property
    def _read(self) -> Document:
        """The storyboard, possibly with mistakes. Raises StoryboardError if it cannot be planned at all."""
        return read_as_far_as_possible(self.file, models=self.models, cache=self.cache, allow=self.allow)

    @cached_property
    def plan(self) -> FilmPlan:
        """The plan for the devices that a render would use; see planned_devices. Raises StoryboardError with all
        mistakes in the storyboard."""
        return self._planned(planned_devices)

    @cached_property
    def plan_to_render(self) -> FilmPlan:
        """The plan for rendering now on this machine's devices. Raises the errors of `plan`."""
        return self._planned(local_devices)

    def planned_again(self, given_up: Collection[str]) -> FilmPlan:
        """`plan_to_render`, with what is known of takes now. given_up: keys of takes that could not be rendered."""
        return self._planned(local_devices, given_up)

    def _planned(
        self,
        found: Callable[[MachineSettings, tuple[str, ...]], Sequence[Device]],
        given_up: Collection[str] = (),
    ) -> FilmPlan:
        def variant(profile: str) -> Variant:
            try:
                devices = found(self.settings, self.backend.device_kinds)
            except (UsageError, MachineError):  # reported by the commands that render
                devices = ()
            return self.backend.variant(profile, devices)

        return make_plan(
            self._read,
            models=self.models,
            backend_id=self.backend.id,
            cache=self.cache,
            kept=self._kept,
            checks=TakeChecks(lambda key: self._judged(key, given_up), self.retakes),
            draft=self.draft,
            variants=VariantChoice(variant, lambda key: self.store.find(key) is not None),
        )

    @cached_property
    def store(self) -> Store:
        """The store in the outputs folder."""
        return Store(self.outputs.folder)

    def _judged(self, key: str, given_up: Collection[str]) -> JudgedTake | None:
        """What planning has to know of a take. A preview's checks are only shown: its dissolves are double
        exposures."""
        found = judged_take(self.store, key)
        if self.backend.is_preview:
            return None if found is None else JudgedTake()
        return JudgedTake(given_up=True) if found is None and key in given_up else found

    def _kept(self, digits: str) -> PinnedClip | None:
        """The clip of a pin, for a shot that continues it; None if no clip or several match."""
        clips = [self.store.find(key) for key in self.store.matching(digits)]
        if len(clips) != 1 or clips[0] is None:
            return None
        return PinnedClip(clips[0].key, clips[0].frames, clips[0].size)


def chosen_backend(name: str | None, settings: MachineSettings) -> tuple[Backend, str]:
    """The backend, and what chose it: "--backend", "WAN_RENDER_BACKEND", or "" for the default. Raises UsageError."""
    if name:
        return backend(name), "--backend"
    if settings.backend:
        return backend(settings.backend, BACKEND_SETTING), BACKEND_SETTING
    return backend(DEFAULT), ""


def _folders(allowed: Sequence[Path]) -> tuple[Path, ...]:
    """The same folders. Raises UsageError for each that does not exist: otherwise paths into it would be refused
    without a reason."""
    problems = [
        Problem(f"--allow {shown(str(folder))}", why, "a folder") for folder in allowed if (why := _unfit(folder))
    ]
    if problems:
        raise UsageError(*problems)
    return tuple(allowed)


def _unfit(folder: Path) -> str:
    try:
        return "" if stat.S_ISDIR(folder.stat().st_mode) else "is not a folder"
    except ValueError:
        return "contains a NUL"
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be used: {error.strerror}"
