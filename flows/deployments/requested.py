"""What somebody asked the farm for: the session of a film, the storyboards of a batch, and what is wrong with them.

No prefect here: `python -m flows.deployments.requested` checks a request within a second or two, while another film
renders.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wan_render.errors import InputError, Problem, UsageError
from wan_render.night.night_hours import hours_of
from wan_render.night.night_request import NightRequest, check_films
from wan_render.price import LIMIT_FORM, Price
from wan_render.printable import one_line, path_name, shortened, shown
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import selected
from wan_render.session.storyboard_folder import STORYBOARD_PATTERNS, is_folder, storyboards_in

WHOLE_PATH = "name it from there, or with its whole path"
LONGEST_NAME = 100
"""Characters of a folder's name in a run's name."""


@dataclass(frozen=True)
class Checked:
    """A request that was read. `slug`: of the film, or the folder's name; "" if it could not be read. `mistakes`: all
    that must be corrected before it can be made; "" for none. `broken`: mistakes in single storyboards of a batch,
    without which the others are made; "" for none."""

    slug: str
    mistakes: str
    broken: str = ""


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
            allow=allowed(parameters.get("allow")),
            max_cost=cost_limit(parameters.get("max_cost")),
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
    """Look for the storyboards of a batch, read them and its times. What is wrong with one of them is no mistake of
    the batch."""
    paths = batch_paths(parameters.get("folder"))
    try:
        start, until, timezone = (str(parameters.get(name) or "") for name in ("start", "until", "timezone"))
        hours_of(start, until, timezone, datetime.now(UTC))
        cost_limit(parameters.get("max_cost"))
    except InputError as error:
        return Checked(batch_name(paths), str(error))
    missing = [nothing_in(path) for path in paths if not (os.path.lexists(path) and batch_files((path,)))]
    return Checked(batch_name(paths), "\n".join(missing), "" if missing else _broken(paths, parameters))


def _broken(paths: tuple[Path, ...], parameters: Mapping[str, Any]) -> str:
    outputs = parameters.get("outputs")
    request = NightRequest(
        paths,
        outputs=None if outputs is None else Path(str(outputs)),
        backend=parameters.get("backend"),
        draft=bool(parameters.get("draft")),
        allow=allowed(parameters.get("allow")),
    )
    try:
        films = check_films(request)
    except InputError as error:
        return str(error)
    return "\n".join(str(film.mistake) for film in films if film.mistake is not None)


def cost_limit(text: object) -> Price | None:
    """An amount with its currency; None for none. Raises UsageError."""
    if text is None:
        return None
    try:
        return Price.read_limit(str(text))
    except ValueError:
        raise UsageError(Problem("max_cost", f"invalid amount {shown(str(text))}", LIMIT_FORM)) from None


def batch_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The storyboards of a batch as they are now."""
    return tuple(file for path in paths for file in (storyboards_in(path) if is_folder(path) else (path,)))


def session(
    storyboard: Path,
    backend: str | None,
    outputs: Path | None,
    *,
    draft: bool = False,
    allow: Sequence[Path] = (),
    max_cost: Price | None = None,
) -> Session:
    """One storyboard on this machine, as the terminal has it. Raises UsageError for an unknown backend, and where
    there is no such file."""
    _refuse_missing(storyboard)
    found = Session.of(storyboard, outputs=outputs, backend=backend, draft=draft, allow=allow, max_cost=max_cost)
    return found if backend is None else replace(found, backend_by="as requested")


def nothing_in(folder: Path) -> str:
    """What is wrong with a folder without storyboards, with the whole path that was looked in."""
    whole = path_name(Path.cwd() / folder)
    found = f"no storyboards are there ({', '.join(STORYBOARD_PATTERNS)})" if is_folder(folder) else "no such folder"
    starts = "" if folder.is_absolute() else f"relative paths start in the farm's folder {path_name(Path.cwd())}"
    return str(Problem(whole, found, starts))


def film_name(storyboard: Path) -> str:
    """The storyboard's own name; that of its folder where it is called `storyboard.yaml`."""
    whole = Path(os.path.abspath(storyboard))  # noqa: PTH100 - a parameter may hold a NUL, which `resolve` refuses
    name = whole.parent.name if storyboard.stem == "storyboard" else storyboard.stem
    return shortened(one_line(name), LONGEST_NAME)


def batch_paths(folder: object) -> tuple[Path, ...]:
    """The folders and storyboards of a batch, from its parameter: one path or a list."""
    many = folder if isinstance(folder, list | tuple) else [folder]
    return tuple(Path(str(path)) for path in many) or (Path("storyboards"),)


def allowed(folders: object) -> tuple[Path, ...]:
    """Other folders whose files storyboards may use, from the parameter of a request."""
    return tuple(Path(str(folder)) for folder in folders) if isinstance(folders, list | tuple) else ()


def batch_name(paths: Sequence[Path]) -> str:
    """The name of a batch's folder; of the first one, if there are several."""
    name = Path(os.path.abspath(paths[0])).name  # noqa: PTH100 - as above
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{shortened(one_line(name), LONGEST_NAME)}{more}"


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
