"""A folder with a Wan model in diffusers' layout: what it holds, and whether it is complete. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wan_render.backends.wan.checkpoint.configs import (
    FlowMatchEulerConfig,
    ImageEncoderConfig,
    Index,
    TextEncoderConfig,
    TransformerConfig,
    UniPCConfig,
    VaeConfig,
    read_config,
    read_object,
)
from wan_render.backends.wan.checkpoint.safetensors_file import safetensors_problem
from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.errors import InputError, Problem

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
TRANSFORMERS_WEIGHTS = "model.safetensors"

WEIGHTS = {
    "text_encoder": TRANSFORMERS_WEIGHTS,
    "image_encoder": TRANSFORMERS_WEIGHTS,
    "vae": DIFFUSERS_WEIGHTS,
    "transformer": DIFFUSERS_WEIGHTS,
    "transformer_2": DIFFUSERS_WEIGHTS,
}
"""The components that have weights, and the names of their files if they are not sharded."""

SPARSE_LINEAR_WEIGHTS = "sparse_linear_attention.safetensors"
"""Beside a transformer's weights, if its attention is sparse-linear: the weights of that, which diffusers has no place
for."""

CLASSES = {
    "text_encoder": ("UMT5EncoderModel",),
    "image_encoder": ("CLIPVisionModel",),
    "image_processor": ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"),
    "vae": ("AutoencoderKLWan",),
    "transformer": ("WanTransformer3DModel", "WanVACETransformer3DModel"),
    "transformer_2": ("WanTransformer3DModel",),
    "tokenizer": ("T5Tokenizer", "T5TokenizerFast", "ByT5Tokenizer"),
    "scheduler": ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
}
"""The allowed classes of each component: those of the published checkpoints, and a tokenizer without files."""

SCHEDULER_FORMS: dict[str, type[UniPCConfig | FlowMatchEulerConfig]] = {
    "UniPCMultistepScheduler": UniPCConfig,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEulerConfig,
}


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: it has every component that its kind needs, and they fit together.

    classes: the class of each component in use. flow_shift: its scheduler's; None if that has none.
    step_schedule: how it is sampled, if it was distilled for few steps.
    """

    folder: Path
    index: Index
    classes: tuple[tuple[str, str], ...]
    transformer: TransformerConfig
    vae: VaeConfig
    flow_shift: float | None
    step_schedule: StepSchedule | None = None

    @property
    def components(self) -> tuple[str, ...]:
        """The names of the components in use."""
        return tuple(name for name, _ in self.classes)

    @property
    def has_two_experts(self) -> bool:
        """Whether it has one transformer for high noise and one for low noise."""
        return "transformer_2" in self.components

    @property
    def has_image_encoder(self) -> bool:
        """Whether its transformer gets CLIP's view of pictures in addition to their latents."""
        return "image_encoder" in self.components

    @property
    def sees_video(self) -> bool:
        """Whether its transformer gets a video, parts of which it keeps (VACE)."""
        return bool(self.transformer.vace_layers)

    @property
    def sparse_linear(self) -> tuple[str, ...]:
        """The names of the transformers whose attention is sparse-linear: all of them, or none."""
        names = ("transformer", "transformer_2") if self.transformer.attended_share is not None else ()
        return tuple(name for name in names if name in self.components)

    @property
    def size_multiple(self) -> int:
        """Width and height must be multiples of this. diffusers' pipeline requires at least 16."""
        return max(16, self.vae.scale_factor_spatial * max(self.transformer.patch_size[1:]))

    def class_of(self, component: str) -> str:
        """The class of a component in use."""
        return dict(self.classes)[component]

    def files(self) -> Iterator[Path]:
        """Every file that decides pixels, in a fixed order."""
        yield self.folder / "model_index.json"
        for name in sorted(self.components):
            yield from component_files(self.folder / name, WEIGHTS.get(name))
            if name in self.sparse_linear:
                yield self.folder / name / SPARSE_LINEAR_WEIGHTS


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder. Raises InputError with everything that is missing, broken, pickled or of another
    model."""
    index = _read_index(folder)
    classes = tuple((name, _class_of(folder, index, name)) for name in ("transformer", "vae", "scheduler"))
    transformer = read_config(folder / "transformer" / "config.json", TransformerConfig)
    needed = ["tokenizer", "text_encoder"]
    needed += ["image_encoder", "image_processor"] if transformer.image_dim is not None else []
    needed += ["transformer_2"] if index.boundary_ratio is not None else []
    classes += tuple((name, _class_of(folder, index, name)) for name in needed)
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", SCHEDULER_FORMS[dict(classes)["scheduler"]])
    found = Checkpoint(
        folder=folder,
        index=index,
        classes=classes,
        transformer=transformer,
        vae=read_config(folder / "vae" / "config.json", VaeConfig),
        flow_shift=scheduler.flow_shift,
        step_schedule=scheduler.step_schedule,
    )
    if problems := [*_weights_problems(found), *_fit_problems(found)]:
        raise InputError(*problems)
    return found


def component_files(folder: Path, weights: str | None) -> list[Path]:
    """The files of one component that are read: JSON, tokenizer model, weights."""
    names = {file.name for file in folder.iterdir() if file.suffix in (".json", ".model", ".txt") and file.is_file()}
    if weights is not None:
        names |= set(weight_files(folder, weights))
    return [folder / name for name in sorted(names)]


def weight_files(folder: Path, weights: str) -> tuple[str, ...]:
    """The names of a component's safetensors files, whether or not they exist.

    Raises InputError if an index of shards is broken or points out of the folder.
    """
    index = folder / f"{weights}.index.json"
    if (folder / weights).exists() or not index.exists():
        return (weights,)
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise InputError(Problem(str(index), "has no 'weight_map'", remedy="download the model again"))
    names = {str(shard) for shard in shards.values()}
    if strange := [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]:
        raise InputError(Problem(str(index), f"names {strange[0]!r:.80}", "allowed: safetensors files beside it"))
    return tuple(sorted(names))


def _read_index(folder: Path) -> Index:
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "is not a folder", remedy="give a model's name or a folder of weights"))
    file = folder / "model_index.json"
    if file.is_file():
        return read_config(file, Index)
    original = any(folder.glob("*VAE.pth")) or any(folder.glob("models_t5*")) or any(folder.glob("*.safetensors"))
    raise InputError(
        Problem(
            str(folder),
            "holds weights in another layout" if original else "holds no model: model_index.json is not there",
            "expected a model in the layout of diffusers",
            "convert it: wan-render models import FOLDER" if original else "download a model: wan-render models pull",
        )
    )


def _class_of(folder: Path, index: Index, component: str) -> str:
    name = index.component(component)
    if name is None or not (folder / component).is_dir():
        raise InputError(
            Problem(str(folder), f"has no {component}", "a model of its kind needs one", "download the model again")
        )
    if name not in CLASSES[component]:
        allowed = f"allowed: {', '.join(CLASSES[component])}"
        raise InputError(Problem(str(folder / "model_index.json"), f"'{component}' is a {name}", allowed))
    return name


def _weights_problems(checkpoint: Checkpoint) -> Iterator[Problem]:
    for component, weights in WEIGHTS.items():
        if component not in checkpoint.components:
            continue
        folder = checkpoint.folder / component
        for name in weight_files(folder, weights):
            file = folder / name
            problem = safetensors_problem(file) if file.exists() else _missing(folder, name)
            if problem is not None:
                yield problem
    for component in checkpoint.sparse_linear:
        file = checkpoint.folder / component / SPARSE_LINEAR_WEIGHTS
        problem = safetensors_problem(file) if file.exists() else _missing(file.parent, file.name)
        if problem is not None:
            yield problem


def _missing(folder: Path, name: str) -> Problem:
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLED)
    if pickled:
        return Problem(
            str(folder),
            f"has pickled weights only: {pickled[0]}",
            f"expected {name}: a pickled file can run programs and is never opened",
            "download or save the model with safetensors",
        )
    return Problem(str(folder), f"has no {name}", remedy="download the model again")


def _fit_problems(checkpoint: Checkpoint) -> Iterator[Problem]:
    """Mismatches between components, which would otherwise only fail after gigabytes were loaded."""
    folder, transformer, vae = checkpoint.folder, checkpoint.transformer, checkpoint.vae
    text = read_config(folder / "text_encoder" / "config.json", TextEncoderConfig)
    if text.d_model != transformer.text_dim:
        yield _unfit(folder, "text_encoder", "d_model", text.d_model, transformer.text_dim)
    if checkpoint.has_image_encoder:
        image = read_config(folder / "image_encoder" / "config.json", ImageEncoderConfig)
        if image.hidden_size != transformer.image_dim:
            yield _unfit(folder, "image_encoder", "hidden_size", image.hidden_size, transformer.image_dim)
    yield from _vace_problems(checkpoint)
    has_channels = checkpoint.index.class_name == "WanImageToVideoPipeline"
    takes_latents_only = not has_channels or checkpoint.index.expand_timesteps
    channels = vae.z_dim if takes_latents_only else 2 * vae.z_dim + vae.scale_factor_temporal
    if transformer.in_channels != channels:
        yield _unfit(folder, "transformer", "in_channels", transformer.in_channels, channels)


def _vace_problems(checkpoint: Checkpoint) -> Iterator[Problem]:
    """Mismatches of a model that sees a video."""
    folder, transformer, vae = checkpoint.folder, checkpoint.transformer, checkpoint.vae
    is_pipeline = checkpoint.index.class_name == "WanVACEPipeline"
    is_class = checkpoint.class_of("transformer") == "WanVACETransformer3DModel"
    if not is_pipeline == is_class == checkpoint.sees_video:
        found = f"a {checkpoint.index.class_name} has a {checkpoint.class_of('transformer')}"
        allowed = "VACE has a WanVACETransformer3DModel with vace_layers, in a WanVACEPipeline"
        yield Problem(str(folder / "model_index.json"), found, allowed, "download the model again")
    elif checkpoint.sees_video and transformer.vace_in_channels != (
        seen := 2 * vae.z_dim + vae.scale_factor_spatial**2
    ):
        yield _unfit(folder, "transformer", "vace_in_channels", transformer.vace_in_channels, seen)


def _unfit(folder: Path, component: str, key: str, found: int, expected: int | None) -> Problem:
    file = str(folder / component / "config.json")
    return Problem(file, f"'{key}' is {found}", f"expected {expected}, as the other components have it")
