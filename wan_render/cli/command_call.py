"""A command of the command line as a child process: its words, its errors and its exit code, for other programs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from wan_render.printable import shortened

MOST_CHARACTERS = 200_000
"""Of what a command printed. A plan of a thousand shots in JSON has more: ask for its text."""

LONGEST_LINE = 20_000

ENDING_SECONDS = 20.0
"""How long an interrupted command may take to end: a render closes its clips."""

Tell = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. output: what it printed as its result. messages: what it said besides."""

    exit_code: int
    output: str
    messages: str


async def call_command(arguments: Sequence[str], folder: Path, tell: Tell) -> CommandResult:
    """Run `wan-render` with these arguments in a folder, and tell each line that it says besides its result. If the
    caller is cancelled, the command is interrupted, as by Ctrl-C: finished takes are kept."""
    command = [sys.executable, "-P", "-m", "wan_render.cli", *arguments]
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL, cwd=folder) as process:
        assert process.stdout is not None, "it is a pipe"  # noqa: S101 - for mypy
        assert process.stderr is not None, "it is a pipe"  # noqa: S101 - for mypy
        output, messages = _Kept(), _Kept()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_read, process.stdout, output, None)
                group.start_soon(_read, process.stderr, messages, tell)
            code = await process.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _interrupt(process)
            raise
    return CommandResult(code, output.text, messages.text)


class _Kept:
    """The first characters of what a stream said."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._more = 0

    def add(self, data: bytes) -> None:
        """Keep as much as there is room for."""
        room = max(0, 4 * MOST_CHARACTERS - len(self._data))
        self._data += data[:room]
        self._more += len(data[room:])

    @property
    def text(self) -> str:
        """What was kept, and how much was not."""
        said = shortened(self._data.decode("utf-8", "replace"), MOST_CHARACTERS)
        return f"{said}… ({self._more} more bytes)" if self._more else said


async def _read(stream: ByteReceiveStream, kept: _Kept, tell: Tell | None) -> None:
    line = b""
    async for data in stream:
        kept.add(data)
        if tell is None:
            continue
        *lines, line = (line + data).split(b"\n")
        line = line[-LONGEST_LINE:]
        for each in lines:
            await tell(each.decode("utf-8", "replace"))


async def _interrupt(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        with anyio.move_on_after(ENDING_SECONDS):
            await process.wait()
            return
        process.kill()
