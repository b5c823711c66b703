"""`qc`: judge a video file as takes are judged, or the takes of a storyboard."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import chain, islice
from pathlib import Path

from wan_render.cli.measure_film import is_storyboard, measure_film
from wan_render.cli.qc_calibration import calibrate
from wan_render.errors import Problem, UsageError
from wan_render.facts import FactCache
from wan_render.footage.any_video import read_video
from wan_render.plates import conform, picture_facts
from wan_render.printable import path_name, shown
from wan_render.quality.measurements import LEAST_FRAMES
from wan_render.quality.measuring import measure
from wan_render.quality.thresholds import THRESHOLDS
from wan_render.quality.verdicts import Judgement, QcResult, QcVerdict, judge
from wan_render.render_values import Pixels
from wan_render.settings import machine_settings
from wan_render.take import Plate, Size

CALIBRATE = Path("calibrate")
"""A clip of that name is judged by its absolute path."""

MOST_FRAMES = 5000
"""Five minutes at 16 frames per second: the small copies of so many frames take 220 MB."""

_WORDS = {row.measure: row for row in THRESHOLDS}


def run(arguments: argparse.Namespace) -> int:
    """Judge a clip: 0 for pass and flag, 1 for fail. Or measure a storyboard's takes, or propose limits."""
    if arguments.clip == CALIBRATE:
        return calibrate(arguments)
    if arguments.storyboards:
        given = str(arguments.storyboards[0])
        raise UsageError(Problem("qc", f"unexpected argument {shown(given)}", "one clip at a time"))
    if is_storyboard(arguments.clip):
        return measure_film(arguments)
    judgement = judge_file(arguments.clip, arguments.first, arguments.last)
    if arguments.json:
        print(json.dumps(judgement.to_json(), indent=2))
    else:
        print(f"{path_name(arguments.clip)}: {judgement.verdict}")
        print("\n".join(map(_line, judgement.checks.items())))
    return 1 if judgement.verdict is QcVerdict.FAIL else 0


def judge_file(clip: Path, first: Path | None, last: Path | None) -> Judgement:
    """Decode a video file and judge it. Pictures are conformed to the size at which it is shown. What is done with
    either is said. Raises UsageError or PictureError."""
    frames = read_video(clip, MOST_FRAMES, lambda note: _say(clip, note))
    start = list(islice(frames, LEAST_FRAMES))
    if len(start) < LEAST_FRAMES:
        allowed = f"a clip of at least {LEAST_FRAMES} frames"
        raise UsageError(
            Problem(str(clip), f"has {len(start)} frame", allowed, "check that the whole clip was written")
        )
    height, width, _ = start[0].shape
    plates = [None if picture is None else _conformed(picture, Size(width, height)) for picture in (first, last)]
    return judge(measure(chain(start, frames), *plates))


def _conformed(picture: Path, size: Size) -> Pixels:
    facts = picture_facts(picture, FactCache(machine_settings().cache))
    for note in (*facts.notes, *facts.warnings):
        _say(picture, note)
    return conform(picture, Plate(facts.digest, size, conform=facts.conform))


def _say(file: Path, note: str) -> None:
    print(f"{path_name(file)}: {note}", file=sys.stderr)


def _line(named: tuple[str, QcResult]) -> str:
    """A check: its verdict, its value and limit, what they are, and where."""
    name, result = named
    if result.measure is None or result.value is None or result.threshold is None or result.verdict is None:
        return f"  {name:10} -"
    row = _WORDS[result.measure]
    limit = f"fails {'from' if row.bad == 'high' else 'below'} {result.threshold:g}"
    place = f", frame {result.frame}" if result.frame is not None and result.verdict is not QcVerdict.PASS else ""
    return f"  {name:10} {result.verdict:5} {result.value:9.4g}  {limit:16} {row.means}{place}"
