"""The main program of a device process: `python -m wan_render.farm.process.child CHANNEL LOCK…`, all open files.

It lives as long as its farm. It ignores SIGINT and SIGTERM: the farm stops it by killing it, and an exit of its own
would look like a crash. Everything that it prints goes to the attempt's log.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wan_render.errors import DeviceError, HeldElsewhereError, Problem, RenderError, WanRenderError
from wan_render.farm.process.channel import (
    Channel,
    ClosedError,
    Done,
    Failed,
    Logged,
    OrderMessage,
    ProgressMessage,
    Ready,
    Start,
)
from wan_render.farm.process.order_handler import OrderHandler, Write, handler_named
from wan_render.farm.process.writer import Writer
from wan_render.media.oom_score import protect_from_our_oom_score
from wan_render.printable import PrintableFormatter, PrintableStream, printable
from wan_render.store import Clip

_WATCHER = ("/bin/sh", "-c", "read -r _; kill -KILL 0")
"""Waits until stdin ends, then kills its own process group. It is a process because a thread here could not run while a
C library (CUDA, loading) holds the interpreter. PR_SET_PDEATHSIG would follow the thread that started us instead of the
farm, and would spare ffmpeg."""

_OOM_SCORE = 800
"""Out of 1000. If memory runs out, the kernel kills the attempt rather than the farm or the user's desktop."""

_OOM_FILE = Path("/proc/self/oom_score_adj")


def main() -> None:
    """Serve until the farm is gone."""
    channel_file, *locks = map(int, sys.argv[1:])
    for file in (channel_file, *locks):
        os.set_inheritable(file, False)  # noqa: FBT003 - positional in the standard library
    _settle()
    channel = Channel(socket.socket(fileno=channel_file))
    _forward_logs(channel)
    with suppress(ClosedError, OSError):
        _serve(channel)


def _settle() -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: None)  # not SIG_IGN, which ffmpeg would inherit
    subprocess.Popen(_WATCHER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    with suppress(OSError, ValueError):  # Linux only
        protect_from_our_oom_score(int(_OOM_FILE.read_text(encoding="ascii")))
        _OOM_FILE.write_text(str(_OOM_SCORE), encoding="ascii")
    faulthandler.enable()
    sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)  # a library may print a key


def _forward_logs(channel: Channel) -> None:
    written = logging.StreamHandler(sys.stderr)
    written.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[written])
    logging.getLogger("wan_render").addHandler(_Forward(channel))


class _Forward(logging.Handler):
    """Sends wan-render's log records to the farm, which logs them at once."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._channel.send(Logged(record.name, record.levelno, record.getMessage()))


def _serve(channel: Channel) -> None:
    """Handle orders until the farm closes the channel (ClosedError)."""
    start: Start = channel.receive()
    try:
        handler = handler_named(start.handler)(start.device, start.store)
    except Exception as error:  # noqa: BLE001 - the top of a device process
        channel.send(Failed(0, _portable(error, f"the process on {start.device.name}", "this attempt's log")))
        return
    channel.send(Ready())
    writer = Writer()
    while (message := _next(channel)) is not None:
        _answer(message, channel, handler, writer)


def _next(channel: Channel) -> OrderMessage | None:
    """The next order. If it cannot be unpickled here: None, and the farm gets the error."""
    try:
        message: OrderMessage = channel.receive()
    except ClosedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign class does when it is unpickled
        channel.send(Failed(0, _portable(error, "an order", "this attempt's log")))
        return None
    return message


def _answer(message: OrderMessage, channel: Channel, handler: OrderHandler, writer: Writer) -> None:
    """Render one order. Its result is sent now, or by the writer, while the next order is rendered."""
    try:
        _print_to(message.log)
        result = handler(message.order, lambda progress: channel.send(ProgressMessage(message.number, progress)))
    except Exception as error:  # noqa: BLE001 - the top of a device process
        writer.wait()  # this process is rarely reused, so the order before this one must end first
        usable = isinstance(error, HeldElsewhereError)  # nothing was done yet
        channel.send(Failed(message.number, _portable(error, message.name, str(message.log)), usable))
        return
    if callable(result):
        writer.start(lambda: _write(message, channel, result))
    else:
        channel.send(_end(message, lambda: result))


def _write(message: OrderMessage, channel: Channel, write: Write) -> None:
    with suppress(OSError):  # the farm is gone, and this process will be killed
        channel.send(_end(message, write, usable=True))


def _end(message: OrderMessage, result: Callable[[], Clip | None], *, usable: bool = False) -> Done | Failed:
    """The message that ends an attempt. A result that cannot be pickled is found here, before it is sent."""
    try:
        done = Done(message.number, result())
        pickle.dumps(done)
    except Exception as error:  # noqa: BLE001 - the top of a device process
        return Failed(message.number, _portable(error, message.name, str(message.log)), usable)
    return done


def _print_to(log: Path) -> None:
    """Redirect stdout and stderr to this file, also those of C libraries and of ffmpeg."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _portable(error: Exception, name: str, log: str) -> WanRenderError:
    """The error itself if it is one of ours and survives pickling; else one that says the same."""
    sys.stderr.write(printable("".join(traceback.format_exception(error))))
    if isinstance(error, WanRenderError) and _pickles(error):
        return error
    problem = Problem(name, f"{_words(error)}, {_place(error)}", remedy=f"details are in {log}")
    if isinstance(error, MemoryError) or getattr(error, "worth_retrying", False):
        return DeviceError(problem)
    return RenderError(problem)


def _words(error: Exception) -> str:
    text = printable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})"
        if frames
        else "from outside Python"
    )


def _pickles(error: WanRenderError) -> bool:
    try:
        return str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever a foreign class does when it is pickled
        return False


if __name__ == "__main__":
    main()
