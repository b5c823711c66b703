"""`takes`: list the takes of a film, or circle or refuse one in the storyboard."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.authored import Circle, Cloud, Shot
from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.plan import PlannedShot, Rendered
from wan_render.plan.film_plan import delivered_name
from wan_render.printable import path_name, shown
from wan_render.production.black import black_takes
from wan_render.quality.verdicts import Judgement, QcVerdict
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import one_shot
from wan_render.session.wording import counted
from wan_render.status import ShotStatus, judgement_of, reasons, status
from wan_render.store import Clip
from wan_render.storyboard.line_edit import Edit, edit_shot
from wan_render.take import short
from wan_render.take_fields import key_of

REFUSED = "refused"
"""State of a take in `ng`."""

_CIRCLE = re.compile(r"([1-9][0-9]{0,8})(?:@([0-9a-f]{6,64}))?")


def run(arguments: argparse.Namespace) -> int:
    """List, circle or refuse."""
    session = session_of(arguments).with_backend_of_newest_film()
    say_first(session)
    if arguments.circle is None and arguments.ng is None and not arguments.local:
        list_takes(session, arguments.shot, as_json=arguments.json)
        return 0
    if arguments.shot is None:
        raise UsageError(Problem("takes", "missing shot", "for example: takes FILE 1/020 --circle 2"))
    if arguments.local:
        _keep_here(session, arguments.shot)
    elif arguments.ng is not None:
        refuse_take(session, arguments.shot, arguments.ng)
    else:
        _circle(session, arguments.shot, arguments.circle)
    return 0


def retake(session: Session, shot_id: str) -> None:
    """Refuse the current take of a shot, so that the next number is rendered."""
    refuse_take(session, shot_id, _rendered(session, shot_id)[1].chosen)


def refuse_take(session: Session, shot_id: str, number: int) -> None:
    """Add a number to the shot's `ng`. Raises UsageError if the storyboard cannot be edited."""
    planned, _ = _rendered(session, shot_id)
    shot = _authored(session, planned)
    if number < 1:
        raise UsageError(Problem("--ng", f"invalid value {number}", "takes are counted from 1"))
    if shot.circle is not None and shot.circle.take == number:
        remedy = f"circle another take first: takes FILE {shot_id} --circle N"
        raise UsageError(Problem(shot_id, f"take {number} is circled", remedy=remedy))
    numbers = tuple(sorted({*shot.ng, number}))
    _write(session, planned, "ng", str(list(numbers)), shot.model_copy(update={"ng": numbers}))


def _circle(session: Session, shot_id: str, text: str) -> None:
    planned, _ = _rendered(session, shot_id)
    match = _CIRCLE.fullmatch(text)
    if match is None:
        allowed = "a take's number, or for example 2@7f3a91 to pin a clip"
        raise UsageError(Problem("--circle", f"invalid value {shown(text)}", allowed))
    shot = _authored(session, planned)
    number, pin = int(match[1]), match[2]
    if number in shot.ng:
        raise UsageError(Problem(shot_id, f"take {number} is refused (ng)", remedy="remove it from ng first"))
    _write(session, planned, "circle", text, shot.model_copy(update={"circle": Circle(take=number, pin=pin)}))
    if pin is None and number not in session.store.memory.remembered(session.plan.slug).get(planned.id, {}):
        print(f"{planned.id}: take {number} is not rendered yet: the next render makes it")


def _keep_here(session: Session, shot_id: str) -> None:
    """Write `cloud: {allow: false}` into the shot, so that no service renders it."""
    planned, _ = _rendered(session, shot_id)
    if planned.id not in session.plan.cloud_shots:
        found = "is not rendered by a service through `cloud: {model: …}`"
        raise UsageError(Problem(shot_id, found, remedy="a shot whose own model is hosted needs another `model`"))
    shot = _authored(session, planned)
    cloud = (shot.cloud or Cloud.model_construct(allow=None, model=None)).model_copy(update={"allow": False})
    model = f", model: {cloud.model}" if cloud.model else ""
    _write(session, planned, "cloud", f"{{allow: false{model}}}", shot.model_copy(update={"cloud": cloud}))


def _rendered(session: Session, shot_id: str) -> tuple[PlannedShot, Rendered]:
    name = one_shot(session.plan, shot_id)
    planned = next(shot for shot in session.plan.shots if shot.id == name)
    if not isinstance(planned.content, Rendered):
        raise UsageError(Problem(shot_id, "has no takes: no model renders it"))
    if (between := planned.bridges) is not None:
        remedy = f"another `render.seed` in {between.before} renders another one"
        raise UsageError(Problem(shot_id, "is a bridge, which has one take", remedy=remedy))
    return planned, planned.content


def _authored(session: Session, planned: PlannedShot) -> Shot:
    scene, shot = planned.index
    return session.document.storyboard.scenes[scene].shots[shot]


def _write(session: Session, planned: PlannedShot, key: str, value: str, wanted: Shot) -> None:
    edit = Edit(*planned.index, key, value)
    edit_shot(session.document, edit, wanted, models=session.models, cache=session.cache)
    print(f"{session.document.where('scenes', planned.index[0], 'shots', planned.index[1])}: {edit.line}")


def list_takes(session: Session, shot_id: str | None, *, as_json: bool) -> None:
    """Print the takes of a film, or of one shot, with their verdicts."""
    black = black_takes(session.plan, session.store)
    found = status(session.plan, session.store, session.backend, spoilt=black)
    shots = [shot for shot in found.shots if shot_id is None or shot.id == one_shot(session.plan, shot_id)]
    rows = [row for shot in shots for row in _rows(session, shot)]
    if as_json:
        print(json.dumps({"version": 1, "takes": rows}, ensure_ascii=False, indent=2))
        return
    for row in rows:
        mark, seed = "*" if row["chosen"] else " ", f"seed {row['seed']:<10}"
        named = f"{mark} {row['shot']}  take {row['number']}"
        print(f"{named}  {row['state']:8} {_verdict(row):4} {row['circle']:12} {seed} {row['clip']}")
        if row["reasons"]:
            print(f"    {_verdict(row)}: {row['reasons']}")
    missing = sum(not row["clip"] for row in rows)
    not_rendered = f", {missing} of them not rendered" if missing else ""
    print(f"{counted(len(rows), 'take')} in {path_name(session.outputs.folder)}{not_rendered}; * goes into the film")


def _verdict(row: Mapping[str, Any]) -> str:
    """`pass`, `flag`, `fail`; `-` for a take that was not measured."""
    return "-" if row["checks"] is None else str(row["checks"]["verdict"])


def _rows(session: Session, shot: ShotStatus) -> list[dict[str, object]]:
    wanted = [
        _row(session, shot, take.number, take.key, take.state.value, take.fields["seed"], take.clip, take.judgement)
        for take in shot.takes
    ]
    return sorted([*wanted, *_refused(session, shot)], key=lambda row: int(str(row["number"])))


def _refused(session: Session, shot: ShotStatus) -> Iterator[dict[str, object]]:
    """The refused takes that were rendered, so that they can be found again."""
    if shot.planned is None or shot.planned.bridges is not None:
        return
    remembered = session.store.memory.remembered(session.plan.slug).get(shot.id, {})
    for number in _authored(session, shot.planned).ng:
        if (fields := remembered.get(number)) is not None:
            key = key_of(fields)
            found = judgement_of(session.store, key)
            yield _row(session, shot, number, key, REFUSED, fields["seed"], session.store.find(key), found)


def _row(
    session: Session,
    shot: ShotStatus,
    number: int,
    key: str,
    state: str,
    seed: object,
    clip: Clip | None,
    judgement: Judgement | None,
) -> dict[str, object]:
    return {
        "shot": shot.id,
        "number": number,
        "state": state,
        "chosen": key == shot.chosen and state != REFUSED,
        "circle": f"{number}@{short(key)}",
        "seed": seed,
        "key": key,
        "name": delivered_name(session.plan.slug, shot.id, number),
        "clip": str(clip.video) if clip is not None else "",
        "checks": None if judgement is None else judgement.to_json(),
        "reasons": "" if judgement is None else reasons(judgement, QcVerdict.FAIL, QcVerdict.FLAG),
    }
