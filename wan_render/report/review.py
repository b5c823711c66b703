"""What a report says about one version of a film. The report reads these values and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from wan_render.plan import FilmSubtitles
from wan_render.price import Price
from wan_render.quality.verdicts import Judgement
from wan_render.render_values import Phase
from wan_render.take import Size


@dataclass(frozen=True)
class ReviewTake:
    """One take of a shot as shown for review.

    state:    `rendered` in this run, `found` in the store, `kept` by a pin, or `missing`.
    preview, clip: files in the store. Both are None if the take is missing; the preview is also None if it could not
              be made.
    frames:   length of its clip. settings: every resolved setting, in words, in order.
    seconds:  duration of each phase when it was rendered. why: why it was rendered ("prompt changed").
    judgement: what its checks say; None if it was not measured, or its checks are off. cost: at a service; None for
    a take that was rendered here.
    """

    number: int
    key: str
    seed: int
    state: str
    chosen: bool
    preview: Path | None
    clip: Path | None
    frames: int
    prompt: str
    negative: str
    settings: Mapping[str, str]
    seconds: Mapping[str, float]
    device: str
    why: str
    judgement: Judgement | None = None
    cost: Price | None = None

    @property
    def spent(self) -> float:
        """Seconds of rendering: all phases except waiting for another run."""
        return sum(seconds for phase, seconds in self.seconds.items() if phase != Phase.WAITING)


@dataclass(frozen=True)
class ShownCrop:
    """A keyframe that is cropped. picture: the whole picture with the kept part outlined; lost: cropped share, 0 to
    1."""

    picture: Path
    lost: float


@dataclass(frozen=True)
class ShownFrame:
    """A frame of a clip. number: from 0."""

    clip: Path
    number: int


@dataclass(frozen=True)
class ReviewSeam:
    """A continuous joint. following: id of the next shot. ratio: see quality.seams; 1 is invisible. before, after: the
    frames that meet."""

    following: str
    ratio: float
    before: ShownFrame
    after: ShownFrame


@dataclass(frozen=True)
class ShownText:
    """A subtitle, from a film frame on. who: who says it; "" if nobody does."""

    start: int
    who: str
    text: str


@dataclass(frozen=True)
class HeardSound:
    """A sound, from a film frame on, for `seconds`.

    kind: `music`, `narration`, `sound`, `sound of scene 2`. words: those that it was made from; "" for a file.
    settings: its level and fades, in words.
    """

    start: int
    seconds: float
    kind: str
    name: str
    words: str
    settings: str


@dataclass(frozen=True)
class ReviewShot:
    """One shot of the film.

    id:      "1/020"; what: its kind: `flf2v`, `i2v`, `t2v`, `still`, `card`.
    action:  what happens in it; the text of a card.
    start, frames: its film frames, half-open [start, start + frames). hold: for how many of them the last frame is
             frozen.
    first, last: the frames of the chosen take's clip that it begins and ends on.
    keyframes: (name, fitted picture file), in the order in which the shot passes them.
    slate:   why it is missing, or None.
    crops:   by keyframe name, for keyframes that are cropped much.
    seam:    the joint to the next shot, if it is continuous and both takes were measured.
    colours: how its colours were matched at its ends, in words; "" if they were not.
    easing:  what was done to the motion at the joint to the next shot, in words; "" for other joints and without it.
    repair:  what was done about a jump in its last frames, in words; "" if it has none, and without it.
    log:     of the last attempt at the take that is missing; None if there was none.
    texts:   the subtitles that appear in it. sounds: those that it brings.
    footage: the video of a shot that shows a video file, in the film's shape; None for other shots.
    """

    id: str
    slugline: str | None
    action: str | None
    notes: str | None
    what: str
    model: str | None
    start: int
    frames: int
    first: int
    last: int
    hold: int
    keyframes: tuple[tuple[str, Path], ...]
    takes: tuple[ReviewTake, ...]
    slate: str | None
    crops: Mapping[str, ShownCrop] = field(default_factory=dict)
    log: Path | None = None
    seam: ReviewSeam | None = None
    colours: str = ""
    easing: str = ""
    repair: str = ""
    texts: tuple[ShownText, ...] = ()
    sounds: tuple[HeardSound, ...] = ()
    footage: Path | None = None


@dataclass(frozen=True)
class FormerVersion:
    """The version before this one, which lies beside it.

    changes: shot id → what is new in that shot, in words; none for a shot that is as it was. gone: ids of the shots
    that only the former version has.
    """

    name: str
    changes: Mapping[str, str]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Review:
    """One version of a film. video: the finished film, in the folder of the report. former: None for the first version,
    and if nothing is known of the one before. sound: how loud it is, in words; "" for a silent film.
    upscaled: by what, in words; "" if by ffmpeg's filter. deliverables: what is made of the film after this page, in
    words, each with its address from the page. sounds: those of the film itself and of its scenes. spent: what its
    takes cost at services, in words; "" for nothing."""

    title: str
    slug: str
    version: str
    storyboard: str
    video: Path
    frames: int
    rate: Fraction
    delivery: Size
    backend: str
    preview: str
    made: datetime
    tool: str
    warnings: tuple[str, ...]
    shots: tuple[ReviewShot, ...]
    former: FormerVersion | None = None
    subtitles: FilmSubtitles | None = None
    sound: str = ""
    upscaled: str = ""
    deliverables: tuple[str, ...] = ()
    sounds: tuple[HeardSound, ...] = ()
    spent: str = ""

    def change(self, shot: ReviewShot) -> str:
        """What is new in a shot since the former version, in words; "" where it is as it was, or nothing is known."""
        return self.former.changes.get(shot.id, "") if self.former is not None else ""
