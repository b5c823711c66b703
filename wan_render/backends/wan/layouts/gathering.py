"""Looks at files of weights, and says what each of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from wan_render.backends.wan.checkpoint.hub_caches import snapshot_in
from wan_render.backends.wan.layouts.opened_file import SUFFIXES, open_weights
from wan_render.backends.wan.layouts.part import NoPart, Part, PartKind
from wan_render.backends.wan.layouts.recognised import recognise
from wan_render.backends.wan.layouts.sharded_file import grouped, without_number
from wan_render.errors import InputError, MachineError, Problem, UsageError
from wan_render.printable import path_name

MOST_FILES = 1000

Say = Callable[[str], None]


@dataclass(frozen=True)
class Gathered:
    """The parts among files.

    named: those of files that were named. found: those below folders that were named. faults: of files below folders,
    which may be no part of the model.
    """

    named: list[Part] = field(default_factory=list)
    found: list[Part] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)

    def of(self, kind: PartKind) -> list[Part]:
        """The parts of a kind: if files of it were named, these alone."""
        named = [part for part in self.named if part.kind is kind]
        return named or [part for part in self.found if part.kind is kind]


def gather(paths: Iterable[Path], say: Say) -> Gathered:
    """Look at the files that are named, and at those below folders that are named.

    A damaged file below a folder is told and passed over. Raises UsageError for a path that is not there or a folder
    with too many files; InputError for a damaged file that was named; MachineError for a GGUF file that was named,
    without the extra `gguf`.
    """
    gathered, looked_at = Gathered(), set[Path]()
    folders, files = _apart(paths)
    for file in files:
        if file not in looked_at:
            part = _part_in(file, say)
            looked_at.update((file,) if part is None else part.file.files)
            gathered.named.extend([] if part is None else [part])
    for folder in folders:
        for group in grouped(files_of_weights_below(folder)):
            if looked_at.isdisjoint(group):
                looked_at.update(group)
                _look(group[0], gathered, say)
    return gathered


def files_of_weights_below(folder: Path) -> list[Path]:
    """All files of weights below a folder, in order. Raises UsageError if they are too many."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if len(found) > MOST_FILES:
        remedy = "name the files, or a smaller folder"
        raise UsageError(Problem(path_name(folder), f"has {len(found)} files of weights", "", remedy))
    return found


def _apart(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The folders and the files among paths."""
    folders, files = list[Path](), list[Path]()
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise UsageError(Problem(path_name(path), "no such file or folder", "files of weights, and folders"))
        (folders if path.is_dir() else files).append(snapshot_in(path))
    return folders, files


def _look(file: Path, gathered: Gathered, say: Say) -> None:
    """Look at a file below a folder."""
    try:
        part = _part_in(file, say)
    except (InputError, MachineError) as error:
        say(f"{path_name(without_number(file))}: passed over: {error.problems[0].found}")
        gathered.faults.extend(error.problems)
        return
    if part is not None:
        gathered.found.append(part)


def _part_in(file: Path, say: Say) -> Part | None:
    """What the file is; None if it is no part of a Wan model. Says it."""
    if file.suffix.lower() not in SUFFIXES:
        say(f"{path_name(file)}: not read: {file.suffix or 'no ending'}; allowed: {', '.join(SUFFIXES)}")
        return None
    found = recognise(open_weights(file))
    say(f"{path_name(without_number(file))}: {found.words}")
    return None if isinstance(found, NoPart) else found
