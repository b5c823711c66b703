"""A graph of ComfyUI in API format → the settings of a shot.

The way goes from the sampler: its seed and numbers, its `positive` up to a text, its `latent_image` to the pictures and
the size, its `model` up to the weights and the LoRAs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.other_tools.found_shot import FoundLora, FoundShot
from wan_render.workflows.workflow_file import Graph, link_of, weights_in

_CARRIED = {
    "CLIPLoader", "CLIPTextEncode", "CLIPVisionEncode", "CLIPVisionLoader", "CreateVideo", "EmptyHunyuanLatentVideo",
    "KSampler", "KSamplerAdvanced", "LoadImage", "LoraLoader", "LoraLoaderModelOnly", "ModelSamplingSD3",
    "PreviewImage", "SaveAnimatedWEBP", "SaveImage", "SaveVideo", "SaveWEBM", "UNETLoader", "UnetLoaderGGUF",
    "VAEDecode", "VAEDecodeTiled", "VAELoader", "VHS_VideoCombine", "Wan22ImageToVideoLatent",
    "WanFirstLastFrameToVideo", "WanImageToVideo", "CheckpointLoaderSimple", "Note", "MarkdownNote",
}  # fmt: skip
"""Classes that a storyboard has its own word for, or needs none for."""

_FIRST, _LAST = ("start_image", "image", "first_image"), ("end_image", "last_image")


def graph_settings(graph: Graph) -> FoundShot:
    """What a graph says of a shot. Nothing is an error: what is not found is left out, and said."""
    samplers = [
        node for node, content in graph.items() if "positive" in content["inputs"] and _seed(content) is not None
    ]
    sampler = next(iter(samplers), "")
    roles = dict(_roles(graph, sampler)) if sampler else {}
    values = {role: _value(graph, place) for role, place in roles.items()}
    width, height = _number(values.get("width")), _number(values.get("height"))
    return FoundShot(
        tool="ComfyUI",
        prompt=str(values.get("prompt", "")),
        negative=str(values.get("negative", "")),
        seed=_number(values.get("seed")),
        steps=_number(values.get("steps")),
        guidance=_real(values.get("guidance")),
        shift=_real(values.get("shift")),
        frames=_number(values.get("frames")),
        size=(width, height) if width and height else None,
        first=str(values.get("first", "")),
        last=str(values.get("last", "")),
        models=_models(graph),
        loras=tuple(_loras(graph)),
        left_out=tuple(_left_out(graph, samplers)),
        graph=graph,
        roles=roles,
    )


def _roles(graph: Graph, sampler: str) -> Iterator[tuple[str, str]]:
    """Role → `NODE.INPUT`, from a sampler upwards."""
    own = graph[sampler]["inputs"]
    names = {"seed": ("seed", "noise_seed"), "steps": ("steps",), "guidance": ("cfg",)}
    for role, options in names.items():
        name = next((name for name in options if name in own and link_of(own[name]) is None), None)
        if name is not None:
            yield role, f"{sampler}.{name}"
    for role, branch in (("prompt", "positive"), ("negative", "negative")):
        if (found := _text_above(graph, sampler, branch)) is not None:
            yield role, found
    for node in _above(graph, sampler):
        if "length" in graph[node]["inputs"]:
            yield from _of_latent(graph, node)
            break
    shifts = [
        f"{node}.shift" for node in _above(graph, sampler) if _real(graph[node]["inputs"].get("shift")) is not None
    ]
    if shifts:
        yield "shift", shifts[0]


def _of_latent(graph: Graph, node: str) -> Iterator[tuple[str, str]]:
    inputs = graph[node]["inputs"]
    for role, name in (("frames", "length"), ("width", "width"), ("height", "height")):
        if _number(inputs.get(name)) is not None:
            yield role, f"{node}.{name}"
    for role, names in (("first", _FIRST), ("last", _LAST)):
        for name in names:
            if (link := link_of(inputs.get(name))) is not None and (found := _picture_above(graph, link.node)):
                yield role, found
                break


def _text_above(graph: Graph, node: str, branch: str) -> str | None:
    """The first text on the way up from an input: nodes between keep the branch if they have one of its name."""
    seen: set[str] = set()
    link = link_of(graph[node]["inputs"].get(branch))
    while link is not None and link.node in graph and link.node not in seen:
        seen.add(link.node)
        inputs = graph[link.node]["inputs"]
        for name in ("text", "prompt", "positive_prompt"):
            if isinstance(inputs.get(name), str):
                return f"{link.node}.{name}"
        following = inputs.get(branch) or inputs.get("conditioning") or inputs.get("text")
        link = link_of(following)
    return None


def _picture_above(graph: Graph, node: str) -> str:
    for each in (node, *_above(graph, node)):
        if graph[each]["class_type"] == "LoadImage" and isinstance(graph[each]["inputs"].get("image"), str):
            return f"{each}.image"
    return ""


def _above(graph: Graph, node: str) -> list[str]:
    """The nodes that a node is computed from, nearest first."""
    found: list[str] = []
    waiting = [node]
    while waiting:
        for value in graph[waiting.pop(0)]["inputs"].values():
            link = link_of(value)
            if link is not None and link.node in graph and link.node not in found:
                found.append(link.node)
                waiting.append(link.node)
    return found


def _models(graph: Graph) -> tuple[str, ...]:
    loras = {lora.name for lora in _loras(graph)}
    names = [name for name in weights_in(graph) if name not in loras]
    return tuple(sorted(names, key=lambda name: not any(word in name.lower() for word in ("2v", "wan2"))))


def _loras(graph: Graph) -> Iterator[FoundLora]:
    for content in graph.values():
        name, scale = content["inputs"].get("lora_name"), _real(content["inputs"].get("strength_model"))
        if isinstance(name, str):
            yield FoundLora(name, 1.0 if scale is None else scale)


def _left_out(graph: Graph, samplers: list[str]) -> Iterator[str]:
    if not samplers:
        yield "no sampler was found, so no prompt, seed or size"
    if len(samplers) > 1:
        yield f"{len(samplers)} samplers: the numbers are those of node {samplers[0]}"
    for node in samplers[:1]:
        inputs = graph[node]["inputs"]
        for name in ("sampler_name", "scheduler"):
            if isinstance(inputs.get(name), str):
                yield f"{name} {inputs[name]}: the model's own is used"
        if _real(inputs.get("denoise")) not in (None, 1.0):
            yield f"denoise {inputs['denoise']}"
    for node, content in graph.items():
        if content["class_type"] not in _CARRIED:
            yield f"node {node} ({content['class_type']})"


def _seed(content: Mapping[str, Any]) -> int | None:
    found = (_number(content["inputs"].get(name)) for name in ("seed", "noise_seed"))
    return next((value for value in found if value is not None), None)


def _value(graph: Graph, place: str) -> Any:
    node, _, name = place.partition(".")
    return graph[node]["inputs"][name]


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


def _real(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None
