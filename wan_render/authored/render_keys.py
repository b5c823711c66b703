"""The maps `render`, `loras`, `extend`, `look` and `qc` of the authored file, which are inherited film → scene → shot.

Annotations are evaluated here, as in storyboard_keys.py.
"""

from typing import ClassVar

from pydantic import Field

from wan_render.authored.amounts import (
    FrameCount,
    Guidance,
    LoraScale,
    Retakes,
    Seed,
    Shift,
    Steps,
)
from wan_render.authored.model_keys import ModelChoice
from wan_render.authored.spelling import OneOrMany
from wan_render.authored.values import Authored
from wan_render.authored.words import (
    AskedVariant,
    Check,
    Continuation,
    Expert,
    Gpus,
    LoraPath,
    Negative,
    Profile,
    PromptLanguage,
    Switch,
    Text,
    Unanswered,
)


class KindRender(Authored):
    """Settings for shots of one kind; partial. guidance: one value for each expert, or one for all."""

    model: ModelChoice | None = Field(None, description="A model's name, a folder or file of weights, or its parts.")
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


class Extend(Authored):
    """Extended prompts; partial, inherited key by key."""

    shorthand: ClassVar[str] = "enabled"
    enabled: Switch | None = Field(None, description="true: a language model extends the prompt.")
    language: PromptLanguage | None = Field(
        None, description="Of the extended prompt: zh or en. Default: zh between two keyframes, else as written."
    )
    unanswered: Unanswered | None = Field(
        None, description="What a shot without an answer gets: stop, a slate (default), or written, its own prompt."
    )
    names: OneOrMany[Text] | None = Field(
        None, description="Words that an extended prompt must keep, besides those that look like names."
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
    variant: AskedVariant | None = Field(
        None, description="How the profile is computed: auto, float8, exact-attention, 8-bit-weights or exact."
    )
    frames: FrameCount | None = Field(None, description="How many frames the model renders, whatever the duration.")
    extend: Extend | None = Field(None, description="Whether a language model extends the prompt: true or false.")
    gpus: Gpus | None = Field(None, description="How many devices render one take together: auto, 1, 2, 4 or 8.")
    previous: Continuation | None = Field(
        None, description="What `from: previous` begins on: the last picture, or the last latents. Default: picture."
    )
    t2v: KindRender | None = Field(None, description="For shots without keyframes, and painted keyframes.")
    i2v: KindRender | None = Field(None, description="For shots with only a first keyframe.")
    flf2v: KindRender | None = Field(None, description="For shots between two keyframes.")
    bridge: KindRender | None = Field(None, description="For bridges: frames around a cut that are rendered again.")


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
