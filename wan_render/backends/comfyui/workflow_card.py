"""A storyboard's map with `comfyui` → the card of a model: what its workflow renders, and what decides its pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from wan_render.backends.comfyui.node_checks import mismatches, node_types
from wan_render.backends.comfyui.servers import SETTING, servers
from wan_render.backends.comfyui.workflow_inputs import Inputs, images_of, inputs_of, number_at
from wan_render.bounded_http import HttpError
from wan_render.errors import InputError, Problem
from wan_render.keys import content_key
from wan_render.model_card import KindDefaults, ModelCard, WorkflowReading
from wan_render.settings import MachineSettings
from wan_render.take import Sampling, ShotKind
from wan_render.workflows.workflow import NUMBERS, NamedWorkflow, NodeInput, Workflow
from wan_render.workflows.workflow_file import Graph, literals, needed_by, read_graph, weights_in

IDENTITY_FORM = "comfyui workflow/1"
"""Tag and version of what a workflow's identity is the hash of."""

USUAL_RATE, FASTEST, USUAL_GUIDANCE = 16, 240, 2.0
"""Frames per second if nothing says it: that of most Wan models;
and the most. Guidance of a workflow with a negative prompt if none
of its inputs says it: only that it is above 1, so that the negative prompt counts."""

SECONDS_OF_A_TAKE = 300.0
"""A rough guess: nothing is known of a workflow until one of its takes is finished."""

_NO_INPUT = "the workflow has no input for it"


def workflow_reading(
    named: NamedWorkflow, like: ModelCard | None, backend: str, settings: MachineSettings
) -> WorkflowReading:
    """The card of a workflow. like: the card of the model whose numbers it has. backend: the id of what renders it.

    Every server that answers is asked whether it could run it. Raises InputError with all mistakes; the place of each
    is a key of the map.
    """
    whole = read_graph(named.file)
    inputs = inputs_of(named, whole)
    images = images_of(named, whole)
    graph = needed_by(images, whole)
    unused = [
        Problem(role, f"{place} does not lead to the frames", "an input of a node that they need")
        for role, places in inputs.items()
        for place in places
        if place.node not in graph and role in dict(named.inputs)
    ]
    if unused:
        raise InputError(*unused)
    inputs = {role: places for role, places in inputs.items() if all(place.node in graph for place in places)}
    doubts = tuple(_checked(graph, inputs, settings))
    workflow = Workflow(json.dumps(graph, ensure_ascii=False), tuple(inputs.items()), images, weights_in(graph))
    rate = _rate(named, whole, like)
    card = replace(_card(named, workflow, graph, inputs, like, rate), backend=backend)
    return WorkflowReading(card, tuple(_said(named, card, inputs)), doubts)


def _checked(graph: Graph, inputs: Inputs, settings: MachineSettings) -> Iterator[str]:
    """Ask every server about the nodes. Yields why one could not be asked."""
    found = servers(settings)
    if not found:
        yield f"the workflow was not compared with a server: {SETTING} is not set"
    problems: list[Problem] = []
    for server in found:
        try:
            problems += mismatches(graph, inputs, node_types(graph, server), server)
        except HttpError as error:
            yield f"the workflow was not compared with {server.base}, which does not answer: {error}"
    if problems:
        raise InputError(*problems)


def _card(
    named: NamedWorkflow, workflow: Workflow, graph: Graph, inputs: Inputs, like: ModelCard | None, rate: Fraction
) -> ModelCard:
    kind = _kind(inputs)
    official = None if like is None else like.kinds.get(kind)
    numbers = {role: number_at(graph, inputs, role) for role in NUMBERS}
    guidance = numbers["guidance"] or _guidance(graph, inputs)
    sampling = Sampling(int(numbers["steps"] or 1), (guidance,), numbers["shift"] or 1.0)
    defaults = KindDefaults(sampling, _negative(graph, inputs) or ("" if official is None else official.negative))
    card = ModelCard(
        name=named.title,
        identity=identity(graph, inputs, workflow),
        kinds={kind: defaults},
        rate=rate,
        unsupported=_unsupported(inputs),
        expected_seconds=SECONDS_OF_A_TAKE,
        workflow=workflow,
    )
    if like is None:
        return card
    return replace(
        card,
        frame_step=like.frame_step,
        trained_frames=like.trained_frames,
        size_multiple=like.size_multiple,
        native_sizes=like.native_sizes,
        prompt_tokens=like.prompt_tokens,
    )


def identity(graph: Graph, inputs: Inputs, workflow: Workflow) -> str:
    """What identifies a workflow in keys: the hash of its nodes without the values that takes fill, and the names of
    its files of weights. Titles, places and nodes that the frames do not need are not in it."""
    filled: dict[str, dict[str, Any]] = {node: {**content, "inputs": {}} for node, content in graph.items()}
    ours = {place for places in inputs.values() for place in places}
    for node, content in graph.items():
        own = {name: value for name, value in content["inputs"].items() if NodeInput(node, name) not in ours}
        filled[node]["inputs"] = own
    fields = {
        "graph": filled,
        "inputs": {role: sorted(map(str, places)) for role, places in inputs.items()},
        "images": [workflow.images.node, workflow.images.slot],
    }
    names = f" with {', '.join(workflow.models)}" if workflow.models else ""
    return f"comfyui:{content_key(IDENTITY_FORM, fields)}{names}"


def _kind(inputs: Inputs) -> ShotKind:
    if "last" in inputs:
        return ShotKind.FLF2V
    return ShotKind.I2V if "first" in inputs else ShotKind.T2V


def _guidance(graph: Graph, inputs: Inputs) -> float:
    """The highest `cfg` of the workflow, where no input of it is filled."""
    found = [float(value) for _, value in literals(graph, "cfg") if isinstance(value, int | float)]
    return max(found, default=USUAL_GUIDANCE if "negative" in inputs else 1.0)


def _negative(graph: Graph, inputs: Inputs) -> str:
    """The negative prompt that the workflow itself has."""
    if "negative" not in inputs:
        return ""
    place = inputs["negative"][0]
    return str(graph[place.node]["inputs"][place.name])


def _rate(named: NamedWorkflow, whole: Graph, like: ModelCard | None) -> Fraction:
    """As written; else that of the workflow's video, if it says one; else that of the model."""
    if named.rate is not None:
        return Fraction(str(named.rate))
    said = {
        value
        for name in ("fps", "frame_rate")
        for _, value in literals(whole, name)
        if isinstance(value, int | float) and 1 <= value <= FASTEST
    }
    if len(said) == 1:
        return Fraction(str(said.pop()))
    return Fraction(USUAL_RATE) if like is None else like.rate


def _unsupported(inputs: Inputs) -> Mapping[str, str]:
    """What settings a workflow cannot follow, and why."""
    missing = {role: _NO_INPUT for role in ("negative", *NUMBERS) if role not in inputs}
    own = dict.fromkeys(("loras", "profile", "variant"), "the workflow decides that itself")
    return {**missing, **own}


def _said(named: NamedWorkflow, card: ModelCard, inputs: Inputs) -> Iterator[str]:
    written = {role for role, texts in named.inputs if texts}
    followed = [f"{role} {places[0]}" for role, places in inputs.items() if role not in written]
    if followed:
        yield f"{card.name}: taken from the workflow: {', '.join(followed)}"
    if card.workflow is not None and card.workflow.models:
        yield f"{card.name} uses {', '.join(card.workflow.models)}, whose content is not compared"
    if named.rate is None:
        yield f"{card.name}: {float(card.rate):g} frames per second"
