"""The plan as a value: what a film is made of, fully resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

from wan_render.errors import Problem
from wan_render.model_card import ModelCard
from wan_render.plan.loras import AppliedLora
from wan_render.take import AnyPlate, FramePlate, Size, Take


@dataclass(frozen=True)
class PlannedTake:
    """Take `number` (from 1) of a shot."""

    number: int
    take: Take


@dataclass(frozen=True)
class Rendered:
    """A shot that a model renders.

    takes: the wanted ones, refused numbers left out, in order. chosen: the number that goes into the film.
    pin: the first digits of the key of the very clip that `circle: 2@7f3a91` keeps, else None. With a pin, takes is
    that one number as the shot is now written: it says what changed since, and is rendered only if the clip is gone.
    """

    takes: tuple[PlannedTake, ...]
    chosen: int
    pin: str | None = None


@dataclass(frozen=True)
class StillPicture:
    """A keyframe shown as it is, covering the raster."""

    plate: AnyPlate


@dataclass(frozen=True)
class CardText:
    """A text on black; "" is black."""

    text: str


@dataclass(frozen=True)
class NotYet:
    """A shot that asks for what this version cannot render; it becomes a slate that says `reason`."""

    reason: str


Content = Rendered | StillPicture | CardText | NotYet


@dataclass(frozen=True)
class PlannedJoint:
    """How a shot meets the next one. `frames` (film frames) is 0 for continuous and cut."""

    kind: Literal["continuous", "cut", "dissolve", "fade"]
    frames: int = 0


@dataclass(frozen=True)
class PlannedShot:
    """One shot of the film, in the film's order.

    id:      "1/020", scene and shot; index: place among the file's scenes and shots.
    where:   that place for messages, "river.yaml:31:5: scenes[0].shots[2]".
    joint:   to the next shot of the film; None for the last one.
    first, frames: which frames of its take are shown, half-open [first, first + frames): film frames at the film's
             rate, without `hold` and without the frame that a continuous joint leaves to the next shot.
    hold:    film frames for which the last picture is frozen after them.
    from_name, to_name: the names of its keyframes, where it has them; through_names: of those on the way between them.
    """

    id: str
    scene: str
    name: str
    index: tuple[int, int]
    content: Content
    first: int
    frames: int
    hold: int
    joint: PlannedJoint | None
    from_name: str | None = None
    to_name: str | None = None
    through_names: tuple[str, ...] = ()
    where: str = ""
    slugline: str | None = None
    action: str | None = None
    notes: str | None = None
    model: str | None = None

    @property
    def keyframe_names(self) -> tuple[str, ...]:
        """The names of all of its keyframes, in the order they are passed."""
        return tuple(name for name in (self.from_name, *self.through_names, self.to_name) if name is not None)


@dataclass(frozen=True)
class PlannedTitle:
    """A card before or after the shots."""

    text: str
    frames: int


@dataclass(frozen=True)
class Lettering:
    """A text that is drawn into the film. where: for messages, as PlannedShot.where."""

    where: str
    text: str


def every_take(shots: Sequence[PlannedShot], paintings: Mapping[str, Take]) -> tuple[Take, ...]:
    """The takes of shots, then those that they are joined from, then painted keyframes; equal ones more than once."""
    wanted = [take.take for shot in shots if isinstance(shot.content, Rendered) for take in shot.content.takes]
    parts = [segment for take in wanted for segment in take.segments]
    return (*wanted, *parts, *paintings.values())


@dataclass(frozen=True)
class FilmPlan:
    """A film, fully resolved.

    shots:    those in the film. omitted: by id, the places (PlannedShot.index) of shots with `status: omit`.
    pictures: the file of every plate's picture, by SHA-256. cropped: the share of it that its plate loses, 0 to 1,
              where that is worth a warning.
    models:   the card of every model used, by identity.
    paintings: the take of every keyframe that is painted, by the keyframe's name; its frame 0 is the picture.
    loras:    the file of every LoRA of the storyboard, by SHA-256.
    worn:     which LoRAs of the storyboard each model wears, and how many of their layers.
    lettering: every text that is drawn: titles, cards, ids of shots.
    gpus:     how many devices are asked to render a take together, by its key; one that is not there leaves it open.
    notes:    what was done right and is worth knowing, in the order of the file; `plan --notes` lists them.
    remarks:  what is recorded beside a take (take.json), by its key.
    size:     the raster that models render; delivery: the size of the film.
    fade_in, fade_out: film frames.
    """

    title: str
    slug: str
    file: Path
    backend: str
    size: Size
    delivery: Size
    fit: Literal["cover", "contain"]
    rate: Fraction
    fade_in: int
    fade_out: int
    opening: tuple[PlannedTitle, ...]
    shots: tuple[PlannedShot, ...]
    closing: tuple[PlannedTitle, ...]
    omitted: Mapping[str, tuple[int, int]]
    pictures: Mapping[str, Path]
    models: Mapping[str, ModelCard]
    warnings: tuple[Problem, ...]
    paintings: Mapping[str, Take] = field(default_factory=dict)
    loras: Mapping[str, Path] = field(default_factory=dict)
    worn: tuple[AppliedLora, ...] = ()
    gpus: Mapping[str, int] = field(default_factory=dict)
    lettering: tuple[Lettering, ...] = ()
    notes: tuple[Problem, ...] = ()
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cropped: Mapping[str, Fraction] = field(default_factory=dict)

    @property
    def takes(self) -> tuple[Take, ...]:
        """Every wanted take, each key once, in the film's order; then those that others need: segments and
        painted keyframes."""
        return tuple(self.by_key.values())

    @cached_property
    def by_key(self) -> Mapping[str, Take]:
        """`takes` by their keys."""
        return {take.key: take for take in every_take(self.shots, self.paintings)}

    @property
    def needed_by_stills(self) -> tuple[Take, ...]:
        """The takes whose frames are shown as they are."""
        plates = (shot.content.plate for shot in self.shots if isinstance(shot.content, StillPicture))
        keys = dict.fromkeys(plate.take for plate in plates if isinstance(plate, FramePlate))
        return tuple(self.by_key[key] for key in keys)


def delivered_name(slug: str, shot_id: str, number: int | None = None) -> str:
    """`river-to-dove_sc1_sh020_t02`: film, scene, shot and, where it has takes, take; without a suffix."""
    scene, _, name = shot_id.partition("/")
    return f"{slug}_sc{scene}_sh{name}" + (f"_t{number:02}" if number is not None else "")
