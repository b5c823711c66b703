"""The review page: one HTML file that a browser opens from disk."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from wan_render.report.material import Material, ShotMaterial, TakeMaterial
from wan_render.report.page_script import page_script
from wan_render.report.page_template import page_template, with_letters
from wan_render.report.quality_marks import check_words, verdict, worth_a_look
from wan_render.report.review import Review, ReviewShot, ReviewTake
from wan_render.take import short

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class TakeView:
    """One take as the page shows it. prompt, negative, settings: only where they differ from the shot's."""

    take: ReviewTake
    material: TakeMaterial | None
    prompt: str
    negative: str
    settings: Mapping[str, str]

    @property
    def circle(self) -> str:
        """The line that pins this clip when pasted into the storyboard."""
        return f"circle: {self.take.number}@{short(self.take.key)}"


@dataclass(frozen=True)
class ShotView:
    """One shot as the page shows it. prompt, negative, settings: what its takes have in common."""

    shot: ReviewShot
    number: int
    material: ShotMaterial
    prompt: str
    negative: str
    settings: Mapping[str, str]
    takes: tuple[TakeView, ...]

    @property
    def keyframes(self) -> tuple[tuple[str, str, str], ...]:
        """(name, thumbnail, "30% cropped" or "") of each keyframe. If much is cropped, the thumbnail shows the whole
        picture."""
        crops = self.shot.crops
        return tuple(
            (name, self.material.crops.get(name, path), f"{crops[name].lost:.0%} cropped" if name in crops else "")
            for (name, _), path in zip(self.shot.keyframes, self.material.keyframes, strict=True)
        )

    @property
    def footage(self) -> tuple[tuple[str, str], ...]:
        """(name, picture) of the first, middle and last frame of a shot that shows a video file."""
        names = ("first", "middle", "last")
        return (
            tuple(zip(names, self.material.stills, strict=True)) if self.shot.footage and self.material.stills else ()
        )

    @property
    def face(self) -> str | None:
        """The picture of the shot in the strip, or None."""
        return next(iter((*self.material.stills[1:2], *self.material.keyframes)), None)


BESIDE = ("cut.otio", "film.srt", "film.vtt")
"""Files of a version that the page links to, if they are there."""


def write_page(review: Review, material: Material, sheets: tuple[str, ...], target: Path) -> None:
    """Write the page. sheets: the file names of the contact sheets next to it.

    All text of the storyboard is escaped, and only the page's own script may run.
    """
    numbered = enumerate(zip(review.shots, material.shots, strict=True), 1)
    shots = [view(shot, number, of) for number, (shot, of) in numbered]
    script = page_script()
    html = page_template(_HERE / "page.html").render(
        review=review,
        video=quote(review.video.name),
        picture=material.picture,
        sheets=sheets,
        beside=[name for name in BESIDE if (target.parent / name).is_file()],
        shots=shots,
        slates=[view for view in shots if view.shot.slate is not None],
        takes=_takes(review),
        looks=[(view, why) for view in shots for shot, why in worth_a_look(review) if shot is view.shot],
        verdict=verdict,
        check_words=check_words,
        spent=sum(take.spent for take in _rendered(review)),
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    target.write_text(with_letters(html), encoding="utf-8", newline="\n")


def view(shot: ReviewShot, number: int, material: ShotMaterial) -> ShotView:
    """What the page shows of one shot. number: its place in the film, from 1."""
    lead = next((take for take in shot.takes if take.chosen), next(iter(shot.takes), None))
    if lead is None:
        return ShotView(shot, number, material, "", "", {}, ())
    common = {
        name: value
        for name, value in lead.settings.items()
        if all(take.settings.get(name) == value for take in shot.takes)
    }
    takes = tuple(
        TakeView(
            take,
            material.takes.get(take.number),
            prompt=take.prompt if take.prompt != lead.prompt else "",
            negative=take.negative if take.negative != lead.negative else "",
            settings={name: value for name, value in take.settings.items() if name not in common},
        )
        for take in shot.takes
    )
    return ShotView(shot, number, material, lead.prompt, lead.negative, common, takes)


def _rendered(review: Review) -> list[ReviewTake]:
    """The takes rendered in this run, each once, even if identical shots share one."""
    takes = {take.key: take for shot in review.shots for take in shot.takes if take.state == "rendered"}
    return list(takes.values())


def _takes(review: Review) -> str:
    """`4 rendered, 2 found`."""
    states = {take.key: take.state for shot in review.shots for take in shot.takes}
    return ", ".join(f"{count} {state}" for state, count in Counter(states.values()).items())
