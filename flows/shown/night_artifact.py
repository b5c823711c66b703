"""What a batch leaves in the UI: a table of its films, and for each that is not complete why, and what to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.deployments.requested import batch_name, film_name
from flows.shown.markdown import plain
from flows.shown.names import artifact_key
from flows.shown.served_links import ServedLinks, served_links
from wan_render.errors import WanRenderError
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.store import FilmVersion, Store

POSTER_WIDTH = 160
"""Pixels of a film's picture in the table."""

WAITS = "waits"


@dataclass(frozen=True)
class NightFilm:
    """One film of a batch. state: None while it waits or runs. version: its newest, whichever run made it. lacks: what
    it lacks besides shots."""

    file: Path
    slug: str
    state: State[Any] | None
    version: FilmVersion | None
    links: ServedLinks
    lacks: Sequence[str] = ()

    @property
    def is_made(self) -> bool:
        """Whether the newest version is of this night, or nothing had to be made."""
        return self.state is not None and (self.state.is_completed() or self.state.name == "Partial")


@dataclass
class NightTable:
    """The artifact of a batch, there from the beginning, and updated whenever a film has ended. A server that is away
    costs the artifact, not the night. page: the night's own page, once it is known."""

    folders: Sequence[Path]
    files: Sequence[Path]
    outputs: Path | None
    draft: bool
    page: Path | None = None
    states: dict[Path, State[Any]] = field(default_factory=dict)
    lacks: dict[Path, Sequence[str]] = field(default_factory=dict)
    _artifact: UUID | None = None
    _links: dict[Path, ServedLinks] = field(default_factory=dict)

    def show(self) -> None:
        """Write it as things are now."""
        name = batch_name(self.folders)
        lines = _lines(name, [self._film(file) for file in self.files], draft=self.draft)
        text = "\n".join((*lines, *self._of_the_page()))
        try:
            if self._artifact is None:
                made: Any = create_markdown_artifact(text, key=artifact_key("night", name), description=name)
                self._artifact = made
            else:
                with get_client(sync_client=True) as client:
                    client.update_artifact(self._artifact, ArtifactUpdate(data=text))
        except (httpx.HTTPError, PrefectException) as error:
            get_run_logger().warning("the server took no table of the night: %s", error)

    def ended(self, file: Path, state: State[Any], lacks: Sequence[str] = ()) -> None:
        """Note how a film has ended. lacks: what it lacks besides shots."""
        self.states[file] = state
        self.lacks[file] = lacks
        self.show()

    def ends(self, page: Path) -> None:
        """The night is over, and this is its page."""
        self.page = page
        self.show()

    def _of_the_page(self) -> Iterator[str]:
        addresses = (links.to(self.page) for links in self._links.values() if self.page is not None)
        if address := next(filter(None, addresses), ""):
            yield from ("", f"[The night's page]({address})")

    def _film(self, file: Path) -> NightFilm:
        state = self.states.get(file)
        try:
            session = Session.of(file, outputs=self.outputs, draft=self.draft)
            slug, store = session.slug, session.store
        except WanRenderError:
            return NightFilm(file, film_name(file), state, None, ServedLinks(file.parent))
        return NightFilm(file, slug, state, store.films.latest(slug), self._served(store), self.lacks.get(file, ()))

    def _served(self, store: Store) -> ServedLinks:
        """Asked once for each store, when it is there."""
        if store.root not in self._links and store.films.folder.is_dir():
            self._links[store.root] = served_links(store.root)
        return self._links.get(store.root, ServedLinks(store.root))


def _lines(name: str, films: Sequence[NightFilm], *, draft: bool) -> Iterator[str]:
    whole = sum(film.state is not None and film.state.is_completed() for film in films)
    yield from (f"# {plain(name)}: {whole} of {counted(len(films), 'film')} complete", "")
    yield from ("| | film | state | version | missing shots |", "|---|---|---|---|---|")
    for film in films:
        yield f"| {' | '.join(_cells(film))} |"
    for film in films:
        if film.state is not None and not film.state.is_completed():
            yield from _trouble(film, film.state, draft=draft)
    index = next((address for film in films if (address := film.links.index)), "")
    if index:
        yield from ("", f"[All films]({index})")


def _cells(film: NightFilm) -> Iterator[str]:
    version = film.version
    state = WAITS if film.state is None else film.state.name or ""
    if version is None:
        yield from ("", plain(film.slug), plain(state), "", "")
        return
    page = film.links.to(version.page) or film.links.to(version.video)
    yield film.links.picture(version.poster, POSTER_WIDTH)
    yield f"[{plain(film.slug)}]({page})" if page else plain(film.slug)
    yield plain(state)
    yield version.name if film.is_made else f"{version.name}, of an earlier run"
    yield str(len(version.slates)) if film.is_made else ""


def _trouble(film: NightFilm, state: State[Any], *, draft: bool) -> Iterator[str]:
    yield from ("", f"## {plain(film.slug)}: {plain(state.name or '')}", "")
    if film.is_made and film.version is not None:
        yield from (f"- {plain(shot)}: {plain(reason)}" for shot, reason in film.version.slates.items())
        yield from (f"- {plain(sentence)}" for sentence in film.lacks)
        to = "To render what is missing, type"
    else:
        yield from (f"- {plain(line)}" for line in (state.message or "no message").splitlines())
        to = "Correct it, then type"
    command = f"wan-render submit {shlex.quote(str(film.file))}{' --draft' if draft else ''}"
    yield from ("", f"{to}: {plain(command)}")
