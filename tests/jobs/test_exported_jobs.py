"""Exported jobs are run by real schedulers, or by a stand-in where there is none, and give the film of one command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment, write_harbour
from tests.media.films import luma
from wan_render.media import ffmpeg

FIVE = """\
version: 1
film: {title: 'Harbour {{Param.Outputs}}', slug: harbour, raster: 64x64, deliver: 64x64}
defaults: {duration: 1s, render: {seed: 5}}
keyframes: keyframes/
shots:
  - {from: dawn, to: noon}
  - {from: previous, to: dusk}
  - {from: dusk, to: dawn}
  - {from: noon, to: dawn}
  - {from: dusk, to: noon}
"""

SBATCH = '''\
#!/usr/bin/env python3
"""Stands in for sbatch: runs the tasks of an array two at a time, on two `machines`, and a job after another one."""
import itertools, os, re, subprocess, sys
script = sys.argv[-1]
option = dict(re.findall(r"^#SBATCH --([a-z-]+)=(.*)$", open(script).read(), re.M))
if "array" not in option:
    code = subprocess.run(["sh", script], stdout=open("film.log", "w"), stderr=subprocess.STDOUT).returncode
    print("2")
    sys.exit(0)
first, last = map(int, option["array"].split("-"))
waiting = iter(range(first, last + 1))
def started(at):
    machine = {**os.environ, "SLURM_ARRAY_TASK_ID": str(at), "WAN_RENDER_LOCKS": os.environ["MACHINES"] + str(at % 2)}
    if at == 0:
        machine["WAN_RENDER_FFMPEG"] = os.environ["STUCK_FFMPEG"]
    os.makedirs(machine["WAN_RENDER_LOCKS"], exist_ok=True)
    log = open(f"takes-{at}.log", "w")
    return subprocess.Popen(["sh", script], env=machine, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
running = [started(at) for at in itertools.islice(waiting, 2)]
while running:
    running.pop(0).wait()
    if (at := next(waiting, None)) is not None:
        running.append(started(at))
print("1;cluster")
'''

STUCK_FFMPEG = """\
#!/bin/sh
case "$*" in *preview.mp4*) while kill -0 $PPID; do sleep 0.1; done; exit 1 ;; esac
exec '{program}' "$@"
"""
"""It makes no preview: the first task has finished no take when it is killed, however late that is."""

SRUN = '#!/bin/sh\nexec "$@"\n'


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = write_harbour(tmp_path)
    file.write_text(FIVE, encoding="utf-8")
    return file


@pytest.fixture
def cluster(tmp_path: Path) -> Mapping[str, str]:
    """An environment with a wan-render, an sbatch and an srun on its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = f'#!/bin/sh\nexec {sys.executable} -m wan_render.cli "$@"\n'
    stuck = STUCK_FFMPEG.format(program=ffmpeg.program())
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("wan-render", program), ("stuck-ffmpeg", stuck)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    found = environment(tmp_path)
    path = f"{folder}{os.pathsep}{found.get('PATH', '')}"
    machines = {"MACHINES": str(tmp_path / "machine"), "STUCK_FFMPEG": str(folder / "stuck-ffmpeg")}
    return {**found, **machines, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}


def frames(outputs: Path) -> list[bytes]:
    (film,) = (outputs / "films" / "harbour").glob("v*/film.mp4")
    return [frame.tobytes() for frame in luma(film)]


def renders(outputs: Path) -> dict[str, int]:
    """How often each take was finished."""
    lines = [json.loads(line) for line in (outputs / "take-times.jsonl").read_text(encoding="utf-8").splitlines()]
    keys = [line["key"] for line in lines]
    return {key: keys.count(key) for key in keys}


@pytest.mark.slow
def test_openjd_runs_the_bundle(film: Path, wan_render: Run, cluster: Mapping[str, str], tmp_path: Path) -> None:
    once = wan_render("render", film, "--backend", "animatic", "--outputs", tmp_path / "once")
    assert once.returncode == 0, once.stderr
    out = ("--backend", "animatic", "--outputs", tmp_path / "jobs")
    made = wan_render("export", film, "--to", "openjd", "--out", tmp_path / "bundle", *out)
    assert made.returncode == 0, made.stderr
    assert "5 shots to render in 4 tasks" in made.stdout
    openjd = shutil.which("openjd", path=str(Path(sys.executable).parent))
    assert openjd is not None
    template, values = tmp_path / "bundle" / "template.json", tmp_path / "bundle" / "parameters.json"
    command = [openjd, "run", str(template), "--step", "Film", "--run-dependencies", "-p", f"file://{values}"]
    ran = subprocess.run(command, cwd=tmp_path, env=cluster, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Chunks run: 5" in ran.stdout
    assert frames(tmp_path / "jobs") == frames(tmp_path / "once")
    assert wan_render("export", film, "--to", "openjd", "--out", tmp_path / "bundle", *out).returncode == 2
    done = wan_render("export", film, "--to", "openjd", "--out", tmp_path / "rest", *out)
    assert "0 shots to render in 0 tasks" in done.stdout
    assert "Takes" not in (tmp_path / "rest" / "template.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_slurm_renders_each_take_once_although_a_task_is_killed(
    film: Path, wan_render: Run, cluster: Mapping[str, str], tmp_path: Path
) -> None:
    outputs, job = tmp_path / "jobs", tmp_path / "job"
    out = ("--backend", "animatic", "--outputs", outputs)
    made = wan_render("export", film, "--to", "slurm", "--out", job, *out)
    assert made.stdout.splitlines()[-2:] == [f"submit it: {job}/submit.sh", str(job)]
    named = {**cluster, "WAN_RENDER_PROGRAM": str(tmp_path / "bin" / "wan-render")}
    submitted = subprocess.Popen([job / "submit.sh"], cwd=tmp_path, env=named, stdout=subprocess.PIPE, text=True)
    victim = _first_task(job)
    os.killpg(victim, signal.SIGKILL)
    said, _ = submitted.communicate(timeout=240)
    assert (submitted.returncode, said) == (0, "takes: job 1, film: job 2\n")
    assert "rendered in" in (job / "film.log").read_text(encoding="utf-8"), "what the killed task left"
    assert set(renders(outputs).values()) == {1}
    wan_render("render", film, "--backend", "animatic", "--outputs", tmp_path / "once")
    assert frames(outputs) == frames(tmp_path / "once")


def _first_task(job: Path) -> int:
    """The process group of the first task, once it renders."""
    import psutil

    for _ in range(2400):
        log = job / "takes-0.log"
        if log.exists() and "started" in log.read_text(encoding="utf-8"):
            words = [(each.pid, each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])]
            for number in (pid for pid, line in words if "1/010,1/020" in line):
                with suppress(ProcessLookupError):
                    return os.getpgid(number)
        time.sleep(0.05)
    raise AssertionError("no task began")


def test_takes_without_a_film(film: Path, wan_render: Run, tmp_path: Path) -> None:
    options = ("--backend", "animatic", "--outputs", tmp_path / "outputs", "--no-film")
    (film.parent / "keyframes" / "dusk.png").write_bytes(b"")
    broken = wan_render("render", film, *options)
    assert broken.returncode == 2
    write = FIVE.replace("  - {from: previous, to: dusk}\n  - {from: dusk, to: dawn}\n", "").replace("dusk", "dawn")
    film.write_text(write, encoding="utf-8")
    done = wan_render("render", film, *options, "--only", "1/010")
    assert (done.returncode, done.stdout) == (0, "takes: 1 of 1 rendered\n")
    assert "for the film" not in done.stderr
    assert not list((tmp_path / "outputs").glob("films/*/v*"))
    again = wan_render("render", film, *options, "--only", "1/010", "--json")
    assert json.loads(again.stdout) == {"version": 1, "takes": 0, "rendered": 0, "missing": {}}
    refused = wan_render("render", film, "--keep-going")
    assert (refused.returncode, "has no meaning without --no-film" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "openjd"), "--out is missing for --to openjd"),
        (("--to", "slurm", "--out", "new", "--rate", "24"), "--rate has no meaning for --to slurm"),
        (("--to", "pbs", "--out", "new"), "openjd, slurm"),
        (("--to", "openjd", "--out", "new", "--allow", "{{x}}"), "has braces"),
    ],
)
def test_wrong_options_are_refused(
    film: Path, wan_render: Run, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "{{x}}").mkdir()
    found = wan_render("export", film, "--backend", "animatic", *options)
    assert (found.returncode, words.replace(" is", ": is").replace(" has", ": has") in found.stderr) == (2, True), (
        found.stderr
    )
    assert not (tmp_path / "new").exists()
