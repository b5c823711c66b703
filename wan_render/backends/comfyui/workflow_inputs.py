"""Which inputs of a graph a take fills: those that a storyboard names, and those that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wan_render.authored.spelling import did_you_mean
from wan_render.errors import InputError, Problem
from wan_render.printable import shown
from wan_render.workflows.workflow import NUMBERS, ROLES, NamedWorkflow, NodeInput, NodeOutput
from wan_render.workflows.workflow_file import Graph, frame_sources, link_of, literals

Inputs = Mapping[str, tuple[NodeInput, ...]]
"""Role → the inputs that get its value."""

NEEDED = ("prompt", "seed", "frames")
"""The roles that every workflow needs: without them, takes of different shots would be equal."""

_TEXTS = ("first", "last", "prompt", "negative")


def inputs_of(named: NamedWorkflow, graph: Graph) -> Inputs:
    """The inputs of every role. Raises InputError with all mistakes; the place of each is a key of the map."""
    written = dict(named.inputs)
    problems = [problem for role, texts in written.items() for problem in _mistakes(role, texts, graph)]
    problems += [_missing(role, graph) for role in NEEDED if not written.get(role)]
    if written.get("last") and not written.get("first"):
        problems.append(Problem("last", "'last' without 'first'", "", "write the input of the first keyframe as well"))
    if problems:
        raise InputError(*problems)
    found = {role: tuple(map(_read, texts)) for role, texts in written.items() if texts}
    found = {**_followed(found, graph), **found}
    return {role: found[role] for role in ROLES if role in found}


def images_of(named: NamedWorkflow, graph: Graph) -> NodeOutput:
    """Where the frames are. Raises InputError, with the place "images" or "comfyui"."""
    if named.images:
        node, _, slot = named.images.partition(".")
        if node not in graph:
            raise InputError(_no_node("images", node, graph))
        if slot and not slot.isdecimal():
            raise InputError(Problem("images", f"{shown(slot)} is not the number of an output", "0 is the first"))
        return NodeOutput(node, int(slot or 0))
    sources = frame_sources(graph)
    if len(sources) == 1:
        return sources[0]
    found = "several nodes save pictures" if sources else "no node saves pictures or makes a video"
    remedy = "name the node whose output they are: write `images: NODE`"
    raise InputError(Problem("comfyui", found, "one output with the frames", remedy))


def _mistakes(role: str, texts: tuple[str, ...], graph: Graph) -> Iterator[Problem]:
    for text in texts:
        node, _, name = text.partition(".")
        if not name:
            yield Problem(role, f"{shown(text)} names no input", "NODE.INPUT, as in 3.seed")
        elif node not in graph:
            yield _no_node(role, node, graph)
        elif name not in graph[node]["inputs"]:
            names = list(graph[node]["inputs"])
            allowed = f"its inputs: {', '.join(names)}"
            found = f"node {shown(node)} ({graph[node]['class_type']}) has no input {shown(name)}"
            yield Problem(role, found, allowed, did_you_mean(name, names))
        elif (link := link_of(graph[node]["inputs"][name])) is not None:
            found = f"{text} is linked to node {link.node} ({graph[link.node]['class_type']})"
            yield Problem(role, found, "an input with a value of its own", f"name an input of node {link.node}")
        elif role in _TEXTS and not isinstance(graph[node]["inputs"][name], str):
            yield Problem(role, f"{text} is not a text", "an input with a text")


def _no_node(role: str, node: str, graph: Graph) -> Problem:
    several = [f"{each} ({content['class_type']})" for each, content in graph.items()]
    allowed = f"nodes: {', '.join(several[:12])}" + (", …" if len(several) > 12 else "")
    return Problem(role, f"the workflow has no node {shown(node)}", allowed)


def _missing(role: str, graph: Graph) -> Problem:
    names = {"prompt": ("text",), "seed": ("seed", "noise_seed"), "frames": ("length", "num_frames")}[role]
    near = [str(place) for name in names for place, _ in literals(graph, name)]
    remedy = f"write one of {', '.join(f'`{role}: {each}`' for each in near[:6])}" if near else ""
    return Problem(role, f"'{role}' is missing", "the input that gets it: NODE.INPUT", remedy)


def _read(text: str) -> NodeInput:
    node, _, name = text.partition(".")
    return NodeInput(node, name)


def _followed(found: Inputs, graph: Graph) -> Inputs:
    """Inputs that need not be written: the size beside the number of frames, the steps and the guidance of a sampler
    that is alone, and the only shift."""
    beside = found["frames"][0].node
    sides = {
        side: NodeInput(beside, side) for side in ("width", "height") if _has_number(graph, NodeInput(beside, side))
    }
    sampler = found["seed"][0].node
    is_alone = len(found["seed"]) == 1 and "start_at_step" not in graph[sampler]["inputs"]
    own = {"steps": NodeInput(sampler, "steps"), "guidance": NodeInput(sampler, "cfg")} if is_alone else {}
    shifts = [place for place, _ in literals(graph, "shift")]
    shift = {"shift": shifts[0]} if len(shifts) == 1 else {}
    numbers = {role: place for role, place in {**own, **shift}.items() if _has_number(graph, place)}
    return {role: (place,) for role, place in {**(sides if len(sides) == 2 else {}), **numbers}.items()}


def _has_number(graph: Graph, place: NodeInput) -> bool:
    value = graph[place.node]["inputs"].get(place.name)
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_at(graph: Graph, inputs: Inputs, role: str) -> float | None:
    """The number that the workflow itself has for a role of NUMBERS; None if no input takes it."""
    if role not in NUMBERS or role not in inputs:
        return None
    place = inputs[role][0]
    return float(graph[place.node]["inputs"][place.name]) if _has_number(graph, place) else None
