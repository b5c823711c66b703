"""The report of a film: the review page, the contact sheet, the shot list."""

from __future__ import annotations

from pathlib import Path

from wan_render.errors import DiskError, Problem
from wan_render.report.page_script import page_script
from wan_render.report.review import FormerVersion, Review
from wan_render.store import PAGE, Store
from wan_render.store.disk import write_whole

__all__ = ["FormerVersion", "Review", "page_script", "write_film_index", "write_report"]


def write_report(review: Review, folder: Path) -> None:
    """Write the report into the film's folder, before it is published: `index.html`, `shots.csv`, `contact.png` (and
    `contact-2.png`, … for a long film), and `review/` with the files that the page shows.

    Raises DiskError if the folder cannot be written, MachineError if a clip cannot be read.
    """
    # Imported here, so that the command line starts without pandas, Jinja and Pillow.
    from wan_render.report.contact import write_contact_sheets
    from wan_render.report.material import lay_out
    from wan_render.report.page import write_page
    from wan_render.report.shot_list import write_shot_list

    try:
        material = lay_out(review, folder)
        sheets = write_contact_sheets(review, material, folder)
        write_shot_list(review, folder / "shots.csv")
        write_page(review, material, sheets, folder / "index.html")
    except OSError as error:
        raise DiskError(
            Problem(str(folder), f"the report cannot be written: {error}", "", "free disk space, then run it again")
        ) from error


def write_film_index(store: Store) -> None:
    """Write `index.html` into a store: all of its films, the newest first. Raises OSError."""
    from wan_render.report.film_index import film_index

    write_whole(store.root / PAGE, film_index(store).encode())
