"""The parts of a checkpoint's JSON configurations that decide what it can do. diffusers reads all else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.errors import InputError, Problem

ATTENDED_SHARE_KEY = "_wan_render_attended_share"


class Config(BaseModel):
    """A JSON object. Other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    quantization_config: None = None


class Index(Config):
    """`model_index.json`: the pipeline's class and its components as [library, class]; [null, null] is none.

    boundary_ratio: the share of the training timesteps above which the first of two transformers is used.
    """

    class_name: Literal["WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline"] = Field(alias="_class_name")
    boundary_ratio: float | None = Field(default=None, gt=0, lt=1)
    expand_timesteps: bool = False

    def component(self, name: str) -> str | None:
        """The class of a component; None if the checkpoint has no such component."""
        entry = (self.model_extra or {}).get(name)
        match entry:
            case [str(), str(class_name)]:
                return class_name
        return None


class TransformerConfig(Config):
    """The configuration of a WanTransformer3DModel or WanVACETransformer3DModel. Defaults are those of the class.

    vace_layers: the layers of VACE that have a second block, for a video; empty for other models.
    attended_share: of sparse-linear attention, the share of the blocks of keys that a block of queries attends to; None
                 for full attention. Written by `models import`. diffusers ignores keys that begin with `_`.
    """

    patch_size: tuple[int, int, int] = (1, 2, 2)
    num_attention_heads: int = Field(default=40, gt=0)
    attention_head_dim: int = Field(default=128, gt=0)
    num_layers: int = Field(default=40, gt=0, le=1000)
    in_channels: int = 16
    out_channels: int | None = 16
    ffn_dim: int = Field(default=13824, gt=0)
    freq_dim: int = Field(default=256, gt=0)
    text_dim: int = 4096
    cross_attn_norm: bool = True
    image_dim: int | None = None
    added_kv_proj_dim: int | None = None
    pos_embed_seq_len: int | None = None
    vace_layers: tuple[int, ...] = ()
    vace_in_channels: int = 96
    attended_share: float | None = Field(default=None, gt=0, le=1, alias=ATTENDED_SHARE_KEY)

    @property
    def width(self) -> int:
        """The number of features of a token."""
        return self.num_attention_heads * self.attention_head_dim


class VaeConfig(Config):
    """The configuration of an AutoencoderKLWan. Defaults are those of the class."""

    z_dim: int = Field(default=16, gt=0)
    scale_factor_temporal: int = Field(default=4, gt=0)
    scale_factor_spatial: int = Field(default=8, gt=0)


Shift = Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False)]
"""A shift, with the same limits as in a storyboard."""


class SchedulerConfig(Config):
    """What the two flow-matching schedulers share. A dynamic shift is refused: it would replace a shot's shift."""

    use_dynamic_shifting: Literal[False] = False
    step_schedule: StepSchedule | None = None


class UniPCConfig(SchedulerConfig):
    """The configuration of a UniPCMultistepScheduler, whose `flow_shift` only affects flow sigmas."""

    use_flow_sigmas: Literal[True]
    prediction_type: Literal["flow_prediction"]
    flow_shift: Shift | None = None


class FlowMatchEulerConfig(SchedulerConfig):
    """The configuration of a FlowMatchEulerDiscreteScheduler. step_schedule: written by `models import`, for a model
    that was distilled for few steps."""

    shift: Shift | None = None
    step_schedule: StepSchedule | None = Field(default=None, alias="wan_render_step_schedule")

    @property
    def flow_shift(self) -> float | None:
        """The shift, under the name that the other scheduler uses."""
        return self.shift


class TextEncoderConfig(Config):
    """The configuration of a UMT5EncoderModel."""

    d_model: int


class ImageEncoderConfig(Config):
    """The configuration of a CLIPVisionModel."""

    hidden_size: int


C = TypeVar("C", bound=Config)


def read_config(file: Path, form: type[C]) -> C:
    """A configuration file as a value. Raises InputError with all mistakes in it."""
    try:
        return form.model_validate(read_object(file))
    except ValidationError as fault:
        raise InputError(*(_problem(file, dict(error)) for error in fault.errors())) from None


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError if it is unreadable or holds something else."""
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise InputError(Problem(str(file), "is not there", remedy="download the model again")) from None
    except OSError as fault:
        raise InputError(Problem(str(file), f"cannot be read: {fault.strerror}")) from None
    except (ValueError, RecursionError) as fault:
        raise InputError(Problem(str(file), f"is not JSON: {fault}", remedy="download the model again")) from None
    if not isinstance(value, dict):
        raise InputError(Problem(str(file), f"holds a {type(value).__name__}", "expected a JSON object"))
    return value


def _problem(file: Path, error: dict[str, Any]) -> Problem:
    place = ".".join(map(str, error["loc"]))
    if place == "quantization_config":
        return Problem(str(file), "is quantised", "allowed: float32, float16 and bfloat16 weights")
    if error["type"] == "missing":
        return Problem(str(file), f"has no '{place}'")
    return Problem(str(file), f"'{place}' is {error['input']!r:.80}", error["msg"])
