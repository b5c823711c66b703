"""diffusers' VAE decoder in fewer passes over memory: half of its time on a GPU goes into norms, additions, padding and
changes of layout between its convolutions, which are left to cuDNN.

Channels lie beside each other throughout, as cuDNN's kernels want them. A residual block norms straight into the input
of its convolution, behind the two frames that it remembers; the convolution pads; its bias is added by what follows.
"""

from __future__ import annotations

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
    from diffusers.models.autoencoders import autoencoder_kl_wan as stock

    decoder = vae.decoder
    for parent in list(decoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, stock.WanResidualBlock):
                setattr(parent, name, ResidualBlock(child, operations))
    for parent in list(decoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, stock.WanCausalConv3d):
                setattr(parent, name, CausalConvolution(child))
            elif isinstance(child, stock.WanUpsample):
                setattr(parent, name, Upsample())
    decoder.norm_out = NormSilu(decoder.norm_out, operations)
    decoder.nonlinearity = torch.nn.Identity()
    channels_last(decoder)


def channels_last(module: torch.nn.Module) -> None:
    """Lay out the weights of 3D convolutions as cuDNN's kernels want them: an eighth less time in bfloat16."""
    for weight in module.parameters():
        if weight.dim() == 5:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)


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
        shown = self._shown(x, None, self.gamma1, feat_cache, feat_idx)
        found = self.conv1(shown)
        del shown  # on a small card the largest of these are a twelfth of its memory
        shown = self._shown(found, self.conv1.bias, self.gamma2, feat_cache, feat_idx)
        del found
        found = self.conv2(shown)
        del shown
        other = self.conv_shortcut(x).contiguous(memory_format=torch.channels_last_3d)
        return self._operations.add(found, self.conv2.bias, other)

    def _shown(
        self,
        x: torch.Tensor,
        bias: torch.Tensor | None,
        gamma: torch.Tensor,
        feat_cache: Cache,
        feat_idx: list[int],
    ) -> torch.Tensor:
        """What a convolution is shown: the frames that it remembers, then SiLU of the norm of x + bias."""
        place = feat_idx[0]
        feat_idx[0] += 1
        _, channels, frames, height, width = x.shape
        shown = torch.empty(
            (1, channels, REMEMBERED + frames, height, width),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last_3d,
        )
        shown[:, :, :REMEMBERED] = 0 if feat_cache[place] is None else feat_cache[place]
        self._operations.norm_silu(x, bias, gamma, shown[:, :, REMEMBERED:])
        feat_cache[place] = None  # freed before what takes its place
        feat_cache[place] = shown[:, :, -REMEMBERED:].clone()
        return shown


class Taken(torch.nn.Module):
    """The weights of a convolution over three frames, three rows and three columns, which leaves the bias to others."""

    def __init__(self, convolution: torch.nn.Conv3d) -> None:
        """Take over diffusers' WanCausalConv3d."""
        super().__init__()
        if convolution.bias is None:
            raise ValueError("expected a convolution with a bias")
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """Of frames with those before them; rows and columns are padded."""
        found = functional.conv3d(shown, self.weight, None, 1, (0, 1, 1))
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
        if self._before:
            known = [] if cache_x is None else [cache_x]
            missing = self._before - sum(frames.shape[2] for frames in known)
            black = x.new_zeros(*x.shape[:2], max(missing, 0), *x.shape[3:])
            x = torch.cat([black, *known, x], dim=2)
        return functional.conv3d(x, self.weight, self.bias, self._stride, self._padding)


class Upsample(torch.nn.Module):
    """diffusers' WanUpsample without its way through float32: it copies, and copies are exact."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(frames, channels, height, width), twice as high and wide."""
        return functional.interpolate(x, scale_factor=(2.0, 2.0), mode="nearest-exact")


class NormSilu(torch.nn.Module):
    """The norm before the last convolution, and the SiLU after it."""

    def __init__(self, norm: Any, operations: DecoderOperations) -> None:
        """Take over diffusers' WanRMS_norm."""
        super().__init__()
        self._operations = operations
        self.gamma = _gamma(norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, channels, frames, height, width)."""
        x = x.contiguous(memory_format=torch.channels_last_3d)
        found = torch.empty_like(x)
        self._operations.norm_silu(x, None, self.gamma, found)
        return found


def _gamma(norm: Any) -> torch.nn.Parameter:
    return torch.nn.Parameter(norm.gamma.detach().flatten(), requires_grad=False)


def _of_channels(numbers: torch.Tensor) -> torch.Tensor:
    return numbers.float().view(-1, 1, 1, 1)
