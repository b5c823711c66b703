"""A workflow as ComfyUI's editor saves it → a graph in API format, as far as the classes of its nodes are known here.

The editor saves the values of a node's widgets as a list without names. The names are those of the classes that decide
what a shot is made of; widgets of other classes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_WIDGETS = {
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CreateVideo": ("fps",),
    "EmptyHunyuanLatentVideo": ("width", "height", "length", "batch_size"),
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
        "return_with_leftover_noise",
    ),
    "LoadImage": ("image",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "ModelSamplingSD3": ("shift",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "Wan22ImageToVideoLatent": ("width", "height", "length", "batch_size"),
    "WanFirstLastFrameToVideo": ("width", "height", "length", "batch_size"),
    "WanImageToVideo": ("width", "height", "length", "batch_size"),
}  # fmt: skip
"""Class → the names of its widgets in the editor's order; "" is a widget of the editor alone."""

_MUTED = (2, 4)
"""The modes of nodes that are switched off or bypassed."""


def editor_graph(workflow: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The graph in API format. Nodes inside of subgraphs, and what is strange, are left out."""
    nodes = {str(node["id"]): node for node in _maps(workflow.get("nodes")) if _is_used(node)}
    links = dict(_links(workflow.get("links")))
    return {
        name: {"class_type": node["type"], "inputs": {**dict(_values(node)), **dict(_linked(node, links, nodes))}}
        for name, node in nodes.items()
    }


def _is_used(node: Mapping[str, Any]) -> bool:
    return isinstance(node.get("type"), str) and "id" in node and node.get("mode") not in _MUTED


def _values(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    values = node.get("widgets_values")
    if isinstance(values, list):
        for name, value in zip(_WIDGETS.get(node["type"], ()), values, strict=False):
            if name and isinstance(value, str | int | float):
                yield name, value


def _linked(
    node: Mapping[str, Any], links: Mapping[Any, list[Any]], nodes: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for place in _maps(node.get("inputs")):
        source = links.get(place.get("link")) if isinstance(place.get("link"), int) else None
        if source is not None and source[0] in nodes and isinstance(place.get("name"), str):
            yield place["name"], source


def _links(links: Any) -> Iterator[tuple[int, list[Any]]]:
    """Id of a link → [node, slot] that it comes from."""
    for link in links if isinstance(links, list) else ():
        if isinstance(link, list) and len(link) >= 5 and all(type(part) is int for part in (link[0], link[2])):
            yield link[0], [str(link[1]), link[2]]


def _maps(values: Any) -> Iterator[Mapping[str, Any]]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict):
            yield value
