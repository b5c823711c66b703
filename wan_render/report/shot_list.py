"""`shots.csv`: one row per take, for a spreadsheet or pandas. docs/shots-csv.md describes the columns."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from wan_render.plan.film_plan import delivered_name
from wan_render.printable import printable
from wan_render.quality.verdicts import QcVerdict
from wan_render.report.quality_marks import named, verdict
from wan_render.report.review import Review, ReviewShot, ReviewTake
from wan_render.report.timecode import timecode
from wan_render.take import short

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
"""Text that a spreadsheet would run as a formula. East Asian versions of Excel also accept full-width signs."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def write_shot_list(review: Review, target: Path) -> None:
    """Write the list: UTF-8 with a byte order mark, so that Excel reads any script. No cell is run as a formula."""
    table = shot_list(review)
    text = [column for column in table.columns if table[column].map(lambda cell: isinstance(cell, str)).any()]
    for column in text:
        table[column] = table[column].map(inert, na_action="ignore")
    table.to_csv(target, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def inert(cell: object) -> object:
    """The cell, printable, with a leading apostrophe if a spreadsheet would run it as a formula."""
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    runs = (_FORMULA.match(cell) or _FORMULA.match(text)) and not _NUMBER.fullmatch(cell)
    return f"'{text}" if runs else text


def shot_list(review: Review) -> pd.DataFrame:
    """The list as a table, in the film's order. A shot without takes (a still, a card) has one row, whose missing
    numbers are empty, not zero.
    """
    rows = [
        {**_film(review), **_shot(review, shot), **(_take(review, shot, take) if take else {})}
        for shot in review.shots
        for take in shot.takes or (None,)
    ]
    settings = dict.fromkeys(name for shot in review.shots for take in shot.takes for name in take.settings)
    judged = [take.judgement for shot in review.shots for take in shot.takes if take.judgement is not None]
    checks = dict.fromkeys(name for judgement in judged for name in judgement.checks)
    phases = dict.fromkeys(name for shot in review.shots for take in shot.takes for name in take.seconds)
    columns = [
        *_COLUMNS,
        *(f"seconds.{phase}" for phase in phases),
        *(f"settings.{name}" for name in settings),
        *(f"checks.{name}" for name in checks),
    ]
    # dtype=object: an integer column with a gap would become floats, and large seeds would change.
    return pd.DataFrame(rows, columns=columns, dtype=object)


_COLUMNS = (
    *("name", "film", "version", "scene", "shot", "take", "in_film", "state", "why", "slate"),
    *("start_frame", "frames", "timecode_in", "timecode_out", "screen_seconds"),
    *("what", "model", "from", "to", "action", "prompt", "negative", "slugline", "notes"),
    *("seed", "take_frames", "circle", "key", "device", "seconds"),
    *("verdict", "failed", "flagged", "seam", "colours", "easing", "repair"),
    *("cost", "currency"),
)


def _film(review: Review) -> dict[str, object]:
    return {"film": review.title, "version": review.version}


def _shot(review: Review, shot: ReviewShot) -> dict[str, object]:
    scene, _, name = shot.id.partition("/")
    end = shot.start + shot.frames
    return {
        "name": delivered_name(review.slug, shot.id),
        "scene": scene,
        "shot": name,
        "slate": shot.slate,
        "start_frame": shot.start,
        "frames": shot.frames,
        "timecode_in": timecode(shot.start, review.rate),
        "timecode_out": timecode(end, review.rate),
        "screen_seconds": round(float(shot.frames / review.rate), 3),
        "what": shot.what,
        "model": shot.model,
        "from": shot.keyframes[0][0] if shot.keyframes else None,
        "to": shot.keyframes[-1][0] if len(shot.keyframes) > 1 else None,
        "action": shot.action,
        "slugline": shot.slugline,
        "notes": shot.notes,
        "colours": shot.colours or None,
        "easing": shot.easing or None,
        "repair": shot.repair or None,
        "seam": round(shot.seam.ratio, 2) if shot.seam is not None else None,
    }


def _take(review: Review, shot: ReviewShot, take: ReviewTake) -> dict[str, object]:
    return {
        "name": delivered_name(review.slug, shot.id, take.number),
        "take": take.number,
        "in_film": take.chosen and shot.slate is None,
        "state": take.state,
        "why": take.why,
        "prompt": take.prompt,
        "negative": take.negative,
        "seed": take.seed,
        "take_frames": take.frames,
        "circle": f"{take.number}@{short(take.key)}",
        "key": take.key,
        "device": take.device,
        "seconds": round(take.spent, 3) if take.seconds else None,
        "verdict": verdict(take) or None,
        "cost": None if take.cost is None else str(take.cost.amount),
        "currency": None if take.cost is None else take.cost.currency,
        "failed": ", ".join(named(take, QcVerdict.FAIL)) or None,
        "flagged": ", ".join(named(take, QcVerdict.FLAG)) or None,
        **{
            f"checks.{name}": result.value for name, result in (take.judgement.checks if take.judgement else {}).items()
        },
        **{f"seconds.{phase}": round(seconds, 3) for phase, seconds in take.seconds.items()},
        **{f"settings.{name}": value for name, value in take.settings.items()},
    }
