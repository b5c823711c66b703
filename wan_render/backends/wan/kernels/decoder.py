"""diffusers' VAE decoder with fewer passes over memory. On a GPU it spends half of its time on norms, additions,
padding and changes of layout between its convolutions. The convolutions are left to cuDNN.

All tensors are channels-last, which suits cuDNN's kernels. A residual block writes its norm directly into the input of
its convolution, after the two frames that it remembers. The convolution pads. Its bias is added by the next operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.nn import functional

Cache = list[Any]
"""What diffusers' causal layers remember of the frames before: for each a tensor, None before the first, or a str."""

REMEMBERED = 2
"""How many earlier frames a convolution over three frames needs."""


class VaeOperations(Protocol):
    """The operations of a VAE between convolutions, on (1, channels, frames, height, width), channels-last."""

    def norm_silu(
        self, pixels: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, out: torch.Tensor
    ) -> None:
        """SiLU of the RMS norm of pixels + bias times gamma, into `out`. bias, gamma: (channels,)."""

    def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """pixels + bias + other; the first may be overwritten."""


class TorchVaeOperations:
    """The reference for the fused kernels, in plain torch, on any device."""

    def norm_silu(
        self, pixels: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, out: torch.Tensor
    ) -> None:
        """See VaeOperations."""
        wide = pixels.float() if bias is None else pixels.float() + _of_channels(bias)
        normed = functional.normalize(wide, dim=1) * len(gamma) ** 0.5 * _of_channels(gamma)
        out.copy_(functional.silu(normed))

    def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See VaeOperations."""
        return (pixels.float() + _of_channels(bias) + other.float()).to(pixels.dtype)


def fuse(vae: Any, operations: VaeOperations) -> None:
    """Replace the decoder of diffusers' AutoencoderKLWan permanently, in the precision that it has."""
    vae.decoder = Decoder(vae.decoder, operations)


def channels_last(module: torch.nn.Module) -> None:
    """Make the weights of 3D convolutions channels-last, for cuDNN: an eighth less time in bfloat16."""
    for weight in module.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)


class Decoder(torch.nn.Module):
    """Replaces diffusers' WanDecoder3d."""

    def __init__(self, decoder: Any, operations: VaeOperations) -> None:
        """Take over the decoder's layers and change them."""
        super().__init__()
        self._operations = operations
        self.gamma, self.conv_out = gamma_of(decoder.norm_out), Taken(decoder.conv_out)
        replace_layers(decoder, operations)
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
        before = remembered(x, feat_cache, feat_idx)
        # Only the block holds its input, so that it is freed after the block's first layer: 0.6 GB at
        # 832x480 in float32; a call of the module itself, not of its forward, would hold it to the end.
        passed = [self.mid_block(self.conv_in(x, before), feat_cache=feat_cache, feat_idx=feat_idx)]
        for block in self.up_blocks:
            passed.append(
                block.forward(passed.pop(), feat_cache=feat_cache, feat_idx=feat_idx, first_chunk=first_chunk)
            )
        shown = normed_input(self._operations, passed.pop(), None, self.gamma, feat_cache, feat_idx)
        found: torch.Tensor = self.conv_out(shown, adds_bias=True)
        return found


def replace_layers(coder: Any, operations: VaeOperations) -> None:
    """Replace the modules of a decoder or an encoder. Residual blocks come first, since they take over their
    convolutions."""
    from diffusers.models.autoencoders import autoencoder_kl_wan as stock

    makers: tuple[tuple[type, Callable[[Any], torch.nn.Module]], ...] = (
        (stock.WanResidualBlock, lambda block: ResidualBlock(block, operations)),
        (stock.WanCausalConv3d, CausalConvolution),
        (stock.WanUpsample, lambda _: Upsample()),
    )
    for kind, make in makers:
        for parent in list(coder.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, kind):
                    setattr(parent, name, make(child))


class ResidualBlock(torch.nn.Module):
    """Replaces diffusers' WanResidualBlock."""

    def __init__(self, block: Any, operations: VaeOperations) -> None:
        """Take over the block's layers."""
        super().__init__()
        self._operations = operations
        self.conv_shortcut = block.conv_shortcut
        self.gamma1, self.conv1 = gamma_of(block.norm1), Taken(block.conv1)
        self.gamma2, self.conv2 = gamma_of(block.norm2), Taken(block.conv2)

    def forward(self, x: torch.Tensor, feat_cache: Cache, feat_idx: list[int]) -> torch.Tensor:
        """(1, channels, frames, height, width) to the same shape, with this block's number of output channels."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        shown = normed_input(self._operations, x, None, self.gamma1, feat_cache, feat_idx)
        found = self.conv1(shown)
        del shown  # 0.9 GB at 832x480 in float32
        shown = normed_input(self._operations, found, self.conv1.bias, self.gamma2, feat_cache, feat_idx)
        del found
        found = self.conv2(shown)
        del shown
        other = self.conv_shortcut(x).contiguous(memory_format=torch.channels_last_3d)
        return self._operations.add(found, self.conv2.bias, other)


def remembered(x: torch.Tensor, feat_cache: Cache, feat_idx: list[int]) -> Any:
    """The frames before x that the next causal layer remembers, None before the first. Afterwards it remembers x."""
    place = feat_idx[0]
    feat_idx[0] += 1
    before = feat_cache[place]
    feat_cache[place] = (x if before is None else torch.cat([before, x], dim=2))[:, :, -REMEMBERED:].clone()
    return before


def normed_input(
    operations: VaeOperations,
    x: torch.Tensor,
    bias: torch.Tensor | None,
    gamma: torch.Tensor,
    feat_cache: Cache,
    feat_idx: list[int],
) -> torch.Tensor:
    """The input of a convolution: the remembered frames, then SiLU of the norm of x + bias."""
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
    feat_cache[place] = None  # freed before its successor is allocated
    feat_cache[place] = shown[:, :, -REMEMBERED:].clone()
    return shown


class Taken(torch.nn.Module):
    """A convolution over three frames, rows and columns, with the weights of diffusers' one. The first two frames of
    its input are remembered ones."""

    def __init__(self, convolution: torch.nn.Conv3d) -> None:
        """Take over diffusers' WanCausalConv3d."""
        super().__init__()
        if convolution.bias is None:
            raise ValueError("expected a convolution with a bias")
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, shown: torch.Tensor, *, adds_bias: bool = False) -> torch.Tensor:
        """Convolve frames, with two earlier ones before them. Rows and columns are padded. The bias may be left to the
        next operation."""
        found = functional.conv3d(shown, self.weight, self.bias if adds_bias else None, 1, (0, 1, 1))
        return found.contiguous(memory_format=torch.channels_last_3d)


class CausalConvolution(torch.nn.Module):
    """Replaces diffusers' WanCausalConv3d, which pads time only before its frames."""

    def __init__(self, convolution: Any) -> None:
        """Take over its weights."""
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        left, _, top, _, self._before, _ = convolution._padding
        self._padding, self._stride = (0, top, left), convolution.stride

    def forward(self, x: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve x. cache_x: the frames before x; missing ones are black."""
        missing = self._before - (0 if cache_x is None else cache_x.shape[2])
        parts = [x] if cache_x is None or not self._before else [cache_x, x]
        if self._before and missing > 0:
            parts.insert(0, x.new_zeros(*x.shape[:2], missing, *x.shape[3:]))
        shown = (torch.cat(parts, dim=2) if len(parts) > 1 else x).contiguous(memory_format=torch.channels_last_3d)
        return functional.conv3d(shown, self.weight, self.bias, self._stride, self._padding)


class Upsample(torch.nn.Module):
    """Replaces diffusers' WanUpsample. It does not convert to float32, because copies are exact in any type."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(frames, channels, height, width) to (frames, channels, 2 · height, 2 · width)."""
        return functional.interpolate(x, scale_factor=(2.0, 2.0), mode="nearest-exact")


def gamma_of(norm: Any) -> torch.nn.Parameter:
    """The weight of diffusers' WanRMS_norm: (channels,)."""
    return torch.nn.Parameter(norm.gamma.detach().flatten(), requires_grad=False)


def _of_channels(numbers: torch.Tensor) -> torch.Tensor:
    return numbers.float().view(-1, 1, 1, 1)
