"""Which parts make a model, which of them are missing, and what the model is like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_render.authored.spelling import did_you_mean
from wan_render.backends.wan.checkpoint.configs import ATTENDED_SHARE_KEY
from wan_render.backends.wan.layouts.part import Part, PartKind
from wan_render.backends.wan.models import fine_tuned, official
from wan_render.backends.wan.models.fine_tuned import KNOWN, named_like
from wan_render.backends.wan.models.official import Official
from wan_render.errors import Problem, UsageError
from wan_render.printable import shown
from wan_render.take import ShotKind

UNIPC, EULER = "UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"

WIDTH_OF_1_3B = 1536
LATENTS_2_2 = 48
"""Channels of the latents of Wan 2.2's own VAE, which only the 5B uses."""


class PartsMissingError(UsageError):
    """Something that a model needs is not among the files. A file that could not be read may be it."""


@dataclass(frozen=True)
class ExpertParts:
    """The transformers of a model. low: None if it has one."""

    high: Part
    low: Part | None = None

    @property
    def all(self) -> tuple[Part, ...]:
        """The transformers."""
        return (self.high,) if self.low is None else (self.high, self.low)

    def needs(self, kind: PartKind) -> bool:
        """Whether the model needs a part of this kind."""
        return kind is not PartKind.IMAGE_ENCODER or self.high.config["image_dim"] is not None


def sees_video(config: Mapping[str, Any]) -> bool:
    """Whether a transformer of this configuration gets a video (VACE)."""
    return bool(config.get("vace_layers"))


@dataclass(frozen=True)
class PartsAtHand:
    """What a model may be made of besides its transformers. tokenizer: a folder; None if there is none."""

    parts: tuple[Part, ...]
    tokenizer: Path | None


@dataclass(frozen=True)
class Assembly:
    """A model to be made from parts. tokenizer: a folder, or None if it is in the text encoder's file.

    like: the model whose numbers are used. others: further models that its tensors allow.
    """

    experts: ExpertParts
    text_encoder: Part
    vae: Part
    image_encoder: Part | None
    tokenizer: Path | None
    like: Official
    others: tuple[Official, ...]

    @property
    def parts(self) -> Mapping[str, Part]:
        """By the component that each becomes."""
        found = {"transformer": self.experts.high, "text_encoder": self.text_encoder, "vae": self.vae}
        if self.experts.low is not None:
            found["transformer_2"] = self.experts.low
        if self.image_encoder is not None:
            found["image_encoder"] = self.image_encoder
        return found

    @property
    def index(self) -> dict[str, Any]:
        """Its model_index.json."""
        has_keyframes = any(kind is not ShotKind.T2V for kind in self.like.kinds)
        is_5b = self.like is official.TI2V_5B
        pictures = self.image_encoder is not None
        is_vace = sees_video(self.experts.high.config)
        of_keyframes = "WanImageToVideoPipeline" if has_keyframes and not is_5b else "WanPipeline"
        return {
            "_class_name": "WanVACEPipeline" if is_vace else of_keyframes,
            "boundary_ratio": self.like.boundary,
            **({} if is_vace else {"expand_timesteps": is_5b}),
            "image_encoder": ["transformers", "CLIPVisionModel"] if pictures else [None, None],
            "image_processor": ["transformers", "CLIPImageProcessor"] if pictures else [None, None],
            "scheduler": ["diffusers", EULER if self.like.step_schedule else UNIPC],
            "text_encoder": ["transformers", "UMT5EncoderModel"],
            "tokenizer": ["transformers", "T5Tokenizer"],
            "transformer": ["diffusers", "WanVACETransformer3DModel" if is_vace else "WanTransformer3DModel"],
            "transformer_2": ["diffusers", "WanTransformer3DModel"] if self.experts.low else [None, None],
            "vae": ["diffusers", "AutoencoderKLWan"],
        }


def assemble_model(experts: ExpertParts, at_hand: PartsAtHand, like: str | None) -> Assembly:
    """The model that the parts make. like: the published model whose numbers are used; None for the likeliest.

    Raises UsageError with everything that is missing, or that there is twice.
    """
    model, others = _like(experts, like)
    problems = list(_lacking(at_hand, experts))
    text, vae = _only(at_hand.parts, PartKind.TEXT_ENCODER), _vae_for(at_hand.parts, experts)
    if problems or text is None or vae is None:
        raise PartsMissingError(*problems)
    image = _only(at_hand.parts, PartKind.IMAGE_ENCODER) if experts.needs(PartKind.IMAGE_ENCODER) else None
    return Assembly(experts, text, vae, image, at_hand.tokenizer, model, others)


def _like(experts: ExpertParts, asked: str | None) -> tuple[Official, tuple[Official, ...]]:
    """The model whose numbers are used, and the others that the transformers fit as well."""
    fitting = _fitting(experts)
    if not fitting:
        is_half = bool(_fitting(ExpertParts(experts.high, experts.high)))
        remedy = "name both: --high FILE --low FILE" if is_half and experts.low is None else ""
        raise UsageError(Problem(str(experts.high.file.path), f"is {experts.high.words}", _KNOWN, remedy))
    if asked is None:
        chosen = named_like(experts.high.file.path.name, fitting) or fitting[0]
        return chosen, tuple(model for model in fitting if model is not chosen)
    if asked not in KNOWN:
        raise UsageError(Problem("--like", f"{shown(asked)} is no known model", _KNOWN, did_you_mean(asked, KNOWN)))
    found = next((model for model in fitting if model.name == asked), None)
    if found is None:
        allowed = f"allowed for it: {', '.join(model.name for model in fitting)}"
        raise UsageError(Problem("--like", f"{asked} is built otherwise than these weights", allowed))
    return found, ()


_KNOWN = f"known models: {', '.join(KNOWN)}"


def _fitting(experts: ExpertParts) -> tuple[Official, ...]:
    """The models that are built like this, the likeliest first."""
    config = experts.high.config
    width = config["num_attention_heads"] * config["attention_head_dim"]
    has_two = experts.low is not None
    if ATTENDED_SHARE_KEY in config:
        return _sparse_linear(config, width, has_two=has_two)
    if sees_video(config):
        return () if has_two else (official.VACE_1_3B if width <= WIDTH_OF_1_3B else official.VACE_14B,)
    if config["out_channels"] == LATENTS_2_2:
        return () if has_two else (official.TI2V_5B,)
    if config["pos_embed_seq_len"] is not None:
        return (official.FLF2V_14B,)
    if config["image_dim"] is not None:
        return (fine_tuned.FUN_1_3B,) if width == WIDTH_OF_1_3B else _I2V
    if config["in_channels"] > config["out_channels"]:
        return (official.I2V_A14B, fine_tuned.FUN_A14B, fine_tuned.I2V_A14B_4STEP) if has_two else ()
    if has_two:
        return (official.T2V_A14B, fine_tuned.T2V_A14B_4STEP)
    if width <= WIDTH_OF_1_3B:
        return (official.T2V_1_3B, fine_tuned.T2V_1_3B_RCM)
    return (official.T2V_14B, fine_tuned.T2V_4STEP, fine_tuned.T2V_RCM)


def _sparse_linear(config: Mapping[str, Any], width: int, *, has_two: bool) -> tuple[Official, ...]:
    """Of those with sparse-linear attention."""
    if config["image_dim"] is not None or sees_video(config) or config["out_channels"] == LATENTS_2_2:
        return ()
    if config["in_channels"] > config["out_channels"]:
        return (fine_tuned.I2V_A14B_TURBO,) if has_two else ()
    if has_two:
        return ()
    is_small = width <= WIDTH_OF_1_3B
    return (fine_tuned.T2V_1_3B_TURBO,) if is_small else (fine_tuned.T2V_TURBO, fine_tuned.T2V_720P_TURBO)


_I2V = (
    official.I2V_14B_480P,
    official.I2V_14B_720P,
    fine_tuned.FUN_14B,
    fine_tuned.I2V_480P_4STEP,
    fine_tuned.I2V_720P_4STEP,
)


def _lacking(at_hand: PartsAtHand, experts: ExpertParts) -> Iterator[Problem]:
    parts, config = at_hand.parts, experts.high.config
    if experts.low is not None and experts.low.config != config:
        yield Problem("--low", f"{experts.low.file.title} is built otherwise than the high-noise expert")
    for kind in (PartKind.TEXT_ENCODER, PartKind.IMAGE_ENCODER):
        if experts.needs(kind):
            yield from _problem_of(kind, [part for part in parts if part.kind is kind])
    vaes = [part for part in parts if part.kind is PartKind.VAE]
    if len(vaes) > 1:
        yield from _problem_of(PartKind.VAE, vaes)
    if not vaes:
        which = "2.2" if config["out_channels"] == LATENTS_2_2 else "2.1"
        yield Problem("models import", f"the VAE is missing: that of Wan {which}", "", _NAMES[PartKind.VAE])
    text = _only(parts, PartKind.TEXT_ENCODER)
    if text is not None and at_hand.tokenizer is None and not text.file.has_tokenizer:
        yield Problem("models import", "the tokenizer is missing", "", _TOKENIZER)
    for part in (*experts.all, *parts):
        if (problem := part.file.problem()) is not None:
            yield problem


_NAMES = {
    PartKind.TEXT_ENCODER: "name a UMT5 file as well: umt5_xxl_….safetensors, or models_t5_umt5-xxl-enc-bf16.pth",
    PartKind.IMAGE_ENCODER: "name a CLIP file as well: clip_vision_h.safetensors, or models_clip_….pth",
    PartKind.VAE: "name a VAE file as well: wan_2.1_vae.safetensors, or Wan2.1_VAE.pth",
}
_TOKENIZER = "name a folder with it (--tokenizer DIR): google/umt5-xxl, or tokenizer/ of a pulled model"


def _problem_of(kind: PartKind, found: Sequence[Part]) -> Iterator[Problem]:
    what = kind.replace("_", " ")
    if not found:
        yield Problem("models import", f"the {what} is missing", "", _NAMES[kind])
    elif len(found) > 1:
        names = ", ".join(part.file.title for part in found)
        yield Problem("models import", f"there are {len(found)} of the {what}: {names}", "", "name one of them")


def _only(parts: Sequence[Part], kind: PartKind) -> Part | None:
    return next((part for part in parts if part.kind is kind), None)


def _vae_for(parts: Sequence[Part], experts: ExpertParts) -> Part | None:
    """The VAE whose latents the transformer renders."""
    channels = experts.high.config["out_channels"]
    return next((part for part in parts if part.kind is PartKind.VAE and part.config["z_dim"] == channels), None)
