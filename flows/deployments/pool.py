"""The work pool of a farm: how its worker starts a run. No prefect here: `wan-render doctor` compares it, too."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

POOL = "wan-render"

ARGUMENTS = ("-m", "flows.film_process")
"""What a run's process is, by a Python: the one in which the farm was started."""


def job_template(project: Path, python: str = sys.executable) -> dict[str, Any]:
    """How a run's process is started: always the same, whatever a deployment or a run says. There are no variables.

    There must be no `env`: where a template has one, Prefect adds the `env` of deployments and runs to it, whether it
    is a variable or not.
    """
    return {
        "job_configuration": {
            "command": shlex.join((python, *ARGUMENTS)),
            "working_dir": str(project),  # relative paths start here
            "stream_output": False,  # with the default, a worker that dies takes its films along through a broken pipe
        },
        "variables": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def is_ours(template: dict[str, Any]) -> bool:
    """Whether a pool's template is the one above, of any folder and any Python; or that of an earlier version, which
    left the command to Prefect."""
    configuration = template.get("job_configuration", {})
    folder, command = configuration.get("working_dir"), configuration.get("command")
    if not isinstance(folder, str) or "{{" in folder:
        return False
    if command is None:
        ours = job_template(Path(folder))
        del ours["job_configuration"]["command"]
        return template == ours
    python = _python(command)
    return python is not None and template == job_template(Path(folder), python)


def _python(command: object) -> str | None:
    """The Python of a command; None for a command that is none of ours."""
    try:
        python, *arguments = shlex.split(str(command))
    except ValueError:
        return None
    named = Path(python)
    is_python = named.is_absolute() and named.name.startswith("python") and "{{" not in python
    return python if is_python and tuple(arguments) == ARGUMENTS else None
