"""`night`: every film of a folder, on one warm farm, until the morning."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from wan_render.cli.night_display import night_display
from wan_render.night.night_hours import hours_of
from wan_render.night.night_request import NightRequest
from wan_render.night.night_summary import summary
from wan_render.night.whole_night import Night, exit_code


def run(arguments: argparse.Namespace) -> int:
    """Hold the night. The last line printed is the path of its record or page."""
    request = NightRequest(
        tuple(arguments.folder),
        arguments.start,
        arguments.until,
        arguments.timezone,
        arguments.outputs,
        arguments.backend,
        arguments.draft,
        tuple(arguments.allow),
        arguments.max_cost,
    )
    window = hours_of(request.start, request.until, request.timezone, datetime.now(UTC))
    with night_display(window) as display:
        book = Night(request, window, display).hold()
    for line in summary(book.night, book.folder):
        print(line)
    return exit_code(book.night)
