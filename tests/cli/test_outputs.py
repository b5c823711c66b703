"""The outputs folder and the backend that the commands of the README use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment
from tests.cli.warm_python import warm_python


def test_after_a_preview_its_takes_and_its_page_are_found_from_any_folder(
    wan_render: Run, harbour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_BACKEND", "animatic")  # as `make film` does
    made = wan_render("render", harbour)
    outputs = tmp_path / "outputs"
    assert made.stderr.splitlines()[0] == f"outputs: {outputs} (new); backend: animatic (WAN_RENDER_BACKEND)"
    assert "1/010 take 1: started (first take)" in made.stderr
    assert (outputs / "wan-render-store.json").is_file()
    monkeypatch.delenv("WAN_RENDER_BACKEND")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    listed = in_folder(elsewhere, "takes", harbour)
    assert listed.stderr == f"outputs: {outputs}; backend: animatic (the film v001 was made with it)\n"
    assert listed.stdout.splitlines()[-1] == f"2 takes in {outputs}; * goes into the film"
    assert in_folder(elsewhere, "open", harbour).stdout == f"{outputs}/films/harbour/v001/index.html\n"
    plan = in_folder(elsewhere, "plan", harbour)
    assert plan.stderr == f"outputs: {outputs}; backend: wan (the models that the storyboard names)\n"
    assert "the newest film, v001, was made with animatic: to plan that, use --backend animatic" in plan.stdout
    assert not list(elsewhere.iterdir())


def test_a_missing_film_is_reported_with_the_folder_that_was_searched(
    wan_render: Run, harbour: Path, tmp_path: Path
) -> None:
    no_film = wan_render("open", harbour)
    assert no_film.returncode == 2
    assert f"{tmp_path}/outputs: has no film 'harbour' yet" in no_film.stderr
    no_takes = wan_render("takes", harbour)
    assert no_takes.stdout.splitlines()[-1].startswith(f"2 takes in {tmp_path}/outputs, 2 of them not rendered;")


def test_a_variable_that_names_no_backend_is_refused_by_its_name(
    wan_render: Run, harbour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_BACKEND", "animatik")
    done = wan_render("plan", harbour)
    assert done.returncode == 2
    assert done.stderr == (
        "WAN_RENDER_BACKEND: no backend is called 'animatik'; allowed: animatic, comfyui, dashscope, wan; "
        "did you mean 'animatic'?\n"
    )
    assert wan_render("plan", harbour, "--backend", "animatic").returncode == 0, "an option is nearer than a variable"


def in_folder(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = environment(folder.parent) | {"BROWSER": os.devnull}
    return warm_python().run(tuple(map(str, arguments)), folder, env)


def test_a_warning_that_the_newest_film_had_is_only_counted(wan_render: Run, harbour: Path) -> None:
    first = wan_render("render", harbour, "--backend", "animatic")
    assert first.stderr.count("warning: ") == 1
    assert "film.raster: 64x64 is not a documented size" in first.stderr
    harbour.write_text(harbour.read_text() + "  - {shot: '030', card: Ꮳ}\n")
    again = wan_render("render", harbour, "--backend", "animatic")
    said = [line for line in again.stderr.splitlines() if line.startswith("warning: ")]
    assert ["no font has a glyph for Ꮳ" in said[0], said[1:]] == [
        True,
        [f"warning: 1 warning unchanged since v001: `wan-render plan {harbour}` prints all"],
    ]
    assert "film.raster: 64x64 is not a documented size" in wan_render("plan", harbour, "--backend", "animatic").stdout
