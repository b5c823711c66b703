"""A tree of nodes → the canonical form that the types of `authored` validate: shorthands spelt out, places kept.

Shapes and keys are checked here, where the node is available. The meaning of a text is left to the types, so that one
typo gives one mistake.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wan_render.authored import PREVIOUS, PathInFile, Scene
from wan_render.authored.spelling import ReferenceKind, Spelling
from wan_render.printable import one_line, shown
from wan_render.storyboard.elsewhere import known_elsewhere
from wan_render.storyboard.forms import STORYBOARD, Form, Many, Record, Scalar, Table
from wan_render.storyboard.guesses import Guesses
from wan_render.storyboard.mistakes import Mistakes
from wan_render.storyboard.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from wan_render.storyboard.slips import FULL_WIDTH, QUOTES, cut_by_comment, full_width, tight_colon
from wan_render.storyboard.source import Source

ABSENT: Any = object()
"""The value of a key that is not set, or has a mistake that is already reported."""


@dataclass(frozen=True)
class Mention:
    """A text that refers to something: a keyframe, a model, a file."""

    path: PathInFile
    role: ReferenceKind
    text: str


class Normaliser:
    """Walks a file once. Fills `mistakes` and its marks, `mentions`, `scalars`: the nodes of all texts, and `inline`:
    the keyframes that are written where they are used."""

    def __init__(self, source: Source, mistakes: Mistakes, guesses: Guesses) -> None:
        self.source = source
        self.mistakes = mistakes
        self.guesses = guesses
        self.mentions: list[Mention] = []
        self.scalars: dict[PathInFile, ScalarNode] = {}
        self.inline: dict[str, Any] = {}

    def storyboard(self, root: Node) -> dict[str, Any]:
        """The canonical form of a whole file."""
        if not isinstance(root, MapNode):
            self.mistakes.marks[()] = root.mark
            remedy = self._shape_hint(root) or "begin with: version: 1"
            self.mistakes.add((), f"expected a map of keys, found {_shape(root)}", _keys(_ROOT_KEYS), remedy)
            return {}
        entries = dict(root.entries)
        shots = entries.pop("shots", None)
        keyframes = entries.pop("keyframes", None)
        data = self._entries(STORYBOARD, entries, (), _ROOT_KEYS)
        if shots is not None:
            data["scenes"] = self._one_scene(shots, written="scenes" in data)
        if keyframes is not None:
            self._set(data, "keyframes", self._keyframes(keyframes))
        return data

    def _one_scene(self, shots: Entry, *, written: bool) -> list[dict[str, Any]]:
        """The scene "1" of a film with `shots:` at the top."""
        path = ("scenes", 0, "shots")
        self.mistakes.marks[path] = shots.key.mark
        if written:
            self.mistakes.add(path, "both scenes and shots", "one of the two", "move the shots into a scene")
        scene: dict[str, Any] = {"scene": "1"}
        self._set(scene, "shots", self._value(shots.value, _SHOTS, path))
        return [scene]

    def _keyframes(self, entry: Entry) -> Any:
        """Keyframes by name; or a text, the name of their folder, which is listed later."""
        path = ("keyframes",)
        self.mistakes.marks[path] = entry.key.mark
        if isinstance(entry.value, ScalarNode):
            return ABSENT if entry.value.is_null else self._scalar(entry.value, _FOLDER, path)
        return self._value(entry.value, STORYBOARD.fields["keyframes"], path)

    def _set(self, data: dict[str, Any], key: str, value: Any) -> None:
        if value is not ABSENT:
            data[key] = value

    def _value(self, node: Node, form: Form, path: PathInFile) -> Any:
        if isinstance(node, ScalarNode) and node.is_null:
            self._check_cut(node, path, form)
            return ABSENT
        if isinstance(form, Scalar):
            return self._scalar(node, form, path)
        if isinstance(form, Many):
            return self._list(node, form, path)
        if isinstance(form, Table):
            return self._table(node, form, path)
        return self._record(node, form, path)

    def _scalar(self, node: Node, form: Scalar, path: PathInFile) -> Any:
        if isinstance(node, MapNode) and form.spelling.role in (ReferenceKind.START, ReferenceKind.KEYFRAME):
            return self._inline_keyframe(node, path)
        if not isinstance(node, ScalarNode):
            return self._misshaped(node, form.spelling.noun, path)
        self.scalars[path] = node
        if form.spelling.role:
            self.mentions.append(Mention(path, form.spelling.role, node.text))
        self._check_cut(node, path, form)
        if control := next((c for c in node.text if unicodedata.category(c) == "Cc" and c not in "\n\t"), ""):
            found = f"the control character U+{ord(control):04X} in a text"
            self.mistakes.add(path, found, "allowed: line breaks and tabs", "delete the escape")
        return node.text

    def _inline_keyframe(self, node: MapNode, path: PathInFile) -> Any:
        """The name of a keyframe that is written where it is used: `from: {clip: a.mp4, frame: last}`."""
        form = STORYBOARD.fields["keyframes"]
        assert isinstance(form, Table)  # noqa: S101 - for mypy
        name = one_line(unicodedata.normalize("NFC", ", ".join(_named_by(node))))
        place = ("keyframes", name)
        if not name or name == PREVIOUS:
            return self._misshaped(node, "a keyframe", path)
        if name not in self.inline:
            self.mistakes.marks[place] = node.mark
            self.inline[name] = self._value(node, form.value, place)
        return name

    def _check_cut(self, node: ScalarNode, path: PathInFile, form: Form) -> None:
        """Report a text that YAML would silently shorten: `action: take #2`. A comment has a space after its `#`."""
        if not node.plain or not isinstance(form, Scalar) or not form.spelling.free:
            return
        if node.idle_anchor:
            found = f"{shown('&' + node.idle_anchor)} is an unused anchor, not part of the text"
            self.mistakes.add(path, found, "", f"delete it, or {QUOTES}")
        if cut := cut_by_comment(self.source, node.end):
            found = f"{shown(cut)} is cut off: '#' after a space begins a comment"
            self.mistakes.add(path, found, "a comment has a space after its '#'", QUOTES)

    def _list(self, node: Node, form: Many, path: PathInFile) -> Any:
        if form.single and not isinstance(node, ListNode):
            if isinstance(node, ScalarNode) and not node.text:
                return []  # "" clears
            self.mistakes.marks[(*path, 0)] = self.mistakes.marks.get(path, node.mark)
            item = self._value(node, form.item, (*path, 0))
            return ABSENT if item is ABSENT else [item]
        if not isinstance(node, ListNode):
            return self._misshaped(node, "a list", path)
        if form.length and len(node.items) != form.length:
            self.mistakes.add(
                path, f"expected {form.length} values, found {len(node.items)}", "allowed: a list of that many"
            )
            return ABSENT
        self.mistakes.marks |= {(*path, index): mark for index, mark in enumerate(node.marks)}
        return [self._item(item, form.item, (*path, index)) for index, item in enumerate(node.items)]

    def _item(self, node: Node, form: Form, path: PathInFile) -> Any:
        """An item keeps its place even when it is wrong, so that those after it keep theirs."""
        if isinstance(node, ScalarNode) and node.is_null:
            self.mistakes.add(path, "an empty item", f"expected {_noun(form)}", "write it, or delete its '-'")
            return None
        value = self._value(node, form, path)
        return None if value is ABSENT else value

    def _table(self, node: Node, form: Table, path: PathInFile) -> Any:
        if not isinstance(node, MapNode):
            return self._misshaped(node, "a map of names", path)
        data: dict[str, Any] = {}
        for entry in self._kept(node.entries):
            name = unicodedata.normalize("NFC", entry.key.text)
            self.mistakes.marks[(*path, name)] = entry.key.mark
            self._check_name(entry, (*path, name), taken=name in data)
            value = self._value(entry.value, form.value, (*path, name))
            data[name] = {} if value is ABSENT else value
        return data

    def _check_name(self, entry: Entry, path: PathInFile, *, taken: bool) -> None:
        name = str(path[-1])
        if taken:
            self.mistakes.add(path, f"the name {shown(name)} is here twice", "each name is used once")
        elif name == PREVIOUS:
            self.mistakes.add(path, f"{shown(name)} is a reserved word", "any other name", "give it another name")
        elif not name.strip() or not _is_visible(name):
            self.mistakes.add(path, f"{shown(name)} is not a name", "a visible name", self._key_hint(entry))
        elif entry.bare:
            self.mistakes.add(path, "a name without ': ' after it", "allowed: name: value", self._key_hint(entry))

    def _record(self, node: Node, form: Record, path: PathInFile) -> Any:
        if isinstance(node, MapNode):
            return self._entries(form, node.entries, path, tuple(form.fields))
        if form.shorthand and isinstance(node, ScalarNode):
            inner = (*path, form.shorthand)
            self.mistakes.marks[inner] = self.mistakes.marks.get(path, node.mark)
            return {form.shorthand: self._value(node, form.fields[form.shorthand], inner)}
        return self._misshaped(node, _noun(form), path, _keys(tuple(form.fields)))

    def _entries(
        self, form: Record, entries: dict[str, Entry], path: PathInFile, keys: tuple[str, ...]
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for entry in self._kept(entries):
            key = entry.key.text
            self.mistakes.marks[(*path, key)] = entry.key.mark
            if key in keys:
                self._set(data, key, self._value(entry.value, form.fields[key], (*path, key)))
            else:
                self._unknown(entry, path, keys, entries)
        return data

    def _kept(self, entries: dict[str, Entry]) -> list[Entry]:
        return [entry for entry in entries.values() if not entry.key.text.startswith("x-")]

    def _unknown(self, entry: Entry, path: PathInFile, keys: tuple[str, ...], beside: Mapping[str, Entry]) -> None:
        key = entry.key.text
        elsewhere = None if entry.bare else known_elsewhere(key, entry.value, path, keys, beside)
        if elsewhere is not None:
            if elsewhere.same_map:
                self.mistakes.meant.add((*path, elsewhere.same_map))
            self.mistakes.add((*path, key), "unknown key", elsewhere.allowed, elsewhere.remedy)
            return
        guess = "" if entry.bare else self.guesses.meant(key, keys)
        if guess:
            self.mistakes.meant.add((*path, guess))
            self.mistakes.add((*path, key), "unknown key", "", f"did you mean {shown(guess)}?")
        else:
            self.mistakes.add((*path, key), "unknown key", _keys(keys), self._key_hint(entry))

    def _key_hint(self, entry: Entry) -> str:
        for character, hint in FULL_WIDTH.items():
            if character in entry.key.text:
                return hint
        if hint := tight_colon(entry.key.text):
            return hint
        return f"a comma ends a value inside {{}}: {QUOTES}" if entry.bare else ""

    def _misshaped(self, node: Node, wanted: str, path: PathInFile, allowed: str = "") -> Any:
        self.mistakes.add(path, f"expected {wanted}, found {_shape(node)}", allowed, self._shape_hint(node))
        return ABSENT

    def _shape_hint(self, node: Node) -> str:
        if isinstance(node, MapNode):
            return next((hint for entry in node.entries.values() if (hint := self._key_hint(entry))), "")
        if not isinstance(node, ScalarNode):
            return ""
        return tight_colon(node.text) or full_width(self.source.line(node.mark[0]))


def _named_by(node: MapNode) -> Iterator[str]:
    """What the name of an inline keyframe is made of: the texts of its keys."""
    for key, entry in node.entries.items():
        items = entry.value.items if isinstance(entry.value, ListNode) else [entry.value]
        text = " ".join(item.text for item in items if isinstance(item, ScalarNode))
        yield text if key in ("clip", "frame", "image") else f"{key} {text}"


def _shape(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return f"the text {shown(node.text)}"
    return "a list" if isinstance(node, ListNode) else "a map"


def _noun(form: Form) -> str:
    match form:
        case Scalar():
            return form.spelling.noun
        case Record():
            return "a map of keys"
        case Many():
            return "a list"
    return "a map of names"


def _keys(keys: tuple[str, ...]) -> str:
    return "allowed: " + ", ".join(keys)


_SHOTS = Record(Scene).fields["shots"]
_FOLDER = Scalar(Spelling("a folder or a map of names", str, str, {}))
_ROOT_KEYS = (*STORYBOARD.fields, "shots")


def _is_visible(name: str) -> bool:
    """Whether every character of a name is drawn, and its only white space is the plain space."""
    return one_line(name) == name and not any(character.isspace() and character != " " for character in name)
