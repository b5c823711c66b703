"""Exported jobs, run by two machines of a scheduler that is played here: it gives each machine the next task, and gives
a task of a dead machine to the other one. Deadline Cloud does so, and SLURM with its default JobRequeue=1."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machines.studio import MACHINES, Studio, signal_all

SRUN = '#!/bin/sh\nexec "$@"\n'
PROGRAM = '#!/bin/sh\nexec {python} -m benchmarks.machines.slow_program "$@"\n'


@dataclass(frozen=True)
class Task:
    """A command of a job, and variables of its environment."""

    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)


def by_openjd(studio: Studio) -> None:
    """A job bundle: each task and the film's are run by `openjd run`, as a worker would."""
    folder = _exported(studio, "openjd")
    template = folder / "template.json"
    program = shutil.which("openjd", path=str(Path(sys.executable).parent))
    assert program is not None, "openjd-cli is not installed"
    run = (program, "run", str(template), "-p", f"file://{folder / 'parameters.json'}", "-p", _program(studio))
    steps = {step["name"]: step for step in json.loads(template.read_text(encoding="utf-8"))["steps"]}
    (parameter,) = steps["Takes"]["parameterSpace"]["taskParameterDefinitions"]
    _run_all(studio, [Task((*run, "--step", "Takes", "-tp", f"Shots={shots}")) for shots in parameter["range"]])
    _run_on(studio, MACHINES[0], Task((*run, "--step", "Film", "--no-run-dependencies")))


def by_slurm(studio: Studio) -> None:
    """The array's script with each of its numbers, and then the film's script. The tests submit them by `submit.sh`."""
    folder = _exported(studio, "slurm")
    (folder / "srun").write_text(SRUN, encoding="utf-8")
    (folder / "srun").chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "WAN_RENDER_PROGRAM": _program(studio).partition("=")[2]}
    tasks = len((folder / "shots.txt").read_text(encoding="utf-8").splitlines())
    numbers = [{**variables, "SLURM_ARRAY_TASK_ID": str(number)} for number in range(tasks)]
    _run_all(studio, [Task(("sh", str(folder / "takes.sbatch")), each) for each in numbers], folder)
    _run_on(studio, MACHINES[0], Task(("sh", str(folder / "film.sbatch")), variables), folder)


def _exported(studio: Studio, to: str) -> Path:
    folder = studio.folder / "job"
    words = ("export", str(studio.storyboard), "--to", to, "--out", str(folder))
    assert studio.start(MACHINES[0], *words).wait() == 0, studio.said(MACHINES[0])
    return folder


def _program(studio: Studio) -> str:
    """A `wan-render` for the tasks, as a value of the parameter WanRender."""
    file = studio.folder / "wan-render"
    file.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
    file.chmod(0o755)
    return f"WanRender={file}"


def _start(studio: Studio, machine: str, task: Task, folder: Path | None) -> subprocess.Popen[bytes]:
    variables = {**studio.environment(machine), **task.variables}
    with (studio.folder / machine / "said").open("ab") as said:
        return subprocess.Popen(
            task.command, cwd=folder or studio.folder, env=variables, stdout=said, stderr=said, start_new_session=True
        )


def _run_on(studio: Studio, machine: str, task: Task, folder: Path | None = None) -> None:
    assert _start(studio, machine, task, folder).wait() == 0, studio.said(machine)


def _run_all(studio: Studio, tasks: Sequence[Task], folder: Path | None = None) -> None:
    """Every task, one at a time on each machine that lives."""
    waiting, running = deque(tasks), dict[str, subprocess.Popen[bytes]]()
    failed: list[str] = []

    def work(machine: str) -> None:
        while waiting and machine not in studio.dead:
            task = waiting.popleft()
            running[machine] = _start(studio, machine, task, folder)
            code = running[machine].wait()
            if machine in studio.dead:
                waiting.append(task)
            elif code != 0:
                failed.append(f"{machine}: code {code}")

    threads = [threading.Thread(target=work, args=(machine,)) for machine in MACHINES]
    with studio.accident(lambda victim: signal_all(running[victim].pid, signal.SIGKILL)):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for task in waiting:  # the survivor had ended when the other one died
        _run_on(studio, MACHINES[0], task, folder)
    assert not failed, f"{failed}: {[studio.said(machine)[-2000:] for machine in MACHINES]}"
