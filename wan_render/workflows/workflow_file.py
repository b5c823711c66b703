"""Reads a workflow's file: the graph in ComfyUI's API format, as `Workflow → Export (API)` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wan_render.errors import InputError, Problem
from wan_render.printable import shown
from wan_render.workflows.workflow import NodeInput, NodeOutput

MOST_BYTES, MOST_NODES = 8 << 20, 2000
"""A file's size, and how many nodes it has. Large workflows have about a hundred."""

Graph = Mapping[str, Mapping[str, Any]]
"""Node id → `class_type` and `inputs`. The value of an input is a literal, or a link: [node id, slot]."""

_WEIGHTS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".onnx")


def read_graph(file: Path) -> Graph:
    """The graph of a file. Raises InputError, with the place "comfyui", for anything else."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise _refused(f"cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise _refused(f"is larger than {MOST_BYTES >> 20} MiB")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _refused("is not JSON") from None
    return checked_graph(found)


def checked_graph(found: Any) -> Graph:
    """The graph in parsed JSON. Raises InputError, with the place "comfyui"."""
    if isinstance(found, dict) and isinstance(found.get("nodes"), list):
        raise _refused("is a workflow for ComfyUI's editor", "write its API form: Workflow, Export (API)")
    if isinstance(found, dict) and isinstance(found.get("prompt"), dict):
        found = found["prompt"]  # the body of a request
    if not isinstance(found, dict) or not found or len(found) > MOST_NODES:
        raise _refused("holds no graph", "write it with Workflow, Export (API)")
    for node, content in found.items():
        if not _is_node(content):
            raise _refused(f"node {shown(node)} has no class_type and inputs")
    for node, content in found.items():
        for name, value in content["inputs"].items():
            if (link := link_of(value)) is not None and link.node not in found:
                raise _refused(f"input {shown(name)} of node {shown(node)} is linked to a node that is not there")
    return found


def link_of(value: Any) -> NodeOutput | None:
    """The output that an input is linked to; None for a literal."""
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int
    return NodeOutput(value[0], value[1]) if is_link else None


def needed_by(output: NodeOutput, graph: Graph) -> dict[str, dict[str, Any]]:
    """The nodes that an output is computed from, in the graph's order, with nothing but class and inputs."""
    found, open_nodes = {output.node}, [output.node]
    while open_nodes:
        for value in graph[open_nodes.pop()]["inputs"].values():
            link = link_of(value)
            if link is not None and link.node not in found:
                found.add(link.node)
                open_nodes.append(link.node)
    return {
        node: {"class_type": content["class_type"], "inputs": dict(content["inputs"])}
        for node, content in graph.items()
        if node in found
    }


def frame_sources(graph: Graph) -> tuple[NodeOutput, ...]:
    """The outputs that are saved or made into a video: what inputs named `images` of nodes are linked to that nothing
    else but a video needs."""
    saving = {
        node: link
        for node, content in graph.items()
        if _ends(content["class_type"]) and (link := link_of(content["inputs"].get("images"))) is not None
    }
    return tuple(dict.fromkeys(saving.values()))


def _ends(class_type: str) -> bool:
    return class_type.startswith(("Save", "Preview", "CreateVideo", "VHS_VideoCombine"))


def weights_in(graph: Graph) -> tuple[str, ...]:
    """The names of files of weights among the literals of a graph, sorted."""
    literals = (value for content in graph.values() for value in content["inputs"].values())
    return tuple(sorted({value for value in literals if isinstance(value, str) and value.lower().endswith(_WEIGHTS)}))


def literals(graph: Graph, name: str) -> Iterator[tuple[NodeInput, Any]]:
    """The literal values of all inputs of a name."""
    for node, content in graph.items():
        value = content["inputs"].get(name)
        if value is not None and link_of(value) is None:
            yield NodeInput(node, name), value


def _is_node(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("class_type"), str)
        and isinstance(content.get("inputs"), dict)
    )


def _refused(found: str, remedy: str = "") -> InputError:
    return InputError(Problem("comfyui", found, "a workflow in ComfyUI's API format", remedy))
