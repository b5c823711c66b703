"""A job bundle in Open Job Description: a template in the schema `jobtemplate-2023-09`, and values for it.

https://github.com/OpenJobDescription/openjd-specifications/wiki/2023-09-Template-Schemas
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wan_render.errors import Problem, UsageError
from wan_render.jobs.film_job import KEEP_GOING, FilmJob, only_value
from wan_render.printable import one_line, shown

TEMPLATE = "template.json"

PARAMETERS = "parameters.json"
"""Values of the parameters, as the `openjd` command reads them."""

BUNDLE_VALUES = "parameter_values.json"
"""The same, as submitters of AWS Deadline Cloud read them in a job bundle."""

MOST_NAME = 64
"""Characters of a job's name, for schedulers that allow no more."""

NOTICE_SECONDS = 30
"""Between the notice of a cancelled task and its end. Devices are free within two seconds."""


def openjd_bundle(job: FilmJob) -> Mapping[str, str]:
    """The files of the bundle. Paths and the program's name are parameters, which a submitter may change.

    Raises UsageError for an option with braces, which a template reads as an expression.
    """
    for word in job.options:
        if "{{" in word:
            found, allowed = f"has braces: {shown(word)}", "a path without {{"
            raise UsageError(Problem("--to openjd", found, allowed, "rename the folder"))
    template = {
        "specificationVersion": "jobtemplate-2023-09",
        "name": _plain(job.title or job.slug)[:MOST_NAME],
        "parameterDefinitions": [
            _path("Storyboard", "FILE", "IN", "The storyboard, at the same path on every worker."),
            _path("Outputs", "DIRECTORY", "INOUT", "The outputs folder, which all workers share."),
            {"name": "WanRender", "type": "STRING", "default": "wan-render", "description": "The program on workers."},
        ],
        "steps": [*_take_step(job), _film_step(job)],
    }
    values = {"Storyboard": job.storyboard, "Outputs": job.outputs}
    bundle = {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}
    return {TEMPLATE: _json(template), PARAMETERS: _json(values), BUNDLE_VALUES: _json(bundle)}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _path(name: str, kind: str, flow: str, description: str) -> Mapping[str, str]:
    """Without a default: the schema allows none that is absolute."""
    return {"name": name, "type": "PATH", "objectType": kind, "dataFlow": flow, "description": description}


def _take_step(job: FilmJob) -> list[Mapping[str, Any]]:
    """A task for each group of shots. A take that fails does not fail its task: nothing would make the film then. The
    film's task tries it again, and shows a slate if it fails there too."""
    if not job.shots:
        return []
    groups = [only_value(shots) for shots in job.shots]
    words = job.take_words("{{Param.Storyboard}}", "{{Param.Outputs}}", "{{Task.Param.Shots}}")
    parameter = {"name": "Shots", "type": "STRING", "range": groups}
    step = {
        "name": "Takes",
        "parameterSpace": {"taskParameterDefinitions": [parameter]},
        **_step(job, (*words, KEEP_GOING)),
    }
    return [step]


def _film_step(job: FilmJob) -> Mapping[str, Any]:
    words = job.film_words("{{Param.Storyboard}}", "{{Param.Outputs}}")
    after = {"dependencies": [{"dependsOn": "Takes"}]} if job.shots else {}
    return {"name": "Film", **after, **_step(job, words)}


def _step(job: FilmJob, words: tuple[str, ...]) -> Mapping[str, Any]:
    amounts = [{"name": "amount.worker.gpu", "min": 1}]
    needs = {"hostRequirements": {"amounts": amounts}} if job.on_gpu else {}
    notice = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": NOTICE_SECONDS}
    run = {"command": "{{Param.WanRender}}", "args": list(words), "cancelation": notice}
    return {**needs, "script": {"actions": {"onRun": run}}}


def _plain(text: str) -> str:
    """On one line and without braces, which begin an expression in a template."""
    return one_line(text).replace("{", "(").replace("}", ")")
