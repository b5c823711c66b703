"""`export --to openjd|slurm`: write the takes of a film as jobs of a render farm."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.jobs.film_job import FilmJob, bounded, task_shots
from wan_render.jobs.job_folder import write_job
from wan_render.jobs.openjd_bundle import PARAMETERS, TEMPLATE, openjd_bundle
from wan_render.jobs.slurm_scripts import SUBMIT, slurm_scripts
from wan_render.plan import FilmPlan
from wan_render.printable import path_name
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.status import status

JOB_FORMATS: Mapping[str, Callable[[FilmJob], Mapping[str, str]]] = {"openjd": openjd_bundle, "slurm": slurm_scripts}
"""Format → what makes its files."""


def run(arguments: argparse.Namespace) -> int:
    """Write the job. The last line printed is its folder."""
    _check_options(arguments)
    session = session_of(arguments)
    say_first(session)
    job = _film_job(session, arguments)
    write_job(arguments.out, JOB_FORMATS[arguments.to](job))
    shots = sum(map(len, job.shots))
    if arguments.json:
        report = {"version": 1, "export": str(arguments.out), "tasks": len(job.shots), "shots": shots}
        print(json.dumps(report, ensure_ascii=False, indent=2))
        return 0
    what = f"{counted(shots, 'shot')} to render in {counted(len(job.shots), 'task')}, and the film after them"
    print(f"export: {job.slug}, {what}")
    print(f"submit it: {_how_to_submit(arguments)}")
    print(arguments.out)
    return 0


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.out is None:
        raise UsageError(Problem("--out", f"is missing for --to {arguments.to}", "a new folder", "add --out DIR"))
    for name in ("rate", "media"):
        if getattr(arguments, name) is not None:
            found = f"has no meaning for --to {arguments.to}"
            raise UsageError(Problem(f"--{name}", found, "formats of editors", "leave it out"))


def _film_job(session: Session, arguments: argparse.Namespace) -> FilmJob:
    plan, backend = session.plan, session.backend
    _require_prompts(plan)
    found = status(plan, session.store, backend)
    options = [word for folder in session.allow for word in ("--allow", str(folder.absolute()))]
    options += ["--backend", arguments.backend] if arguments.backend else []
    options += ["--draft"] if session.draft else []
    return FilmJob(
        slug=plan.slug,
        title=plan.title,
        storyboard=str(session.file.absolute()),
        outputs=str(session.outputs.folder.absolute()),
        options=tuple(options),
        shots=bounded(task_shots(plan, found)),
        on_gpu=backend.device_kinds[0] == "cuda",
    )


def _require_prompts(plan: FilmPlan) -> None:
    """Raise UsageError if prompts are still to be extended: every machine would ask for them, and get others."""
    if missing := [prompt.name for prompt in plan.prompts if prompt.found is None]:
        found = f"{counted(len(missing), 'prompt')} still to be extended: {', '.join(missing[:5])}"
        remedy = "`wan-render extend FILE` first; give all machines the file that it writes"
        raise UsageError(Problem(path_name(plan.file), found, "", remedy))


def _how_to_submit(arguments: argparse.Namespace) -> str:
    if arguments.to == "slurm":
        return shlex.quote(f"{arguments.out}/{SUBMIT}")
    template, values = (shlex.quote(f"{prefix}{arguments.out}/{name}") for prefix, name in _OPENJD)
    locally = f"openjd run {template} --step Film --run-dependencies -p {values}"
    return f"by the submitter of your farm, or on this machine: {locally}"


_OPENJD = (("", TEMPLATE), ("file://", PARAMETERS))
