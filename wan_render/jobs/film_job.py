"""Which shots of a film are rendered by one task, and the commands of all tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wan_render.errors import Problem, UsageError
from wan_render.plan import FilmPlan
from wan_render.status import FilmStatus, with_needs

RENDER, ONLY, NO_FILM, KEEP_GOING = "render", "--only", "--no-film", "--keep-going"

MOST_TASKS = 1000
"""Of a job. SLURM's MaxArraySize is 1001 unless a site changes it, and Open Job Description allows 1,024."""

MOST_CHARACTERS = 1024
"""Of a task's shots, as Open Job Description allows."""


@dataclass(frozen=True)
class FilmJob:
    """A film as a job.

    storyboard, outputs: absolute paths, the same on every machine. options: of every command, such as --draft.
    shots:  for each task the ids of its shots, in the film's order. on_gpu: whether a task needs a GPU.
    """

    slug: str
    title: str
    storyboard: str
    outputs: str
    options: tuple[str, ...]
    shots: tuple[tuple[str, ...], ...]
    on_gpu: bool

    def take_words(self, storyboard: str, outputs: str, shots: str) -> tuple[str, ...]:
        """The words after `wan-render` of a task that renders takes. Each scheduler has its own way to name a value."""
        return (*self.film_words(storyboard, outputs), ONLY, shots, NO_FILM)

    def film_words(self, storyboard: str, outputs: str) -> tuple[str, ...]:
        """The words after `wan-render` of the task that makes the film. It renders what is still missing."""
        return (RENDER, storyboard, "--outputs", outputs, *self.options)


def task_shots(plan: FilmPlan, status: FilmStatus) -> tuple[tuple[str, ...], ...]:
    """The shots with missing takes. Shots that continue each other, or have a bridge between them, are one task: they
    wait for each other anyway.

    A painted keyframe that several shots begin on joins no tasks. The first task that comes paints it, and the others
    wait for it.
    """
    missing = {take.key for take in status.to_render}
    paintings = {take.key for take in plan.paintings.values()}
    tasks: list[_Task] = []
    for shot in status.shots:
        wanted = [take.take for take in shot.takes if take.take is not None and take.key in missing]
        if not wanted:
            continue
        needed = with_needs(wanted, plan.by_key, lambda key: key not in missing)
        new = _Task([shot.id], {take.key for take in needed} - paintings)
        for known in [task for task in tasks if task.keys & new.keys]:
            tasks.remove(known)
            new = _Task(known.shots + new.shots, known.keys | new.keys)
        tasks.append(new)
    return tuple(tuple(task.shots) for task in tasks)


@dataclass(frozen=True)
class _Task:
    """Shots in the film's order, and the keys of all takes that they need."""

    shots: list[str]
    keys: set[str]


def bounded(tasks: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The same shots in as many tasks as a scheduler takes. Long tasks are split, and the parts wait for each other;
    many tasks are put together. Raises UsageError for a film that is too long for one job."""
    parts = [part for task in tasks for part in _split(task)]
    together = -(-len(parts) // MOST_TASKS)
    if together <= 1:
        return tuple(parts)
    joined = [sum(parts[at : at + together], ()) for at in range(0, len(parts), together)]
    if any(len(only_value(task)) > MOST_CHARACTERS for task in joined):
        found, remedy = f"has {sum(map(len, tasks)):,} shots to render", "divide it into several films"
        raise UsageError(Problem("--to", found, f"about {MOST_TASKS * 100:,} in a job", remedy))
    return tuple(joined)


def only_value(shots: Sequence[str]) -> str:
    """The value of --only for these shots."""
    return ",".join(shots)


def _split(task: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    part: tuple[str, ...] = ()
    for shot in task:
        if part and len(only_value((*part, shot))) > MOST_CHARACTERS:
            yield part
            part = ()
        part = (*part, shot)
    yield part
