"""What somebody asked the farm for: the session of a film, the storyboards of a batch, and what is wrong with them.

No prefect here: `python -m flows.deployments.requested` checks a request within a second or two, while another film
renders.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wan_render.errors import InputError, Problem, UsageError
from wan_render.printable import one_line, path_name, shortened
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import selected

PATTERNS = ("*.yaml", "*.yml", "*/storyboard.yaml", "*/storyboard.yml")
WHOLE_PATH = "name it from there, or with its whole path"
LONGEST_NAME = 100
"""Characters of a folder's name in a run's name."""


@dataclass(frozen=True)
class Checked:
    """A request that was read. `slug`: of the film, or the folder's name; "" if it could not be read. `mistakes`: all
    that must be corrected before it can be made; "" for none."""

    slug: str
    mistakes: str


def check_film(parameters: Mapping[str, Any]) -> Checked:
    """Read and plan a film as a run of film/now with these parameters would."""
    slug = ""
    try:
        outputs = parameters.get("outputs")
        asked = session(
            Path(str(parameters.get("storyboard"))),
            parameters.get("backend"),
            None if outputs is None else Path(str(outputs)),
            draft=bool(parameters.get("draft")),
        )
        slug = asked.slug
        if (only := parameters.get("only")) is not None:
            selected(asked.plan_to_render, str(only))
        else:
            asked.plan_to_render  # noqa: B018 - it raises what is wrong
    except InputError as error:
        return Checked(slug, str(error))
    return Checked(slug, "")


def check_batch(parameters: Mapping[str, Any]) -> Checked:
    """Look for the storyboards of a batch. What is wrong with one of them is no mistake of the batch."""
    folder = Path(str(parameters.get("folder")))
    return Checked(folder_name(folder), "" if storyboards(folder) else nothing_in(folder))


def session(storyboard: Path, backend: str | None, outputs: Path | None, *, draft: bool = False) -> Session:
    """One storyboard on this machine, as the terminal has it. Raises UsageError for an unknown backend, and where
    there is no such file."""
    _refuse_missing(storyboard)
    return Session.of(storyboard, outputs=outputs, backend=backend, draft=draft)


def storyboards(folder: Path) -> tuple[Path, ...]:
    """The storyboards of a folder, by name. A broken one counts: it is to be reported."""
    try:
        found = {file for pattern in PATTERNS for file in folder.glob(pattern) if file.is_file()}
    except OSError:  # no folder can be called so
        return ()
    return tuple(sorted(file for file in found if not _is_left_out(file.relative_to(folder))))


def nothing_in(folder: Path) -> str:
    """What is wrong with a folder without storyboards, with the whole path that was looked in."""
    whole = path_name(Path.cwd() / folder)
    found = f"no storyboards are there ({', '.join(PATTERNS)})" if folder.is_dir() else "no such folder"
    starts = "" if folder.is_absolute() else f"relative paths start in the farm's folder {path_name(Path.cwd())}"
    return str(Problem(whole, found, starts))


def film_name(storyboard: Path) -> str:
    """The storyboard's own name; that of its folder where it is called `storyboard.yaml`."""
    whole = Path(os.path.abspath(storyboard))  # noqa: PTH100 - a parameter may hold a NUL, which `resolve` refuses
    name = whole.parent.name if storyboard.stem == "storyboard" else storyboard.stem
    return shortened(one_line(name), LONGEST_NAME)


def folder_name(folder: Path) -> str:
    """The name of a batch's folder."""
    name = Path(os.path.abspath(folder)).name  # noqa: PTH100 - as above
    return shortened(one_line(name), LONGEST_NAME)


def _is_left_out(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


def _refuse_missing(storyboard: Path) -> None:
    """Who asked may have been in another folder: the whole path is said, and where a short one starts."""
    if os.path.lexists(storyboard):
        return  # what is wrong with it is for the reader to say
    here = Path.cwd()
    starts = "" if storyboard.is_absolute() else f"relative paths start in the farm's folder {path_name(here)}"
    raise UsageError(Problem(path_name(here / storyboard), "no such file", starts, WHOLE_PATH if starts else ""))


def main() -> int:
    """Read `{"is_batch": …, "parameters": …}` from stdin; write a Checked to stdout, both as JSON."""
    asked = json.load(sys.stdin)
    check = check_batch if asked["is_batch"] else check_film
    json.dump(asdict(check(asked["parameters"])), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
