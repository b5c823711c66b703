"""Write the parts of a model as a folder in diffusers' layout, once. The folder appears when it is complete.

Weights are written as `models pull` leaves them: those of transformers and the text encoder in bfloat16, except those
that diffusers keeps in float32; the VAE and CLIP in float32.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.backends.wan.checkpoint.bfloat16_file import KEPT
from wan_render.backends.wan.checkpoint.checkpoint_folder import SPARSE_LINEAR_WEIGHTS, WEIGHTS, read_checkpoint
from wan_render.backends.wan.checkpoint.configs import TransformerConfig
from wan_render.backends.wan.checkpoint.import_record import IMPORT_RECORD
from wan_render.backends.wan.layouts.assembly import EULER, UNIPC, Assembly, sees_video
from wan_render.backends.wan.layouts.part import Part
from wan_render.backends.wan.layouts.vae_statistics import DEVIATIONS_2_2, MEANS_2_2
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.models.transformer_shapes import is_sparse_linear, sparse_linear_shapes
from wan_render.errors import DiskError, InputError, Problem
from wan_render.store.disk import disk_errors, flush_tree, free_disk_bytes, gigabytes

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 4_000_000_000
"""Of a file of weights. So much is in memory at a time."""


_CLASSES = {
    "transformer": ("diffusers", "WanTransformer3DModel"),
    "transformer_2": ("diffusers", "WanTransformer3DModel"),
    "text_encoder": ("transformers", "UMT5EncoderModel"),
    "image_encoder": ("transformers", "CLIPVisionModel"),
    "vae": ("diffusers", "AutoencoderKLWan"),
}

Say = Callable[[str], None]
Advance = Callable[[int], None]


def convert_model(assembly: Assembly, folder: Path, say: Say, advance: Advance) -> None:
    """Write the folder. `say` gets one sentence for each component, `advance` the bytes that were written.

    Raises InputError for weights that do not fit, DiskError. Nothing is left behind after an exception.
    """
    part = folder.with_name(f".{folder.name}.part")
    with disk_errors(folder):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            _need_space(assembly, part)
            _write_small(assembly, part)
            for component, found in assembly.parts.items():
                say(f"converting {component} from {found.file.title}")
                _write_component(found, component, part / component, advance)
            read_checkpoint(part)
            flush_tree(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _need_space(assembly: Assembly, part: Path) -> None:
    needed, free = bytes_of(assembly), free_disk_bytes(part)
    if free < needed:
        remedy = "free some space, or write it elsewhere: --to DIR"
        raise DiskError(Problem(str(part.parent), f"{gigabytes(free)} free, {gigabytes(needed)} needed", "", remedy))


def bytes_of(assembly: Assembly) -> int:
    """The size of the folder, but for a few small files."""
    return sum(_bytes(component, part) for component, part in assembly.parts.items())


def _bytes(component: str, part: Part) -> int:
    width = 2 if component in KEPT else 4
    return sum(width * facts.elements for name, facts in part.file.weights.items() if part.names[name])


def _write_small(assembly: Assembly, part: Path) -> None:
    _write_json(part / "model_index.json", assembly.index)
    _write_scheduler(part / "scheduler", assembly.like)
    if assembly.image_encoder is not None:
        _write_processor(part / "image_processor", assembly.image_encoder.config["image_size"])
    _write_tokenizer(assembly, part / "tokenizer")
    sources = {
        component: {"file": found.file.title, "bytes": found.file.size, "is": found.words}
        for component, found in assembly.parts.items()
    }
    _write_json(part / IMPORT_RECORD, {"version": 1, "like": assembly.like.name, "parts": sources})


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_scheduler(folder: Path, like: Official) -> None:
    if like.step_schedule is None:
        own = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": like.shift}
        _write_json(folder / "scheduler_config.json", {"_class_name": UNIPC, "num_train_timesteps": 1000, **own})
        return
    own = {"shift": like.shift, "wan_render_step_schedule": like.step_schedule.value}
    _write_json(folder / "scheduler_config.json", {"_class_name": EULER, "num_train_timesteps": 1000, **own})


def _write_processor(folder: Path, side: int) -> None:
    """CLIP's own: its mean and deviation are the class's defaults."""
    size = {"crop_size": {"height": side, "width": side}, "size": {"shortest_edge": side}, "resample": 3}
    _write_json(
        folder / "preprocessor_config.json",
        {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_normalize": True, **size}
        | {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]},
    )


def _write_tokenizer(assembly: Assembly, folder: Path) -> None:
    from transformers import T5Tokenizer

    if assembly.tokenizer is not None:
        folder.mkdir()
        for file in sorted(assembly.tokenizer.iterdir()):
            if file.suffix in (".json", ".model", ".txt") and file.is_file():
                shutil.copyfile(file, folder / file.name)
        return
    source = assembly.text_encoder.file
    raw = folder.with_name(".spiece")
    raw.mkdir()
    (raw / "spiece.model").write_bytes(source.tokenizer())
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 0}
    _write_json(raw / "tokenizer_config.json", {"tokenizer_class": "T5Tokenizer", **special})
    try:
        T5Tokenizer.from_pretrained(str(raw)).save_pretrained(str(folder))
    except (ImportError, ValueError, RuntimeError, OSError) as fault:
        found = f"its tokenizer cannot be read: {str(fault).splitlines()[0][:160]}"
        raise InputError(Problem(str(source.path), found, "", "name a folder with it: --tokenizer DIR")) from None
    finally:
        shutil.rmtree(raw, ignore_errors=True)


def _write_component(part: Part, component: str, folder: Path, advance: Advance) -> None:
    """Write its configuration and its weights. Those of sparse-linear attention get a file of their own: diffusers
    refuses weights that it has no place for."""
    from safetensors.torch import save_file

    _write_json(folder / "config.json", _config(part, component))
    expected = _expected_shapes(component, _config(part, component), part)
    whole = WEIGHTS[component]
    shards: list[dict[str, torch.Tensor]] = [{}]
    beside: dict[str, torch.Tensor] = {}
    held, files = 0, list[tuple[Path, list[str]]]()

    def write() -> None:
        file = folder / f"{len(files) + 1:05d}.safetensors"
        save_file(shards[0], file, metadata={"format": "pt"})
        files.append((file, list(shards[0])))

    for name, tensor in _converted(part, component, expected):
        if is_sparse_linear(name):
            beside[name] = tensor
            advance(tensor.nbytes)
            continue
        if held and held + tensor.nbytes > SHARD_BYTES:
            write()
            shards[0], held = {}, 0
        shards[0][name] = tensor
        held += tensor.nbytes
        advance(tensor.nbytes)
    write()
    _name_shards(folder, whole, files)
    if beside:
        save_file(beside, folder / SPARSE_LINEAR_WEIGHTS, metadata={"format": "pt"})


def _name_shards(folder: Path, whole: str, files: list[tuple[Path, list[str]]]) -> None:
    """One file has the plain name; several are numbered, with an index, as both libraries do it."""
    if len(files) == 1:
        files[0][0].rename(folder / whole)
        return
    stem, places = whole.removesuffix(".safetensors"), dict[str, str]()
    for number, (file, names) in enumerate(files, start=1):
        named = f"{stem}-{number:05d}-of-{len(files):05d}.safetensors"
        file.rename(folder / named)
        places |= dict.fromkeys(names, named)
    _write_json(folder / f"{whole}.index.json", {"metadata": {}, "weight_map": places})


def _class_of(component: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """The library and class of a component."""
    return ("diffusers", "WanVACETransformer3DModel") if sees_video(config) else _CLASSES[component]


def _config(part: Part, component: str) -> dict[str, Any]:
    config = dict(part.config)
    library, name = _class_of(component, config)
    if library == "diffusers":
        config["_class_name"] = name
    if component == "vae" and config["z_dim"] == len(MEANS_2_2):
        config |= {"latents_mean": list(MEANS_2_2), "latents_std": list(DEVIATIONS_2_2)}
    return config


def _expected_shapes(component: str, config: Mapping[str, Any], part: Part) -> dict[str, tuple[int, ...]]:
    """The weights that the library's class has with this configuration. Raises InputError unless the part has them."""
    from importlib import import_module

    import torch

    library, name = _class_of(component, config)
    known = getattr(import_module(library), name)
    with torch.device("meta"):
        if library == "diffusers":
            model = known.from_config({key: value for key, value in config.items() if key != "_class_name"})
        else:
            model = known(known.config_class(**{k: v for k, v in config.items() if k != "architectures"}))
    shapes = {key: tuple(weight.shape) for key, weight in model.state_dict().items()}
    tied = {"encoder.embed_tokens.weight"} if component == "text_encoder" else set()
    expected = {key: shape for key, shape in shapes.items() if key not in tied and not key.endswith("position_ids")}
    if library == "diffusers" and component != "vae":
        expected |= sparse_linear_shapes(TransformerConfig(**config))
    given = {target for targets in part.names.values() for target in targets}
    if missing := sorted(expected.keys() - given):
        raise InputError(Problem(str(part.file.path), f"lacks {', '.join(missing[:3])} of {len(missing)} weights"))
    if strange := sorted(given - expected.keys()):
        raise InputError(Problem(str(part.file.path), f"has weights that do not fit: {', '.join(strange[:3])}"))
    return expected


def _converted(
    part: Part, component: str, expected: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight under its new name, in the precision that it is kept in. Raises InputError for a wrong shape."""
    import torch

    kept = KEPT.get(component)
    for source, targets in part.names.items():
        if not targets:
            continue
        whole = part.file.weight(source)
        for target, piece in zip(targets, whole.chunk(len(targets)) if len(targets) > 1 else (whole,), strict=True):
            if piece.numel() != prod(expected[target]):
                found = f"{source} has the shape {list(piece.shape)}"
                raise InputError(Problem(str(part.file.path), found, f"expected {list(expected[target])}"))
            is_wide = kept is None or not kept.isdisjoint(target.split("."))
            yield target, piece.reshape(expected[target]).to(torch.float32 if is_wide else torch.bfloat16).contiguous()
