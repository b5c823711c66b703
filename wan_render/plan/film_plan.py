"""The plan of a film as a value, fully resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

from wan_render.authored import RetimeMethod
from wan_render.errors import Problem
from wan_render.extension.prompt_file import FoundPrompt, PromptEntry
from wan_render.extension.prompt_request import PromptRequest
from wan_render.footage.footage_part import FootagePart
from wan_render.model_card import ModelCard
from wan_render.plan.cues import FilmSubtitles
from wan_render.plan.deliverable import ONLY_THE_FILM, FilmDeliverables
from wan_render.plan.loras import AppliedLora
from wan_render.plan.sound_requests import AskedSound
from wan_render.purchase import NOTHING_LIMITS, Allowance
from wan_render.sound import PlacedSound, Soundtrack
from wan_render.take import AnyPlate, FramePlate, Plate, Size, Take
from wan_render.upscaling import Upscaling


@dataclass(frozen=True)
class PlannedTake:
    """Take `number` (from 1) of a shot. retake: the checks that all takes before it failed, if it is wanted for that;
    else empty."""

    number: int
    take: Take
    retake: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """A shot that a model renders.

    takes:  the wanted takes without refused numbers, in order; then retakes.
    chosen: the number that goes into the film, by `film_take`.
    pin:    the first digits of the key of the exact clip that `circle: 2@7f3a91` keeps, else None. With a pin, `takes`
            has only that number, as the shot is now written. It shows what has changed since, and is rendered only if
            the clip is gone.
    circled: the circled number, if the circle counts here. is_checked: False with `qc: {check: off}`.
    """

    takes: tuple[PlannedTake, ...]
    chosen: int
    pin: str | None = None
    circled: int | None = None
    is_checked: bool = True


@dataclass(frozen=True)
class StillPicture:
    """A keyframe that is shown unchanged, fitted to the raster."""

    plate: AnyPlate


@dataclass(frozen=True)
class CardText:
    """A text on black; "" is plain black."""

    text: str


@dataclass(frozen=True)
class NotYet:
    """A shot that this version cannot render. It becomes a slate that shows `reason`."""

    reason: str


@dataclass(frozen=True)
class PlannedPrompt:
    """A prompt that a language model extends: that of a shot, or of one of its segments.

    name:     "1/020", or "1/020 through 1" for the segment that leads to a first waypoint.
    written:  the prompt without an extension. request: what the model sees. plates: the keyframes that it is shown.
    found:    its answer; None if there is none yet. may_stay: whether `written` is used without an answer.
    own:      the entry of this name in the file, whichever shot it belonged to.
    """

    name: str
    written: str
    request: PromptRequest
    plates: tuple[Plate | None, Plate | None]
    found: FoundPrompt | None
    may_stay: bool
    own: PromptEntry | None = None

    @property
    def text(self) -> str:
        """The extended prompt; "" if there is none yet."""
        return self.found.entry.prompt if self.found is not None else ""

    @property
    def by(self) -> str:
        """`extended by qwen-vl-max, edited, stale`; "" without an answer."""
        if self.found is None:
            return ""
        edited = ", edited" if self.found.entry.is_edited else ""
        return f"extended by {self.found.entry.model or 'hand'}{edited}{', stale' if self.found.stale else ''}"


Content = Rendered | StillPicture | CardText | FootagePart | NotYet


@dataclass(frozen=True)
class PlannedJoint:
    """How a shot meets the next one. `frames` (film frames) is 0 for continuous and cut. For a bridge, it is how many
    are replaced on each side."""

    kind: Literal["continuous", "cut", "dissolve", "fade", "bridge"]
    frames: int = 0


BRIDGE_SUFFIX = "+bridge"
"""What follows the id of a shot in the id of the bridge after it. Ids that are written contain no `+`."""


@dataclass(frozen=True)
class BridgedShots:
    """What a bridge stands between. before, after: the ids of both shots. frames: how many film frames of each it
    replaces: the last ones of the one, and the first ones of the other."""

    before: str
    after: str
    frames: int


@dataclass(frozen=True)
class PlannedShot:
    """One shot of the film, in the film's order; or a bridge between two shots.

    id:      "1/020", scene and shot; "1/020+bridge" for the bridge after it. index: (scene, shot) in the file, from 0.
    where:   its place for messages, "river.yaml:31:5: scenes[0].shots[2]".
    joint:   how it meets the next shot of the film; None for the last one.
    first, frames: which frames of its take are shown, [first, first + frames): film frames at the film's rate, without
             `hold`, without the frame that a continuous joint leaves to the next shot, and without those that bridges
             replace.
    hold:    film frames for which the last frame is frozen after them.
    rate:    frames per second of its take or clip, if it is not the film's; else None.
    from_name, to_name: the names of its keyframes, if it has them. through_names: the names of those between them.
    bridges: for a bridge, the shots on both sides; None for a shot.
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
    rate: Fraction | None = None
    bridges: BridgedShots | None = None

    @property
    def what(self) -> str:
        """The kind of its takes (`flf2v`, `bridge`) if a model renders it, else `still`, `card`, `clip` or `slate`."""
        match self.content:
            case Rendered(takes):
                return takes[0].take.kind.value
            case StillPicture():
                return "still"
            case CardText():
                return "card"
            case FootagePart():
                return "clip"
            case NotYet():
                return "slate"

    @property
    def keyframe_names(self) -> tuple[str, ...]:
        """The names of all of its keyframes, in order."""
        return tuple(name for name in (self.from_name, *self.through_names, self.to_name) if name is not None)


@dataclass(frozen=True)
class PlannedTitle:
    """A card before or after the shots. frames: film frames."""

    text: str
    frames: int


@dataclass(frozen=True)
class PlannedSound:
    """A sound of the film. owner: the id of the shot or scene that brings it; "" for the film. name: as written. words:
    those that it was made from; "" for a file."""

    kind: Literal["music", "narration", "sound"]
    owner: str
    name: str
    placed: PlacedSound
    words: str = ""


@dataclass(frozen=True)
class Lettering:
    """A text that is drawn into the film. where: for messages, as PlannedShot.where."""

    where: str
    text: str


def every_take(shots: Sequence[PlannedShot], paintings: Mapping[str, Take]) -> tuple[Take, ...]:
    """The takes of shots, then their segments, then painted keyframes. Equal takes occur more than once."""
    wanted = [take.take for shot in shots if isinstance(shot.content, Rendered) for take in shot.content.takes]
    parts = [segment for take in wanted for segment in take.segments]
    return (*wanted, *parts, *paintings.values())


@dataclass(frozen=True)
class FilmPlan:
    """A film, fully resolved.

    backend:   the backend's id, `animatic/1`.
    size:      the raster that models render. delivery: the size of the film.
    rate:      frames per second of the film. retime: how frames in between are made where a shot has another rate;
               retimer: its file of weights, if it has any and it is needed.
    match_colours: whether takes get the colours of their keyframes.
    repair_jumps, ease_joints: whether leaps at the ends of takes, and stop-and-go at continuous joints, are evened.
    dissolves: how they mix pictures, as light or as levels.
    fade_in, fade_out: film frames.
    shots:     those in the film, with its bridges. omitted: id → PlannedShot.index of shots with `status: omit`.
    pictures:  SHA-256 → file of every plate's picture.
    models:    identity → card of every model used.
    warnings:  in the order of the file.
    paintings: keyframe name → take of every painted keyframe; frame 0 of the take is the keyframe.
    loras:     SHA-256 → file of every LoRA of the storyboard.
    applied_loras: which LoRAs each model uses, and how many of their layers.
    gpus:      key of a take → how many devices should render it together; a missing key leaves it open.
    lettering: every text that is drawn: titles, cards, ids of shots, subtitles.
    notes:     what is correct but worth knowing, in the order of the file; `plan --notes` lists them.
    remarks:   key of a take → what is recorded with it in take.json.
    cropped:   SHA-256 → the share of a picture that its plate loses, 0 to 1, if that is worth a warning.
    upscale:   how takes become as large as the film; None: by ffmpeg's filter. upscaler: its file of weights.
    priority:  in a night, films with a higher one are rendered first.
    sounds:    in the order of the file. sound_files: PlacedSound.source → file. soundtrack: None for a silent film.
    subtitles: None if there are none. language: the tag of subtitles and cards; "" if none is named.
    footage:   SHA-256 → file of every video file.
    prompts:   those that a language model extends.
    unmade_sounds: those from words that are not made yet; the film is planned without them.
    deliverables: what is made of the film besides film.mp4. They are no part of its key.
    cloud_shots: ids of shots that a service may render instead of their own model (`cloud: {model, allow: true}`).
    allowance: what its takes may cost at services, in its lifetime. Only models that are allowed to cost are planned.
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
    applied_loras: tuple[AppliedLora, ...] = ()
    gpus: Mapping[str, int] = field(default_factory=dict)
    lettering: tuple[Lettering, ...] = ()
    notes: tuple[Problem, ...] = ()
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cropped: Mapping[str, Fraction] = field(default_factory=dict)
    priority: int = 0
    sounds: tuple[PlannedSound, ...] = ()
    sound_files: Mapping[str, Path] = field(default_factory=dict)
    soundtrack: Soundtrack | None = None
    retime: RetimeMethod = "flow"
    retimer: Path | None = None
    subtitles: FilmSubtitles | None = None
    language: str = ""
    dissolves: Literal["linear", "video"] = "video"
    match_colours: bool = False
    repair_jumps: bool = False
    ease_joints: bool = False
    unmade_sounds: tuple[AskedSound, ...] = ()
    prompts: tuple[PlannedPrompt, ...] = ()
    upscale: Upscaling | None = None
    upscaler: Path | None = None
    footage: Mapping[str, Path] = field(default_factory=dict)
    deliverables: FilmDeliverables = ONLY_THE_FILM
    allowance: Allowance = NOTHING_LIMITS
    cloud_shots: tuple[str, ...] = ()

    @property
    def takes(self) -> tuple[Take, ...]:
        """Every wanted take, each key once, in the film's order; then segments and painted keyframes."""
        return tuple(self.by_key.values())

    @cached_property
    def by_key(self) -> Mapping[str, Take]:
        """`takes` by key."""
        return {take.key: take for take in every_take(self.shots, self.paintings)}

    @cached_property
    def handing_latents(self) -> frozenset[str]:
        """Keys of the takes whose latents are kept, because other takes begin on them."""
        plates = (take.first for take in self.takes if take.continues_latents)
        return frozenset(plate.take for plate in plates if isinstance(plate, FramePlate))

    @property
    def bridges(self) -> tuple[PlannedShot, ...]:
        """The bridges among `shots`."""
        return tuple(shot for shot in self.shots if shot.bridges is not None)

    @property
    def needed_by_stills(self) -> tuple[Take, ...]:
        """The takes whose frames are shown as stills."""
        plates = (shot.content.plate for shot in self.shots if isinstance(shot.content, StillPicture))
        keys = dict.fromkeys(plate.take for plate in plates if isinstance(plate, FramePlate))
        return tuple(self.by_key[key] for key in keys)


def delivered_name(slug: str, shot_id: str, number: int | None = None) -> str:
    """The file name for delivery, without a suffix: `river-to-dove_sc1_sh020_t02` (film, scene, shot, take)."""
    scene, _, name = shot_id.partition("/")
    return f"{slug}_sc{scene}_sh{name}" + (f"_t{number:02}" if number is not None else "")
