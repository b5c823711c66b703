"""Lets a transformer share its tokens with other devices for one forward, and restores it afterwards.

diffusers' `enable_parallelism` cannot be undone, and a warm model may render its next take on one device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn

from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer

Rotation = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines (1, tokens, 1, features of a head). Each number occurs twice."""


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
            own.set_processor(ExchangingProcessor(exchange, own.processor))
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


class ExchangingProcessor:
    """Self-attention as in diffusers' WanAttnProcessor, over tokens that are spread over several devices."""

    def __init__(self, exchange: Exchange, former: Any) -> None:
        """former: the processor that this one replaces; its kernel is used."""
        self._exchange = exchange
        self._backend = former._attention_backend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        rotary_emb: Rotation | None = None,
    ) -> torch.Tensor:
        """(1, own tokens, features) to the same shape, by the layers of `attn`."""
        if encoder_hidden_states is not None or attention_mask is not None or rotary_emb is None:
            raise ValueError("expected a self-attention with positions and no mask")

        def heads(layer: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
            return layer(hidden_states).view(*hidden_states.shape[:2], attn.heads, -1)

        sent = self._exchange.to_heads
        query = sent(_rotated(heads(lambda tokens: attn.norm_q(attn.to_q(tokens))), rotary_emb))
        key = sent(_rotated(heads(lambda tokens: attn.norm_k(attn.to_k(tokens))), rotary_emb))
        value = sent(heads(attn.to_v))
        found = self._exchange.to_tokens(dispatch_attention_fn(query(), key(), value(), backend=self._backend))
        projected: torch.Tensor = attn.to_out[0](found.flatten(2).type_as(hidden_states))
        return projected  # diffusers' dropout after it does nothing in eval mode


def _rotated(numbers: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Pairs of features, rotated by the angles of their position."""
    cos, sin = rotation[0][..., 0::2], rotation[1][..., 1::2]
    one, other = numbers.view(*numbers.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2).type_as(numbers)
