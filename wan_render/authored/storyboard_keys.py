"""The types of the authored file: what the author wrote, normalised and validated, but not resolved.

Every shorthand of the format is already in its full form (a keyframe `ruins: keyframes/ruins.png` is a Keyframe with
an image). None means not set; an empty tuple or text means cleared. Editors show the description of a field for its
key, through the JSON Schema.

Annotations are evaluated here, not deferred, and defaults are constructed without validators: each of these saves
`check` a tenth of its start-up time.
"""

from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from wan_render.authored.amounts import (
    ClipSound,
    Part,
    Priority,
    Strength,
    TakeNumber,
    Takes,
)
from wan_render.authored.cloud_keys import Budget, Cloud
from wan_render.authored.dimensions import Aspect, Delivery, Raster
from wan_render.authored.languages import Language
from wan_render.authored.render_keys import Look, Qc, Render
from wan_render.authored.sound_keys import Audio, Sound
from wan_render.authored.spelling import EachOnce, OneOrMany
from wan_render.authored.text_keys import Dialogue, Subtitle, Titles
from wan_render.authored.times import CircledTake, ClipFrame, Duration, Joint, Length, Moment
from wan_render.authored.values import Authored
from wan_render.authored.words import (
    CardText,
    Check,
    ClipPath,
    Deliverable,
    Fit,
    Id,
    KeyframeFit,
    KeyframeName,
    Light,
    PicturePath,
    Rate,
    Retiming,
    Slug,
    StartName,
    Status,
    Subtitles,
    Text,
    Title,
    UpscaleMethod,
    UpscalerPath,
    UpscaleWeights,
    Version,
)


class FrameRate(Authored):
    """The rate of the film, and how frames are made that no model rendered."""

    shorthand: ClassVar[str] = "fps"
    fps: Rate = Field("native", description="Frames per second of the film; native: as rendered.")
    method: Retiming = Field(
        "flow", description="How frames in between are made: flow (optical flow), rife (a network), duplicate."
    )


NATIVE_RATE = FrameRate.model_construct(fps="native", method="flow")


class Upscale(Authored):
    """How takes become as large as the film. None: not written. A `model` needs no method."""

    shorthand: ClassVar[str] = "method"
    method: UpscaleMethod | None = Field(None, description="lanczos, a filter (default), or realesrgan, a network.")
    weights: UpscaleWeights | None = Field(
        None, description="What realesrgan was trained for: video (default), photo or anime."
    )
    model: UpscalerPath | None = Field(
        None, description="A network of your own: .safetensors, .pth, or a folder with a video pipeline of diffusers."
    )
    strength: Strength | None = Field(
        None, description="The network's share, 0 to 1; the rest is Lanczos's. Default: 1; photo and anime 0.35."
    )


class Film(Authored):
    """The film as a whole.

    raster, deliver: a name of the format, or a size in pixels.
    slug: never empty after reading. priority: changes no pixels, so it is not part of any key.
    """

    title: Title = Field("", description="In any script. The default is the file's name.")
    slug: Slug = Field("", description="The name of its folder and files. The default is made from the title.")
    aspect: Aspect = Field(Fraction(16, 9), description="16:9, 9:16, 4:3, 3:4, 1:1, 2.39 or W:H.")
    raster: Raster = Field("480p", description="The size that models render: 480p, 720p or WIDTHxHEIGHT.")
    deliver: Delivery = Field("720p", description="The size of the film: 480p, 720p, 1080p, 4k or WIDTHxHEIGHT.")
    upscale: Upscale | None = Field(None, description="How takes become as large as the film: lanczos, realesrgan.")
    fit: Fit = Field("cover", description="How the raster fits the film's size: cover crops, contain adds bars.")
    rate: FrameRate = Field(NATIVE_RATE, description="Frames per second of the film: native, 16, 24, 25, 30 or 48.")
    fade_in: Moment | None = Field(None, description="How long the film fades in from black.")
    fade_out: Moment | None = Field(None, description="How long the film fades out to black.")
    subtitles: EachOnce[Subtitles] = Field(
        ("burned", "files"), description="burned into the picture, a track in film.mp4, files beside it; [] for none."
    )
    language: Language | None = Field(None, description="Of subtitles and cards: zh, zh-Hant, ja, pt-BR.")
    match_colours: Check = Field("off", description="on: takes get the colours of their keyframes at both ends.")
    repair_jumps: Check = Field("off", description="on: evens the leap of a take in its last frames, if it has one.")
    ease_joints: Check = Field("off", description="on: motion passes continuous joints without slowing down.")
    dissolves: Light = Field("linear", description="How dissolves mix pictures: linear (as light), video (as levels).")
    deliverables: EachOnce[Deliverable] = Field(
        ("h264",),
        description="Files that are made of the film: h264 (film.mp4, always), hevc10, av1, prores422hq, prores4444, "
        "png, preview, webp, gif, square, vertical, poster.",
    )
    timecode: Moment | None = Field(None, description="The timecode of the first frame. Default 01:00:00:00.")
    poster: Moment | None = Field(None, description="The moment that the deliverable poster shows.")
    budget: Budget | None = Field(
        None, description="The most that its takes may cost at services, in its lifetime: 30 CNY."
    )
    priority: Priority = Field(0, description="In a night, films with a higher one are rendered first: 0 to 1000.")


class Defaults(Authored):
    """Settings that every shot inherits. fit: for every keyframe."""

    duration: Duration | None = Field(
        None, description="A shot's time on screen: 5s, 81f, 00:00:05:00, or narration: as long as its narration."
    )
    takes: Takes | None = Field(None, description="How many takes of a shot to render.")
    transition: Joint | None = Field(
        None, description="How a shot meets the next: continuous, cut, dissolve N, fade N, bridge N."
    )
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")
    cloud: Cloud | None = Field(None, description="Whether takes may be bought from a service: {allow, model}.")
    fit: KeyframeFit | None = Field(
        None, description="How keyframes are fitted that have no fit of their own: cover, contain or blur."
    )


class Keyframe(Authored):
    """A named picture: a file (relative to the storyboard), a prompt to paint it from, or a frame of a video file."""

    shorthand: ClassVar[str] = "image"
    image: PicturePath | None = Field(None, description="A picture file, relative to the storyboard.")
    prompt: Text | None = Field(None, description="A prompt from which a T2V model paints it, instead of a file.")
    clip: ClipPath | None = Field(None, description="A video file, one frame of which it is, instead of a picture.")
    frame: ClipFrame = Field("first", description="With clip: first, last, a frame's number from 0, or a time: 2.5s.")
    focus: tuple[Part, Part] | None = Field(
        None, description="[from left, from top], 0 to 1: the point that stays visible when the picture is cropped."
    )
    fit: KeyframeFit | None = Field(
        None,
        description="How it fills the frame: cover crops it, contain adds bars, blur adds a blurred copy of itself.",
    )
    render: Render | None = Field(None, description="Settings for painting it.")


class Waypoint(Authored):
    """A keyframe that a shot passes through, with the action that leads to it."""

    shorthand: ClassVar[str] = "keyframe"
    keyframe: KeyframeName = Field(description="A keyframe's name.")
    at: Length | None = Field(None, description="When it is reached, from the beginning of the shot.")
    action: Text | None = Field(None, description="What happens before it is reached.")


class Shot(Authored):
    """One shot as written. id: text ("010"), unique in its scene."""

    id: Id = Field(alias="shot", description="Its name, unique in the scene. The default is 010, 020, …")
    from_: StartName | None = Field(
        None, alias="from", description="The keyframe it begins on, or previous: the end of the previous shot."
    )
    to: KeyframeName | None = Field(None, description="The keyframe it ends on.")
    through: OneOrMany[Waypoint] = Field((), description="Keyframes between `from` and `to`, in one take.")
    still: KeyframeName | None = Field(None, description="Shows a keyframe instead of rendering.")
    card: CardText | None = Field(None, description='Shows a text on black instead of rendering; "" is plain black.')
    clip: ClipPath | None = Field(None, description="Shows a video file instead of rendering.")
    focus: tuple[Part, Part] | None = Field(
        None, description="With clip: the point that stays visible when it is cropped, [from left, from top], 0 to 1."
    )
    fit: KeyframeFit | None = Field(None, description="With clip: how it fills the frame: cover, contain or blur.")
    clip_sound: ClipSound = Field(0.0, description="With clip: its own sound: on, off, or a gain in decibels.")
    in_: Moment | None = Field(None, alias="in", description="Shows the take or clip from this moment on.")
    out: Length | None = Field(None, description="Shows the take or clip up to this moment.")
    duration: Duration | None = Field(
        None, description="Time on screen: 5s, 81f, 00:00:05:00, or narration: as long as its narration."
    )
    hold: Moment | None = Field(None, description="Freezes the last frame and adds this time.")
    transition: Joint | None = Field(
        None, description="How it meets the next shot: continuous, cut, dissolve N, fade N, bridge N."
    )
    size: Text | None = Field(None, description="ECU, CU, MCU, MS, MLS, LS, WS, EWS, OTS, POV, or your own words.")
    angle: Text | None = Field(None, description="The camera angle.")
    lens: Text | None = Field(None, description="The lens.")
    move: Text | None = Field(None, description="The camera move.")
    action: Text | None = Field(None, description="What happens: the main part of the prompt.")
    prompt: Text | None = Field(None, description="The whole prompt, instead of a composed one.")
    look: Look | None = Field(None, description="Words that join the prompts.")
    takes: Takes | None = Field(None, description="How many takes to render.")
    circle: CircledTake | None = Field(
        None, description="The take that goes into the film: 2. 2@7f3a91 pins that exact clip."
    )
    ng: EachOnce[TakeNumber] = Field((), description="Numbers of refused takes.")
    sound: OneOrMany[Sound] = Field((), description="Sounds of the shot.")
    narration: OneOrMany[Sound] = Field((), description="Voices over the shot. They may go on after it.")
    subtitle: OneOrMany[Subtitle] = Field((), description="Text shown over the shot.")
    dialogue: OneOrMany[Dialogue] = Field((), description="What is said in the shot, shown as subtitles.")
    notes: Text | None = Field(None, description="For people; nothing reaches the model.")
    status: Status | None = Field(None, description="omit: leaves it out of the film.")
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")
    cloud: Cloud | None = Field(None, description="Whether takes may be bought from a service: {allow, model}.")


class Scene(Authored):
    """One scene. A file with `shots:` at the top has one scene, "1"."""

    id: Id = Field(alias="scene", description="Its name. The default is 1, 2, …")
    slugline: Title | None = Field(None, description="EXT. RIVER - DAY")
    look: Look | None = Field(None, description="Words that join the prompts.")
    duration: Duration | None = Field(
        None, description="A shot's time on screen: 5s, 81f, 00:00:05:00, or narration: as long as its narration."
    )
    takes: Takes | None = Field(None, description="How many takes of a shot to render.")
    transition: Joint | None = Field(
        None, description="How a shot meets the next: continuous, cut, dissolve N, fade N, bridge N."
    )
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")
    cloud: Cloud | None = Field(None, description="Whether takes may be bought from a service: {allow, model}.")
    sound: OneOrMany[Sound] = Field((), description="Sounds under the scene.")
    notes: Text | None = Field(None, description="For people; nothing reaches the model.")
    status: Status | None = Field(None, description="omit: leaves it out of the film.")
    shots: tuple[Shot, ...] = Field((), description="Its shots, in the order of the film.")


class Storyboard(Authored):
    """One film as authored. A folder in `keyframes` is already listed."""

    version: Version = Field(1, description="The version of the format: 1.")
    film: Film = Field(Film.model_construct(), description="The film as a whole.")
    look: Look | None = Field(None, description="Words that join the prompts.")
    defaults: Defaults = Field(Defaults.model_construct(), description="Settings that every shot inherits.")
    keyframes: dict[str, Keyframe] = Field(
        {}, description="Named pictures; or a folder: every picture in it, named by its file."
    )
    titles: Titles = Field(Titles.model_construct(), description="Cards around the film.")
    scenes: tuple[Scene, ...] = Field((), description="The scenes. A film with one scene may have shots instead.")
    audio: Audio = Field(Audio.model_construct(), description="Sound under the whole film.")
