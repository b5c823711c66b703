"""The tags in film.mp4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wan_render import __version__
from wan_render.cut import ClipSource, Cut
from wan_render.plan import FilmPlan, StillPicture
from wan_render.printable import path_name
from wan_render.production.provenance import IPTC, digital_source_type
from wan_render.store import Store
from wan_render.take import FramePlate, short


def cut_takes(cut: Cut) -> tuple[str, ...]:
    """Keys of the clips in a cut, and of the takes whose frames it shows as stills, each once, in film order."""
    return tuple(dict.fromkeys(_keys(cut)))


def _keys(cut: Cut) -> Iterator[str]:
    for event in cut.events:
        match event.source:
            case ClipSource(key) | StillPicture(FramePlate(take=key)):
                yield key


def film_tags(plan: FilmPlan, cut: Cut, version: str, store: Store) -> Mapping[str, str]:
    """Title, origin, and for each shot its take, seed and sampling."""
    clips = ((event.name, event.source.key) for event in cut.events if isinstance(event.source, ClipSource))
    tags = {
        "title": cut.title,
        "storyboard": path_name(Path(plan.file.name)),
        "film": f"{plan.slug} {version}",
        "backend": plan.backend,
        "models": ", ".join(sorted({card.name for card in plan.models.values()})),
        "raster": str(plan.size),
        "digital_source_type": f"{IPTC}{digital_source_type(cut)}",
        "upscaled": f"to {cut.delivery} by {cut.upscale.in_words}" if cut.upscale is not None else "",
        "shots": "; ".join(_shot_line(shot, key, store.record(key).take) for shot, key in clips),
        "encoder_tool": f"wan-render {__version__}",
    }
    return {name: text for name, text in tags.items() if text}


def _shot_line(shot: str, key: str, fields: Mapping[str, Any]) -> str:
    """`1/010 take 7f3a91b2 seed 4201 steps 50 guidance 5.0 shift 16.0 profile exact`."""
    sampling = fields["sampling"]
    guidance = "/".join(map(str, sampling["guidance"]))
    if "guided_share" in sampling:
        guidance += f" in the first {100 * sampling['guided_share']:g} %"
    return (
        f"{shot} take {short(key)} seed {fields['seed']} steps {sampling['steps']} guidance {guidance} "
        f"shift {sampling['shift']} profile {sampling['profile']}"
    )
