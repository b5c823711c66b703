"""What a film says of itself: the tags in film.mp4."""

from __future__ import annotations

from collections.abc import Mapping

from wan_render import __version__
from wan_render.cut import ClipSource, Cut
from wan_render.plan import FilmPlan, Rendered
from wan_render.take import Take, short


def cut_takes(cut: Cut) -> tuple[str, ...]:
    """Keys of the clips in a cut, each once, in its order."""
    keys = (event.source.key for event in cut.events if isinstance(event.source, ClipSource))
    return tuple(dict.fromkeys(keys))


def film_tags(plan: FilmPlan, cut: Cut, version: str) -> Mapping[str, str]:
    """Title, where it comes from, and per shot the take, its seed and how it was sampled."""
    used = set(cut_takes(cut))
    tags = {
        "title": cut.title,
        "storyboard": plan.file.name,
        "film": f"{plan.slug} {version}",
        "backend": plan.backend,
        "models": ", ".join(sorted({card.name for card in plan.models.values()})),
        "raster": str(plan.size),
        "shots": "; ".join(_shot_line(shot, take) for shot, take in _chosen(plan) if take.key in used),
        "encoder_tool": f"wan-render {__version__}",
    }
    return {name: text for name, text in tags.items() if text}


def _chosen(plan: FilmPlan) -> list[tuple[str, Take]]:
    rendered = ((shot.id, shot.content) for shot in plan.shots if isinstance(shot.content, Rendered))
    return [
        (shot, next(take.take for take in content.takes if take.number == content.chosen)) for shot, content in rendered
    ]


def _shot_line(shot: str, take: Take) -> str:
    sampling = take.sampling
    guidance = "/".join(map(str, sampling.guidance))
    return (
        f"{shot} take {short(take.key)} seed {take.seed} steps {sampling.steps} guidance {guidance} "
        f"shift {sampling.shift} profile {sampling.profile}"
    )
