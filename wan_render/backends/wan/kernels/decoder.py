"""diffusers' VAE decoder in fewer passes over memory: half of its time on a GPU goes into norms, additions, padding and
changes of layout between its convolutions, which are left to cuDNN.

Channels lie beside each other throughout, as cuDNN's kernels want them. A residual block norms straight into the input
of its convolution, behind the two frames that it remembers; the convolution pads; its bias is added by what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.nn import functional

Cache = list[Any]
"""What diffusers' causal layers keep of the frames before: a tensor each, None before the first, or a word."""

REMEMBERED = 2
"""Frames before its own that a convolution over three of them sees."""


class DecoderOperations(Protocol):
    """What a decoder does between convolutions, on (1, channels, frames, height, width) with channels last."""

    def norm_silu(
        self, pixels: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, out: torch.Tensor
    ) -> None:
        """SiLU of the RMS norm of pixels + bias times gamma, into `out`. bias, gamma: (channels,)."""
        ...

    def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """pixels + bias + other; the first may be overwritten."""
        ...


class TorchDecoderOperations:
    """On any device: what the fused kernels are held against."""

    def norm_silu(
        self, pixels: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, out: torch.Tensor
    ) -> None:
        """See DecoderOperations."""
        wide = pixels.float() if bias is None else pixels.float() + _of_channels(bias)
        normed = functional.normalize(wide, dim=1) * len(gamma) ** 0.5 * _of_channels(gamma)
        out.copy_(functional.silu(normed))

    def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See DecoderOperations."""
        return (pixels.float() + _of_channels(bias) + other.float()).to(pixels.dtype)


def fuse(vae: Any, operations: DecoderOperations) -> None:
    """Have the decoder of diffusers' AutoencoderKLWan compute so, in the precision that it has. It stays so."""
    vae.decoder = Decoder(vae.decoder, operations)


def channels_last(module: torch.nn.Module) -> None:
    """Lay out the weights of 3D convolutions as cuDNN's kernels want them: an eighth less time in bfloat16."""
    for weight in module.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)


class Decoder(torch.nn.Module):
    """diffusers' WanDecoder3d."""

    def __init__(self, decoder: Any, operations: DecoderOperations) -> None:
        """Take over its layers, which are changed."""
        super().__init__()
        self._operations = operations
        self.gamma, self.conv_out = _gamma(decoder.norm_out), Taken(decoder.conv_out)
        _replace(decoder, operations)
        self.conv_in, self.mid_block, self.up_blocks = decoder.conv_in, decoder.mid_block, decoder.up_blocks
        channels_last(self)

    def forward(
        self,
        x: torch.Tensor,
        feat_cache: Cache,
        feat_idx: list[int],
        first_chunk: bool = False,  # noqa: FBT001, FBT002 - diffusers' own
    ) -> torch.Tensor:
        """Latents (1, z, 1, height, width) to frames (1, channels, frames, height, width)."""
        place = feat_idx[0]
        feat_idx[0] += 1
        before = feat_cache[place]
        feat_cache[place] = (x if before is None else torch.cat([before, x], dim=2))[:, :, -REMEMBERED:].clone()
        # Nobody but a block holds its input, so that it is freed when its first layer has done with it, 0.6 GB at
        # 832x480 in float32; a call of the module itself, not of its forward, would hold it to the end.
        passed = [self.mid_block(self.conv_in(x, before), feat_cache=feat_cache, feat_idx=feat_idx)]
        for block in self.up_blocks:
            passed.append(
                block.forward(passed.pop(), feat_cache=feat_cache, feat_idx=feat_idx, first_chunk=first_chunk)
            )
        shown = _shown(self._operations, passed.pop(), None, self.gamma, feat_cache, feat_idx)
        found: torch.Tensor = self.conv_out(shown, adds_bias=True)
        return found


def _replace(decoder: Any, operations: DecoderOperations) -> None:
    """Its residual blocks first: they take over convolutions of theirs."""
    from diffusers.models.autoencoders import autoencoder_kl_wan as stock

    makers: tuple[tuple[type, Callable[[Any], torch.nn.Module]], ...] = (
        (stock.WanResidualBlock, lambda block: ResidualBlock(block, operations)),
        (stock.WanCausalConv3d, CausalConvolution),
        (stock.WanUpsample, lambda _: Upsample()),
    )
    for kind, make in makers:
        for parent in list(decoder.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, kind):
                    setattr(parent, name, make(child))


class ResidualBlock(torch.nn.Module):
    """diffusers' WanResidualBlock."""

    def __init__(self, block: Any, operations: DecoderOperations) -> None:
        """Take over its layers."""
        super().__init__()
        self._operations = operations
        self.conv_shortcut = block.conv_shortcut
        self.gamma1, self.conv1 = _gamma(block.norm1), Taken(block.conv1)
        self.gamma2, self.conv2 = _gamma(block.norm2), Taken(block.conv2)

    def forward(self, x: torch.Tensor, feat_cache: Cache, feat_idx: list[int]) -> torch.Tensor:
        """(1, channels, frames, height, width) to the same with this block's number of channels."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        shown = _shown(self._operations, x, None, self.gamma1, feat_cache, feat_idx)
        found = self.conv1(shown)
        del shown  # 0.9 GB at 832x480 in float32
        shown = _shown(self._operations, found, self.conv1.bias, self.gamma2, feat_cache, feat_idx)
        del found
        found = self.conv2(shown)
        del shown
        other = self.conv_shortcut(x).contiguous(memory_format=torch.channels_last_3d)
        return self._operations.add(found, self.conv2.bias, other)


def _shown(
    operations: DecoderOperations,
    x: torch.Tensor,
    bias: torch.Tensor | None,
    gamma: torch.Tensor,
    feat_cache: Cache,
    feat_idx: list[int],
) -> torch.Tensor:
    """What a convolution is shown: the frames that it remembers, then SiLU of the norm of x + bias."""
    place = feat_idx[0]
    feat_idx[0] += 1
    x = x.contiguous(memory_format=torch.channels_last_3d)
    _, channels, frames, height, width = x.shape
    shown = torch.empty(
        (1, channels, REMEMBERED + frames, height, width),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last_3d,
    )
    shown[:, :, :REMEMBERED] = 0 if feat_cache[place] is None else feat_cache[place]
    operations.norm_silu(x, bias, gamma, shown[:, :, REMEMBERED:])
    feat_cache[place] = None  # freed before what takes its place
    feat_cache[place] = shown[:, :, -REMEMBERED:].clone()
    return shown


class Taken(torch.nn.Module):
    """The weights of a convolution over three frames, three rows and three columns, of which the first two frames are
    remembered ones."""

    def __init__(self, convolution: torch.nn.Conv3d) -> None:
        """Take over diffusers' WanCausalConv3d."""
        super().__init__()
        if convolution.bias is None:
            raise ValueError("expected a convolution with a bias")
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, shown: torch.Tensor, *, adds_bias: bool = False) -> torch.Tensor:
        """Of frames with those before them; rows and columns are padded. The bias may be left to what follows."""
        found = functional.conv3d(shown, self.weight, self.bias if adds_bias else None, 1, (0, 1, 1))
        return found.contiguous(memory_format=torch.channels_last_3d)


class CausalConvolution(torch.nn.Module):
    """diffusers' WanCausalConv3d, which has its padding in time before its frames only."""

    def __init__(self, convolution: Any) -> None:
        """Take over its weights."""
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        left, _, top, _, self._before, _ = convolution._padding
        self._padding, self._stride = (0, top, left), convolution.stride

    def forward(self, x: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
        """cache_x: frames before x; where they are too few, there are black ones before them."""
        missing = self._before - (0 if cache_x is None else cache_x.shape[2])
        parts = [x] if cache_x is None or not self._before else [cache_x, x]
        if self._before and missing > 0:
            parts.insert(0, x.new_zeros(*x.shape[:2], missing, *x.shape[3:]))
        shown = (torch.cat(parts, dim=2) if len(parts) > 1 else x).contiguous(memory_format=torch.channels_last_3d)
        return functional.conv3d(shown, self.weight, self.bias, self._stride, self._padding)


class Upsample(torch.nn.Module):
    """diffusers' WanUpsample without its way through float32: it copies, and copies are exact."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(frames, channels, height, width), twice as high and wide."""
        return functional.interpolate(x, scale_factor=(2.0, 2.0), mode="nearest-exact")


def _gamma(norm: Any) -> torch.nn.Parameter:
    return torch.nn.Parameter(norm.gamma.detach().flatten(), requires_grad=False)


def _of_channels(numbers: torch.Tensor) -> torch.Tensor:
    return numbers.float().view(-1, 1, 1, 1)
