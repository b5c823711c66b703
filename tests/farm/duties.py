"""Work for device processes under test: what a process does is the prompt of its order."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from wan_render.errors import (
    DiskFullError,
    LostPeerError,
    OutOfMemoryError,
    PictureError,
    Problem,
    RenderError,
    WanRenderError,
)
from wan_render.farm.process.order_handler import OrderHandler, Write, render_takes
from wan_render.media.ffmpeg import Ffmpeg
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Group, Listen, Phase, Pixels, Progress
from wan_render.store import Clip
from wan_render.take import Size

FLOOD = 20_000


class OddError(WanRenderError):
    """Pickles, but does not unpickle."""

    def __init__(self, where: str, found: str) -> None:
        super().__init__(Problem(where, found))


def scripted(device: Device, store: Path) -> OrderHandler:
    """`<action>` at every attempt, or `<action> once` at the first one only, or `<action> on <device>`."""

    def handle(order: RenderOrder, listen: Listen) -> Clip:
        action, _, condition = order.take.prompt.partition(" ")
        if _applies(condition, order, device, store):
            ACTIONS[action](store, listen)
        return Clip(order.take.key, Path(f"/{device.name}/{os.getpid()}"), 1, Size(64, 48), Fraction(16))

    return handle


def foreseeing(device: Device, store: Path) -> OrderHandler:
    """As `scripted`; a line of the file `foreseen` says which shots an order has after it."""

    def handle(order: RenderOrder, listen: Listen) -> Clip | Write | None:
        with (store / "foreseen").open("a") as foreseen:
            foreseen.write(f"{device.name}: {' '.join(later.shot for later in order.later)}\n")
        return scripted(device, store)(order, listen)

    return handle


def overlapping(device: Device, store: Path) -> OrderHandler:
    """`render <name> [then <action>]`: rendered at once, written only when `<name>` lies in the store; the action is
    what the writing does in the end."""

    def handle(order: RenderOrder, listen: Listen) -> Clip | Write | None:
        words = order.take.prompt.split()
        if words[0] != "render":
            return scripted(device, store)(order, listen)
        listen(Progress(Phase.STEP, 1, 1))
        listen(Progress(Phase.WRITING))
        clip = Clip(order.take.key, Path(f"/{device.name}/{os.getpid()}"), 1, Size(64, 48), Fraction(16))

        def write() -> Clip:
            while not (store / words[1]).exists():
                time.sleep(0.01)
            ACTIONS[words[3] if len(words) > 2 else "nothing"](store, listen)
            return clip

        return write

    return handle


def together(device: Device, store: Path) -> OrderHandler:
    """As `scripted`, and in a group as well: the ranks meet, do what is told, and meet again, each waiting for the
    others without end and without a word, as in a collective. `hold <name> [<action>]` waits for a file of the store,
    `decode <name>` does when the ranks have met. So does `late <name>`, and the others fail when their part is done;
    `late <name> <action>` then does that in the leader. A line for every begun order goes to the file `begun`."""
    alone = overlapping(device, store)

    def handle(order: RenderOrder, listen: Listen) -> Clip | Write | None:
        group, words = order.group, order.take.prompt.split()
        _note(store, order, device)
        if words[0] == "hold":
            _appears(store / words[1], lambda: listen(Progress(Phase.WAITING)))
            ACTIONS[words[2] if len(words) > 2 else "nothing"](store, listen)
        if group is None:
            clip = alone(order, listen) if words[0] in (*ACTIONS, "render") else _clip(order, device)
            listen(Progress(Phase.WRITING))
            return clip
        if words[0] == "early" and not group.rank:
            raise KeyError("early")
        _meet(group, "met", lambda: listen(Progress(Phase.WAITING)))
        if group.rank and group.is_over:
            return None
        listen(Progress(Phase.STEP, 0, 1))
        _act(order, device, store, listen)
        _meet(group, "denoised", None)
        if group.rank:
            if words[0] == "late":
                raise RuntimeError("the driver unloads badly")
            return None
        group.end()
        if words[0] in ("decode", "late"):
            _appears(store / words[1], lambda: listen(Progress(Phase.DECODING)))
        listen(Progress(Phase.WRITING))
        if len(words) > 2 and words[0] == "late":
            ACTIONS[words[2]](store, listen)
        return _clip(order, device)

    return handle


def _note(store: Path, order: RenderOrder, device: Device) -> None:
    rank = f"{order.group.rank} of {order.group.size}" if order.group is not None else "alone"
    mode = f"{order.group.rendezvous.stat().st_mode & 0o777:o}" if order.group is not None else ""
    with (store / "begun").open("a") as begun:
        begun.write(f"{order.shot} on {device.name} {rank} tighter {order.tighter} {mode}".strip() + "\n")


def _clip(order: RenderOrder, device: Device) -> Clip:
    return Clip(order.take.key, Path(f"/{device.name}/{os.getpid()}"), 1, Size(64, 48), Fraction(16))


def _appears(file: Path, tell: Callable[[], None]) -> None:
    while not file.exists():
        tell()
        time.sleep(0.01)


def _meet(group: Group, what: str, tell: Callable[[], None] | None) -> None:
    """Until all ranks came, or, for one that tells that it waits, the leader needs nobody. Raises when one was lost."""
    (group.rendezvous / f"{what}-{group.rank}").touch()
    while not all((group.rendezvous / f"{what}-{rank}").exists() for rank in range(group.size)):
        if (group.rendezvous / "lost").exists():
            raise LostPeerError(Problem(f"device {group.rank}", "connection closed by peer"))
        if tell is not None:
            tell()
            if group.rank and group.is_over:
                return
        time.sleep(0.01)


def _act(order: RenderOrder, device: Device, store: Path, listen: Listen) -> None:
    action, _, condition = order.take.prompt.partition(" ")
    if action not in ACTIONS or not _applies(condition, order, device, store):
        return
    if order.group is not None and action in ("crowded", "blame"):
        (order.group.rendezvous / "lost").touch()
        time.sleep(0.3)  # the others' complaints come first
    ACTIONS[action](store, listen)


def dies_writing(device: Device, store: Path) -> OrderHandler:
    """Renders takes, but dies once: when a clip is written, and the pictures beside it are not."""
    work: Any = import_module("wan_render.production.render_take")
    write = work.write_picture

    def write_picture(file: Path, picture: Pixels) -> None:
        _die_once(store)
        write(file, picture)

    work.write_picture = write_picture
    return render_takes(device, store)


def dies_decoding(device: Device, store: Path) -> OrderHandler:
    """Renders takes, but dies once: when it begins to decode."""
    handle = render_takes(device, store)

    def dying(order: RenderOrder, listen: Listen) -> Clip | Write | None:
        def heard(progress: Progress) -> None:
            listen(progress)
            if progress.phase is Phase.DECODING:
                _die_once(store)

        return handle(order, heard)

    return dying


def _die_once(store: Path) -> None:
    dead = store.with_name("dead")
    if not dead.exists():
        dead.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def slow_start(_device: Device, store: Path) -> OrderHandler:
    """A process that never comes to take an order."""
    (store / "pid").write_text(str(os.getpid()))
    _hold_the_interpreter()
    raise AssertionError


def broken_start(_device: Device, _store: Path) -> OrderHandler:
    """A process whose backend cannot be imported."""
    raise ImportError("libcudart.so.12: cannot open shared object file")


def _applies(condition: str, order: RenderOrder, device: Device, store: Path) -> bool:
    if condition.startswith("on "):
        return condition == f"on {device.name}"
    if condition.startswith("by rank "):
        return order.group is not None and condition == f"by rank {order.group.rank}"
    if condition == "once":
        marker = store / f"tried-{order.take.key}"
        first = not marker.exists()
        marker.touch()
        return first
    return True


def _hold_the_interpreter() -> None:
    """As a C library does that loads two minutes long without letting other threads run."""
    ctypes.PyDLL(None).sleep(120)


def _load(store: Path, listen: Listen) -> None:
    _has_grandchild(store)
    listen(Progress(Phase.LOADING))
    _hold_the_interpreter()


def _has_grandchild(store: Path) -> None:
    grandchild = subprocess.Popen(["/bin/sleep", "120"])
    (store / "pids.part").write_text(f"{os.getpid()} {grandchild.pid}")
    (store / "pids.part").rename(store / "pids")


def _briefly(_store: Path, listen: Listen) -> None:
    listen(Progress(Phase.LOADING))
    time.sleep(0.3)


def _kill(_store: Path, listen: Listen) -> None:
    listen(Progress(Phase.STEP, 1, 50))
    os.kill(os.getpid(), signal.SIGKILL)


def _orphan(store: Path, listen: Listen) -> None:
    _has_grandchild(store)
    _kill(store, listen)


def _alien(_store: Path, _listen: Listen) -> None:
    module = ModuleType("alien")
    error = type("AlienError", (RenderError,), {"__module__": "alien"})
    module.AlienError = error  # type: ignore[attr-defined]
    sys.modules["alien"] = module
    raise error(Problem("here", "an error of a module that the farm does not have"))


def _hang(_store: Path, listen: Listen) -> None:
    listen(Progress(Phase.STEP, 1, 50))
    time.sleep(120)


LEAK: list[bytearray] = []


def _leak(_store: Path, _listen: Listen) -> None:
    LEAK.append(bytearray(os.urandom(1000) * 50_000))


def _repeat(_store: Path, listen: Listen) -> None:
    while True:
        listen(Progress(Phase.STEP, 1, 50))
        time.sleep(0.05)


def _flood(_store: Path, listen: Listen) -> None:
    for step in range(FLOOD):
        listen(Progress(Phase.STEP, step, FLOOD))
    listen(Progress(Phase.WRITING))


def _chatter(_store: Path, listen: Listen) -> None:
    for _ in range(200):
        print("a library chatters", flush=True)  # noqa: T201 - what is under test
        os.write(1, b"\x80\x05\x00\x00\x00\xff" * 100)
        os.write(2, b"\x00" * 100)
        listen(Progress(Phase.STEP, 1, 50))
    subprocess.run(["/bin/echo", "a program chatters"], check=True)


def _signals(_store: Path, _listen: Listen) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)


def _say(_store: Path, _listen: Listen) -> None:
    logging.getLogger("wan_render.store").warning("take %s was set aside", "7f3a91")


def _raise(error: Exception) -> Callable[[Path, Listen], None]:
    def action(_store: Path, _listen: Listen) -> None:
        raise error

    return action


def _encode(_store: Path, _listen: Listen) -> None:
    """An ffmpeg of a device process is as safe from the kernel as the farm is, and the process is not."""
    with Ffmpeg(["-f", "rawvideo", "-i", "pipe:0"]) as process:
        own, its = (int(Path(f"/proc/{who}/oom_score_adj").read_text()) for who in ("self", process.pid))
        if (own, its) != (800, int(Path(f"/proc/{os.getppid()}/oom_score_adj").read_text())):
            raise RenderError(Problem("ffmpeg", f"has {its}, its parent {own}"))


def _progress(_store: Path, listen: Listen) -> None:
    for step in range(4):
        listen(Progress(Phase.STEP, step, 3))


ACTIONS: dict[str, Callable[[Path, Listen], object]] = {
    "nothing": lambda _store, _listen: None,
    "briefly": _briefly,
    "progress": _progress,
    "load": _load,
    "kill": _kill,
    "orphan": _orphan,
    "alien": _alien,
    "segfault": lambda _store, _listen: ctypes.string_at(0),
    "exit": lambda _store, _listen: sys.exit(3),
    "memory": lambda _store, _listen: bytearray(1 << 60),
    "hang": _hang,
    "leak": _leak,
    "repeat": _repeat,
    "flood": _flood,
    "chatter": _chatter,
    "signals": _signals,
    "say": _say,
    "picture": _raise(PictureError(Problem("a.png", "changed since it was planned"))),
    "encode": _encode,
    "full": _raise(DiskFullError(Problem("outputs", "the disk is full"))),
    "crowded": _raise(OutOfMemoryError(Problem("the model", "out of memory"))),
    "apart": _raise(LostPeerError(Problem("the model", "lost the others"))),
    "blame": _raise(RenderError(Problem("1/010", "black frames"))),
    "bug": _raise(KeyError("weight")),
    "eof": _raise(EOFError()),
    "odd": _raise(OddError("here", "an error with a constructor of its own")),
    "lambda": _raise(RenderError(lambda: 0)),  # type: ignore[arg-type]
}
