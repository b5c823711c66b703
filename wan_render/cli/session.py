"""What every command on a storyboard starts from."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wan_render.backends import backend
from wan_render.backends.wan.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.model import Document
from wan_render.plan import FilmPlan, KeptTake, make_plan
from wan_render.render import Backend, Models
from wan_render.settings import MachineSettings, machine_settings
from wan_render.store import Store
from wan_render.storyboard import faultless, read_as_far_as_possible

OWN_MODELS = "wan"
"""The backend that renders with the models that a storyboard names."""


@dataclass(frozen=True)
class Session:
    """One storyboard on this machine; each part is made when it is first asked for. draft: planned as its draft."""

    file: Path
    allow: tuple[Path, ...]
    settings: MachineSettings
    backend: Backend
    draft: bool = False

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Session:
        """The session that a command's arguments ask for. Raises UsageError for an unknown backend."""
        settings = machine_settings()
        if getattr(arguments, "outputs", None) is not None:
            settings = settings.model_copy(update={"outputs": arguments.outputs})
        is_draft = bool(getattr(arguments, "draft", False))
        found = backend(arguments.backend or OWN_MODELS)
        return cls(arguments.file, tuple(arguments.allow), settings, found, is_draft)

    @cached_property
    def cache(self) -> FactCache:
        """Facts about files that were looked at before."""
        return FactCache(self.settings.cache)

    @cached_property
    def models(self) -> Models:
        """Every model that is known."""
        return catalogue(self.cache)

    @cached_property
    def document(self) -> Document:
        """The storyboard as written. Raises StoryboardError."""
        return faultless(self._read)

    @cached_property
    def _read(self) -> Document:
        """The storyboard as far as it could be read. Raises StoryboardError where that is not far enough to plan it."""
        return read_as_far_as_possible(self.file, models=self.models, cache=self.cache, allow=self.allow)

    @cached_property
    def plan(self) -> FilmPlan:
        """The storyboard as planned. Raises StoryboardError with all that is wrong with it."""
        return make_plan(
            self._read,
            models=self.models,
            backend_id=self.backend.id,
            cache=self.cache,
            kept=self._kept,
            draft=self.draft,
        )

    @cached_property
    def store(self) -> Store:
        """The takes and films of the outputs folder."""
        return Store(self.settings.outputs)

    def _kept(self, digits: str) -> KeptTake | None:
        """The one clip that a pin means, for a shot that continues it."""
        clips = [self.store.find(key) for key in self.store.matching(digits)]
        if len(clips) != 1 or clips[0] is None:
            return None
        return KeptTake(clips[0].key, clips[0].frames, clips[0].size)
