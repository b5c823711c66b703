"""Writes one setting of one shot into a storyboard's file. Only that line changes; comments and all else stay.

If the line cannot be changed alone (an alias shares it, the file is read-only), the error says what to write.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wan_render.authored import Document, Shot
from wan_render.errors import Problem, StoryboardError, UsageError
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.storyboard.events import checked_events
from wan_render.storyboard.reader import read_storyboard
from wan_render.storyboard.source import Source, read_source

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Edit:
    """`key: value` for the shot at scenes[scene].shots[shot]; the value is one line of YAML."""

    scene: int
    shot: int
    key: str
    value: str

    @property
    def line(self) -> str:
        """The text in the file: `circle: 2`."""
        return f"{self.key}: {self.value}"


def edit_shot(document: Document, edit: Edit, wanted: Shot, *, models: Models, cache: FactCache) -> None:
    """Write the edit into the document's file, completely or not at all. The file then reads as `wanted` for that shot,
    and as before for everything else.

    Raises UsageError, which gives the line to write, if that line cannot be changed alone.
    """
    file = document.file.resolve()
    changed = _changed(document, edit, read_source(document.file))
    part = _written_beside(document, edit, changed)
    try:
        if not _reads_as(_expected(document, edit, wanted), part, document, models, cache):
            raise _refused(document, edit, "that line cannot be changed alone")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _reads_as(expected: tuple[Any, ...], part: Path, document: Document, models: Models, cache: FactCache) -> bool:
    """Whether the changed text reads as expected. Its mistakes are not reported: their places are in a file that the
    user never sees."""
    try:
        return read_storyboard(part, models=models, cache=cache, allow=document.allow).storyboard.scenes == expected
    except StoryboardError:
        return False


def _expected(document: Document, edit: Edit, wanted: Shot) -> tuple[Any, ...]:
    scenes = list(document.storyboard.scenes)
    shots = list(scenes[edit.scene].shots)
    shots[edit.shot] = wanted
    scenes[edit.scene] = scenes[edit.scene].model_copy(update={"shots": tuple(shots)})
    return tuple(scenes)


def _written_beside(document: Document, edit: Edit, text: str) -> Path:
    """A new file with this text: in the same folder, since the text's paths are relative to it, and with the same
    permissions."""
    file = document.file.resolve()
    if not os.access(file, os.W_OK):
        raise _refused(document, edit, "the file is read-only")
    mark = _BYTE_ORDER_MARK if file.read_bytes().startswith(_BYTE_ORDER_MARK) else b""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    except OSError as error:
        raise _refused(document, edit, f"its folder cannot be written ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(mark + text.encode())
            os.fchmod(handle, file.stat().st_mode)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise _refused(document, edit, f"the file cannot be written ({error.strerror})") from error
    return Path(name)


def _refused(document: Document, edit: Edit, found: str) -> UsageError:
    where = document.where("scenes", edit.scene, "shots", edit.shot)
    return UsageError(Problem(where, found, "", f"write it there yourself: {edit.line}"))


def _changed(document: Document, edit: Edit, source: Source) -> str:
    text, shot = source.text, _shot_node(document, source, edit)
    if shot is None:
        raise _refused(document, edit, "an alias shares that line")
    there = shot.entry(edit.key)
    if there is not None:
        if not there.on_one_line:
            raise _refused(document, edit, f"'{edit.key}' is an alias, has an anchor, or takes several lines")
        return text[: there.start] + _spaced(text, there, edit.value) + text[there.end :]
    if shot.flow:
        end = shot.entries[-1].end
        return f"{text[:end]}, {edit.line}{text[end:]}"
    return _with_new_line(document, edit, text, shot)


def _spaced(text: str, there: _Entry, value: str) -> str:
    """The value, with a space before it if there is none: an empty value starts right after the colon."""
    return value if text[there.start - 1].isspace() else f" {value}"


def _with_new_line(document: Document, edit: Edit, text: str, shot: _ShotNode) -> str:
    """The text with a new line after the shot's first key that is on a line of its own."""
    before = next((entry for entry in shot.entries if entry.on_one_line), None)
    if before is None:
        raise _refused(document, edit, "no key of that shot is on a line of its own")
    end = text.find("\n", before.end)
    rest = text[before.end : end] if end >= 0 else text[before.end :]
    newline = "\r\n" if rest.endswith("\r") else "\n"
    indent = " " * shot.column
    if end < 0:
        return f"{text}{newline}{indent}{edit.line}{newline}"
    return f"{text[: end + 1]}{indent}{edit.line}{newline}{text[end + 1 :]}"


@dataclass(frozen=True)
class _Entry:
    """A key, and where its value is in the text, in characters: [start, end)."""

    key: str
    start: int
    end: int
    on_one_line: bool


@dataclass(frozen=True)
class _ShotNode:
    """A shot's map in the file. flow: whether it is in braces. column: of its first key, from 0."""

    flow: bool
    column: int
    entries: tuple[_Entry, ...]

    def entry(self, key: str) -> _Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


def _shot_node(document: Document, source: Source, edit: Edit) -> _ShotNode | None:
    """The map of the shot; None if it is inside an alias, or inside an anchored node that is used elsewhere."""
    kept = (yaml.NodeEvent, yaml.CollectionEndEvent)
    events: list[Any] = [event for event in checked_events(source) if isinstance(event, kept)]
    aliased = {event.anchor for event in events if isinstance(event, yaml.AliasEvent)}
    at_top = ("scenes", edit.scene) not in document.marks
    place = 0
    for step in ("shots", edit.shot) if at_top else ("scenes", edit.scene, "shots", edit.shot):
        found = next((child for key, child in _children(events, place) if key == step), None)
        if found is None or isinstance(events[found], yaml.AliasEvent) or events[found].anchor in aliased:
            return None
        place = found
    return _read_shot(source.text, events, place)


def _read_shot(text: str, events: list[Any], place: int) -> _ShotNode | None:
    shot = events[place]
    if not isinstance(shot, yaml.MappingStartEvent):
        return None
    children = list(_children(events, place))
    if not children:
        return None
    entries = tuple(_entry(text, str(key), events, child) for key, child in children)
    return _ShotNode(bool(shot.flow_style), events[place + 1].start_mark.column, entries)


def _entry(text: str, key: str, events: list[Any], place: int) -> _Entry:
    first, last = events[place], events[_end(events, place)]
    start, end = first.start_mark.index, last.end_mark.index
    is_inline = isinstance(first, yaml.ScalarEvent) or getattr(first, "flow_style", False)
    on_one_line = bool(is_inline) and "\n" not in text[start:end] and first.anchor is None
    return _Entry(key, start, end, on_one_line)


def _children(events: list[Any], place: int) -> Iterator[tuple[str | int, int]]:
    """(key or index, place of the value) of each child of the collection that starts at `place`."""
    is_map = isinstance(events[place], yaml.MappingStartEvent)
    child, count = place + 1, 0
    while not isinstance(events[child], yaml.CollectionEndEvent):
        if is_map:
            key = events[child].value if isinstance(events[child], yaml.ScalarEvent) else ""
            child = _end(events, child) + 1
            yield key, child
        else:
            yield count, child
        child, count = _end(events, child) + 1, count + 1


def _end(events: list[Any], place: int) -> int:
    """The place of the last event of the node that starts at `place`."""
    depth = 0
    for number in range(place, len(events)):
        depth += isinstance(events[number], yaml.CollectionStartEvent)
        depth -= isinstance(events[number], yaml.CollectionEndEvent)
        if depth == 0:
            return number
    raise ValueError("the events end within a node")
