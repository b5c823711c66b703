"""A workflow of ComfyUI as a value: its graph, which of its inputs a take fills, and where its frames are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NUMBERS = ("steps", "guidance", "shift")
"""The roles whose inputs get the numbers of a take's sampling."""

ROLES = ("first", "last", "prompt", "negative", "seed", "frames", "width", "height", *NUMBERS)
"""What a take may fill: its keyframes, its texts, and numbers."""


@dataclass(frozen=True, order=True)
class NodeInput:
    """An input of a node: `3.seed`. node: its id in the graph."""

    node: str
    name: str

    def __str__(self) -> str:
        return f"{self.node}.{self.name}"


@dataclass(frozen=True)
class NodeOutput:
    """An output of a node, counted from 0."""

    node: str
    slot: int


@dataclass(frozen=True)
class NamedWorkflow:
    """A workflow as a storyboard names it.

    file:   its graph in ComfyUI's API format. title: what to call it.
    inputs: (role, texts `NODE.INPUT`) of every role that is written. images: `NODE` or `NODE.SLOT`; "" if not written.
    rate:   frames per second, if written. like: the known model whose numbers are used, if written.
    """

    file: Path
    title: str
    inputs: tuple[tuple[str, tuple[str, ...]], ...]
    images: str = ""
    rate: float | None = None
    like: str | None = None


@dataclass(frozen=True)
class Workflow:
    """A workflow that can be sent, in a model's card. It pickles.

    graph:  JSON of the nodes that the frames need: id → class_type, inputs.
    inputs: (role, inputs that get its value). images: where the frames are.
    models: the names of its files of weights, as the server knows them.
    """

    graph: str
    inputs: tuple[tuple[str, tuple[NodeInput, ...]], ...]
    images: NodeOutput
    models: tuple[str, ...] = ()

    def of_role(self, role: str) -> tuple[NodeInput, ...]:
        """The inputs that get a role's value; none if the workflow has none for it."""
        return dict(self.inputs).get(role, ())
