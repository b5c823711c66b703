"""The types of the authored file: what somebody wrote, normalised and validated, nothing resolved yet.

Every shorthand of the format is already in its full form here (a keyframe `ruins: keyframes/ruins.png`
is a Keyframe with an image). None means not set; an empty tuple or text means cleared.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from wan_render.take import Size


class Frozen(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)


class Time(Frozen):
    """A length or a moment: seconds plus delivered frames. `5s` is (5, 0), `81f` is (0, 81),
    the timecode `00:00:05:12` is (5, 12). Negative where a moment may lie before its shot."""

    seconds: Fraction = Fraction(0)
    frames: int = 0

    def at(self, rate: Fraction) -> Fraction:
        """In seconds, for a film delivered at `rate` frames per second."""
        return self.seconds + Fraction(self.frames) / rate


class KindRender(Frozen):
    """What a shot of one kind is rendered with: partial; `guidance` has one value for each expert."""

    model: str | None = None
    steps: int | None = None
    guidance: tuple[float, ...] | None = None
    shift: float | None = None


class LoraFile(Frozen):
    """A LoRA's file, relative to the storyboard, and its strength."""

    path: str
    scale: float = 1.0


class Render(Frozen):
    """Settings of rendering: partial, inherited film → scene → shot.

    negative: `official`, `none`, or a text of its own. frames: the model's length, on its grid.
    """

    seed: int | None = None
    negative: str | None = None
    loras: tuple[LoraFile, ...] | None = None
    profile: Literal["exact", "fast", "balanced", "draft"] | None = None
    frames: int | None = None
    t2v: KindRender | None = None
    i2v: KindRender | None = None
    flf2v: KindRender | None = None


class Look(Frozen):
    """Words that join the prompt (style, setting) and the negative prompt (avoid)."""

    style: str | None = None
    setting: str | None = None
    avoid: tuple[str, ...] | None = None


class Qc(Frozen):
    """How often a take that fails its checks is rendered anew."""

    retakes: int | None = None


class Transition(Frozen):
    """A joint to the next shot. `frames` of a dissolve or a fade are delivered frames or a time."""

    kind: Literal["continuous", "cut", "dissolve", "fade"]
    length: Time | None = None


class Sound(Frozen):
    """A sound file; `at` is relative to its shot or scene and may be negative. gain in dB."""

    file: str
    at: Time = Time()
    gain: float = 0.0
    fade_in: Time | None = None
    fade_out: Time | None = None
    for_: Time | None = Field(default=None, alias="for")


class Subtitle(Frozen):
    """A line of text shown over its shot; without `for`, until the shot ends."""

    text: str
    at: Time = Time()
    for_: Time | None = Field(default=None, alias="for")


class TitleCard(Frozen):
    """A card before the first or after the last shot."""

    text: str
    for_: Time = Field(default=Time(seconds=Fraction(2)), alias="for")


class Titles(Frozen):
    """Cards around the film; titles add time."""

    open: tuple[TitleCard, ...] = ()
    close: tuple[TitleCard, ...] = ()


class Audio(Frozen):
    """Sound under the whole film."""

    music: tuple[Sound, ...] = ()
    narration: tuple[Sound, ...] = ()


class Film(Frozen):
    """The film as a whole. raster and deliver are a name of the format or a size in pixels;
    rate is `native` or delivered frames per second; slug is never empty after reading."""

    title: str = ""
    slug: str = ""
    aspect: Fraction = Fraction(16, 9)
    raster: Literal["480p", "720p"] | Size = "480p"
    deliver: Literal["480p", "720p", "1080p", "4k"] | Size = "720p"
    fit: Literal["cover", "contain"] = "cover"
    rate: Literal["native", 16, 24, 25, 30, 48] = "native"
    fade_in: Time | None = None
    fade_out: Time | None = None


class Defaults(Frozen):
    """What every shot inherits."""

    duration: Time | None = None
    takes: int | None = None
    transition: Transition | None = None
    render: Render | None = None
    qc: Qc | None = None


class Keyframe(Frozen):
    """A named still: a picture file (relative to the storyboard) or a prompt to be painted from, never both."""

    image: str | None = None
    prompt: str | None = None
    focus: tuple[Fraction, Fraction] | None = None
    render: Render | None = None


class Waypoint(Frozen):
    """A keyframe that one shot passes through, with the action that leads to it."""

    keyframe: str
    at: Time | None = None
    action: str | None = None


class Circle(Frozen):
    """The take that goes into the film; with `pin` (the first digits of a take's key), that very clip."""

    take: int
    pin: str | None = None


class Shot(Frozen):
    """One shot as written. `id` is text ("010"), unique in its scene."""

    id: str
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    through: tuple[Waypoint, ...] = ()
    still: str | None = None
    card: str | None = None
    clip: str | None = None
    in_: Time | None = Field(default=None, alias="in")
    out: Time | None = None
    duration: Time | None = None
    hold: Time | None = None
    transition: Transition | None = None
    size: str | None = None
    angle: str | None = None
    lens: str | None = None
    move: str | None = None
    action: str | None = None
    prompt: str | None = None
    look: Look | None = None
    takes: int | None = None
    circle: Circle | None = None
    ng: tuple[int, ...] = ()
    sound: tuple[Sound, ...] = ()
    subtitle: tuple[Subtitle, ...] = ()
    notes: str | None = None
    status: Literal["omit"] | None = None
    render: Render | None = None
    qc: Qc | None = None


class Scene(Frozen):
    """One scene; a film that writes `shots:` at the top has one scene, "1"."""

    id: str
    slugline: str | None = None
    look: Look | None = None
    duration: Time | None = None
    takes: int | None = None
    transition: Transition | None = None
    render: Render | None = None
    qc: Qc | None = None
    sound: tuple[Sound, ...] = ()
    notes: str | None = None
    status: Literal["omit"] | None = None
    shots: tuple[Shot, ...] = ()


class Storyboard(Frozen):
    """One film as authored. A folder given for `keyframes` is already listed."""

    version: Literal[1] = 1
    film: Film = Film()
    look: Look | None = None
    defaults: Defaults = Defaults()
    keyframes: dict[str, Keyframe] = {}
    titles: Titles = Titles()
    scenes: tuple[Scene, ...] = ()
    audio: Audio = Audio()


PathInFile = tuple[str | int, ...]
"""A place in the normalised storyboard: ("scenes", 0, "shots", 2, "duration"), keys as the file spells them
(`from`, `in`, `shot`); a film that writes `shots:` at the top has them at ("scenes", 0, "shots")."""


class Document(Frozen):
    """A storyboard with where it came from.

    file:   as the user named it, for messages; `folder` is where its paths start.
    marks:  (line, column), both from 1, of every key, for messages about what is found later.
    allow:  further folders that paths may lead to.
    """

    storyboard: Storyboard
    file: Path
    marks: dict[PathInFile, tuple[int, int]]
    allow: tuple[Path, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that the storyboard's paths are relative to."""
        return self.file.parent

    def where(self, *path: str | int) -> str:
        """`river.yaml:31:9: scenes[0].shots[2].duration`, by the nearest place that the file itself has."""
        known = path
        while known and known not in self.marks:
            known = known[:-1]
        line, column = self.marks.get(known, (1, 1))
        return f"{self.file}:{line}:{column}: {spelt(path)}" if path else f"{self.file}:{line}:{column}"


def spelt(path: PathInFile) -> str:
    """`scenes[0].shots[2].duration`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
