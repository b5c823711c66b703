"""The command line: each command reads its arguments, calls one function and prints."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from types import FrameType
from typing import TextIO, cast

from wan_render.cli.arguments import parser
from wan_render.errors import DiskError, Problem, Terminated, WanRenderError
from wan_render.printable import PrintableStream

COMPLETION = "_ARGCOMPLETE"
"""The variable that a shell sets if it wants what was typed completed."""

DEFECT = 3
"""Exit code for a bug in wan-render: no film, and not the user's fault."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    with _printing_safely():
        return _ended(argv)


@contextmanager
def _printing_safely() -> Iterator[None]:
    """Print no control sequences from a storyboard, a file name or a library."""
    for stream in (sys.stdout, sys.stderr):  # a film's title may be in a script that the terminal cannot show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    output, errors = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
    with redirect_stdout(cast("TextIO", output)), redirect_stderr(cast("TextIO", errors)):
        yield


def _ended(argv: Sequence[str] | None) -> int:
    """Run the command. Returns its exit code, however it ends."""
    try:
        return _run(argv)
    except WanRenderError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; finished takes are kept", file=sys.stderr)
        return 130
    except Exception:  # noqa: BLE001 - the top of the command line
        from wan_render.cli.defect import report_defect

        print(report_defect(), file=sys.stderr)
        return DEFECT


def _run(argv: Sequence[str] | None) -> int:
    try:
        typed = sys.argv[1:] if argv is None else argv
        if COMPLETION in os.environ:
            from wan_render.cli.completion import complete

            complete()
        arguments = parser(typed).parse_args(typed)
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # `plan | head`: the reader has seen enough
        _print_nowhere()
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _print_nowhere()
        raise DiskError(Problem("standard output", f"cannot be written: {error.strerror}")) from error
    return code


def _print_nowhere() -> None:
    """Redirect standard output to nowhere: its buffer would fail again when Python exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated(Problem("wan-render", "terminated", remedy="run the same command again to continue"))
