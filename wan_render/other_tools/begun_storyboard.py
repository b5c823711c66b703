"""What another tool wrote into a file → a folder with a storyboard, its keyframes, and its workflow.

Names in foreign metadata are never paths: only a picture of that name beside the file, or in a folder `input` there, is
looked for.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_render.errors import WanRenderError
from wan_render.footage.any_video import read_video
from wan_render.other_tools.editor_graph import editor_graph
from wan_render.other_tools.embedded_metadata import PICTURES, VIDEOS, embedded_metadata
from wan_render.other_tools.found_shot import UNNAMED, FoundShot, known_model
from wan_render.other_tools.graph_settings import graph_settings
from wan_render.other_tools.wangp_settings import wangp_settings
from wan_render.printable import one_line, shortened
from wan_render.render_values import Pixels

MOST_FRAMES, LONGEST_PROMPT, MOST_VIDEO_FRAMES = 161, 20_000, 20_000
WORKFLOW_FILE = "workflow_api.json"

_ASPECTS = {"16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "3:4": 3 / 4, "9:16": 9 / 16}
_KINDS_OF = {
    "wan2.1-flf2v-14b": ("flf2v",),
    "wan2.2-i2v-a14b": ("i2v", "flf2v"),
    "wan2.2-ti2v-5b": ("t2v", "i2v"),
}


@dataclass(frozen=True)
class BegunStoryboard:
    """files: path in the new folder → content. left_out: what could not be carried over, in words."""

    files: Mapping[str, bytes]
    left_out: tuple[str, ...]


def begun_storyboard(file: Path, title: str) -> BegunStoryboard:
    """The storyboard of a file that ComfyUI or WanGP wrote. title: of the film. Raises UsageError."""
    found = _found(file)
    keyframes, missing = _keyframes(file, found)
    left_out = (*found.left_out, *missing, *_not_carried(found, keyframes))
    text = "\n".join(_lines(found, keyframes, file.name, title, left_out)) + "\n"
    files = {"storyboard.yaml": text.encode(), **{f"keyframes/{name}.png": data for name, data in keyframes.items()}}
    if found.graph is not None and _workflow_map(found):
        files[WORKFLOW_FILE] = json.dumps(found.graph, ensure_ascii=False, indent=1).encode()
    return BegunStoryboard(files, tuple(map(_said, left_out)))


def _found(file: Path) -> FoundShot:
    metadata = embedded_metadata(file)
    if metadata.wangp is not None:
        return wangp_settings(metadata.wangp)
    if metadata.graph is not None:
        return graph_settings(_whole(metadata.graph))
    found = graph_settings(_whole(editor_graph(metadata.editor or {})))
    said = "the workflow is that of ComfyUI's editor: export it with Export (API) to render it there"
    return FoundShot(**{**_fields(found), "left_out": (*found.left_out, said), "graph": None, "roles": {}})


def _whole(graph: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The nodes that have the shape of one."""
    return {
        str(name): {"class_type": str(node["class_type"]), "inputs": node["inputs"]}
        for name, node in graph.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node
    }


def _fields(found: FoundShot) -> dict[str, Any]:
    return {name: getattr(found, name) for name in FoundShot.__dataclass_fields__}


# Keyframes


def _keyframes(file: Path, found: FoundShot) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """`first` and `last` as PNG, as far as they are there; and what is not. A video shows its own."""
    pictures: dict[str, bytes] = {}
    said: list[str] = []
    for end, name in (("first", found.first), ("last", found.last)):
        if not name:
            continue
        content, source = _beside(file, name), ""
        picture = f"the {end} picture" if name == UNNAMED else f"the {end} picture, {name},"
        if content is None:
            content, source = _shown_by(file, end)
        if content is None:
            said.append(f"{picture} was not found beside the file")
            continue
        if source:
            said.append(f"{picture} was not found: {source} was taken")
        pictures[end] = content
    if "last" in pictures and "first" not in pictures:
        del pictures["last"]
    return pictures, tuple(said)


def _beside(file: Path, name: str) -> bytes | None:
    """A picture of this name, as PNG. ComfyUI may add the folder: `start.png [input]`."""
    last = re.split(r"[/\\]", re.sub(r" \[(input|output|temp)\]$", "", name))[-1]
    if last in ("", ".", "..") or "\0" in last or Path(last).suffix.lower() not in PICTURES:
        return None
    for folder in (file.parent, file.parent / "input", file.parent.parent / "input"):
        beside = folder / last
        if os.path.isfile(beside):  # noqa: PTH113 - Path's raises for a name that is too long
            content = _as_png(beside)
            if content is not None:
                return content
    return None


def _shown_by(file: Path, end: str) -> tuple[bytes | None, str]:
    """The picture that the file itself shows at an end, and what that is."""
    if file.suffix.lower() in VIDEOS:
        try:
            return _png(_end_of(file, end)), f"the video's {end} frame"
        except WanRenderError:  # its tags were read, its frames cannot be
            return None, ""
    if end == "first" and file.suffix.lower() in PICTURES:
        return _as_png(file), "the file itself"
    return None, ""


def _end_of(file: Path, end: str) -> Pixels:
    """The first or last frame of a video. Raises UsageError for a file that is none."""
    frames = read_video(file, MOST_VIDEO_FRAMES, lambda _: None)
    return next(frames) if end == "first" else deque(frames, maxlen=1)[0]


def _as_png(file: Path) -> bytes | None:
    """A picture's pixels as PNG, without its metadata; None if it cannot be read."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
            return _png(np.asarray(image.convert("RGB")))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _png(pixels: Any) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


# Text


def _lines(
    found: FoundShot, keyframes: Mapping[str, bytes], source: str, title: str, left_out: tuple[str, ...]
) -> Iterator[str]:
    yield f"# From {_said(source)}, written by {found.tool}. `wan-render check storyboard.yaml` lists mistakes."
    if left_out:
        yield "# Not carried over:"
        yield from (f"# - {_said(each)}" for each in left_out)
    yield "version: 1"
    yield "film:"
    yield f"  title: {_quoted(title)}"
    if found.size is not None:
        yield f"  aspect: '{_aspect(found.size)}'"
        yield f"  raster: {found.size[0]}x{found.size[1]}" if _fits(found.size) else "  raster: 480p"
    if keyframes:
        yield "keyframes: keyframes/"
    yield "shots:"
    yield "  - shot: '010'"
    if "first" in keyframes:
        yield "    from: first"
    if "last" in keyframes:
        yield "    to: last"
    yield f"    prompt: {_quoted(found.prompt or 'describe what happens')}"
    render = list(_render(found, _kind(keyframes)))
    if render:
        yield "    render:"
        yield from (f"      {line}" for line in render)


def _render(found: FoundShot, kind: str) -> Iterator[str]:
    if found.seed is not None and 0 <= found.seed < 2**63:
        yield f"seed: {found.seed}"
    if found.negative:
        yield f"negative: {_quoted(found.negative)}"
    if found.frames is not None and _has_length(found.frames, kind):
        yield f"frames: {found.frames}"
    for lora in found.loras:
        name = re.split(r"[/\\]", lora.name)[-1]
        yield f"# loras: [{{path: {_quoted('loras/' + name)}, scale: {lora.scale:g}}}]"
    model = _model(found, kind)
    workflow = _workflow_map(found)
    if model or workflow:
        yield f"{kind}:" if model else f"# {kind}:"
    if model:
        yield f"  model: {model}"
        for key, value, least in (
            ("steps", found.steps, 1),
            ("guidance", found.guidance, 0),
            ("shift", found.shift, 0.01),
        ):
            if value is not None and least <= value <= 100:
                yield f"  {key}: {value:g}"
    if workflow:
        yield "# To render it on ComfyUI (WAN_RENDER_COMFYUI=http://127.0.0.1:8188), with the same workflow:"
        yield f"#   model: {workflow}"


def _workflow_map(found: FoundShot) -> str:
    """The map for `model`, in one line; "" if the workflow lacks what one needs."""
    needed = ("prompt", "seed", "frames")
    if found.graph is None or not all(role in found.roles for role in needed):
        return ""
    if not all(re.fullmatch(r"[\w:.-]+", place) for place in found.roles.values()):
        return ""
    roles = ("first", "last", "prompt", "negative", "seed", "frames")
    places = ", ".join(f"{role}: {found.roles[role]}" for role in roles if role in found.roles)
    return f"{{comfyui: {WORKFLOW_FILE}, {places}}}"


def _model(found: FoundShot, kind: str) -> str:
    name = known_model(found.models)
    able = _KINDS_OF.get(name, (name.split("-")[1],) if name else ())
    return name if kind in able else ""


def _not_carried(found: FoundShot, keyframes: Mapping[str, bytes]) -> Iterator[str]:
    kind = _kind(keyframes)
    if found.models and not _model(found, kind):
        yield f"the model {', '.join(found.models[:4])}: the default for {kind} is used"
    elif found.models:
        yield f"the files {', '.join(found.models[:4])}: {_model(found, kind)} is used, which they seem to be"
    for lora in found.loras:
        yield f"the LoRA {lora.name} ({lora.scale:g}): put its file into loras/, and delete the # before it"
    if found.frames is not None and not _has_length(found.frames, kind):
        yield f"{found.frames} frames: takes have 4n + 1 frames, at most {MOST_FRAMES}"
    if found.size is not None and not _fits(found.size):
        yield f"the size {found.size[0]}x{found.size[1]}: sizes are multiples of 16"
    if found.seed is not None and not 0 <= found.seed < 2**63:
        yield f"the seed {found.seed}: seeds are below 2^63"
    if len(found.prompt) > LONGEST_PROMPT:
        yield f"the end of a prompt of {len(found.prompt):,} characters"


def _kind(keyframes: Mapping[str, bytes]) -> str:
    return "flf2v" if "last" in keyframes else "i2v" if "first" in keyframes else "t2v"


def _has_length(frames: int, kind: str) -> bool:
    return frames % 4 == 1 and (5 if kind == "flf2v" else 1) <= frames <= MOST_FRAMES


def _fits(size: tuple[int, int]) -> bool:
    return all(side % 16 == 0 and 64 <= side <= 4096 for side in size) and 1 / 4 <= size[0] / size[1] <= 4


def _aspect(size: tuple[int, int]) -> str:
    shape = size[0] / size[1]
    return min(_ASPECTS, key=lambda name: abs(_ASPECTS[name] / shape - 1))


def _quoted(text: str) -> str:
    """A text in double quotes, as YAML and JSON write it, without control characters."""
    plain = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", " ", text[:LONGEST_PROMPT])
    return json.dumps(plain, ensure_ascii=False)


def _said(text: str) -> str:
    """Foreign text in a comment: one line, not too long."""
    return shortened(one_line(" ".join(text.split())), 200)
