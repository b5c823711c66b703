"""The commands that the farm adds to `wan-render`, through the entry point group `wan_render.commands`: what they are
called and what they take.

What they need, and Prefect with it, is imported when one runs: `wan-render --help` must start fast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from flows.commands.up_options import add_only, add_up_options
from flows.farm_home.farm_lock import FarmPart
from wan_render.errors import MachineError, Problem
from wan_render.price import LIMIT_FORM, Price
from wan_render.printable import shown

SUBMIT = "submit"
WITHOUT_PREFECT = (SUBMIT, "farm up", "farm drain", "farm stop", "farm release")
"""Commands that need no Prefect, or load it only when they have checked what can be checked without it."""

Commands = argparse._SubParsersAction  # argparse names the type of its own sub-commands only here


def add_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add them to the command line."""
    for add in (_submit, _queue, _status, _approve, _reject, _farm):
        add(commands)


def _submit(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, SUBMIT, "check films and queue them on the farm, in the order given")
    command.add_argument("files", metavar="FILE", type=Path, nargs="+", help="storyboards")
    command.add_argument("--at", metavar="HH:MM", help="not before this local time, today or tomorrow")
    command.add_argument("--only", metavar="SHOTS", help="only these shots and scenes: 1/020,2")
    command.add_argument(
        "--draft", action="store_true", help="the same film at the profile 'draft': <slug>-draft, without circles"
    )
    command.add_argument("--priority", metavar="N", type=_priority, help="in a night: instead of the storyboard's own")
    command.add_argument("--approval", action="store_true", help="ask before rendering: see `approve`")
    command.add_argument("--outputs", metavar="DIR", type=Path, help="where takes and films are kept")
    command.add_argument("--backend", metavar="NAME", help="render with this instead of the models named: animatic")
    command.add_argument(
        "--allow", metavar="DIR", type=Path, action="append", default=[], help="another folder whose files they may use"
    )
    words = "the most that each film may cost at services, in its lifetime: '30 CNY'"
    command.add_argument("--max-cost", metavar="MONEY", type=_money, help=words)


def _queue(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "queue", "list the farm's films that run or wait, move one up, or cancel one")
    command.set_defaults(action="list")
    shape = command.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object instead of text")
    shape.add_argument("--watch", action="store_true", help="show it anew until it is empty")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    first = actions.add_parser("first", help="let a film be the next one", allow_abbrev=False)
    first.set_defaults(action="first")
    _film(first)
    cancel = actions.add_parser("cancel", help="take a film out of the queue, or stop it", allow_abbrev=False)
    cancel.set_defaults(action="cancel")
    _film(cancel)


def _status(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "status", "show one film of the farm: its state, takes, log and pages")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    _film(command)


def _farm(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "start the farm of this machine, look at it, drain it, stop it"
    command = commands.add_parser("farm", help=summary, description=summary, allow_abbrev=False)
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    up = _action(actions, "up", "start the server and the worker, or let a drained farm go on", "flows.farm", "up")
    add_up_options(up)
    status = _action(
        actions, "status", "show the machines of the farm, and their devices", "flows.commands.farm_status_command"
    )
    status.add_argument("--json", action="store_true", help="one JSON object instead of text")
    control = "flows.commands.farm_control_command"
    drain = _action(actions, "drain", "finish the takes that have begun here, and begin none", control)
    drain.set_defaults(parts=(FarmPart.WORKER,))
    drain.add_argument("--no-wait", action="store_true", help="don't wait until the takes are finished")
    stop = _action(actions, "stop", "drain, then end the worker and the server", control)
    stop.add_argument("--now", action="store_true", help="don't drain: cancel what is being rendered")
    add_only(stop, "stop the server or the worker alone")
    release = _action(actions, "release", "let a quarantined device have takes again", control)
    release.add_argument("device", metavar="DEVICE", help="its name, as `farm status` lists it: cuda:1")


def _action(
    actions: Commands[argparse.ArgumentParser], name: str, summary: str, module: str, function: str = "run"
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    action.set_defaults(action=name, run=_lazily(f"farm {name}", module, function))
    return action


def _approve(commands: Commands[argparse.ArgumentParser]) -> None:
    _answer(commands, "approve", "let the farm render a film that waits for approval", renders=True)


def _reject(commands: Commands[argparse.ArgumentParser]) -> None:
    _answer(commands, "reject", "end a film that waits for approval; nothing is rendered", renders=False)


def _answer(commands: Commands[argparse.ArgumentParser], name: str, summary: str, *, renders: bool) -> None:
    command = _command(commands, name, summary, module="answer")
    command.set_defaults(renders=renders)
    _film(command)
    command.add_argument("--note", metavar="TEXT", default="", help="kept in the log of the run")


def _priority(text: str) -> int:
    """0 to 1000. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or len(text) > 4 or int(text) > 1000:
        raise argparse.ArgumentTypeError(f"invalid priority {text[:40]!r}; allowed: 0 to 1000")
    return int(text)


def _money(text: str) -> Price:
    """An amount with its currency. Raises ArgumentTypeError."""
    try:
        return Price.read_limit(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid amount {shown(text)}; allowed: {LIMIT_FORM}") from None


def _film(command: argparse.ArgumentParser) -> None:
    command.add_argument("film", metavar="FILM", help="its name, as `wan-render queue` lists it")


def _command(
    commands: Commands[argparse.ArgumentParser], name: str, summary: str, module: str = ""
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=_lazily(name, f"flows.commands.{module or name}_command"))
    return command


def _lazily(name: str, module: str, function: str = "run") -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from flows.farm_checks import PACKAGES
        from flows.farm_home.home import look_in_checkout

        lacking = [package for package in PACKAGES if find_spec(package) is None]
        if lacking:
            from wan_render.settings import install_command

            needs = f"needs the farm's packages; {', '.join(lacking)} not installed"
            raise MachineError(Problem(f"wan-render {name}", needs, remedy=install_command("farm")))
        look_in_checkout()
        if name not in WITHOUT_PREFECT:
            from flows.farm_home.prefect_settings import check_prefect_settings

            check_prefect_settings()
        command: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
        return command(arguments)

    return run
