"""`film.upscale`: how takes become as large as the film, and whether this machine has the weights for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wan_render.authored import Film, Upscale
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.plan.film_sizes import inside, shown_size
from wan_render.plan.findings import Findings
from wan_render.safetensors_header import NotSafetensors, read_header
from wan_render.settings import machine_settings
from wan_render.take import Size
from wan_render.upscaling import Upscaling
from wan_render.wheel_weights import REALESRGAN

_PLACE = ("film", "upscale")

LEAST_SCALE = Fraction(11, 10)
"""How much larger than the raster the film has to be. Below, a network would only change the look."""

STEADY = {"photo": 0.35, "anime": 0.35}
"""The default strength of weights that flicker at full strength: their temporal error is at most 1.1 times Lanczos's
(docs/finishing.md)."""

VIDEO_PIPELINES = ("Kandinsky6SRPipeline",)
"""Classes of diffusers that enlarge a video, and that wan-render can call."""

MOST_INDEX_BYTES = 1_000_000

_ZIP = b"PK\x03\x04"
"""A .pth file of PyTorch 1.6 or later is a zip archive. Older ones can't be read without running what is in them."""


@dataclass(frozen=True)
class FilmUpscaling:
    """The value for the cut, and the file with its weights, if it has any."""

    value: Upscaling
    weights: Path | None


def film_upscaling(
    film: Film, raster: Size, delivery: Size, cache: FactCache, findings: Findings
) -> FilmUpscaling | None:
    """What the film asks for; None for ffmpeg's own filter, which is Lanczos. Adds mistakes and warnings."""
    written = film.upscale
    if written is None or not _is_consistent(written, findings):
        return None
    if written.method == "lanczos":
        return None
    if pointless := _pointless(written, film, raster, delivery):
        findings.warn(_PLACE, f"{pointless}: lanczos is used", "", "write upscale: lanczos")
        return None
    return _of_file(written, cache, findings) if written.model else _of_wheel(written, findings)


def _is_consistent(written: Upscale, findings: Findings) -> bool:
    """Whether the keys fit together. Adds a mistake for each that doesn't."""
    if written.model and written.method:
        found = f"both method: {written.method} and a model"
        findings.error((*_PLACE, "model"), found, "one of the two", "delete one")
    elif written.model and written.weights:
        findings.error(
            (*_PLACE, "weights"), "a model has its own weights", "weights belong to realesrgan", "delete one"
        )
    elif not written.model and not written.method:
        allowed = "method: realesrgan or lanczos, or model: a file"
        findings.error(_PLACE, "names neither a method nor a model", allowed, "add one")
    elif written.method == "lanczos" and written.weights:
        findings.error((*_PLACE, "weights"), "lanczos has no weights", "weights belong to realesrgan", "delete them")
    else:
        return True
    return False


def _pointless(written: Upscale, film: Film, raster: Size, delivery: Size) -> str:
    """Why a network would change nothing; "" if it would."""
    if written.strength == 0:
        return "strength 0 leaves nothing of the network"
    shown = shown_size(raster, delivery) if film.fit == "contain" else delivery
    part = raster if film.fit == "contain" else inside(delivery, raster, step=1)
    is_larger = shown.width > LEAST_SCALE * part.width
    return "" if is_larger else f"{raster} is delivered as {delivery}, which is not much larger"


def _of_wheel(written: Upscale, findings: Findings) -> FilmUpscaling | None:
    name, root = written.weights or "video", machine_settings().weights
    if (problem := REALESRGAN.problem(root)) is not None:
        findings.error(_PLACE, f"{problem.where}: {problem.found}", problem.allowed, problem.remedy)
        return None
    value = Upscaling("realesrgan", REALESRGAN.files[name].sha256, _strength(written, STEADY.get(name, 1.0)))
    return FilmUpscaling(value, REALESRGAN.file(name, root))


def _of_file(written: Upscale, cache: FactCache, findings: Findings) -> FilmUpscaling | None:
    file, place = findings.document.file.parent / str(written.model), (*_PLACE, "model")
    try:
        if file.is_dir():
            return _of_folder(written, file, cache, findings)
        if file.suffix.lower() == ".safetensors":
            read_header(file)
        elif not _is_zip(file):
            allowed = "PyTorch 1.6 or later wrote it: older files can run programs when they are read"
            findings.error(place, f"{written.model} is no .pth file that can be read safely", allowed)
            return None
        return FilmUpscaling(Upscaling("model", cache.digest(file), _strength(written)), file)
    except NotSafetensors as error:
        findings.error(place, f"{written.model} {error.found}", error.allowed, "download it again")
    except OSError as error:
        findings.error(place, f"{written.model} cannot be read: {error.strerror}")
    return None


def _of_folder(written: Upscale, folder: Path, cache: FactCache, findings: Findings) -> FilmUpscaling | None:
    """A pipeline of diffusers. Raises OSError."""
    index = folder / "model_index.json"
    try:
        with index.open("rb") as stream:
            name = json.loads(stream.read(MOST_INDEX_BYTES))["_class_name"]
    except (ValueError, LookupError, TypeError, FileNotFoundError):
        name = None
    if name not in VIDEO_PIPELINES:
        found = f"{written.model} is a {name}" if isinstance(name, str) else f"{written.model} holds no pipeline"
        findings.error((*_PLACE, "model"), found, f"a folder of diffusers with a {' or '.join(VIDEO_PIPELINES)}")
        return None
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in (".json", ".safetensors"))
    content = {file.relative_to(folder).as_posix(): cache.digest(file) for file in files}
    value = Upscaling("pipeline", content_key("pipeline/1", content), _strength(written))
    return FilmUpscaling(value, folder)


def _strength(written: Upscale, default: float = 1.0) -> float:
    return default if written.strength is None else float(written.strength)


def _is_zip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_ZIP)) == _ZIP
