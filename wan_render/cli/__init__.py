"""The command line: it reads, calls one function, prints. Exit codes are those of the storyboard's format."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from wan_render.cli.arguments import parser
from wan_render.errors import Problem, Terminated, WanRenderError

DEFECT = 3
"""Exit code for a mistake of ours: no film, and not the user's fault."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        arguments = parser().parse_args(argv)
        return int(arguments.run(arguments))
    except WanRenderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `plan | head`: whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # noqa: BLE001 - the top of the command line
        print(_defect(), file=sys.stderr)
        return DEFECT


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated(Problem("wan-render", "terminated", remedy="the same command goes on where this one stopped"))


def _defect() -> Problem:
    with tempfile.NamedTemporaryFile("w", prefix="wan-render-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    return Problem("wan-render", f"a defect: {last}", remedy=f"please report it with {Path(log.name)}")
