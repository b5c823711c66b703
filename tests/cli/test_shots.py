"""Shots that need other takes, and drafts, as users run them."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

CHAIN = """\
version: 1
film: {title: Harbour, raster: 64x64, deliver: 96x96}
defaults: {duration: 1s}
keyframes: {dawn: keyframes/dawn.png, noon: keyframes/noon.png, deer: {prompt: a deer at dusk}}
shots:
  - {from: dawn, takes: 2, circle: 2}
  - {from: previous, through: [{keyframe: noon, action: up}], to: deer, action: on}
  - {still: deer, duration: 1s}
"""


def test_a_film_of_everything_is_planned_rendered_and_found(harbour: Path, wan_render: Run) -> None:
    harbour.write_text(CHAIN, encoding="utf-8")
    planned = wan_render("plan", harbour, "--backend", "animatic", "--prompts")
    assert planned.returncode == 0, planned.stderr
    assert "keyframe deer  missing  1 frame" in planned.stdout
    assert "previous → noon → deer" in planned.stdout
    assert "prompt:   up → on" in planned.stdout
    amount = "6 takes (2 of them parts of others)"
    assert f"to render: {amount}, about" in planned.stdout, "two, a joined one of two segments, and a keyframe"

    rendered = wan_render("render", harbour, "--backend", "animatic")

    assert rendered.returncode == 0, rendered.stderr
    assert f"{amount} to render on 1 device" in rendered.stderr
    again = wan_render("plan", harbour, "--backend", "animatic")
    assert "to render: nothing" in again.stdout
    assert "missing" not in again.stdout


def test_a_draft_is_a_film_of_its_own(harbour: Path, wan_render: Run) -> None:
    harbour.write_text(CHAIN, encoding="utf-8")
    planned = wan_render("plan", harbour, "--backend", "animatic", "--draft")
    assert "draft: 4 steps, guidance 1, shift 5" in planned.stdout
    assert "(Harbour-draft)" in planned.stdout or "(harbour-draft)" in planned.stdout

    rendered = wan_render("render", harbour, "--backend", "animatic", "--draft")

    assert rendered.returncode == 0, rendered.stderr
    assert "arbour-draft/v001/film.mp4" in rendered.stdout.splitlines()[-1]
