"""Compares a workflow with what a server says of its nodes (`/object_info`): classes, inputs, files of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from wan_render.authored.spelling import did_you_mean
from wan_render.backends.comfyui.servers import ComfyServer
from wan_render.backends.comfyui.workflow_inputs import Inputs
from wan_render.errors import Problem
from wan_render.printable import shown
from wan_render.workflows.workflow_file import Graph, link_of

CHECK_SECONDS = 5.0
"""The longest time of one question while a storyboard is checked."""

_TYPES = {
    **dict.fromkeys(("prompt", "negative"), ("STRING",)),
    **dict.fromkeys(("seed", "frames", "width", "height", "steps"), ("INT",)),
    **dict.fromkeys(("guidance", "shift"), ("FLOAT", "INT")),
}
"""The type that the input of a role has. `first` and `last` get the name of an uploaded picture."""

NodeTypes = Mapping[str, Mapping[str, Any]]
"""Class of a node → input → its type or its choices, and its options, as the server states them."""


def node_types(graph: Graph, server: ComfyServer) -> NodeTypes:
    """The inputs of the graph's classes; a class that the server does not have is missing. Raises HttpError."""
    service = server.service(CHECK_SECONDS)
    classes = dict.fromkeys(content["class_type"] for content in graph.values())
    answers = {name: service.get_json(f"/object_info/{quote(name, safe='')}") for name in classes}
    return {name: _inputs(answer[name]) for name, answer in answers.items() if _knows(answer, name)}


def mismatches(graph: Graph, inputs: Inputs, types: NodeTypes, server: ComfyServer) -> Iterator[Problem]:
    """What of a workflow the server could not run. The place of each is a key of the storyboard's map."""
    filled = {place for places in inputs.values() for place in places}
    for node, content in graph.items():
        known = types.get(content["class_type"])
        if known is None:
            found = f"node {node} is a {shown(content['class_type'])}, which {server.base} does not have"
            yield Problem("comfyui", found, "classes of nodes that are installed there", "install its node package")
            continue
        for name, value in content["inputs"].items():
            is_ours = any(place.node == node and place.name == name for place in filled)
            if not is_ours and link_of(value) is None and name in known:
                yield from _no_choice(node, name, value, known[name], server)
    for role, places in inputs.items():
        for place in places:
            known = types.get(graph[place.node]["class_type"], {})
            if place.name in known and not _takes(role, known[place.name]):
                found = f"{place} of {server.base} has the type {_type_name(known[place.name])}"
                yield Problem(role, found, f"allowed: {' or '.join(_TYPES.get(role, ('an uploaded picture',)))}")


def _no_choice(node: str, name: str, value: Any, kind: Any, server: ComfyServer) -> Iterator[Problem]:
    choices = _choices(kind)
    if choices is None or value in choices:
        return
    texts = [choice for choice in choices if isinstance(choice, str)]
    allowed = f"it has: {', '.join(texts[:8])}{', …' if len(texts) > 8 else ''}" if texts else "it has none"
    near = did_you_mean(value, texts) if isinstance(value, str) else ""
    yield Problem("comfyui", f"{server.base} does not have {shown(str(value))} for {node}.{name}", allowed, near)


def _choices(kind: Any) -> list[Any] | None:
    """The allowed values of an input that is a choice; None for any other, and where only a browser knows them."""
    options = kind[1] if len(kind) > 1 and isinstance(kind[1], dict) else {}
    if isinstance(kind[0], list):
        return kind[0]
    is_known = kind[0] == "COMBO" and isinstance(options.get("options"), list) and not options.get("remote_combo")
    return options["options"] if is_known else None


def _takes(role: str, kind: Any) -> bool:
    if role in _TYPES:
        return kind[0] in (*_TYPES[role], "*")
    options = kind[1] if len(kind) > 1 and isinstance(kind[1], dict) else {}
    return kind[0] == "STRING" or bool(options.get("image_upload"))


def _type_name(kind: Any) -> str:
    return "COMBO" if isinstance(kind[0], list) else shown(str(kind[0]))


def _knows(answer: Any, name: str) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get(name), dict)


def _inputs(info: Mapping[str, Any]) -> Mapping[str, Any]:
    groups = info.get("input")
    found: dict[str, Any] = {}
    for group in ("required", "optional"):
        entries = groups.get(group) if isinstance(groups, dict) else None
        for name, kind in (entries if isinstance(entries, dict) else {}).items():
            if isinstance(kind, list) and kind:
                found[name] = kind
    return found
