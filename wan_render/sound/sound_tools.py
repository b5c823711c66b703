"""Programs of this machine that make sounds from words. A storyboard names only a tool; the machine's file says which
program that is.

    [NAME]
    command = ["/opt/voices/speak", "--quiet"]     # the program and its arguments; no shell
    licence = "Apache-2.0"                         # of the weights that it uses
    seconds = 600                                  # how long it may take; 600 if absent

A tool gets one JSON object on its standard input: `version` (1), `kind` (`sound` or `speech`), `text`, `voice`, `seed`,
`seconds` (a number, or null for speech), and `output`: the file to write, a WAV. It runs in a folder of its own, which
is removed afterwards. Exit code 0: the file is there. 2: the tool refuses the request; the end of what it printed says
why. Any other: it failed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_render.errors import InputError, MachineError, Problem, UsageError
from wan_render.printable import one_line
from wan_render.sound.sound_request import SoundRequest

REFUSED = 2
"""The exit code of a tool that refuses a request."""

DEFAULT_SECONDS = 600.0
_OUR_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME"})
"""Variables that a tool does not get: it may run in a Python of its own."""

_TAIL_BYTES = 2000
_KEYS = frozenset({"command", "licence", "seconds"})
_FORM = 'a table [NAME] with command = ["/path/to/program"] and licence = "…"'


@dataclass(frozen=True)
class SoundTool:
    """A program and its arguments. licence: of its weights. seconds: its time limit."""

    name: str
    command: tuple[str, ...]
    licence: str
    seconds: float


def read_tools(file: Path) -> Mapping[str, SoundTool]:
    """The tools of the machine's file, by name. Raises UsageError for a file that cannot be read or understood."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}", "correct or unset WAN_RENDER_SOUND_TOOLS") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(file, f"is not TOML: {error}", _FORM) from error
    return {name: _tool(file, name, table) for name, table in tables.items()}


def _tool(file: Path, name: str, table: Any) -> SoundTool:
    if not isinstance(table, dict):
        raise _wrong(file, f"{name} is not a table", _FORM)
    command, licence, seconds = table.get("command"), table.get("licence"), table.get("seconds", DEFAULT_SECONDS)
    if unknown := sorted(table.keys() - _KEYS):
        raise _wrong(file, f"[{name}] has an unknown key: {unknown[0]}", f"allowed: {', '.join(sorted(_KEYS))}")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise _wrong(file, f"[{name}] has no command", _FORM)
    if not isinstance(licence, str) or not licence.strip():
        raise _wrong(file, f"[{name}] names no licence of its weights", _FORM)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 24 * 3600:
        raise _wrong(file, f"[{name}] has a time limit that is none", "seconds, more than 0, at most 86400")
    return SoundTool(name, tuple(command), licence.strip(), float(seconds))


def _wrong(file: Path, found: str, allowed: str) -> UsageError:
    return UsageError(Problem(str(file), found, allowed))


def require_program(tool: SoundTool) -> None:
    """Raise MachineError if the program of a tool is not on this machine."""
    if shutil.which(tool.command[0]) is None:
        raise _failed(tool, f"its program is not on this machine: {tool.command[0]}")


def run_tool(tool: SoundTool, request: SoundRequest, folder: Path) -> Path:
    """The file that a tool made, in a private folder. Raises InputError if it refuses the request, MachineError if it
    fails. Whatever ends this call ends the tool."""
    output, printed = folder / "sound.wav", folder / "printed.txt"
    asked = {
        "version": 1,
        "kind": request.kind,
        "text": request.text,
        "voice": request.voice,
        "seed": request.seed,
        "seconds": None if request.seconds is None else float(request.seconds),
        "output": str(output),
    }
    (folder / "request.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    code = _exit_code(tool, folder / "request.json", printed, folder)
    if code == REFUSED:
        raise InputError(Problem(f"tool {tool.name}", f"refuses the request: {_tail(printed)}", "", "change the words"))
    if code != 0:
        raise _failed(tool, f"failed with exit code {code}: {_tail(printed)}")
    if not output.is_file():
        raise _failed(tool, "ended well, but wrote no file")
    return output


def _exit_code(tool: SoundTool, asked: Path, printed: Path, folder: Path) -> int:
    with asked.open("rb") as stdin, printed.open("wb") as stdout:
        try:
            process = subprocess.Popen(
                tool.command,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={name: value for name, value in os.environ.items() if name not in _OUR_PYTHON},
                process_group=0,
            )
        except OSError as error:
            raise _failed(tool, f"cannot be started: {tool.command[0]}: {error.strerror}") from error
        try:
            return process.wait(tool.seconds)
        except subprocess.TimeoutExpired as error:
            raise _failed(tool, f"was ended after its time limit of {tool.seconds:g} s") from error
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _tail(printed: Path) -> str:
    with printed.open("rb") as stream:
        stream.seek(max(0, printed.stat().st_size - _TAIL_BYTES))
        text = stream.read().decode(errors="replace")
    return one_line(" ".join(text.split())[-300:]) or "it printed nothing"


def _failed(tool: SoundTool, found: str) -> MachineError:
    return MachineError(
        Problem(f"tool {tool.name}", found, "", "check the program in the file of WAN_RENDER_SOUND_TOOLS")
    )
