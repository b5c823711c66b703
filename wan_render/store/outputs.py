"""Which outputs folder is used: a named one, else a store that is found, else `./outputs`.

A store is a folder named `outputs` that contains the marker of `Store.prepare` or, from an earlier version, `takes/`
and `films/`. It is searched for as git searches for `.git`: next to the storyboard, in every folder above it, then in
the working folder and every folder above that.

Anyone who can write to one of these folders (`/tmp`, a shared disk) could put a store there for others. So a store that
is found must belong to this user or, above a storyboard, to the storyboard's owner; compare git's `safe.directory`. A
named folder is used whoever owns it.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name, shortened
from wan_render.store.disk import write_whole

OUTPUTS = "outputs"
NIGHTS = "nights"
"""The name of a store that was not named by the user."""

MARKER = "wan-render-store.json"
"""The file that marks a folder as a store."""

LONGEST_NAMED = 300
"""Characters of an impossible folder name that a message repeats."""

_ROOT = 0
"""The user who has all permissions anyway."""

_NO_FOLDERS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR)
"""The kernel's errors for a path at which no folder can exist."""

_NAME_IT = "to use it, name it: --outputs DIR, or WAN_RENDER_OUTPUTS"


@dataclass(frozen=True)
class Outputs:
    """The outputs folder of a run.

    folder:      absolute; it need not exist.
    is_named:    whether --outputs or WAN_RENDER_OUTPUTS names it.
    passed_over: other stores that were found, and why they are not used.
    """

    folder: Path
    is_named: bool = False
    passed_over: tuple[Problem, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether it is not a store yet."""
        return not is_store(self.folder)


def outputs_for(storyboard: Path | None, named: Path | None) -> Outputs:
    """The outputs folder of a storyboard; without a storyboard, that of the working folder. Writes nothing.

    Raises UsageError if the named one cannot be a folder, if `./outputs` would be used but belongs to another user, or
    if the working folder is gone.
    """
    here = _working_folder()
    if named is not None:
        return Outputs(here / _possible(named), is_named=True)
    refused: dict[Path, Problem] = {}
    found = next(_usable(_places(storyboard, here), refused), None)
    if found is None:
        return Outputs(_default(here, refused), passed_over=tuple(refused.values()))
    default = here / OUTPUTS
    if is_store(default) and default not in refused and not default.samefile(found):
        found_too = f"is a store as well, but {path_name(found)} is used"
        refused[default] = Problem(path_name(default), found_too, "", _NAME_IT)
    return Outputs(found, passed_over=tuple(refused.values()))


def is_store(folder: Path) -> bool:
    """Whether a folder is marked as a store, or looks like one of an earlier version."""
    return os.path.lexists(folder / MARKER) or all(os.path.isdir(folder / name) for name in ("takes", "films"))  # noqa: PTH112 - also False if a folder is unreadable


def mark(folder: Path) -> None:
    """Write the marker into a store, if it has none. Raises OSError."""
    if not os.path.lexists(folder / MARKER):
        text = {"version": 1, "is": "a store of wan-render: its takes and films; docs/outputs.md describes it"}
        write_whole(folder / MARKER, json.dumps(text).encode())


def _possible(named: Path) -> Path:
    """The same path. Raises UsageError if it is not a folder, or cannot be the name of one."""
    try:
        if not stat.S_ISDIR(named.stat().st_mode):
            raise _impossible(named, "Not a directory")
    except ValueError:
        raise _impossible(named, "it has a NUL in it") from None
    except OSError as error:
        if error.errno in _NO_FOLDERS:
            raise _impossible(named, error.strerror or str(error)) from None
    return named


def _impossible(named: Path, why: str) -> UsageError:
    where = shortened(path_name(named), LONGEST_NAMED)
    return UsageError(Problem(where, f"cannot be the outputs folder: {why}", "a folder that exists or can be made"))


def _default(here: Path, refused: Mapping[Path, Problem]) -> Path:
    """`./outputs`, which need not exist. Raises UsageError if it belongs to another user."""
    default = here / OUTPUTS
    if default in refused:
        raise UsageError(refused[default])
    if os.path.lexists(default) and (stranger := _stranger(default, None)) is not None:
        raise UsageError(_unused(default, stranger))
    return default


def _unused(folder: Path, stranger: str) -> Problem:
    return Problem(path_name(folder), f"is not used: {stranger}", "", _NAME_IT)


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        problem = Problem("the working folder", f"is gone: {error.strerror}", remedy="change to an existing one: cd")
        raise UsageError(problem) from error


def _places(storyboard: Path | None, here: Path) -> Iterator[tuple[Path, int | None]]:
    """The places of a store, nearest first, each once, with the other user who may own it there."""
    seen: set[Path] = set()
    starts: list[tuple[Path, int | None]] = [(here, None)]
    if storyboard is not None and "\0" not in str(storyboard):
        written = here / storyboard
        real = Path(os.path.realpath(written))
        starts = [(Path(os.path.normpath(written)).parent, _owner(written)), (real.parent, _owner(real)), *starts]
    for start, owner in starts:
        for folder in (start, *start.parents):
            if folder not in seen:
                seen.add(folder)
                yield folder / OUTPUTS, owner


def _usable(places: Iterator[tuple[Path, int | None]], refused: dict[Path, Problem]) -> Iterator[Path]:
    """The stores that may be used. The others are added to `refused`."""
    for folder, owner in places:
        try:
            if not is_store(folder):
                continue
            stranger = _stranger(folder, owner)
        except OSError:  # an unreadable folder has no store for this user
            continue
        if stranger is None:
            yield folder
        else:
            refused[folder] = _unused(folder, stranger)


def _stranger(folder: Path, owner: int | None) -> str | None:
    """Why a store is not trusted; None if it is. owner: the storyboard's owner; None if that does not matter."""
    marker = folder / MARKER
    if marker.is_symlink() or (os.path.lexists(marker) and not stat.S_ISREG(marker.lstat().st_mode)):
        return f"its {MARKER} is not a plain file"
    owners = {folder.lstat().st_uid}
    owners |= {path.stat().st_uid for path in (folder, marker, folder / "takes", folder / "films") if path.exists()}
    strangers = owners - {os.geteuid(), _ROOT}
    if not strangers or (owners == {owner} and _is_of_project(folder.parent, owner)):
        return None
    return f"it belongs to {' and '.join(sorted(map(_user, strangers)))}, not to you"


def _is_of_project(folder: Path, owner: int | None) -> bool:
    """Whether a folder belongs to the owner, and nobody else can write to it."""
    state = folder.stat()
    return state.st_uid == owner and not state.st_mode & stat.S_IWOTH


def _owner(storyboard: Path) -> int | None:
    try:
        return storyboard.stat().st_uid
    except (OSError, ValueError):  # reading it says what is wrong
        return None


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
