"""Control sequences from a storyboard, a file name or a program are shown by every command and never obeyed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from unicodedata import category

import pandas as pd
import pytest
from PIL import Image

from tests.cli.conftest import Run, environment
from wan_render.printable import printable

TITLE = "Har\u202dbour \u2066one"
NAMES = ("da\u2067wn", "no\u202eon")
ACTION = "the light\u2028climbs\u200b"


def spelt(text: str) -> str:
    """A text in YAML's double quotes."""
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A storyboard whose own name, keyframes and texts hide what they are."""
    pictures = tmp_path / "fo\nld\x1b[31mer" / "keyframes"
    pictures.mkdir(parents=True)
    for name, colour in zip(NAMES, ((200, 120, 60), (120, 160, 220)), strict=True):
        Image.new("RGB", (96, 96), colour).save(pictures / f"{name}.png")
    file = pictures.parent / os.fsdecode(b"b\xff\x1b]0;.yaml")
    start, end = map(spelt, NAMES)
    file.write_text(
        f"version: 1\nfilm: {{title: {spelt(TITLE)}, raster: 64x64, deliver: 96x96}}\n"
        "defaults: {duration: 1s, render: {seed: 5}}\nkeyframes: keyframes/\nshots:\n"
        f'  - {{from: {start}, to: {end}, action: {spelt(ACTION)}, notes: "\\uFEFF=1+1"}}\n'
        f"  - {{from: {end}, action: sleep}}\n"
    )
    return file


def unsafe(text: str) -> set[str]:
    return {character for character in text if category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}


def test_no_command_prints_control_sequences(hostile: Path, wan_render: Run) -> None:
    commands = [
        ("check", hostile),
        ("check", hostile, "--json"),
        ("plan", hostile, "--backend", "animatic", "--prompts", "--notes"),
        ("takes", hostile, "x\x1b[2J\nfilm: ok", "--backend", "animatic"),
        ("open", hostile),
        ("render", hostile.parent / "nowhere\x1b\n.yaml"),
        ("bogus", "\x1b[2J"),
    ]
    for command in commands:
        done = wan_render(*command)
        assert done.returncode in (0, 2), done.stderr
        assert not unsafe(done.stdout + done.stderr), command
        assert "\nfilm: ok" not in done.stderr


def test_the_files_of_a_film_are_printable_and_keep_their_meaning(
    hostile: Path, wan_render: Run, tmp_path: Path
) -> None:
    done = wan_render("render", hostile, "--backend", "animatic", "--only", "1/010")
    assert done.returncode == 1, done.stderr
    assert not unsafe(done.stdout + done.stderr)
    (version,) = (tmp_path / "outputs" / "films").glob("*/v001")
    written = [*version.glob("*.json"), version / "index.html", *(tmp_path / "outputs").glob("takes/*/take.json")]
    for file in (*written, *(tmp_path / "outputs" / "logs").iterdir()):
        assert not unsafe(file.read_text(encoding="utf-8")), file
    plan = json.loads((version / "plan.json").read_bytes())
    assert plan["film"]["title"] == TITLE
    assert os.fsencode(plan["film"]["storyboard"]) == os.fsencode(hostile.name)
    table = pd.read_csv(version / "shots.csv")
    assert not unsafe("".join(map(str, table.to_numpy().ravel())))
    assert table["action"][0] == printable(ACTION)
    assert table["notes"][0] == "\\ufeff=1+1"


def test_control_sequences_of_ffmpeg_are_escaped(harbour: Path, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nprintf 'ffmpeg version 9\\n'\nprintf '%5000s\\033[2J\\302\\233' x >&2\nexit 1\n")
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "render", str(harbour), "--backend", "animatic"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path) | {"WAN_RENDER_FFMPEG": str(program), "WAN_RENDER_DEVICES": "cpu"},
        check=False,
    )
    assert done.returncode == 3
    assert "\\u001b[2J" in done.stderr
    assert not unsafe(done.stderr)
