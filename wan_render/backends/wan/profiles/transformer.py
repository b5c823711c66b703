"""A Wan transformer with diffusers' weights: the same function, with fewer passes over memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from wan_render.backends.wan.checkpoint.moving import moving_to
from wan_render.backends.wan.kernels.arithmetic import Arithmetic
from wan_render.backends.wan.kernels.attention import Chosen
from wan_render.backends.wan.kernels.attention_check import ExactLayers
from wan_render.backends.wan.kernels.operations import Operations, Rope, Update
from wan_render.backends.wan.profiles.block import LAYERS, TABLES, Block
from wan_render.backends.wan.profiles.context import Contexts, CrossLayers, ShotContext
from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.backends.wan.profiles.weight_storage import ALL_ON_DEVICE, WeightStorage
from wan_render.printable import logger

_log = logger(__name__)

PatchBlock = Callable[[str, torch.nn.Module], None]
"""Called with the name of each of diffusers' blocks and the block, before it is taken over. It may change or move the
block's weights."""


def no_patch(_: str, __: torch.nn.Module) -> None:
    """Leave a block's weights as they are."""


@dataclass(frozen=True)
class _Inputs:
    """The inputs that all blocks share. time: (1 or own tokens, 6, features) float32."""

    context: ShotContext
    rope: Rope
    time: torch.Tensor
    timestep: float


class AcceleratedTransformer(torch.nn.Module):
    """Called like diffusers' WanTransformer3DModel, with a batch of one, under no_grad.

    exchange: shares its tokens with other devices, which are called with the same inputs and give the same result.
    skips:    counts what first_block_threshold saves; may be replaced.
    exact_layers: notes whose attention had to be exact; may be replaced.
    """

    table: torch.Tensor

    def __init__(
        self,
        transformer: Any,
        arithmetic: Arithmetic,
        operations: Operations,
        attend: Chosen,
        device: torch.device,
        patch_block: PatchBlock = no_patch,
        storage: WeightStorage = ALL_ON_DEVICE,
    ) -> None:
        """Take over diffusers' transformer, block by block, onto the device.

        attend: computes exact attention; its kernel may be changed later. patch_block: see PatchBlock. storage: where
        weights are between uses.
        """
        super().__init__()
        self.config = transformer.config
        self.rope, self.patch_embedding = transformer.rope.to(device), transformer.patch_embedding.to(device)
        self.condition_embedder = transformer.condition_embedder.to(device)
        self.proj_out = transformer.proj_out.to(device)
        self.register_buffer("table", transformer.scale_shift_table[0].detach().to(device, torch.float32))
        self._eps = transformer.norm_out.eps
        count = len(transformer.blocks)
        self.blocks = storage.blocks.empty(device, count)
        self.cross_attentions = storage.keys_and_values.empty(device, count)
        with moving_to(device) as move:
            for place, block in enumerate(transformer.blocks):
                move(block)
                patch_block(f"blocks.{place}", block)
                self.blocks.append(Block(block, arithmetic, operations, device))
                self.cross_attentions.append(CrossLayers(block.attn2).to(device))
        self._operations, self.attend = operations, attend
        self._rounds_attention = arithmetic.rounds_attention
        self.exact_layers = ExactLayers()
        self.exchange: Exchange = UNDIVIDED
        self.first_block_threshold: float | None = None
        self.skips = SkipCount()
        self._contexts = Contexts(self.condition_embedder, self.cross_attentions)
        self._ropes: dict[tuple[int, ...], Rope] = {}

    @property
    def dtype(self) -> torch.dtype:
        """The type of the inputs."""
        found: torch.dtype = self.patch_embedding.weight.dtype
        return found

    def linear_layers(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """The linear layers that a profile's precision applies to, by their names in diffusers' transformer."""
        for place, block in enumerate(self.blocks):
            for name, theirs in LAYERS.items():
                yield f"blocks.{place}.{theirs}", block.get_submodule(name)

    def tables(self) -> Iterator[tuple[str, Callable[[torch.Tensor], None]]]:
        """The tables with a form of their own here: their names in diffusers' transformer, and functions that replace
        them. A function keeps a part of this transformer alive, never all of it."""
        yield "scale_shift_table", partial(_hold, self.table)
        for place, block in enumerate(self.blocks):
            if isinstance(block, Block):
                for name, theirs in TABLES.items():
                    yield f"blocks.{place}.{theirs}", partial(block.hold, name)

    def forget(self) -> None:
        """Free everything that was cached for takes so far."""
        self._contexts.clear()

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        *,
        return_dict: bool = False,
    ) -> tuple[torch.Tensor]:
        """A prediction (1, channels, frames, height, width) in the type of the input, as a tuple of one."""
        if hidden_states.shape[0] != 1 or return_dict:
            raise ValueError(f"expected a batch of one and return_dict=False, got {tuple(hidden_states.shape)}")
        of_tokens = timestep if timestep.dim() == 1 else self.exchange.own_tokens(timestep, 1)
        embedded, time = self._time(of_tokens, hidden_states.dtype)
        inputs = _Inputs(
            self._contexts.of(encoder_hidden_states, encoder_hidden_states_image),
            self._rope(hidden_states),
            time,
            float(timestep.max()) if self._follows_timesteps else 0.0,  # this waits for the device
        )
        stream = self.exchange.own_tokens(self.patch_embedding(hidden_states).flatten(2)[0].t(), 0).contiguous()
        inputs.context.checks.at(inputs.timestep)
        stream, update = self._through(stream, inputs)
        shift, scale = (self.table + embedded.unsqueeze(1)).unbind(1)
        _, normed = self._operations.norm(stream, update, 1 + scale, shift, self._eps, to_rows=False)
        return (self._unpatched(self.exchange.all_tokens(self.proj_out(normed), 0), hidden_states.shape),)

    def _through(self, stream: torch.Tensor, inputs: _Inputs) -> tuple[torch.Tensor, Update | None]:
        """The stream after the last block. Blocks are looped over, never indexed: they may be streamed."""
        if self.first_block_threshold is not None:
            return self._through_cached(stream, inputs, self.first_block_threshold), None
        update: Update | None = None
        for layer, block in enumerate(self.blocks):
            stream, update = self._through_block(layer, block, stream, update, inputs)
        return stream, update

    def _through_cached(self, stream: torch.Tensor, inputs: _Inputs, threshold: float) -> torch.Tensor:
        cache = inputs.context.first_block
        cache.at(inputs.timestep)
        start, first, update = stream.clone(), None, None
        for layer, block in enumerate(self.blocks):
            stream, update = self._through_block(layer, block, stream, update, inputs)
            if first is None:
                first = _settled(stream, update)
                rest = cache.rest if cache.skips(first - start, threshold, self.exchange) else None
                self.skips.note(is_skipped=rest is not None)
                if rest is not None:
                    return first + rest
                stream, update = first.clone(), None
        if first is None:
            return stream
        last = _settled(stream, update)
        cache.computed(first - start, last - first)
        return last

    def _through_block(
        self, layer: int, block: torch.nn.Module, stream: torch.Tensor, update: Update | None, inputs: _Inputs
    ) -> tuple[torch.Tensor, Update]:
        crossed, check = inputs.context.blocks[layer], inputs.context.checks.layers[layer]
        found: tuple[torch.Tensor, Update] = block(
            stream, update, inputs.time, crossed, inputs.rope, self.attend, self.exchange, check
        )
        if check.is_exact and self.exact_layers.note(layer, check.error):
            _log.info("attention in bfloat16, not float8: %s", self.exact_layers.words(len(self.blocks)))
        return found

    @property
    def _follows_timesteps(self) -> bool:
        return self._rounds_attention or self.first_block_threshold is not None

    def _time(self, timestep: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """The embedded timestep (1 or tokens, features) and its modulations (1 or tokens, 6, features), float32."""
        embedder = self.condition_embedder
        projected = embedder.timesteps_proj(timestep.flatten())
        embedded = embedder.time_embedder(projected.to(next(embedder.time_embedder.parameters()).dtype)).to(dtype)
        modulation = embedder.time_proj(embedder.act_fn(embedded))
        return embedded, modulation.unflatten(1, (6, -1)).float()

    def _rope(self, hidden_states: torch.Tensor) -> Rope:
        """The rotary positions of this device's tokens, computed once for a shape. diffusers' form has each number
        twice."""
        shape = tuple(hidden_states.shape[2:])
        if shape not in self._ropes:
            cos, sin = self.rope(hidden_states)
            self._ropes = {shape: Rope(cos[0, :, 0, 0::2].contiguous(), sin[0, :, 0, 1::2].contiguous())}
        of_all = self._ropes[shape]
        return Rope(self.exchange.own_tokens(of_all.cos, 0), self.exchange.own_tokens(of_all.sin, 0))

    def _unpatched(self, tokens: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Tokens of patches as latents (1, channels, frames, height, width)."""
        patch = self.config.patch_size
        counts = tuple(extent // size for extent, size in zip(shape[2:], patch, strict=True))
        patches = tokens.view(*counts, *patch, -1)  # frames, rows, columns, within a patch alike, channels
        return patches.permute(6, 0, 3, 1, 4, 2, 5).flatten(5, 6).flatten(3, 4).flatten(1, 2).unsqueeze(0)


def _hold(held: torch.Tensor, table: torch.Tensor) -> None:
    held.copy_(table.detach().view(held.shape))


def _settled(stream: torch.Tensor, update: Update | None) -> torch.Tensor:
    """The stream with its update added, rounded to its type. A norm that adds the update itself reads the unrounded
    sum."""
    if update is None:
        return stream
    value = update.value.float() if update.gate is None else update.value.float() * update.gate
    return (stream.float() + value).to(stream.dtype)
