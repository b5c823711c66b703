"""YAML events → a tree of nodes with their places. Anchors are shared, plain `<<` is merged, duplicate keys are
reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from wan_render.storyboard.source import Source

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
Mark = tuple[int, int]


@dataclass(frozen=True)
class ScalarNode:
    """A text of the file.

    plain: whether it is written without quotes. end: the place after it, in characters.
    idle_anchor: the name of an unused anchor at its beginning, which was probably meant as part of the text; or "".
    """

    text: str
    plain: bool
    mark: Mark
    end: int
    idle_anchor: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it means "not set": an empty value, `~` or `null`."""
        return self.plain and self.text in NULLS


@dataclass
class ListNode:
    """A list. marks: the places of its items; for an alias, the place of the alias."""

    mark: Mark
    items: list[Node] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """A key and its value. bare: a key inside {} without a colon. It is usually text after a comma."""

    key: ScalarNode
    value: Node
    bare: bool


@dataclass
class MapNode:
    """A map with its merges flattened. Its own keys override merged ones."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Node = ScalarNode | ListNode | MapNode


@dataclass(frozen=True)
class Clash:
    """A mistake in the structure of the file itself."""

    mark: Mark
    found: str
    allowed: str = ""
    remedy: str = ""


class Tree:
    """Builds the nodes of a document. clashes: its mistakes. The depth of the events bounds the recursion."""

    def __init__(self, source: Source, events: list[Any]) -> None:
        self.source = source
        self.clashes: list[Clash] = []
        self._anchors: dict[str, Node] = {}
        self._used = {event.anchor for event in events if type(event) is yaml.AliasEvent}
        self._events: Iterator[Any] = (event for event in events if isinstance(event, yaml.NodeEvent | _ENDS))
        self.root = self._node(next(self._events))

    def _node(self, event: Any) -> Node:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._anchors[event.anchor]
        node = self._built(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _built(self, event: Any) -> Node:
        mark = self.source.mark(event.start_mark.index)
        kind = type(event)
        if kind is yaml.ScalarEvent:
            idle = event.anchor if event.anchor not in self._used else None
            return ScalarNode(event.value, not event.style, mark, event.end_mark.index, idle or "")
        if kind is yaml.SequenceStartEvent:
            return self._list(mark)
        return self._map(mark, flow=bool(event.flow_style))

    def _list(self, mark: Mark) -> ListNode:
        node = ListNode(mark)
        for event in self._until(yaml.SequenceEndEvent):
            node.items.append(self._node(event))
            node.marks.append(self.source.mark(event.start_mark.index))
        return node

    def _map(self, mark: Mark, *, flow: bool) -> MapNode:
        node = MapNode(mark)
        merged: Node | None = None
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event)
            place = self.source.mark(event.start_mark.index)
            value = self._node(next(self._events))
            if not isinstance(key, ScalarNode):
                self._clash(place, "a list or a map as a key", "a key is a text", "put a text that begins so in quotes")
            elif key.plain and key.text == "<<":
                merged = self._only(merged, value, place)
            else:
                self._enter(node, ScalarNode(key.text, key.plain, place, key.end), value, flow=flow)
        for parent in self._merged(merged):
            node.entries = parent.entries | node.entries
        return node

    def _enter(self, node: MapNode, key: ScalarNode, value: Node, *, flow: bool) -> None:
        if former := node.entries.get(key.text):
            found = f"the key {key.text!r} is here twice, first on line {former.key.mark[0]}"
            remedy = f"delete one of the two (lines {former.key.mark[0]} and {key.mark[0]})"
            self._clash(key.mark, found, "each key of a map is written once", remedy)
            return
        bare = flow and isinstance(value, ScalarNode) and value.plain and not value.text and value.end == key.end
        node.entries[key.text] = Entry(key, value, bare)

    def _only(self, former: Node | None, value: Node, mark: Mark) -> Node:
        if former is not None:
            self._clash(mark, "'<<' is here twice", "each key of a map is written once", "write <<: [*first, *second]")
        return value

    def _merged(self, value: Node | None) -> list[MapNode]:
        """The maps that a `<<` names. Earlier ones override later ones."""
        if value is None:
            return []
        parents = value.items if isinstance(value, ListNode) else [value]
        maps = [parent for parent in parents if isinstance(parent, MapNode)]
        if len(maps) < len(parents):
            self._clash(value.mark, "'<<' merges what is not a map", "allowed: <<: *name, <<: [*first, *second]")
        return maps

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _clash(self, mark: Mark, found: str, allowed: str = "", remedy: str = "") -> None:
        self.clashes.append(Clash(mark, found, allowed, remedy))


_ENDS = yaml.CollectionEndEvent
