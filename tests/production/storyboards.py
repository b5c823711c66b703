"""Small films from storyboards, rendered by the animatic: 64x48 pixels, so that a shot is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.production.solid import CPU
from tests.reference import produce
from wan_render.backends import backend
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.facts import FactCache
from wan_render.media.clip import read_frames
from wan_render.plan import FilmPlan, Rendered, make_plan
from wan_render.plan.previous import PinnedClips, no_pinned_clips
from wan_render.render_values import Pixels
from wan_render.store import Clip, FilmVersion, Store
from wan_render.storyboard import read_storyboard
from wan_render.take import Take

HEAD = """\
version: 1
film: {title: Harbour, slug: harbour, raster: 64x48, deliver: 64x48}
defaults: {duration: 1s}
"""
ANIMATIC = backend("animatic")


@dataclass(frozen=True)
class Stage:
    """A folder with the keyframes a, b and c."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Stage:
        """With pictures of noise, each another."""
        (folder / "keyframes").mkdir(parents=True)
        for at, name in enumerate("abc"):
            pixels = np.random.default_rng(at).integers(0, 256, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "keyframes" / f"{name}.png")
        return cls(folder)

    def plan(
        self,
        shots: str,
        kept: PinnedClips = no_pinned_clips,
        keyframes: str = "keyframes: keyframes/",
        *,
        draft: bool = False,
        film: str = "",
    ) -> FilmPlan:
        """The plan of a film of these shots. film: further keys of the film."""
        file = self.folder / "harbour.yaml"
        head = HEAD.replace("slug: harbour", f"slug: harbour, {film}") if film else HEAD
        file.write_text(f"{head}{keyframes}\n{shots}", encoding="utf-8")
        cache = FactCache(self.folder / "cache")
        models = catalogue(cache)
        document = read_storyboard(file, models=models, cache=cache)
        return make_plan(document, models=models, backend_id=ANIMATIC.id, cache=cache, kept=kept, draft=draft)


def take_of(plan: FilmPlan, shot: str, number: int = 1) -> Take:
    """A planned take of a shot."""
    (content,) = (each.content for each in plan.shots if each.id == shot)
    assert isinstance(content, Rendered)
    return next(planned.take for planned in content.takes if planned.number == number)


def clip_of(store: Store, take: Take) -> Clip:
    """Its clip, which must exist."""
    clip = store.verify(take.key)
    assert clip is not None
    return clip


def pixels_of(store: Store, take: Take) -> Pixels:
    """All frames of its clip."""
    clip = clip_of(store, take)
    return np.stack(list(read_frames(clip.video, 0, clip.frames)))


def animatic_film(plan: FilmPlan, store: Store) -> FilmVersion:
    return produce(plan, ANIMATIC, store, CPU)
