"""The card of a local folder of weights: the published model that it resembles, and its identity."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import Checkpoint, read_checkpoint
from wan_render.backends.wan.checkpoint.import_record import made_like
from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.fine_tuned import FUN_1_3B, KNOWN, SPARSE_LINEAR
from wan_render.backends.wan.models.official import Official
from wan_render.errors import InputError, Problem
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.model_card import KindDefaults, ModelCard, Resemblance
from wan_render.take import ShotKind

WEIGHTS_FORM = "wan-weights/1"
"""Tag and version of the digest of a folder of weights."""

HASHED_AT_ONCE = 4
"""How many files are hashed at once. Four threads took 12.7 s for 49 GB."""

WIDTH_OF_1_3B = 1536
SHIFT_OF_480P = 3.0

CONVERTERS_SHIFT = 3.0
"""The shift that diffusers' converter saves with every model except FLF2V, whatever the model's own shift is
(scripts/convert_wan_to_diffusers.py). So it says nothing about a model."""


def is_model_folder(folder: Path) -> bool:
    """Whether a folder says that it is in diffusers' layout, whole or not."""
    return (folder / "model_index.json").is_file()


def imported_folders(root: Path) -> list[Path]:
    """The folders of models in the folder of weights that are no published model's, by their names."""
    pulled = {model.repository.rpartition("/")[2] for model in official.ALL}
    found = (folder for folder in root.glob("*") if folder.name not in pulled and is_model_folder(folder))
    return sorted(folder for folder in found if not folder.name.startswith("."))


def folder_card(folder: Path, cache: FactCache) -> ModelCard:
    """The card of a folder. Its numbers are those of the published model that it resembles. The shift is the folder's
    own if it is neither that model's nor the converter's.

    Every file that decides pixels is hashed once and cached: tens of gigabytes for a real model. Raises InputError
    unless the folder holds a complete model of a known kind.
    """
    checkpoint = read_checkpoint(folder)
    published = resembled(checkpoint)
    resembles = _resemblance(checkpoint, published)
    return replace(
        published.card(),
        name=str(folder),
        kinds=_with_shift(published.card().kinds, resembles),
        resembles=resembles,
        licence=None,
        identity=f"sha256:{weights_digest(checkpoint, cache)}",
        size_multiple=checkpoint.size_multiple,
        frame_step=checkpoint.vae.scale_factor_temporal,
        folder=folder.absolute(),
    )


def _resemblance(checkpoint: Checkpoint, published: Official) -> Resemblance:
    own = checkpoint.flow_shift
    uses_own = own is not None and own not in (published.shift, CONVERTERS_SHIFT)
    return Resemblance(published.name, published.shift, own, uses_own, "which diffusers writes for most models")


def _with_shift(kinds: Mapping[ShotKind, KindDefaults], resembles: Resemblance) -> Mapping[ShotKind, KindDefaults]:
    own = resembles.own_shift
    if own is None or not resembles.uses_own_shift:
        return kinds
    return {kind: replace(each, sampling=replace(each.sampling, shift=own)) for kind, each in kinds.items()}


def weights_digest(checkpoint: Checkpoint, cache: FactCache) -> str:
    """SHA-256 over the contents and relative paths of all files that decide pixels: 64 hex digits."""
    try:
        files = list(checkpoint.files())
        with ThreadPoolExecutor(HASHED_AT_ONCE) as threads:
            found = list(threads.map(cache.digest, files))
    except OSError as fault:
        raise InputError(Problem(str(fault.filename), f"cannot be read: {fault.strerror}")) from None
    names = (str(file.relative_to(checkpoint.folder)) for file in files)
    return content_key(WEIGHTS_FORM, dict(zip(names, found, strict=True)))


def resembled(checkpoint: Checkpoint) -> Official:
    """The known model that the checkpoint resembles: by its build, and among those that are built alike the one that
    `models import` was told. Raises InputError if there is none."""
    built = _built_like(checkpoint)
    if checkpoint.sparse_linear:
        built = next((model for model in SPARSE_LINEAR if _may_be(model, built, checkpoint)), built)
    imported = KNOWN.get(made_like(checkpoint.folder))
    if imported is not None and _may_be(imported, built, checkpoint):
        return imported
    return built


def _may_be(model: Official, built: Official, checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint that is built like `built` may be this model: it has the same weights and steps."""
    return _are_alike(model, built) and model.step_schedule == checkpoint.step_schedule


def _are_alike(model: Official, other: Official) -> bool:
    """Whether two models have the same weights to fill: as many bytes, in as many transformers."""
    return (model.disk_bytes, model.boundary) == (other.disk_bytes, other.boundary)


def _built_like(checkpoint: Checkpoint) -> Official:
    index, transformer = checkpoint.index, checkpoint.transformer
    if index.expand_timesteps and not checkpoint.has_two_experts and not checkpoint.has_image_encoder:
        return official.TI2V_5B
    match index.class_name, checkpoint.has_two_experts, checkpoint.has_image_encoder:
        case "WanPipeline", True, False:
            return official.T2V_A14B
        case "WanPipeline", False, False:
            return official.T2V_1_3B if transformer.width <= WIDTH_OF_1_3B else official.T2V_14B
        case "WanVACEPipeline", False, False:
            return official.VACE_1_3B if transformer.width <= WIDTH_OF_1_3B else official.VACE_14B
        case "WanImageToVideoPipeline", True, False:
            return official.I2V_A14B
        case "WanImageToVideoPipeline", False, True:
            return _with_clip(checkpoint)
    raise InputError(
        Problem(
            str(checkpoint.folder),
            f"is a {index.class_name} of an unknown build",
            f"known: {', '.join(official.BY_NAME)}",
        )
    )


def _with_clip(checkpoint: Checkpoint) -> Official:
    """The published model with CLIP that a checkpoint resembles. Only FLF2V has position embeddings for two pictures.
    The two I2V models differ only in the shift of their scheduler, and diffusers' converter saves 3 for both. A
    storyboard can set the shift 5 for a 720p folder."""
    if checkpoint.transformer.pos_embed_seq_len is not None:
        return official.FLF2V_14B
    if checkpoint.transformer.width == WIDTH_OF_1_3B:
        return FUN_1_3B
    is_480p = checkpoint.flow_shift is None or checkpoint.flow_shift <= SHIFT_OF_480P
    return official.I2V_14B_480P if is_480p else official.I2V_14B_720P
