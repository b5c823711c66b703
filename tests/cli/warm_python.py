"""Runs commands each in a process of its own, but without the second that their imports take: the processes are forked
from one that has imported what commands use, and has done nothing else.

`python -m tests.cli.warm_python` is that process. It reads a JSON object for each command, one a line.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.forked_devices import ALWAYS, DeviceForkServer
from wan_render import cli
from wan_render.authored import Storyboard
from wan_render.farm.process import process_link

COMMANDS = ("check", "doctor", "models", "night", "open", "plan", "prune", "render", "takes")
IMPORTED_LATE = (
    *("av", "cv2", "ffmpeg", "fontTools.ttLib", "httpx2", "imageio_ffmpeg", "jinja2", "noto_cjk_sans_otc", "pandas"),
    *(
        "PIL.AvifImagePlugin",
        "PIL.ImageCms",
        "PIL.TiffImagePlugin",
        "PIL.WebPImagePlugin",
        "pysubs2",
        "rich.progress",
        "uharfbuzz",
    ),
    *("wan_render.backends.animatic", "wan_render.backends.wan", "wan_render.plates.decode", "wan_render.report.page"),
)
"""Not huggingface_hub, which reads the environment when it is imported."""

PATIENCE_SECONDS = 120


class WarmPython:
    """The process that is forked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.warm_python"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def run(
        self, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], *, forks: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as `subprocess.run` would, in this folder and environment. forks: whether its device processes
        are forked, too."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as name:
            printed, errors = Path(name, "printed"), Path(name, "errors")
            command = {"arguments": arguments, "folder": str(folder), "environment": dict(environment), "forks": forks}
            json.dump(command | {"printed": str(printed), "errors": str(errors)}, self._process.stdin)
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(arguments, code, printed.read_text(), errors.read_text())

    def close(self) -> None:
        self._process.communicate()


@cache
def warm_python() -> WarmPython:
    """That of this pytest process, from its first use to its end."""
    warm = WarmPython()
    atexit.register(warm.close)
    return warm


def main() -> None:
    for name in (*(f"wan_render.cli.{command}" for command in COMMANDS), *IMPORTED_LATE):
        importlib.import_module(name)
    Storyboard.model_validate({"scenes": []})  # builds the types' validators
    devices = DeviceForkServer(ALWAYS)
    gc.freeze()
    for line in sys.stdin:
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            if command["forks"]:
                process_link._spawn = devices.fork_device  # type: ignore[assignment]  # what a farm uses of a Popen
            _become(command)
            sys.exit(cli.main())
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _become(command: Mapping[str, Any]) -> None:
    """Make this process what Python would be, had it been started for the command."""
    environment: dict[str, str] = command["environment"]
    signal.alarm(PATIENCE_SECONDS)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path and path not in sys.path]
    sys.argv = [str(Path(cli.__path__[0], "__main__.py")), *command["arguments"]]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    for number, name, file in ((1, "stdout", command["printed"]), (2, "stderr", command["errors"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        setattr(sys, name, os.fdopen(number, "w", encoding=encoding, closefd=False))


if __name__ == "__main__":
    main()
