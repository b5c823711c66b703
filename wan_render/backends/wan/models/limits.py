"""The limits of a model's takes, and their number of tokens. A take beyond a limit is refused; diffusers would round,
stretch or ignore something. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.backends.wan.profiles.render_profile import VARIANTS
from wan_render.errors import Problem, RenderError
from wan_render.model_card import ModelCard
from wan_render.render_values import TakeInputs
from wan_render.take import ShotKind, Take

TEXT_TOKENS = 512
"""Every text is padded to this: the transformer takes tokens before the last 512 for those of pictures."""


def require_possible(take: Take, plates: TakeInputs, card: ModelCard) -> None:
    """Raise RenderError with everything in the take that the model cannot do."""
    if problems := [*_take_problems(take, card), *_plate_problems(take, plates)]:
        raise RenderError(*problems)


def _take_problems(take: Take, card: ModelCard) -> Iterator[Problem]:
    if take.kind not in card.kinds:
        kinds = ", ".join(kind.value for kind in card.kinds)
        yield Problem(card.name, f"cannot render {take.kind.value}", f"it renders {kinds}", "name another model")
        return
    yield from _raster_problems(take, card)
    yield from _sampling_problems(take, card)


def _raster_problems(take: Take, card: ModelCard) -> Iterator[Problem]:
    if (take.frames - 1) % card.frame_step:
        below = (take.frames - 1) // card.frame_step * card.frame_step + 1
        nearest = f"nearest: {below} or {below + card.frame_step}"
        yield Problem(card.name, f"cannot render {take.frames} frames", f"expected {card.frame_step}·n + 1", nearest)
    if take.kind is ShotKind.FLF2V and take.frames <= card.frame_step:
        yield Problem(card.name, f"{take.frames} frame has no room for two keyframes", "expected 5 frames or more")
    if take.size.width % card.size_multiple or take.size.height % card.size_multiple:
        yield Problem(card.name, f"cannot render {take.size}", f"expected multiples of {card.size_multiple}")
    if take.rate != card.rate:
        yield Problem(card.name, f"renders {card.rate} frames a second", f"the take asks for {take.rate}")


def _sampling_problems(take: Take, card: ModelCard) -> Iterator[Problem]:
    sampling = take.sampling
    experts = len(card.kinds[take.kind].sampling.guidance)
    if len(sampling.guidance) != experts:
        yield Problem(card.name, f"guidance has {len(sampling.guidance)} values", f"expected {experts}, one an expert")
    if sampling.steps < 1:
        yield Problem(card.name, f"cannot render in {sampling.steps} steps", "expected at least one")
    if not 0 < sampling.guided_share <= 1:
        found = f"cannot guide {sampling.guided_share:g} of the steps"
        yield Problem(card.name, found, "expected more than 0, at most 1")
    if not sampling.shift > 0:
        yield Problem(card.name, f"shift is {sampling.shift}", "expected more than 0")
    if take.bridge is not None and sampling.profile != "exact":
        yield Problem(card.name, f"renders no bridge with profile '{sampling.profile}'", "allowed: exact")
    if sampling.profile not in VARIANTS:
        allowed = f"allowed: {', '.join(VARIANTS)}"
        yield Problem(card.name, f"unknown profile '{sampling.profile}'", allowed)
    elif sampling.variant not in VARIANTS[sampling.profile]:
        yield Problem(card.name, f"profile '{sampling.profile}' has no variant '{sampling.variant}'")


def _plate_problems(take: Take, plates: TakeInputs) -> Iterator[Problem]:
    shape = (take.size.height, take.size.width, 3)
    for name, plate, picture in (("first", take.first, plates.first), ("last", take.last, plates.last)):
        if (plate is None) != (picture is None):
            yield Problem(f"the {name} plate", "is not there" if picture is None else "is not the take's")
        elif picture is not None and (picture.dtype != "uint8" or picture.shape != shape):
            expected = f"expected uint8 {shape}"
            yield Problem(f"the {name} plate", f"is {picture.dtype} {picture.shape}", expected)
    if take.continues_latents and plates.latents is None:
        yield Problem("the latents that it begins on", "are not there")
    yield from _side_problems(take, plates)


def _side_problems(take: Take, plates: TakeInputs) -> Iterator[Problem]:
    """What is wrong with the frames on both sides of a bridge."""
    before, after = (None, None) if take.bridge is None else (take.bridge.before, take.bridge.after)
    for name, part, given in (("before", before, plates.before), ("after", after, plates.after)):
        shape = None if part is None else (part.frames, take.size.height, take.size.width, 3)
        found = None if given is None else given.shape
        if found != shape:
            yield Problem(f"the frames {name} the bridge", f"are {found}", f"expected {shape}")


def token_count(take: Take, cell: int, frame_step: int = 4) -> int:
    """The number of tokens of a prediction. cell: the edge of a token in pixels. frame_step: frames per latent
    frame."""
    latent_frames = (take.frames - 1) // frame_step + 1
    return latent_frames * (take.size.height // cell) * (take.size.width // cell)
