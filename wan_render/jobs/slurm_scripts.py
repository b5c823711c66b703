"""A film as jobs of SLURM: an array that renders the takes, and a job that makes the film after it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from wan_render.jobs.film_job import FilmJob, only_value
from wan_render.settings import PROGRAM

SUBMIT, TAKES, FILM, SHOTS = "submit.sh", "takes.sbatch", "film.sbatch", "shots.txt"


def slurm_scripts(job: FilmJob) -> Mapping[str, str]:
    """The files of the job: `submit.sh` submits all of it.

    The film is made when the array has ended, also if a task of it failed (`afterany`): it renders what is missing, and
    shows slates for the rest. Shots are lines of a file, so that no text of a storyboard is a line of a script.
    """
    if not job.shots:
        return {SUBMIT: _submit(has_takes=False), FILM: _film(job)}
    return {
        SUBMIT: _submit(has_takes=True),
        SHOTS: "".join(f"{only_value(shots)}\n" for shots in job.shots),
        TAKES: _takes(job),
        FILM: _film(job),
    }


def _submit(*, has_takes: bool) -> str:
    lines = ["#!/bin/sh", "# Submits the film. Options of sbatch go to all jobs: ./submit.sh --partition=gpu"]
    lines += ["set -eu", 'cd "$(dirname "$0")"']
    if has_takes:
        lines += [
            f'takes=$(sbatch --parsable "$@" {TAKES})',
            f'film=$(sbatch --parsable --dependency="afterany:${{takes%%;*}}" "$@" {FILM})',
            'echo "takes: job ${takes%%;*}, film: job ${film%%;*}"',
        ]
    else:
        lines += [f'film=$(sbatch --parsable "$@" {FILM})', 'echo "film: job ${film%%;*}"']
    return "\n".join(lines) + "\n"


def _takes(job: FilmJob) -> str:
    last = len(job.shots) - 1
    head = _head(job, "takes", "%A_%a", (f"--array=0-{last}",))
    command = _command(job.take_words(job.storyboard, job.outputs, _SHOTS_VALUE))
    return f'{head}shots=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {SHOTS})\n{command}\n'


def _film(job: FilmJob) -> str:
    return f"{_head(job, 'film', '%j', ())}{_command(job.film_words(job.storyboard, job.outputs))}\n"


_SHOTS_VALUE = "$shots"
"""Quoted as a variable, not as a word."""


def _head(job: FilmJob, what: str, log: str, more: Sequence[str]) -> str:
    """sbatch reads its options up to the first command. Jobs run in the folder from which they were submitted."""
    options = [f"--job-name={job.slug}-{what}", f"--output={what}-{log}.log", *more]
    options += ["--gpus=1"] if job.on_gpu else []
    return "".join(("#!/bin/sh\n", *(f"#SBATCH {option}\n" for option in options), "set -eu\n"))


def _command(words: Sequence[str]) -> str:
    """As a step of its own (srun), so that scancel ends it properly. WAN_RENDER_PROGRAM may name another program."""
    quoted = [f'"{word}"' if word == _SHOTS_VALUE else shlex.quote(word) for word in words]
    return " ".join((f'exec srun "${{{PROGRAM}:-wan-render}}"', *quoted))
