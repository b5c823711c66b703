"""What somebody asks a night for, and the storyboards that it names, read and checked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wan_render.errors import InputError, Problem, StoryboardError, UsageError, WanRenderError
from wan_render.price import Price
from wan_render.printable import path_name
from wan_render.session.film_forecast import forecast_film
from wan_render.session.film_session import Session, chosen_backend
from wan_render.session.shot_selection import selected
from wan_render.session.storyboard_folder import STORYBOARD_PATTERNS, is_folder, storyboards_in
from wan_render.settings import machine_settings
from wan_render.store.outputs import Outputs, outputs_for

RETAKES = 1
"""How many more takes a shot gets in a night after failed ones, if its storyboard gives no number."""


@dataclass(frozen=True)
class NightRequest:
    """A night as somebody asked for it.

    paths: folders of storyboards, and storyboards. start, until: local times of day ("22:00"); "" for now and for no
    end. timezone: of both; "" for this machine's. allow: other folders whose files they may use. max_cost: of each film
    at services. The others are as in `wan-render render`.
    """

    paths: tuple[Path, ...]
    start: str = ""
    until: str = ""
    timezone: str = ""
    outputs: Path | None = None
    backend: str | None = None
    draft: bool = False
    allow: tuple[Path, ...] = ()
    max_cost: Price | None = None

    @property
    def command(self) -> str:
        """The line that asks for such a night in a terminal."""
        words = ["wan-render", "night", *map(path_name, self.paths)]
        for option, value in (("--start", self.start), ("--until", self.until), ("--timezone", self.timezone)):
            words += [option, value] if value else []
        words += self.render_options
        return shlex.join(words)

    @property
    def render_options(self) -> tuple[str, ...]:
        """The options that `wan-render render` has as well."""
        backend = () if self.backend is None else ("--backend", self.backend)
        limit = () if self.max_cost is None else ("--max-cost", str(self.max_cost))
        draft = ("--draft",) if self.draft else ()
        return (*self._outputs_option, *backend, *draft, *self._allow_options, *limit)

    def render_command(self, file: Path, only: str = "") -> str:
        """The line that renders one of its films alone. only: see Candidate."""
        shots = ("--only", only) if only else ()
        return shlex.join(("wan-render", "render", path_name(file), *self.render_options, *shots))

    def check_command(self, file: Path) -> str:
        """The line that checks one of its storyboards."""
        return shlex.join(("wan-render", "check", path_name(file), *self._allow_options))

    def cloud_command(self, file: Path) -> str:
        """The line that lists what was bought for one of its films."""
        return shlex.join(("wan-render", "cloud", path_name(file), *self._outputs_option, *self._allow_options))

    @property
    def _outputs_option(self) -> tuple[str, ...]:
        return () if self.outputs is None else ("--outputs", path_name(self.outputs))

    @property
    def _allow_options(self) -> tuple[str, ...]:
        return tuple(word for folder in self.allow for word in ("--allow", path_name(folder)))

    def home(self) -> Outputs:
        """The outputs folder of the night's record: the named one, else that of the first storyboard."""
        first = self.paths[0] / "storyboard.yaml" if is_folder(self.paths[0]) else self.paths[0]
        return outputs_for(first, self.outputs if self.outputs is not None else machine_settings().outputs)


@dataclass(frozen=True)
class Candidate:
    """A storyboard that was read and planned.

    opening: the outputs folder and the backend, in words. slug: "" if it could not be read. mistake: why it cannot be
    rendered as it is; None if it can. forecast: what would be rendered, in a sentence. seconds: expected, on this
    machine's devices. only: the shots that are to be rendered, as `--only` names them; "" for all.
    """

    file: Path
    session: Session
    opening: str = ""
    slug: str = ""
    title: str = ""
    priority: int = 0
    mistake: WanRenderError | None = None
    forecast: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    only: str = ""

    @property
    def name(self) -> str:
        """The slug; the file's name if it has none."""
        return self.slug or path_name(self.file)


def check_film_alone(request: NightRequest, file: Path, priority: int | None = None, only: str = "") -> Candidate:
    """One more film for a night. priority: instead of the storyboard's own. only: see Candidate. Raises UsageError for
    an unknown backend."""
    candidate = _checked(request, file, only)
    return candidate if priority is None else replace(candidate, priority=priority)


def check_films(request: NightRequest) -> tuple[Candidate, ...]:
    """The storyboards of a night, those with a higher priority first. Mistakes in one do not concern the others.

    Raises UsageError for paths that do not exist, folders without storyboards, and an unknown backend.
    """
    chosen_backend(request.backend, machine_settings())
    found = tuple(_files(request.paths))
    ordered = sorted((_checked(request, file) for file in found), key=lambda film: -film.priority)
    return tuple(_without_rivals(ordered))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Each storyboard once, however often and by whichever links it is named."""
    problems: list[Problem] = []
    seen: dict[str, Path] = {}
    for path in paths:
        files = storyboards_in(path) if is_folder(path) else (path,)
        if not files:
            problems.append(Problem(path_name(path), "no storyboards are there", ", ".join(STORYBOARD_PATTERNS)))
        elif not os.path.lexists(files[0]):
            problems.append(Problem(path_name(path), "no such file or folder", "storyboards, and folders of them"))
            continue
        for file in files:
            seen.setdefault(os.path.realpath(file), file)
    if problems:
        raise UsageError(*problems)
    yield from seen.values()


def _checked(request: NightRequest, file: Path, only: str = "") -> Candidate:
    session = Session.of(
        file,
        allow=request.allow,
        outputs=request.outputs,
        backend=request.backend,
        draft=request.draft,
        max_cost=request.max_cost,
    )
    session = replace(session, retakes=RETAKES, is_local_first=True)
    candidate = Candidate(file, session, only=only)
    try:
        candidate = replace(candidate, opening=session.opening, slug=session.slug)
        plan = session.plan_to_render
        candidate = replace(candidate, title=plan.title, priority=plan.priority)
        session.store.memory.refuse_rival(plan.slug, plan.file)
        film = forecast_film(session, selected(plan, only) if only else None)
    except WanRenderError as error:
        return replace(candidate, mistake=error)
    return replace(candidate, forecast=film.sentence, seconds=film.seconds, warnings=film.warnings)


def _without_rivals(films: Sequence[Candidate]) -> Iterator[Candidate]:
    """The same films. A film whose slug an earlier one has in the same outputs folder gets that as its mistake."""
    owners: dict[tuple[str, str], Path] = {}
    for film in films:
        if film.mistake is not None:
            yield film
            continue
        owner = owners.setdefault((os.path.realpath(film.session.store.root), film.slug), film.file)
        yield film if owner == film.file else replace(film, mistake=_rival(film, owner))


def _rival(film: Candidate, owner: Path) -> InputError:
    return StoryboardError(
        Problem(
            path_name(film.file),
            f"its slug '{film.slug}' is also that of {path_name(owner)} in this night",
            "one storyboard for each slug",
            "give one of them another `film: {slug: …}`",
        )
    )
