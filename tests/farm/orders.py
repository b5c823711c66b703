"""Orders under test."""

from __future__ import annotations

from fractions import Fraction

from wan_render.backends import backend
from wan_render.production import RenderOrder
from wan_render.render import KindDefaults, ModelCard, Progress
from wan_render.store import Clip
from wan_render.take import Sampling, ShotKind, Size, Take

WORK = "tests.farm.duties:scripted"


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


def nobody(_progress: Progress) -> None:
    """Listens to nothing."""


def pid(clip: Clip) -> int:
    """The process that made a clip of duties.scripted."""
    return int(clip.folder.name)


def device(clip: Clip) -> str:
    """The device that it was made on."""
    return clip.folder.parent.name
