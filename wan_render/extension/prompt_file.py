"""NAME.prompts.json beside a storyboard: the extended prompts, one entry for each shot, for people to read and edit.

An entry is found by everything that the language model saw. A shot that was renamed keeps its prompt, and a shot that
changes back finds its former one. Nothing is deleted here: an entry that is replaced moves to `former`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from wan_render.cleaning import cleaned
from wan_render.errors import DiskError, Problem, StoryboardError
from wan_render.extension.prompt_request import PromptRequest, changed_inputs
from wan_render.printable import path_name, shown

Result = TypeVar("Result")

SUFFIX = ".prompts.json"
FORM = 1

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes. A film of a thousand shots has about 3 MB."""

ALIKE = 0.6
"""From this similarity on (difflib), two prompts of one name are the same prompt, edited."""


@dataclass(frozen=True)
class PromptEntry:
    """One extended prompt. prompt: what is used; people edit it. answer: what the model wrote. key, seen: of the
    request that was answered. model: the name of the language model."""

    name: str
    prompt: str
    answer: str
    key: str
    seen: Mapping[str, Any]
    model: str

    @property
    def is_edited(self) -> bool:
        """Whether somebody changed the prompt."""
        return cleaned(self.prompt) != cleaned(self.answer)

    @property
    def as_json(self) -> dict[str, Any]:
        """Its form in the file, without its name."""
        return {
            "prompt": self.prompt,
            "answer": self.answer,
            "written": self.seen.get("written", ""),
            "model": self.model,
            "key": self.key,
            "seen": dict(self.seen),
        }


@dataclass(frozen=True)
class FoundPrompt:
    """An entry for a request. stale: what changed since, in words; "" if nothing did."""

    entry: PromptEntry
    stale: str = ""


@dataclass(frozen=True)
class KnownPrompts:
    """The content of a file. former: replaced entries, newest first. is_final: whether nobody will be asked any more; a
    shot without an answer can then not be rendered."""

    entries: Mapping[str, PromptEntry] = field(default_factory=dict)
    former: tuple[PromptEntry, ...] = ()
    is_final: bool = True

    def find(self, name: str, request: PromptRequest) -> FoundPrompt | None:
        """The answer to a request: one that saw exactly this; else the stale one of the same shot; else None."""
        own = self.entries.get(name)
        every = (*((own,) if own is not None else ()), *self.entries.values(), *self.former)
        for entry in every:
            if entry.key == request.key:
                return FoundPrompt(entry)
        if own is not None and _is_same_shot(own.seen, request):
            return FoundPrompt(own, changed_inputs(own.seen, request))
        for entry in every:
            if _shares_text_and_pictures(entry.seen, request):
                return FoundPrompt(entry, changed_inputs(entry.seen, request))
        return None


NO_PROMPTS = KnownPrompts()
"""Of a film without a file of prompts, where nobody will be asked."""


def _pictures(seen: Mapping[str, Any]) -> tuple[Any, Any]:
    return seen.get("first"), seen.get("last")


def _shares_text_and_pictures(seen: Mapping[str, Any], request: PromptRequest) -> bool:
    return seen.get("written") == request.written and _pictures(seen) == _pictures(request.seen)


def _is_same_shot(seen: Mapping[str, Any], request: PromptRequest) -> bool:
    """Whether an entry of the same name belongs to this shot. Default names are positions: after a shot was inserted,
    they belong to other shots."""
    if request.has_pictures and _pictures(seen) == _pictures(request.seen):
        return True
    from difflib import SequenceMatcher  # only stale prompts need it

    before, now = str(seen.get("written", "")), request.written
    return before == now or SequenceMatcher(None, before, now, autojunk=False).ratio() >= ALIKE


def prompt_file(storyboard: Path) -> Path:
    """`river.prompts.json` for `river.yaml`."""
    return storyboard.with_name(storyboard.stem + SUFFIX)


def read_prompts(storyboard: Path) -> KnownPrompts:
    """The prompts of a storyboard; none if there is no file. Raises StoryboardError, with a place, for a file that was
    edited wrongly, DiskError for one that cannot be read."""
    return _known(_Read.of(prompt_file(storyboard)))


@dataclass(frozen=True)
class _Read:
    """A file of prompts as it is. document: its JSON, checked as far as it is used; every other key is kept."""

    file: Path
    document: dict[str, Any]

    @classmethod
    def of(cls, file: Path) -> _Read:
        try:
            with file.open("rb") as opened:
                data = opened.read(LARGEST_FILE + 1)
        except FileNotFoundError:
            return cls(file, {"version": FORM, "prompts": {}})
        except OSError as error:
            raise DiskError(Problem(path_name(file), f"cannot be read: {error.strerror}")) from error
        if len(data) > LARGEST_FILE:
            raise _wrong(file, "is too large", f"at most {LARGEST_FILE // 1024**2} MiB")
        return cls(file, _checked(file, _parsed(file, data)))


def _parsed(file: Path, data: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for at, (key, _) in enumerate(pairs):
            if key in [name for name, _ in pairs[:at]]:
                raise _wrong(file, f"the key {shown(key)} is there twice", "each once")
        return dict(pairs)

    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise _wrong(file, f"is no JSON: {error.msg}", place=f":{error.lineno}:{error.colno}") from None
    except UnicodeDecodeError:
        raise _wrong(file, "is not UTF-8", "JSON in UTF-8") from None
    except RecursionError:
        raise _wrong(file, "is nested too deep") from None


def _checked(file: Path, document: Any) -> dict[str, Any]:
    if not isinstance(document, dict) or not isinstance(document.get("prompts", {}), dict):
        raise _wrong(file, "has no map of prompts", 'allowed: {"version": 1, "prompts": {…}}')
    if document.get("version", FORM) != FORM:
        raise _wrong(file, f"has version {shown(str(document['version']))}", f"this wan-render reads {FORM}")
    former = document.get("former", [])
    if not isinstance(former, list) or not all(isinstance(entry, dict) for entry in former):
        raise _wrong(file, "`former` is no list of prompts")
    for name, entry in document.get("prompts", {}).items():
        if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
            raise _wrong(file, f"{shown(name)} has no prompt", 'allowed: "prompt": "a text"')
        if not entry["prompt"].strip():
            remedy = "write one, or delete the whole entry to have it asked again"
            raise StoryboardError(Problem(path_name(file), f"the prompt of {shown(name)} is empty", "a text", remedy))
    return document


def _wrong(file: Path, found: str, allowed: str = "", place: str = "") -> StoryboardError:
    remedy = "correct it, or move the file away: its prompts are then asked again"
    return StoryboardError(Problem(f"{path_name(file)}{place}", found, allowed, remedy))


def _known(read: _Read) -> KnownPrompts:
    entries = {name: _entry(name, form) for name, form in read.document.get("prompts", {}).items()}
    former = tuple(_entry(str(form.get("name", "")), form) for form in read.document.get("former", []))
    return KnownPrompts(entries, former)


def _entry(name: str, form: Mapping[str, Any]) -> PromptEntry:
    """Parts that a person may have deleted count as empty: the prompt then counts as edited, and as stale."""
    seen = form.get("seen")
    texts = {part: str(form.get(part) or "") for part in ("prompt", "answer", "key", "model")}
    return PromptEntry(
        name, texts["prompt"], texts["answer"], texts["key"], seen if isinstance(seen, dict) else {}, texts["model"]
    )


class PromptFile:
    """Changes the prompts of a storyboard. Each change reads the file anew, so that edits made meanwhile survive."""

    def __init__(self, storyboard: Path) -> None:
        self.file = prompt_file(storyboard)

    def add(self, entry: PromptEntry, instead_of: PromptEntry | None) -> PromptEntry | None:
        """Add an answer in place of an entry of its name, which moves to `former`. If that entry was changed meanwhile
        it stays, the answer moves to `former`, and the entry is returned. Raises DiskError, StoryboardError."""
        with self._changed() as document:
            prompts = document.setdefault("prompts", {})
            now = prompts.get(entry.name)
            before = None if instead_of is None else instead_of.prompt
            if now is not None and now["prompt"] != before:
                _former(document, entry.name, entry.as_json)
                return _entry(entry.name, now)
            if now is not None:
                _former(document, entry.name, now)
            prompts[entry.name] = entry.as_json
        return None

    def keep(self, entry: PromptEntry, name: str, request: PromptRequest) -> None:
        """Let a stale prompt count as the answer to what the shot is now. Raises DiskError, StoryboardError."""
        with self._changed() as document:
            prompts = document.setdefault("prompts", {})
            now = prompts.get(name)
            if now is not None and now["prompt"] != entry.prompt:
                _former(document, name, now)
            prompts[name] = replace(entry, name=name, key=request.key, seen=request.seen).as_json

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        """The document; written when it was changed. Other processes that change it wait."""
        with self._locked():
            document = _Read.of(self.file).document
            before = json.dumps(document)
            yield document
            if json.dumps(document) != before or not self.file.exists():
                self._write(document)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = self._tried(lambda: os.open(self.file.parent, os.O_RDONLY))
        try:
            with suppress(OSError):  # a network drive without locks: the rename is still atomic
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, document: Mapping[str, Any]) -> None:
        part = self.file.with_name(f".{self.file.name}.{os.getpid()}.part")

        def write() -> None:
            with part.open("w", encoding="utf-8") as opened:
                opened.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            part.replace(self.file)

        try:
            self._tried(write)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _tried(self, change: Callable[[], Result]) -> Result:
        try:
            return change()
        except OSError as error:
            remedy = "get write permission for the storyboard's folder: extended prompts are kept there"
            raise DiskError(
                Problem(path_name(self.file), f"cannot be written: {error.strerror}", "", remedy)
            ) from error


def _former(document: dict[str, Any], name: str, entry: Mapping[str, Any]) -> None:
    document["former"] = [{"name": name, **entry}, *document.get("former", [])]
