"""The type of the authored file for a model: its name, its folder or file, the files that it is made of, or a workflow
of ComfyUI."""

from typing import ClassVar

from pydantic import Field

from wan_render.authored.amounts import WorkflowRate
from wan_render.authored.spelling import EachOnce
from wan_render.authored.values import Authored
from wan_render.authored.words import LikeModel, ModelName, NodeInputText, WeightsPath, WorkflowPath

_PARTS = ("transformer", "high", "low", "text_encoder", "vae", "image_encoder")
_INPUTS = (
    "first", "last", "prompt", "negative", "seed", "frames", "width", "height", "steps", "guidance", "shift",
)  # fmt: skip


class WorkflowChoice(Authored):
    """The keys of a map with `comfyui`: the workflow, and the inputs that takes fill, as `NODE.INPUT`."""

    comfyui: WorkflowPath | None = Field(None, description="A workflow of ComfyUI in its API format.")
    first: EachOnce[NodeInputText] = Field((), description="The input that gets the first keyframe: 52.image.")
    last: EachOnce[NodeInputText] = Field((), description="The input that gets the last keyframe: 72.image.")
    prompt: EachOnce[NodeInputText] = Field((), description="The input that gets the prompt: 6.text.")
    negative: EachOnce[NodeInputText] = Field((), description="The input that gets the negative prompt: 7.text.")
    seed: EachOnce[NodeInputText] = Field((), description="The input that gets the seed: 3.seed.")
    frames: EachOnce[NodeInputText] = Field((), description="The input that gets the number of frames: 50.length.")
    width: EachOnce[NodeInputText] = Field((), description="The input that gets the width. Default: beside `frames`.")
    height: EachOnce[NodeInputText] = Field((), description="The input that gets the height. Default: as for `width`.")
    steps: EachOnce[NodeInputText] = Field((), description="The input that gets the steps. Default: beside `seed`.")
    guidance: EachOnce[NodeInputText] = Field((), description="The input that gets the guidance: 3.cfg.")
    shift: EachOnce[NodeInputText] = Field((), description="The input that gets the shift of the schedule.")
    images: NodeInputText | None = Field(
        None, description="The node whose output the frames are. Default: what is saved."
    )
    rate: WorkflowRate | None = Field(None, description="Frames per second. Default: those of the workflow's video.")

    @property
    def inputs(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The inputs that are written: (role, texts)."""
        return tuple((role, texts) for role in _INPUTS if (texts := getattr(self, role)))

    @property
    def keys_of_workflow(self) -> tuple[str, ...]:
        """The keys that are written and need `comfyui`."""
        return (*(role for role, _ in self.inputs), *(key for key in ("images", "rate") if getattr(self, key)))


class ModelChoice(WorkflowChoice):
    """A model: a name, a folder or a file; the parts that it is made of; or a workflow. Inherited as a whole."""

    shorthand: ClassVar[str] = "name"
    name: ModelName | None = Field(None, description="A model's name, or a folder or file of weights.")
    transformer: WeightsPath | None = Field(None, description="The transformer: a file, or a folder with its shards.")
    high: WeightsPath | None = Field(None, description="The high-noise expert of a Wan 2.2 14B model.")
    low: WeightsPath | None = Field(None, description="The low-noise expert of a Wan 2.2 14B model.")
    text_encoder: WeightsPath | None = Field(None, description="UMT5.")
    vae: WeightsPath | None = Field(None, description="The VAE.")
    image_encoder: WeightsPath | None = Field(None, description="CLIP, for models of Wan 2.1 with keyframes.")
    tokenizer: WeightsPath | None = Field(None, description="A folder with the text encoder's tokenizer.")
    like: LikeModel | None = Field(None, description="The known model whose numbers are used.")

    @property
    def is_written(self) -> bool:
        """Whether anything is named. An empty text clears an inherited model."""
        return self.name != ""

    @property
    def parts(self) -> dict[str, str]:
        """The paths of the parts that are named, by their keys, without the tokenizer."""
        return {key: path for key in _PARTS if (path := getattr(self, key))}

    @property
    def title(self) -> str:
        """What to call it: its name, its workflow, or its transformer."""
        return self.name or self.comfyui or self.transformer or self.high or "a map of parts"
