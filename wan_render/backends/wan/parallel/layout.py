"""How the devices of a group share a take. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.limits import token_count
from wan_render.errors import InputError, Problem, RenderError
from wan_render.model_card import ModelCard
from wan_render.render_values import Group
from wan_render.take import Take

SEQUENCES = (2, 4, 8)
"""The numbers of devices that may share the tokens of a prediction."""

LARGEST = 8
"""The most devices in a group: those of one machine."""


@dataclass(frozen=True)
class Layout:
    """How `guidance * sequence` devices share a step.

    guidance: 2 if the first half of the ranks predicts with the prompt and the second with the negative prompt, else 1.
    sequence: how many neighbouring ranks share the tokens of one prediction.
    """

    guidance: int
    sequence: int

    @property
    def size(self) -> int:
        """The number of devices."""
        return self.guidance * self.sequence

    def __str__(self) -> str:
        parts = (("guidance", self.guidance), ("sequence", self.sequence))
        return f"{self.size}: {', '.join(f'{name} x{count}' for name, count in parts if count > 1) or 'alone'}"


def layout(take: Take, size: int) -> Layout:
    """How `size` devices, one of `group_sizes`, share a take.

    If every expert is guided, the two predictions are shared first. Each half then computes the same bits as a single
    device, and the halves exchange one prediction per step. In steps without guidance both halves compute the same.
    """
    is_guided = min(take.sampling.guidance) > 1
    return Layout(2, size // 2) if is_guided and size > 1 else Layout(1, size)


def group_sizes(take: Take, card: ModelCard) -> tuple[int, ...]:
    """The numbers of devices that can render a take, ascending. All devices must get the same number of tokens and of
    heads."""
    heads = _heads(card)
    if take.through or take.bridge is not None or heads is None:  # joined, by diffusers' forward, or an unknown model
        return (1,)
    return (1, *_sizes(take, heads, token_count(take, card.size_multiple, card.frame_step)))


def require_group(take: Take, card: ModelCard, group: Group) -> Layout:
    """The layout of a group. Raises RenderError if this many devices cannot share the take."""
    allowed = group_sizes(take, card)
    if group.size not in allowed or not 0 <= group.rank < group.size:
        found = f"cannot be rendered by device {group.rank} of {group.size}"
        raise RenderError(Problem(card.name, found, f"for this take: {', '.join(map(str, allowed))} devices"))
    return layout(take, group.size)


def _sizes(take: Take, heads: int, count: int) -> Iterator[int]:
    guidance = layout(take, 2).guidance
    for sequence in (1, *SEQUENCES):
        size = guidance * sequence
        if 1 < size <= LARGEST and not heads % sequence and not count % sequence:
            yield size


def _heads(card: ModelCard) -> int | None:
    """The number of heads of the model's attention. None for an unreadable folder; opening it raises the error."""
    if card.folder is None:
        known = official.BY_IDENTITY.get(card.identity)
        return known.heads if known else None
    if card.made_from is not None:
        return int(dict(card.made_from.transformer)["num_attention_heads"])
    return _heads_in(card.folder)


@cache
def _heads_in(folder: Path) -> int | None:
    """The heads of a model in a folder. Cached: whenever a farm decides about one take, it asks for all that are
    left."""
    try:
        return read_checkpoint(folder).transformer.num_attention_heads
    except InputError:
        return None
