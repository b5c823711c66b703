"""The session that every command on a storyboard starts from."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.authored import Document
from wan_render.backend_contract import Backend, HandsOverLatents, Variant
from wan_render.backends import DEFAULT, backend, catalogue_for, family_for, names
from wan_render.draft_slug import draft_slug
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.extension.prompt_file import NO_PROMPTS, KnownPrompts, read_prompts
from wan_render.facts import FactCache
from wan_render.farm.chosen_farm import farm_devices, planned_farm_devices
from wan_render.model_card import ModelCard, Models
from wan_render.model_family import ModelFamily
from wan_render.plan import (
    FilmPlan,
    JudgedTake,
    PinnedClip,
    TakeChecks,
    VariantChoice,
    has_sounds_from_words,
    make_plan,
    wants_prompts,
)
from wan_render.price import Price
from wan_render.printable import path_name, shown
from wan_render.render_values import Device
from wan_render.settings import BACKEND_SETTING, MachineSettings, machine_settings
from wan_render.sound import NO_MADE_SOUNDS
from wan_render.storyboard import faultless, read_as_far_as_possible

if TYPE_CHECKING:  # `check` starts faster without them
    from wan_render.production.made_sounds import SoundMakers
    from wan_render.store import Outputs, Store

_ITS_OWN_MODELS = "the models that the storyboard names"


@dataclass(frozen=True)
class Session:
    """One storyboard on this machine. Its parts are created on first use.

    draft: whether the storyboard is planned as its draft. backend_by: what chose the backend: `--backend`, a variable
    or the newest film; "" for the default. retakes: how many more takes a shot gets after failed ones, if its
    storyboard gives no number. prompts_asked: whether the language model was asked for extended prompts; until then a
    plan has placeholders for them. max_cost: a limit of spending beside the film's budget. is_local_first: whether
    shots that a service may render are rendered here, except those in `spilt`, by their ids.
    """

    file: Path
    allow: tuple[Path, ...]
    settings: MachineSettings
    backend: Backend
    draft: bool = False
    backend_by: str = ""
    retakes: int = 0
    max_cost: Price | None = None
    is_local_first: bool = False
    spilt: frozenset[str] = frozenset()
    prompts_asked: bool = False

    @classmethod
    def of(
        cls,
        file: Path,
        *,
        allow: Sequence[Path] = (),
        outputs: Path | None = None,
        backend: str | None = None,
        draft: bool = False,
        max_cost: Price | None = None,
    ) -> Session:
        """A session with some options; None means this machine's setting. Raises UsageError for an unknown backend, and
        for a path in `allow` that is not a folder."""
        settings = machine_settings()
        if outputs is not None:
            settings = settings.model_copy(update={"outputs": outputs})
        found, chosen_by = chosen_backend(backend, settings)
        return cls(file, _folders(allow), settings, found, draft, chosen_by, max_cost=max_cost)

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
        from wan_render.store import outputs_for

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
        return catalogue_for(self.backend, self.cache)

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
        """The plan for the devices that a render would use; see planned_farm_devices. Raises StoryboardError with all
        mistakes in the storyboard."""
        return self._planned(planned_farm_devices)

    @cached_property
    def plan_to_render(self) -> FilmPlan:
        """The plan for rendering now on the farm's devices. Raises the errors of `plan`."""
        return self._planned(farm_devices)

    def planned_again(self, given_up: Collection[str]) -> FilmPlan:
        """`plan_to_render`, with what is known of takes now. given_up: keys of takes that could not be rendered."""
        return self._planned(farm_devices, given_up)

    def _planned(
        self,
        found: Callable[[MachineSettings, tuple[str, ...]], Sequence[Device]],
        given_up: Collection[str] = (),
    ) -> FilmPlan:
        make = partial(self._limited, found=found, given_up=given_up)
        here = make(())
        if not here.cloud_shots:
            return here
        from wan_render.session.cloud_choice import CloudTerms, chosen_plan  # few films may be at a service

        return chosen_plan(here, make, CloudTerms(self.store, self.backend, self.is_local_first, self.spilt))

    @cached_property
    def plans_beside(self) -> tuple[FilmPlan, FilmPlan] | None:
        """The plan with every shot on own devices, and the one with all shots at a service that may be there; None if
        none may."""
        make = partial(self._limited, found=planned_farm_devices, given_up=())
        here = make(())
        return (here, make(here.cloud_shots)) if here.cloud_shots else None

    def _limited(
        self,
        in_cloud: Collection[str],
        found: Callable[[MachineSettings, tuple[str, ...]], Sequence[Device]],
        given_up: Collection[str],
    ) -> FilmPlan:
        """The plan with these shots at a service, and with every limit of spending."""
        plan = self._made(in_cloud, found, given_up)
        allowance = plan.allowance.at_most(self.max_cost, "--max-cost")
        return replace(plan, allowance=allowance.at_most(self.settings.max_cost, "WAN_RENDER_MAX_COST"))

    def _made(
        self,
        in_cloud: Collection[str],
        found: Callable[[MachineSettings, tuple[str, ...]], Sequence[Device]],
        given_up: Collection[str],
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
            made_sounds=self._makers if has_sounds_from_words(self._read.storyboard) else NO_MADE_SOUNDS,
            prompts=self._known_prompts,
            ffmpeg=_ffmpeg_features,
            in_cloud=in_cloud,
            hands_latents=self._hands_latents,
        )

    @property
    def _known_prompts(self) -> KnownPrompts:
        if not wants_prompts(self._read.storyboard):
            return NO_PROMPTS
        return replace(read_prompts(self.file), is_final=self.prompts_asked)

    def made_ready(self, tell: Callable[[str], None]) -> Session:
        """Before anything is rendered: ask for the extended prompts, and make the sounds from words, that are missing.
        The session that is returned plans with them. tell, errors: see `with_prompts` and `with_sounds`."""
        return self.with_prompts(tell).with_sounds(tell)

    def with_prompts(self, tell: Callable[[str], None]) -> Session:
        """Ask the language model for the extended prompts that are missing. A shot without one becomes a slate, unless
        the storyboard says that its written prompt will do.

        tell: called with a sentence for each. Raises UsageError if this machine has no language model and a shot needs
        one, DiskError and StoryboardError for the file of prompts.
        """
        if not wants_prompts(self._read.storyboard):
            return self
        from wan_render.production.prompt_asking import ask, prompts_to_ask
        from wan_render.session.chosen_model import has_model, language_model

        ready = replace(self, prompts_asked=True)
        missing = prompts_to_ask(self.plan)
        if any(not prompt.may_stay for prompt in missing) or (missing and has_model(self.settings)):
            with language_model(self.settings, self.store, tell) as model:
                failed = ask(self.plan, missing, model, tell).failed
            for name, error in failed.items():
                tell(f"warning: {name}: {error.problems[0]}")
        return ready

    def with_sounds(self, tell: Callable[[str], None]) -> Session:
        """Make the sounds from words that are not made yet, before anything is planned for good. The session that is
        returned plans with them.

        tell: called with a sentence for each. Raises InputError or MachineError if a sound that decides the length of
        its shot cannot be made. The film is made without others, and `tell` says why.
        """
        if not has_sounds_from_words(self._read.storyboard):
            return self
        from wan_render.farm.device_sounds import DeviceSounds
        from wan_render.production.made_sounds import make_sounds

        unmade = self.plan.unmade_sounds
        self.store.prepare()
        with DeviceSounds(self.store.root, self.settings, tell) as models:
            failed = make_sounds(unmade, replace(self._makers, run_model=models), tell)
        for each in unmade:
            if each.decides_length and each.place in failed:
                raise failed[each.place]
        for error in failed.values():
            tell(f"warning: {error.problems[0]}")
        return replace(self)

    @cached_property
    def _makers(self) -> SoundMakers:
        from wan_render.production.made_sounds import SoundMakers  # few films need it

        return SoundMakers(self.settings, self.cache, self.store)

    @cached_property
    def store(self) -> Store:
        """The store in the outputs folder."""
        from wan_render.store import Store

        return Store(self.outputs.folder)

    def _judged(self, key: str, given_up: Collection[str]) -> JudgedTake | None:
        """What planning has to know of a take. A preview's checks are only shown: its dissolves are double
        exposures."""
        if self.store.find(key) is None:
            return JudgedTake(given_up=True) if key in given_up and not self.backend.is_preview else None
        if self.backend.is_preview:
            return JudgedTake()
        from wan_render.status import judged_take  # `check` starts faster without it

        return judged_take(self.store, key)

    def _hands_latents(self, card: ModelCard) -> bool:
        """Whether the backend can continue the latents of this model's takes."""
        return isinstance(self.backend, HandsOverLatents) and self.backend.hands_latents(card)

    def _kept(self, digits: str) -> PinnedClip | None:
        """The clip of a pin, for a shot that continues it; None if no clip or several match."""
        clips = [self.store.find(key) for key in self.store.matching(digits)]
        if len(clips) != 1 or clips[0] is None:
            return None
        return PinnedClip(clips[0].key, clips[0].frames, clips[0].size, clips[0].latents is not None)


def _ffmpeg_features(kind: str) -> Collection[str]:
    """The encoders or filters of this machine's ffmpeg; none if it does not run, which rendering reports."""
    from wan_render.media.ffmpeg_features import features  # few films ask for deliverables

    try:
        return features(kind)
    except MachineError:
        return ()


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
