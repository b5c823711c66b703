"""The work pool of a farm: how its worker starts a run. No prefect here: `wan-render doctor` compares it, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

POOL = "wan-render"


def job_template(project: Path) -> dict[str, Any]:
    """What a run's process is: always the same, whatever a deployment or a run says. There are no variables.

    There is no `command`, so that the worker takes Prefect's own. There must be no `env` either: where a template has
    one, Prefect adds the `env` of deployments and runs to it, whether it is a variable or not.
    """
    return {
        "job_configuration": {
            "working_dir": str(project),  # relative paths start here
            "stream_output": False,  # with the default, a worker that dies takes its films along through a broken pipe
        },
        "variables": {"type": "object", "properties": {}, "additionalProperties": False},
    }


def is_ours(template: dict[str, Any]) -> bool:
    """Whether a pool's template is the one above, of this folder or another."""
    folder = template.get("job_configuration", {}).get("working_dir")
    return isinstance(folder, str) and "{{" not in folder and template == job_template(Path(folder))
