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
    FrameCount,
    Gain,
    Guidance,
    LoraScale,
    Part,
    Priority,
    Retakes,
    Seed,
    Shift,
    Steps,
    TakeNumber,
    Takes,
)
from wan_render.authored.dimensions import Aspect, Delivery, Raster
from wan_render.authored.spelling import OneOrMany
from wan_render.authored.times import CircledTake, Joint, Length, Moment, Offset
from wan_render.authored.values import Frozen, Time
from wan_render.authored.words import (
    CardText,
    Check,
    ClipPath,
    Expert,
    Fit,
    Gpus,
    Id,
    KeyframeFit,
    KeyframeName,
    LoraPath,
    ModelName,
    Negative,
    PicturePath,
    Profile,
    Rate,
    Slug,
    SoundPath,
    StartName,
    Status,
    Text,
    Title,
    Version,
)

START = Time.model_construct()
TITLE_LENGTH = Time.model_construct(seconds=Fraction(2))


class Authored(Frozen):
    """A map of the file. shorthand: the key that a bare text stands for; "" if no bare text is allowed."""

    shorthand: ClassVar[str] = ""


class KindRender(Authored):
    """Settings for shots of one kind; partial. guidance: one value for each expert, or one for all."""

    model: ModelName | None = Field(None, description="A model's name, or a local folder of weights.")
    steps: Steps | None = Field(None, description="Denoising steps.")
    guidance: OneOrMany[Guidance] | None = Field(
        None, description="Classifier-free guidance: one value, or one for each expert of the model."
    )
    shift: Shift | None = Field(None, description="The shift of the flow-matching schedule.")


class LoraFile(Authored):
    """A LoRA's file, its scale, and which expert of a model with two uses it."""

    shorthand: ClassVar[str] = "path"
    path: LoraPath = Field(description="A safetensors file, relative to the storyboard.")
    scale: LoraScale = Field(1.0, description="Its strength.")
    expert: Expert | None = Field(
        None, description="Which expert uses it, if the model has two: high or low (noise), or both."
    )


class Render(Authored):
    """Settings of rendering; partial, inherited film → scene → shot.

    negative: `official`, `none`, or a negative prompt. frames: the length of the take, on the model's grid.
    gpus: changes no pixels, so it is not part of any key.
    """

    seed: Seed | None = Field(None, description="The seed of take 1; the other takes' seeds follow from it.")
    negative: Negative | None = Field(None, description="official, none, or a negative prompt.")
    loras: OneOrMany[LoraFile] | None = Field(None, description="LoRAs; [] clears inherited ones.")
    profile: Profile | None = Field(None, description="exact, fast, balanced or draft.")
    frames: FrameCount | None = Field(None, description="How many frames the model renders, whatever the duration.")
    gpus: Gpus | None = Field(None, description="How many devices render one take together: auto, 1, 2, 4 or 8.")
    t2v: KindRender | None = Field(None, description="For shots without keyframes, and painted keyframes.")
    i2v: KindRender | None = Field(None, description="For shots with only a first keyframe.")
    flf2v: KindRender | None = Field(None, description="For shots between two keyframes.")


class Look(Authored):
    """Words that join the prompt (style, setting) and the negative prompt (avoid)."""

    style: Text | None = Field(None, description="Begins every composed prompt.")
    setting: Text | None = Field(None, description="Where and when; follows the action in the prompt.")
    avoid: OneOrMany[Text] | None = Field(
        None, description="Joins the negative prompt; added to inherited words. [] clears them."
    )


class Qc(Authored):
    """Checks of takes. retakes: None leaves it to the run: 0, but 1 in a night."""

    retakes: Retakes | None = Field(
        None, description="How many more takes a shot gets if its takes fail their checks. Default 0; 1 in a night."
    )
    check: Check | None = Field(None, description="off: takes are not checked. Default on.")


class Sound(Authored):
    """A sound file. at: relative to its shot or scene; may be negative. gain: in dB."""

    shorthand: ClassVar[str] = "file"
    file: SoundPath = Field(description="A sound file, relative to the storyboard.")
    at: Offset = Field(START, description="When it starts. A negative time is before its shot.")
    gain: Gain = Field(0.0, description="In decibels: -18dB.")
    fade_in: Moment | None = Field(None, description="How long it fades in.")
    fade_out: Moment | None = Field(None, description="How long it fades out.")
    for_: Length | None = Field(None, alias="for", description="How long it is heard.")


class Subtitle(Authored):
    """A line of text over its shot. Without `for`, it is shown until the shot ends."""

    shorthand: ClassVar[str] = "text"
    text: Text = Field(description="What it says.")
    at: Moment = Field(START, description="When it appears, from the beginning of the shot.")
    for_: Length | None = Field(None, alias="for", description="How long it is shown.")


class TitleCard(Authored):
    """A card before the first or after the last shot."""

    shorthand: ClassVar[str] = "text"
    text: CardText = Field(description="What it says.")
    for_: Length = Field(TITLE_LENGTH, alias="for", description="How long it is shown.")


class Titles(Authored):
    """Cards around the film. They make the film longer."""

    open: OneOrMany[TitleCard] = Field((), description="Before the first shot.")
    close: OneOrMany[TitleCard] = Field((), description="After the last shot.")


class Audio(Authored):
    """Sound under the whole film."""

    music: OneOrMany[Sound] = Field((), description="Music under the film.")
    narration: OneOrMany[Sound] = Field((), description="Voices under the film.")


class Film(Authored):
    """The film as a whole.

    raster, deliver: a name of the format, or a size in pixels. rate: `native`, or delivered frames per second.
    slug: never empty after reading. priority: changes no pixels, so it is not part of any key.
    """

    title: Title = Field("", description="In any script. The default is the file's name.")
    slug: Slug = Field("", description="The name of its folder and files. The default is made from the title.")
    aspect: Aspect = Field(Fraction(16, 9), description="16:9, 9:16, 4:3, 3:4, 1:1, 2.39 or W:H.")
    raster: Raster = Field("480p", description="The size that models render: 480p, 720p or WIDTHxHEIGHT.")
    deliver: Delivery = Field("720p", description="The size of the film: 480p, 720p, 1080p, 4k or WIDTHxHEIGHT.")
    fit: Fit = Field("cover", description="How the raster fits the film's size: cover crops, contain adds bars.")
    rate: Rate = Field("native", description="Frames per second of the film; native: as rendered.")
    fade_in: Moment | None = Field(None, description="How long the film fades in from black.")
    fade_out: Moment | None = Field(None, description="How long the film fades out to black.")
    priority: Priority = Field(0, description="In a night, films with a higher one are rendered first: 0 to 1000.")


class Defaults(Authored):
    """Settings that every shot inherits. fit: for every keyframe."""

    duration: Length | None = Field(None, description="A shot's time on screen: 5s, 81f, 00:00:05:00.")
    takes: Takes | None = Field(None, description="How many takes of a shot to render.")
    transition: Joint | None = Field(
        None, description="How a shot meets the next: continuous, cut, dissolve N, fade N."
    )
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")
    fit: KeyframeFit | None = Field(
        None, description="How keyframes are fitted that have no fit of their own: cover, contain or blur."
    )


class Keyframe(Authored):
    """A named picture: a file (relative to the storyboard), or a prompt to paint it from, never both."""

    shorthand: ClassVar[str] = "image"
    image: PicturePath | None = Field(None, description="A picture file, relative to the storyboard.")
    prompt: Text | None = Field(None, description="A prompt from which a T2V model paints it, instead of a file.")
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
    in_: Moment | None = Field(None, alias="in", description="Shows the take or clip from this moment on.")
    out: Length | None = Field(None, description="Shows the take or clip up to this moment.")
    duration: Length | None = Field(None, description="Time on screen: 5s, 81f, 00:00:05:00.")
    hold: Moment | None = Field(None, description="Freezes the last frame and adds this time.")
    transition: Joint | None = Field(
        None, description="How it meets the next shot: continuous, cut, dissolve N, fade N."
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
    ng: OneOrMany[TakeNumber] = Field((), description="Numbers of refused takes.")
    sound: OneOrMany[Sound] = Field((), description="Sounds of the shot.")
    subtitle: OneOrMany[Subtitle] = Field((), description="Text shown over the shot.")
    notes: Text | None = Field(None, description="For people; nothing reaches the model.")
    status: Status | None = Field(None, description="omit: leaves it out of the film.")
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")


class Scene(Authored):
    """One scene. A file with `shots:` at the top has one scene, "1"."""

    id: Id = Field(alias="scene", description="Its name. The default is 1, 2, …")
    slugline: Title | None = Field(None, description="EXT. RIVER - DAY")
    look: Look | None = Field(None, description="Words that join the prompts.")
    duration: Length | None = Field(None, description="A shot's time on screen: 5s, 81f, 00:00:05:00.")
    takes: Takes | None = Field(None, description="How many takes of a shot to render.")
    transition: Joint | None = Field(
        None, description="How a shot meets the next: continuous, cut, dissolve N, fade N."
    )
    render: Render | None = Field(None, description="Settings of rendering.")
    qc: Qc | None = Field(None, description="Checks of takes.")
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
