"""`plan FOLDER`, and `plan` with a window: what the coming night will do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from wan_render.errors import InputError, Problem, UsageError
from wan_render.night.evening import Evening, EveningFilm, FilmProspect, Prospect, evening
from wan_render.night.night_hours import NightHours, hours_of
from wan_render.night.night_request import Candidate, NightRequest, check_films
from wan_render.night.spill_over import with_spill_over
from wan_render.printable import path_name
from wan_render.production.render_order import RenderOrder
from wan_render.session.cloud_money import cloud_lines, money_json
from wan_render.session.columns import aligned
from wan_render.session.film_forecast import priced
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import used_devices
from wan_render.session.wording import LONGEST_SECONDS, SHORTEST_WITH_RANGE, counted, lasting, ranged
from wan_render.status import FilmStatus

SOME_ARE_BROKEN = 1
"""Exit code if some of the storyboards have mistakes."""

MOST_NAMED = 6
"""How many takes of a film are named; the others are counted."""


def run_evening(arguments: argparse.Namespace) -> int:
    """Print what a night with these options will do. Nothing is written."""
    _refuse_others(arguments)
    paths = (arguments.file,)
    request = NightRequest(
        paths,
        arguments.start,
        arguments.until,
        arguments.timezone,
        arguments.outputs,
        arguments.backend,
        arguments.draft,
        tuple(arguments.allow),
        arguments.max_cost,
    )
    hours = hours_of(request.start, request.until, request.timezone, datetime.now(UTC))
    candidates = check_films(request)
    broken = [film for film in candidates if film.mistake is not None]
    if len(broken) == len(candidates):
        for film in broken:
            print(film.mistake, file=sys.stderr)
        return InputError.exit_code
    for opening in dict.fromkeys(film.session.opening for film in candidates if film.mistake is None):
        print(opening, file=sys.stderr)
    night = evening(with_spill_over(candidates, hours), hours)
    if arguments.json:
        print(json.dumps(evening_json(night), ensure_ascii=False, indent=2))
    else:
        print("\n".join(evening_lines(night, request)))
    return SOME_ARE_BROKEN if broken else 0


def _refuse_others(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options of the plan of one film."""
    given = [
        option
        for option, value in (
            ("--prompts", arguments.prompts),
            ("--notes", arguments.notes),
        )
        if value
    ]
    if given:
        words = "is not for the plan of a night"
        remedy = "leave it out, or plan one storyboard without --start, --until and --timezone"
        raise UsageError(*(Problem(option, words, remedy=remedy) for option in given))


def evening_lines(night: Evening, request: NightRequest) -> Iterator[str]:
    """The answer for a terminal."""
    yield f"{_window(night.hours)} on {_devices(night)}\n"
    rows = [(_name(each), *_row(each, night)) for each in night.films]
    sound = [each.film.candidate for each in night.films if each.prospect is not Prospect.BROKEN]
    of_all = [warning for warning in sound[0].warnings if all(warning in film.warnings for film in sound)]
    for film, line in zip(night.films, aligned(rows), strict=True):
        yield line
        yield from _said_of(film.film.candidate, of_all)
        yield from (f"    {line}" for line in _money(film.film, night))
    yield ""
    yield from (f"warning: {warning}" for warning in of_all)
    yield _in_all(night)
    yield from _advice(night, request)


def _window(hours: NightHours) -> str:
    begin = f"{hours.start:%a %H:%M}"
    if hours.until is None:
        return f"night from {begin} {hours.start:%Z}"
    length = lasting(hours.seconds or 0.0)
    return f"night from {begin} to {hours.until:%a %H:%M %Z} ({length})"


def _devices(night: Evening) -> str:
    if night.where.devices:
        return counted(len(night.devices), "device")
    return f"one {night.devices[0].label}, which is not here"


def _name(prospect: FilmProspect) -> str:
    return prospect.film.candidate.name


def _row(prospect: FilmProspect, night: Evening) -> tuple[str, str, str]:
    """State, amount, and what is missing."""
    film = prospect.film
    amount = f"{counted(len(film.orders), 'take')}, {lasting(film.device_seconds)}" if film.orders else ""
    match prospect.prospect:
        case Prospect.BROKEN:
            return "mistakes: left out until they are corrected", "", ""
        case Prospect.UNCHANGED:
            return "unchanged", "", ""
        case Prospect.NOT_STARTED:
            return "not started", amount, "no time for it"
        case Prospect.INCOMPLETE:
            left = lasting(night.seconds(prospect.missing))
            return "incomplete", amount, f"no time for {_named(prospect.missing)}, {left}"
        case Prospect.LIKELY:
            return _done(prospect, night), amount, f"in a slow night without {_named(prospect.at_risk)}"
        case Prospect.DONE:
            return _done(prospect, night), amount, ""


def _done(prospect: FilmProspect, night: Evening) -> str:
    """`done about 02:10 (01:40 to 02:50)`."""
    about = _clock(night, prospect.done)
    first, last = _clock(night, prospect.earliest), _clock(night, prospect.latest)
    if prospect.latest is None:
        return f"done about {about}"
    return f"done about {about}" + (f" ({first} to {last})" if first != about or last != about else "")


def _clock(night: Evening, seconds: float | None) -> str:
    return "" if seconds is None else f"{_moment(night, seconds):%H:%M}"


def _moment(night: Evening, seconds: float) -> datetime:
    """Seconds after the start, in the night's zone. Added in UTC: clocks may be put back in between."""
    later = timedelta(seconds=min(seconds, LONGEST_SECONDS))
    return (night.hours.start.astimezone(UTC) + later).astimezone(night.hours.zone)


def _said_of(candidate: Candidate, of_all: Collection[str]) -> Iterator[str]:
    """Mistakes and warnings of one film. Those of all films are said once."""
    if candidate.mistake is not None:
        yield from (f"    {line}" for line in str(candidate.mistake).splitlines())
    yield from (f"    warning: {warning}" for warning in candidate.warnings if warning not in of_all)


def _money(film: EveningFilm, night: Evening) -> Iterator[str]:
    """What goes to services, and what that costs."""
    if film.status is not None:
        yield from cloud_lines(film.candidate.session, film.status, night.where)


def _in_all(night: Evening) -> str:
    if not night.takes:
        return "no take is to be rendered"
    used = len(used_devices([order for each in night.films for order in each.film.orders], night.devices))
    remark = "estimated" if night.is_guessed and night.expected.seconds >= SHORTEST_WITH_RANGE else ""
    time = ranged(night.expected.seconds, *night.expected.range, remark)
    cost = f", {night.expected.cost}" if night.expected.cost else ""
    return f"in all: {counted(night.takes, 'take')}, about {time} on {counted(used, 'device')}{cost}"


def _advice(night: Evening, request: NightRequest) -> Iterator[str]:
    """What to leave out so that the rest fits."""
    if night.hours.until is None:
        return
    if not night.left_out:
        at_risk = any(each.prospect is Prospect.LIKELY for each in night.films)
        yield "everything fits" + (", unless the night is slow: one of ten is" if at_risk else "")
        return
    yield f"not everything fits. To make the rest fit, leave out {lasting(night.seconds(night.left_out))} of rendering:"
    for each in night.films:
        if some := _of(each, night.left_out):
            whole = len(some) == len(each.film.orders)
            what = f"the whole film, {counted(len(some), 'take')}" if whole else _named(some, most=len(some))
            yield f"  {_name(each)}: {what}, {lasting(night.seconds(some))}"
    yield "`status: omit` leaves out a shot. Otherwise the next night renders what is left:"
    yield f"  {request.command}"


def _of(prospect: FilmProspect, some: Sequence[RenderOrder]) -> tuple[RenderOrder, ...]:
    chosen = set(map(id, some))
    return tuple(order for order in prospect.film.orders if id(order) in chosen)


def _named(some: Sequence[RenderOrder], most: int = MOST_NAMED) -> str:
    """`1/050, 2/010 take 2 and 3 more`."""
    names = [f"{order.shot}{f' take {order.number}' if order.number > 1 else ''}" for order in some]
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def evening_json(night: Evening) -> dict[str, Any]:
    """The answer as plain JSON values; docs/plan-json.md describes it."""
    hours, low_high = night.hours, night.expected.range
    return {
        "version": 1,
        "start": hours.start.isoformat(),
        "until": None if hours.until is None else hours.until.isoformat(),
        "zone": str(hours.zone),
        "devices": [device.label for device in night.devices],
        "devices_are_here": bool(night.where.devices),
        "films": [_film_json(each, night) for each in night.films],
        "expected": {
            "takes": night.takes,
            "is_guessed": night.is_guessed,
            "seconds": round(night.expected.seconds, 1),
            "low_seconds": round(low_high[0], 1),
            "high_seconds": round(low_high[1], 1),
        }
        | priced(night.expected),
        "fits": not night.left_out,
        "leave_out": [
            {
                "slug": each.film.candidate.slug,
                "takes": [_take_json(order) for order in some],
                "is_whole_film": len(some) == len(each.film.orders),
                "device_seconds": round(night.seconds(some), 1),
            }
            for each in night.films
            if (some := _of(each, night.left_out))
        ],
    }


def _film_json(prospect: FilmProspect, night: Evening) -> dict[str, Any]:
    film, candidate = prospect.film, prospect.film.candidate

    def at(seconds: float | None) -> str | None:
        return None if seconds is None else _moment(night, seconds).isoformat(timespec="seconds")

    return {
        "storyboard": path_name(candidate.file),
        "slug": candidate.slug,
        "title": candidate.title,
        "priority": candidate.priority,
        "state": prospect.prospect.value,
        "takes": len(film.orders),
        "device_seconds": round(film.device_seconds, 1),
        "done": at(prospect.done),
        "done_low": at(prospect.earliest),
        "done_high": at(prospect.latest),
        "missing": [_take_json(order) for order in prospect.missing],
        "at_risk": [_take_json(order) for order in prospect.at_risk],
        "mistakes": [] if candidate.mistake is None else [asdict(each) for each in candidate.mistake.problems],
        "warnings": list(candidate.warnings),
        "cloud": None if film.status is None else _money_json(film.status, candidate.session),
    }


def _money_json(found: FilmStatus, session: Session) -> dict[str, Any]:
    return money_json(session.plan, found, session.store)


def _take_json(order: RenderOrder) -> dict[str, Any]:
    return {"shot": order.shot, "number": order.number}
