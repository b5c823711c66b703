"""What nvidia-smi answers. Without it, this machine has no GPU."""

from __future__ import annotations

import subprocess
from shutil import which

from wan_render.errors import MachineError, Problem

_ANSWER_SECONDS = 30.0
"""nvidia-smi takes a few seconds if the driver is not resident. One that takes longer hangs."""


def nvidia_smi_lines(query: str) -> list[str]:
    """One line for each thing that a query lists; none without nvidia-smi. query: `gpu=uuid,name`.

    A driver that does not know a field answers with an error instead. Raises MachineError.
    """
    program = which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, f"--query-{query}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise unanswered(program, f"does not answer within {_ANSWER_SECONDS:.0f} s") from None
    if "No devices were found" in answer.stdout:
        return []
    if answer.returncode != 0:
        raise unanswered(program, (answer.stdout + answer.stderr).strip() or f"failed with {answer.returncode}")
    return answer.stdout.splitlines()


def unanswered(program: str, found: str) -> MachineError:
    """The error for an answer that is of no use."""
    return MachineError(
        Problem(program, found, remedy="repair the driver, or render without a GPU: WAN_RENDER_DEVICES=cpu")
    )
