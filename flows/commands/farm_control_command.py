"""`farm drain`, `farm stop` and `farm release`: they need no server, only the farm's folder on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from flows.farm_home.drain import ask_to_drain, is_draining
from flows.farm_home.farm_lock import FarmPart, processes_of
from flows.farm_home.home import known_home, refuse_closed
from flows.farm_home.quarantine_notes import quarantined_devices, release_device
from flows.farm_home.run_lock import held_runs
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.printable import path_name, shown
from wan_render.session.wording import counted

LOOK_SECONDS = 0.5
SETTLING_SECONDS = 3.0
"""So long a run that the worker had just taken needs until its process holds a lock."""

END_SECONDS = 60.0
"""A farm that was told to stop ends within 15 s; a busy machine is slow."""

GOES_ON = "wan-render farm up lets it take films again"


def run(arguments: argparse.Namespace) -> int:
    """Do what `arguments.action` says."""
    home = known_home()
    refuse_closed(home)
    if arguments.action == "release":
        _release(home, arguments.device)
        return 0
    running = _running(home, arguments.parts)
    if arguments.action == "drain":
        _drain(home, waits=not arguments.no_wait)
        if not arguments.no_wait:
            print(f"drained: nothing is being rendered here. {GOES_ON}; wan-render farm stop ends it")
        return 0
    if FarmPart.WORKER in running and not arguments.now:
        _drain(home, waits=True)
    _end(home, running)
    goes_on = any(processes_of(home, part) for part in FarmPart)
    stopped = " and ".join(part.value for part in running) if goes_on else "farm"
    print(f"the {stopped} has stopped; what waits in the queue is kept")
    return 0


def _running(home: Path, parts: Sequence[FarmPart]) -> dict[FarmPart, int]:
    """The process that runs each of these parts. Raises MachineError if none runs."""
    found = {part: processes[0] for part in parts if (processes := processes_of(home, part))}
    if not found:
        raise MachineError(Problem("the farm", f"isn't running; its folder is {path_name(home)}"))
    return found


def _drain(home: Path, *, waits: bool) -> None:
    """Ask for it; wait until no run has a process here."""
    began = time.monotonic()
    if is_draining(home):
        began -= SETTLING_SECONDS
    else:
        ask_to_drain(home)
    before = 0
    while (left := len(held_runs(home))) or (waits and time.monotonic() - began < SETTLING_SECONDS):
        if left and left != before:
            print(f"draining: {counted(left, 'film')} still being rendered; takes that have begun are finished")
            before = left
        if not waits:
            break
        try:
            time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            print(f"not waited for; the farm still drains. {GOES_ON}")
            raise
    if not waits:
        print(f"no take begins here any more. {GOES_ON}")


def _end(home: Path, running: dict[FarmPart, int]) -> None:
    """Stop the processes, and wait for all of their programs. Raises MachineError if they don't end."""
    for process in set(running.values()):
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue  # its programs are left; the next look says so
    end = time.monotonic() + END_SECONDS
    while left := [part for part in running if processes_of(home, part)]:
        if time.monotonic() > end:
            processes = " ".join(str(each) for part in left for each in processes_of(home, part))
            found = f"has not ended after {END_SECONDS:.0f} s: processes {processes}"
            raise MachineError(Problem("the farm", found, remedy=f"end them: kill {processes}"))
        time.sleep(LOOK_SECONDS)


def _release(home: Path, device: str) -> None:
    if not release_device(home, device):
        names = ", ".join(sorted({each.device for each in quarantined_devices(home)}))
        allowed = f"quarantined are {names}" if names else "no device is quarantined"
        raise UsageError(Problem(shown(device), "is not quarantined", allowed, "wan-render farm status lists devices"))
    print(f"{device}: may have takes again")
