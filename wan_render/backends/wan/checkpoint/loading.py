"""Loads a checkpoint's components from its folder: only safetensors, and every weight is accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import diffusers
import torch
import transformers

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, Checkpoint, weight_files
from wan_render.backends.wan.checkpoint.safetensors_file import element_count
from wan_render.backends.wan.translation import translated
from wan_render.errors import Problem, WeightsError

LIBRARIES: dict[str, Any] = {
    "text_encoder": transformers,
    "image_encoder": transformers,
    "vae": diffusers,
    "transformer": diffusers,
    "transformer_2": diffusers,
}

WHOLE = frozenset({"vae", "transformer", "transformer_2"})
"""Components whose files hold only used weights: an unused one means that they are of another model. The encoders are
parts of larger models, and their files may hold the rest of those."""


@dataclass(frozen=True)
class LoadForm:
    """The types of the components' weights."""

    transformer: torch.dtype
    text_encoder: torch.dtype
    image_encoder: torch.dtype
    vae: torch.dtype

    def of(self, component: str) -> torch.dtype:
        """The type of a component. Both transformers have the same."""
        found: torch.dtype = getattr(self, component.removesuffix("_2"))
        return found


EXACT = {
    "cuda": LoadForm(torch.bfloat16, torch.bfloat16, torch.float32, torch.float32),
    "cpu": LoadForm(torch.float32, torch.float32, torch.float32, torch.float32),
}
"""The types by kind of device, as Wan's authors and diffusers recommend: VAE and CLIP in float32."""


class Loader(Protocol):
    """Loads a renderer's components."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of the components."""

    def module(self, component: str) -> torch.nn.Module:
        """A component that has weights, in host memory, in eval mode. Raises WeightsError."""

    def weights_bytes(self, component: str) -> int:
        """About how many bytes a component's weights take when loaded. Does not load them."""

    def dtype(self, component: str) -> str:
        """The type of a component's weights, such as `bfloat16`."""

    def tokenizer(self) -> Any:
        """The text encoder's tokenizer."""

    def image_processor(self) -> Any:
        """The processor that prepares pictures for the image encoder."""

    def scheduler(self, shift: float) -> Any:
        """A new scheduler with this shift."""


@dataclass(frozen=True)
class FolderLoader:
    """Loads components from a complete checkpoint on disk. No hub is asked."""

    checkpoint: Checkpoint
    precision: LoadForm

    def module(self, component: str) -> torch.nn.Module:
        """Load one component. Raises WeightsError if weights are missing, have a wrong shape, or are unused."""
        cls = getattr(LIBRARIES[component], self.checkpoint.class_of(component))
        folder = self.checkpoint.folder / component
        with translated(str(folder), otherwise=WeightsError):
            module, info = cls.from_pretrained(
                str(folder),
                dtype=self.precision.of(component),
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
        _account_for(folder, info, is_whole=component in WHOLE)
        found: torch.nn.Module = module.eval()
        return found

    def weights_bytes(self, component: str) -> int:
        """Bytes of a component's weights in its type here, from the headers of its files. Raises WeightsError."""
        folder = self.checkpoint.folder / component
        with translated(str(folder), otherwise=WeightsError):
            files = (folder / name for name in weight_files(folder, WEIGHTS[component]))
            return sum(map(element_count, files)) * self.precision.of(component).itemsize

    def dtype(self, component: str) -> str:
        """The type of a component's weights. Some layers of a transformer stay float32."""
        return str(self.precision.of(component)).removeprefix("torch.")

    def tokenizer(self) -> Any:
        """The tokenizer of the checkpoint's own class. Raises WeightsError."""
        return self._plain("tokenizer")

    def image_processor(self) -> Any:
        """The image processor of the checkpoint's own class. Raises WeightsError."""
        return self._plain("image_processor")

    def scheduler(self, shift: float) -> Any:
        """A scheduler of the checkpoint's own class, with the shift of a take instead of the folder's."""
        cls = getattr(diffusers, self.checkpoint.class_of("scheduler"))
        name = "flow_shift" if cls is diffusers.UniPCMultistepScheduler else "shift"
        folder = self.checkpoint.folder / "scheduler"
        with translated(str(folder), otherwise=WeightsError):
            return cls.from_config(cls.load_config(str(folder), local_files_only=True), **{name: shift})

    def _plain(self, component: str) -> Any:
        cls = getattr(transformers, self.checkpoint.class_of(component))
        folder = self.checkpoint.folder / component
        with translated(str(folder), otherwise=WeightsError):
            return cls.from_pretrained(str(folder), local_files_only=True)


def without_bars() -> None:
    """Keep the libraries' progress bars out of the log: loading is reported as Progress."""
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()


def _account_for(folder: Path, info: dict[str, Any], *, is_whole: bool) -> None:
    """Raise WeightsError for what the libraries only warn about; they fill a missing weight with noise."""
    faults = {"missing_keys": "lacks", "mismatched_keys": "has another shape of"}
    if is_whole:
        faults["unexpected_keys"] = "has no place for"
    for key, verb in faults.items():
        if names := sorted(entry if isinstance(entry, str) else str(entry[0]) for entry in info.get(key) or ()):
            found = f"{verb} {len(names)} weights: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
            raise WeightsError(
                Problem(str(folder), found, "expected the weights of its config.json", "download the model again")
            )
