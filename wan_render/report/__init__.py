"""What people look at in the morning: the review page, the contact sheet, the shot list."""

from __future__ import annotations

from pathlib import Path

from wan_render.errors import DiskError, Problem
from wan_render.report.review import Review

__all__ = ["Review", "write_report"]


def write_report(review: Review, folder: Path) -> None:
    """Write `index.html`, `shots.csv`, `contact.png` (more sheets for a long film: `contact-2.png`, …) and `review/`,
    what the page shows, into the folder that holds the film and is not published yet.

    Raises DiskError where the folder cannot be written, MachineError where a clip cannot be read.
    """
    # pandas, Jinja and Pillow are loaded when a film is done, not when the command line starts.
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
            Problem(str(folder), f"the film's report could not be written: {error}", "", "free room, then run it again")
        ) from error
