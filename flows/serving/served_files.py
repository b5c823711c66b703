"""What of a store is served: finished films with all that belongs to them, takes, logs, the pages of nights, and the
page that lists the films. Nothing else, nothing above or beside the store, and nothing that a symbolic link leads to.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wan_render.night.night_record import NIGHT_PAGE, NIGHT_RECORD
from wan_render.production.provenance import provenance_name
from wan_render.store import CLIP, FIRST, LAST, PAGE, PREVIEW, SIDECAR
from wan_render.store.delivered_files import DELIVERABLES, DELIVERED_RECORD
from wan_render.store.films import RECORD

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".mov": "video/quicktime",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".log": "text/plain; charset=utf-8",
}
"""No type that a browser would run, but HTML, for which there is a policy of its own."""

_VERSION = re.compile(r"v\d{3,}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{64}")
_NIGHT = re.compile(r"\d{4}-\d\d-\d\d(-\d+)?", re.ASCII)
_OF_A_NIGHT = frozenset({NIGHT_PAGE, NIGHT_RECORD})
_OF_A_TAKE = frozenset({CLIP, PREVIEW, FIRST, LAST, SIDECAR})

_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FOLDER = _FILE | os.O_DIRECTORY
"""Not through a link, and without waiting, as for a pipe."""


@dataclass(frozen=True)
class ServedFile:
    """An open file that may be sent; who has it closes it."""

    descriptor: int
    size: int
    content_type: str
    tag: str

    @property
    def is_page(self) -> bool:
        """Whether a browser shows it as HTML."""
        return self.content_type.startswith("text/html")


def open_served(store: Path, names: Sequence[str]) -> ServedFile | None:
    """The file of a store that these names lead to, from its root; None where there is none that is served.

    Each folder on the way is opened by its name in the one before, so that nothing can be exchanged for a link between
    a check and its use.
    """
    content_type = _TYPES.get(PurePosixPath(names[-1]).suffix) if names else None
    if content_type is None or any(_leads_away(name) for name in names):
        return None
    with suppress(OSError, ValueError):
        root = os.open(store, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            if _is_served(root, tuple(names)):
                return _file(_open_below(root, names), content_type)
        finally:
            os.close(root)
    return None


def _leads_away(name: str) -> bool:
    """What begins with a dot is `..`, or not finished, or a lock, or damaged."""
    return name == "" or name[0] == "." or "/" in name or "\0" in name


def _is_served(root: int, names: tuple[str, ...]) -> bool:
    match names:
        case ("index.html",):
            return True
        case ("nights", night, name):
            return _NIGHT.fullmatch(night) is not None and name in _OF_A_NIGHT
        case ("logs", log):
            return log.endswith(".log")
        case ("takes", key, name):
            return _KEY.fullmatch(key) is not None and name in _OF_A_TAKE
        case ("films", _, version, *rest) if rest and _VERSION.fullmatch(version):
            if rest[0] == DELIVERABLES:
                return len(rest) == 2 and rest[1] in _delivered(root, names[:3])
            return "/".join(rest) in {RECORD, PAGE, *_published(root, names[:3])}
    return False


def _published(root: int, film: Sequence[str]) -> frozenset[str]:
    """The files of a finished film, by its record. Raises OSError or ValueError where it has none."""
    with os.fdopen(_open_below(root, (*film, RECORD)), "rb") as file:
        record = json.load(file)
    files = record.get("files") if isinstance(record, dict) else None
    return frozenset(files) if isinstance(files, dict) else frozenset()


def _delivered(root: int, film: Sequence[str]) -> frozenset[str]:
    """The files of a film's deliverables and their descriptions. Raises OSError or ValueError where there are none."""
    with os.fdopen(_open_below(root, (*film, DELIVERABLES, DELIVERED_RECORD)), "rb") as file:
        record = json.load(file)
    listed = record.get("deliverables") if isinstance(record, dict) else None
    names = [each["file"] for each in listed or () if isinstance(each, dict) and isinstance(each.get("file"), str)]
    return frozenset((*names, *map(provenance_name, names)))


def _open_below(root: int, names: Sequence[str]) -> int:
    """Raises OSError, also for a link anywhere on the way."""
    folder = os.dup(root)
    try:
        for name in names[:-1]:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(names[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _file(descriptor: int, content_type: str) -> ServedFile | None:
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        return None
    tag = f'"{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}"'
    return ServedFile(descriptor, state.st_size, content_type, tag)
