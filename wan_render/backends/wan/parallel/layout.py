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
"""Over how many devices the tokens of a prediction may be spread."""

LARGEST = 8
"""Devices of one group: those of one machine."""


@dataclass(frozen=True)
class Layout:
    """Who does what among `guidance * sequence` devices, by rank.

    guidance: 2, where the first half predicts with the prompt and the second with the negative one; else 1.
    sequence: devices that share the tokens of one prediction: neighbours by rank.
    """

    guidance: int
    sequence: int

    @property
    def size(self) -> int:
        """How many devices there are."""
        return self.guidance * self.sequence

    def __str__(self) -> str:
        parts = (("guidance", self.guidance), ("sequence", self.sequence))
        return f"{self.size}: {', '.join(f'{name} x{count}' for name, count in parts if count > 1) or 'alone'}"


def layout(take: Take, size: int) -> Layout:
    """How `size` devices, one of `group_sizes`, share a take.

    Guidance is shared first where every expert is guided: each half then computes what one device computes alone, bit
    for bit, and they exchange one prediction a step.
    """
    is_guided = min(take.sampling.guidance) > 1
    return Layout(2, size // 2) if is_guided and size > 1 else Layout(1, size)


def group_sizes(take: Take, card: ModelCard) -> tuple[int, ...]:
    """How many devices can render a take together, ascending: the tokens are spread where each device then has as many
    of them, and of the heads, as the others."""
    heads = _heads(card)
    if take.through or heads is None:  # no model renders it; a model that nobody knows
        return (1,)
    return (1, *_sizes(take, heads, token_count(take, card.size_multiple, card.frame_step)))


def require_group(take: Take, card: ModelCard, group: Group) -> Layout:
    """The layout of a group. Raises RenderError where so many devices cannot share the take."""
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
    """Heads of the model's attention. None for a folder that cannot be read: opening it says what is wrong with it."""
    if card.folder is None:
        known = official.BY_IDENTITY.get(card.identity)
        return known.heads if known else None
    return _heads_in(card.folder)


@cache
def _heads_in(folder: Path) -> int | None:
    """Read once: a farm asks for every take that is still to come whenever it decides about one."""
    try:
        return read_checkpoint(folder).transformer.num_attention_heads
    except InputError:
        return None
