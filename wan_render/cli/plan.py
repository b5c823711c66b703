"""`plan`: show what would be rendered, what is found, and why."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator

from wan_render.cleaning import as_read
from wan_render.cli.chosen_session import say_first, session_of
from wan_render.cut import film_frames
from wan_render.keys import canonical
from wan_render.plan import FilmPlan, PlannedShot, Rendered
from wan_render.plan.drafts import GUIDANCE, SHIFT, STEPS
from wan_render.plan.evened_shots import motion_words
from wan_render.production.film_warnings import lettering_warnings
from wan_render.session.cloud_money import cloud_lines, money_json
from wan_render.session.columns import aligned
from wan_render.session.film_forecast import current_status, forecast_found, run_json
from wan_render.session.film_session import Session
from wan_render.session.plan_devices import PlanDevices, plan_devices
from wan_render.session.prompt_diff import counted_prompts, prompt_lines
from wan_render.session.wording import counted, counted_shots
from wan_render.status import FilmStatus, ShotStatus, painting_label, plan_json
from wan_render.store.disk import gigabytes
from wan_render.take import Take
from wan_render.take_fields import prompt_of


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; nothing is written."""
    if is_evening(arguments):
        from wan_render.cli.evening_plan import run_evening

        return run_evening(arguments)
    session = session_of(arguments)
    plan = session.plan
    say_first(session)
    here = plan_devices(session)
    found = current_status(session, here)
    if arguments.json:
        run = run_json(forecast_found(session, found, here)) | {"cloud": money_json(plan, found, session.store)}
        print(json.dumps(plan_json(plan, found, lettering_warnings(plan), run), ensure_ascii=False, indent=2))
        return 0
    _print(session, plan, found, here)
    _print_notes(plan, shown=arguments.notes)
    if arguments.prompts:
        _print_prompts(plan)
    return 0


def is_evening(arguments: argparse.Namespace) -> bool:
    """Whether a plan is asked for a folder, or for a window."""
    is_folder = os.path.isdir(arguments.file)  # noqa: PTH112 - also False for what can be no path
    return is_folder or bool(arguments.start or arguments.until or arguments.timezone)


def _retimed(plan: FilmPlan) -> str:
    """` (from 16 by flow)`; "" if every shot has the film's rate."""
    rates = sorted({shot.rate for shot in plan.shots if shot.rate is not None})
    return f" (from {' and '.join(f'{float(rate):g}' for rate in rates)} by {plan.retime})" if rates else ""


def _print(session: Session, plan: FilmPlan, found: FilmStatus, here: PlanDevices) -> None:
    frames = film_frames(plan)
    print(f"{plan.title} ({plan.slug}), {plan.backend}")
    length = f"{counted(frames, 'frame')}, {float(frames / plan.rate):.2f} s at {plan.rate} fps{_retimed(plan)}"
    how = f" by {plan.upscale.in_words}" if plan.upscale is not None else ""
    print(f"{counted_shots(plan)}, {length}, {plan.size} → {plan.delivery}{how}\n")
    if session.draft:
        print(f"draft: {STEPS} steps, guidance {GUIDANCE:g}, shift {SHIFT:g}; circles are the final film's\n")
    if (other := _other_film(session)) is not None:
        print(f"{other}\n")
    for line in aligned(list(_rows(found))):
        print(line)
    print()
    _print_loras(plan)
    _print_extended(plan)
    _print_sounds(plan)
    _print_subtitles(plan)
    if words := motion_words(plan):
        print(f"motion: {words}\n")
    _print_deliverables(plan)
    _print_money(session, found, here)
    film = forecast_found(session, found, here)
    for warning in film.warnings:
        print(f"warning: {warning}")
    print(f"to render: {film.sentence}")


def _print_money(session: Session, found: FilmStatus, here: PlanDevices) -> None:
    """Print what services cost, beside local hours."""
    lines = list(cloud_lines(session, found, here))
    for line in lines:
        print(line)
    if lines:
        print()


def _print_loras(plan: FilmPlan) -> None:
    """Print which experts use each LoRA, and how many layers it changes."""
    for lora in plan.applied_loras:
        of_model = f" ({lora.model})" if len({each.model for each in plan.applied_loras}) > 1 else ""
        print(f"LoRA {lora.path}: {lora.in_words}{of_model}")
    if plan.applied_loras:
        print()


def _print_extended(plan: FilmPlan) -> None:
    """Print extended prompts beside the written ones."""
    if plan.prompts:
        missing = any(prompt.found is None for prompt in plan.prompts)
        how = ": `wan-render extend` asks for what is missing" if missing else ""
        print(f"{counted_prompts(plan.prompts)}{how}")
        for line in prompt_lines(plan.prompts):
            print(line)
        print()


def _print_sounds(plan: FilmPlan) -> None:
    """Print how many sounds there are, and how loud the film will be."""
    if plan.soundtrack is not None:
        loudness = plan.soundtrack.loudness
        level = "as mixed" if loudness is None else f"{loudness:g} LUFS"
        print(f"{counted(len(plan.sounds), 'sound')}, {level}, true peak at most {plan.soundtrack.peak:g} dBTP\n")


def _print_subtitles(plan: FilmPlan) -> None:
    """Print how many subtitles the film has, and in which forms."""
    if (subtitles := plan.subtitles) is not None:
        print(f"{counted(len(subtitles.cues), 'subtitle')}: {subtitles.in_words}\n")


def _print_deliverables(plan: FilmPlan) -> None:
    """Print what is made of the film besides film.mp4, and how large that is."""
    wanted = plan.deliverables.wanted
    for each in wanted:
        print(f"deliverable {each.in_words}, about {gigabytes(max(each.bytes, 1_000_000))}")
    if wanted:
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
    if (between := planned.bridges) is not None:
        return f"bridge to {between.after}"
    joint = f", {planned.joint.kind}" if planned.joint is not None and planned.joint.kind != "continuous" else ""
    return (" → ".join(planned.keyframe_names) or planned.what) + joint


def _takes(shot: ShotStatus) -> str:
    """Every take with its state; "" if the shot has only take 1."""
    if len(shot.takes) == 1 and shot.takes[0].number == 1:
        return ""
    return " ".join(f"{take.number}{'*' if take.key == shot.chosen else ''}:{take.state.value}" for take in shot.takes)


def _print_prompts(plan: FilmPlan) -> None:
    for name, painting in plan.paintings.items():
        _print_texts(painting_label(name), painting)
    for shot in plan.shots:
        if isinstance(shot.content, Rendered):
            _print_texts(shot.id, shot.content.takes[0].take)


def _print_texts(label: str, take: Take) -> None:
    """Print the exact texts that the model reads."""
    print(f"\n{label}\n  prompt:   {as_read(prompt_of(canonical(take)))}\n  negative: {as_read(take.negative)}")
