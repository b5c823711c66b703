"""Wan models at full size with random weights, made on the device: nothing is downloaded, nothing fits a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from benchmarks.engine.forms import Form
from wan_render.backends.wan.checkpoint.checkpoint_folder import Checkpoint
from wan_render.backends.wan.checkpoint.configs import Index, TransformerConfig, VaeConfig


@dataclass(frozen=True)
class MadeModel:
    """A model that exists in memory only; a Loader for a renderer, and the parts of a stock pipeline."""

    checkpoint: Checkpoint
    modules: dict[str, torch.nn.Module]
    parts: dict[str, Any]

    def module(self, component: str) -> torch.nn.Module:
        return self.modules[component]

    def weights_bytes(self, component: str) -> int:
        return sum(weight.nbytes for weight in self.modules[component].parameters())

    def dtype(self, component: str) -> str:
        return str(next(self.modules[component].parameters()).dtype).removeprefix("torch.")

    def tokenizer(self) -> Any:
        return self.parts["tokenizer"]

    def image_processor(self) -> Any:
        return self.parts["image_processor"]

    def scheduler(self, shift: float) -> Any:
        return make_scheduler(shift)


def make(form: Form, device: torch.device, weights: torch.dtype) -> MadeModel:
    """Build all components on the device: transformers and text encoder in `weights`, CLIP and VAE in float32."""
    modules = {name: make_component(form, name, device, weights) for name in form.components}
    return MadeModel(_checkpoint(form), modules, make_parts(form))


def make_component(form: Form, name: str, device: torch.device, weights: torch.dtype) -> Any:
    """One of them."""
    diffusers, transformers = import_module("diffusers"), import_module("transformers")
    builders: dict[str, tuple[Callable[[], torch.nn.Module], torch.dtype]] = {
        "text_encoder": (lambda: transformers.UMT5EncoderModel(transformers.UMT5Config(**form.text)), weights),
        "image_encoder": (
            lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**form.clip or {})),
            torch.float32,
        ),
        "vae": (lambda: diffusers.AutoencoderKLWan(**form.vae), torch.float32),
        "transformer": (lambda: getattr(diffusers, form.transformer_class)(**form.transformer), weights),
        "transformer_2": (lambda: getattr(diffusers, form.transformer_class)(**form.transformer), weights),
    }
    build, dtype = builders[name]
    return _built(build, device, dtype, seed=8 if name == "transformer_2" else 7)


def make_parts(form: Form) -> dict[str, Any]:
    """Components without weights, but for the scheduler."""
    transformers = import_module("transformers")
    parts = {"tokenizer": transformers.ByT5Tokenizer()}
    if form.clip is None:
        return parts
    edge = form.clip["image_size"]
    processor = transformers.CLIPImageProcessor(crop_size={"height": edge, "width": edge}, size={"shortest_edge": edge})
    return {**parts, "image_processor": processor}


def make_scheduler(shift: float) -> Any:
    """A new one, as published with the model."""
    return import_module("diffusers").UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def weights_of(*, is_tiny: bool) -> torch.dtype:
    """The precision of transformers and text encoder."""
    return torch.float32 if is_tiny else torch.bfloat16


def make_transformer(form: Form, device: torch.device, weights: torch.dtype) -> Any:
    """The transformer alone."""
    return make_component(form, "transformer", device, weights)


CLASSES = {
    "text_encoder": "UMT5EncoderModel",
    "image_encoder": "CLIPVisionModel",
    "vae": "AutoencoderKLWan",
}


RANDOM = frozenset({"kaiming_uniform_", "uniform_", "normal_"})
"""The functions of torch.nn.init, and the methods of a tensor, that draw weights."""


def _checkpoint(form: Form) -> Checkpoint:
    return Checkpoint(
        folder=Path(),
        index=Index(**form.index),
        classes=tuple((name, CLASSES.get(name, form.transformer_class)) for name in form.components),
        transformer=TransformerConfig(**form.transformer),
        vae=VaeConfig(**form.vae),
        flow_shift=16.0,
    )


def _built(
    build: Callable[[], torch.nn.Module], device: torch.device, dtype: torch.dtype, *, seed: int
) -> torch.nn.Module:
    """Weights of a plausible size: with what memory happened to hold there would be NaN."""
    with _WithoutInitialisation(), _default_dtype(dtype), device:
        module = build()
    generator = torch.Generator(device).manual_seed(seed)
    kept_in_float32 = tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
    for name, parameter in module.named_parameters():
        parameter.data.normal_(0.0, 0.02, generator=generator)
        if "norm" in name and name.endswith("weight"):
            parameter.data.add_(1.0)
        if any(part in name.split(".") for part in kept_in_float32):
            parameter.data = parameter.data.float()
    return module.eval().requires_grad_(requires_grad=False)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class _WithoutInitialisation(TorchFunctionMode):
    """Initialising 16 billion weights that are overwritten anyway would take minutes. No function of torch is replaced:
    a library that is imported meanwhile would keep the replacement."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func.__name__ in RANDOM:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
