"""The page that lists all films of a store, the newest first, and its nights. It has no script, and works from disk and
served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from wan_render.report.page_template import page_template, with_letters
from wan_render.store import PAGE, FilmRecord, FilmVersion, Store, read_film
from wan_render.store.delivered_files import DeliveredFiles
from wan_render.store.outputs import NIGHTS

LISTED_NIGHTS = 14
"""Two weeks are in one line of the page."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class IndexedFilm:
    """The newest version of a film, and those before it, the newest first. root: the store."""

    root: Path
    film: FilmVersion
    record: FilmRecord
    older: tuple[FilmVersion, ...]

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.record.rate)

    def address(self, file: Path) -> str:
        """Of a file, from the page; its names may have any letter."""
        return quote(os.fsencode(file.relative_to(self.root)))

    def shown(self, film: FilmVersion) -> str:
        """The address of a version's page; of the film itself where its page could not be made."""
        return self.address(film.page if film.page.is_file() else film.video)

    @property
    def deliverables(self) -> tuple[tuple[str, Path], ...]:
        """What was made of the film besides film.mp4: form and file, or the folder of a sequence."""
        files = DeliveredFiles(self.film.folder)
        return tuple((each.form, files.path(each)) for each in files.all())

    @property
    def poster(self) -> str | None:
        """The address of a picture that stands for the film."""
        file = self.film.poster
        return None if file is None else self.address(file)


def film_index(store: Store) -> str:
    """The page, as HTML."""
    films = sorted(_films(store), key=lambda each: each.record.made, reverse=True)
    style = Markup((_HERE / "film_index.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return with_letters(
        page_template(_HERE / "film_index.html").render(films=films, nights=_nights(store), style=style)
    )


def _nights(store: Store) -> list[str]:
    """The names of the newest nights that have a page, the newest first."""
    names = sorted((page.parent.name for page in (store.root / NIGHTS).glob(f"*/{PAGE}")), reverse=True)
    return names[:LISTED_NIGHTS]


def _films(store: Store) -> Iterator[IndexedFilm]:
    for slug in store.films.slugs():
        versions = store.films.versions(slug)
        if versions:
            *older, newest = versions
            yield IndexedFilm(store.root, newest, read_film(newest.folder), tuple(reversed(older)))
