"""Lets a transformer share its tokens with other devices for one forward, and restores it afterwards.

diffusers' `enable_parallelism` cannot be undone, and a warm model may render its next take on one device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn

from wan_render.backends.wan.kernels.attention import Attend
from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange
from wan_render.backends.wan.profiles.self_attention import Rotation, SelfAttentionProcessor
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer


@contextmanager
def sharded(transformer: Any, exchange: Exchange) -> Iterator[None]:
    """Inside, a forward that all devices call with the same inputs gives all of them the result of a single device."""
    if isinstance(transformer, AcceleratedTransformer):
        transformer.exchange = exchange
        try:
            yield
        finally:
            transformer.exchange = UNDIVIDED
        return
    with ExitStack() as undo:
        for hook in _hooks(transformer, exchange):
            undo.callback(hook.remove)
        for block in transformer.blocks.children():  # a loop over `blocks` would fetch streamed blocks
            own = block.attn1
            undo.callback(own.set_processor, own.processor)
            own.set_processor(SelfAttentionProcessor(exchange, _attend_of(own.processor)))
        yield


def _hooks(transformer: Any, exchange: Exchange) -> Iterator[Any]:
    """Hooks on diffusers' transformer where tokens enter and leave it: timesteps of tokens, positions, the input of the
    first block, and the output of the last layer."""

    def own(of_all: torch.Tensor) -> torch.Tensor:
        return exchange.own_tokens(of_all, 1)

    def of_call(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        timestep = named["timestep"]
        return args, named if timestep.dim() == 1 else named | {"timestep": own(timestep)}

    def of_positions(_: Any, __: Any, found: Rotation) -> Rotation:
        return own(found[0]), own(found[1])

    def of_first_block(_: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return own(args[0]), *args[1:]

    def of_last_layer(_: Any, __: Any, found: torch.Tensor) -> torch.Tensor:
        return exchange.all_tokens(found, 1)

    yield transformer.register_forward_pre_hook(of_call, with_kwargs=True)
    yield transformer.rope.register_forward_hook(of_positions)
    yield next(transformer.blocks.children()).register_forward_pre_hook(of_first_block)
    yield transformer.proj_out.register_forward_hook(of_last_layer)


def _attend_of(processor: Any) -> Attend:
    """The attention of a block's processor: its own, or by the kernel that diffusers' processor uses."""
    if isinstance(processor, SelfAttentionProcessor):
        return processor.attend
    return partial(dispatch_attention_fn, backend=processor._attention_backend)
