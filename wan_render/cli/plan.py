"""`plan`: show what would be rendered, what is found, and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from wan_render.backend_contract import Backend
from wan_render.cleaning import as_read
from wan_render.cli.chosen_session import say_first, session_of
from wan_render.cli.other_weights import other_weights
from wan_render.cut import film_frames
from wan_render.devices import hidden_gpus
from wan_render.keys import canonical
from wan_render.plan import CardText, FilmPlan, NotYet, PlannedShot, Rendered, StillPicture
from wan_render.plan.drafts import GUIDANCE, SHIFT, STEPS
from wan_render.printable import one_line
from wan_render.production.black import black_takes
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import film_warnings, lettering_warnings
from wan_render.production.order import orders
from wan_render.production.run import Run
from wan_render.production.unable_devices import confinements, unable_devices
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import amount
from wan_render.session.plan_devices import PlanDevices, plan_devices, time_on
from wan_render.session.wording import counted, gigabytes, lasting
from wan_render.status import FilmStatus, ShotStatus, painting_label, plan_json, status
from wan_render.store.disk import free_disk_bytes
from wan_render.take import Take
from wan_render.take_fields import prompt_of


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; nothing is written."""
    session = session_of(arguments)
    plan = session.plan
    say_first(session)
    here = plan_devices(session)
    seen = status(plan, session.store, session.backend, here.kind, black_takes(plan, session.store))
    found = with_film_change(Run(plan, session.backend, session.store, seen, ()))
    if arguments.json:
        print(json.dumps(plan_json(plan, found, lettering_warnings(plan)), ensure_ascii=False, indent=2))
        return 0
    _print(session, plan, found, here)
    _print_notes(plan, shown=arguments.notes)
    if arguments.prompts:
        _print_prompts(plan)
    return 0


def _print(session: Session, plan: FilmPlan, found: FilmStatus, here: PlanDevices) -> None:
    frames = film_frames(plan)
    print(f"{plan.title} ({plan.slug}), {plan.backend}")
    length = f"{counted(frames, 'frame')}, {float(frames / plan.rate):.2f} s at {plan.rate} fps"
    print(f"{counted(len(plan.shots), 'shot')}, {length}, {plan.size} → {plan.delivery}\n")
    if session.draft:
        print(f"draft: {STEPS} steps, guidance {GUIDANCE:g}, shift {SHIFT:g}; circles are the final film's\n")
    if (other := _other_film(session)) is not None:
        print(f"{other}\n")
    _print_table(list(_rows(found)))
    print()
    _print_loras(plan)
    unable = unable_devices(found.to_render, session.backend, here.devices)
    of_machine = map(str, confinements(found.to_render, unable, here.devices))
    taken_over = filter(None, (session.store.succession(plan.slug, plan.file),))
    for warning in (*taken_over, *film_warnings(plan, found), *_lacking(plan, session.backend), *of_machine):
        print(f"warning: {warning}")
    for problem in other_weights(plan, found, session.store, session.family):
        print(f"warning: {problem}")
    for of_devices in (here.problem, hidden_gpus(session.backend.device_kinds)):
        if of_devices is not None:
            print(f"warning: {of_devices}")
    if wanted := orders(plan, found, session.backend, unable=unable):
        print(
            f"to render: {amount(found, found.to_render)}, {time_on(session, here, found, wanted)}, "
            f"then {lasting(found.film_seconds)} for the film, "
            f"{gigabytes(found.bytes)} ({gigabytes(free_disk_bytes(session.store.root))} free)"
        )
    elif found.film_change:
        print(f"to render: no take; the film is made again in {lasting(found.film_seconds)}: {found.film_change}")
    elif found.film_seconds:
        print(f"to render: no take; about {lasting(found.film_seconds)} for the film")
    else:
        print("to render: nothing")


def _print_loras(plan: FilmPlan) -> None:
    """Print which experts use each LoRA, and how many layers it changes."""
    for lora in plan.applied_loras:
        of_model = f" ({lora.model})" if len({each.model for each in plan.applied_loras}) > 1 else ""
        print(f"LoRA {lora.path}: {lora.in_words}{of_model}")
    if plan.applied_loras:
        print()


def _other_film(session: Session) -> str | None:
    """A hint if the newest film was made with another backend than the plan's; otherwise None."""
    film = session.store.films.latest(session.slug)
    if film is None or film.backend in ("", session.backend.id.partition("/")[0]):
        return None
    return f"the newest film, {film.name}, was made with {film.backend}: to plan that, use --backend {film.backend}"


def _print_notes(plan: FilmPlan, *, shown: bool) -> None:
    """Print every note, or only their number."""
    if shown:
        for note in plan.notes:
            print(f"note: {note}")
    elif plan.notes:
        print(f"{counted(len(plan.notes), 'note')} on how the inputs were used: `plan --notes` prints them")


def _lacking(plan: FilmPlan, backend: Backend) -> Iterator[str]:
    """What this machine lacks to render the plan's models. Only warnings, because the plan may be rendered
    elsewhere."""
    needed = dict.fromkeys((take.model, take.sampling.profile_variant) for take in plan.takes)
    problems = (backend.missing(plan.models[model], (), *variant) for model, variant in needed)
    yield from dict.fromkeys(str(problem) for problem in problems if problem is not None)


def _rows(found: FilmStatus) -> Iterator[tuple[str, ...]]:
    for shot in found.shots:
        planned = shot.planned
        frames = counted(planned.frames + planned.hold, "frame") if planned is not None else ""
        yield shot.id, shot.state.value, frames, _what(planned), _takes(shot), shot.why
    for name, painting in found.paintings.items():
        yield painting_label(name), painting.state.value, "1 frame", "painted", "", painting.why


def _what(planned: PlannedShot | None) -> str:
    if planned is None:
        return ""
    joint = f", {planned.joint.kind}" if planned.joint is not None and planned.joint.kind != "continuous" else ""
    return (" → ".join(planned.keyframe_names) or _kind(planned)) + joint


def _kind(planned: PlannedShot) -> str:
    match planned.content:
        case Rendered(takes):
            return takes[0].take.kind.value
        case StillPicture():
            return "still"
        case CardText():
            return "card"
        case NotYet():
            return "slate"


def _takes(shot: ShotStatus) -> str:
    """Every take with its state; "" if the shot has only take 1."""
    if len(shot.takes) == 1 and shot.takes[0].number == 1:
        return ""
    return " ".join(f"{take.number}{'*' if take.key == shot.chosen else ''}:{take.state.value}" for take in shot.takes)


def _print_table(found: list[tuple[str, ...]]) -> None:
    """Print aligned columns. Widths are in cells of the terminal: a Han character takes two."""
    from rich.cells import cell_len

    rows = [tuple(map(one_line, row)) for row in found]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True) if width)
        print(("  " + "  ".join(cells)).rstrip())


def _print_prompts(plan: FilmPlan) -> None:
    for name, painting in plan.paintings.items():
        _print_texts(painting_label(name), painting)
    for shot in plan.shots:
        if isinstance(shot.content, Rendered):
            _print_texts(shot.id, shot.content.takes[0].take)


def _print_texts(label: str, take: Take) -> None:
    """Print the exact texts that the model reads."""
    print(f"\n{label}\n  prompt:   {as_read(prompt_of(canonical(take)))}\n  negative: {as_read(take.negative)}")
