"""The commands and their options. A command's module is imported when it runs: `check` must start fast."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from wan_render import __version__
from wan_render.printable import shortened, shown

LONGEST_MESSAGE = 600
"""Characters of what argparse says is wrong; it repeats what was typed."""

EPILOG = """\
exit codes: 0 done; 1 film made, with slates for missing shots; 2 the input is wrong; 3 no film, the machine's fault;
130 interrupted; 143 terminated. Settings of this machine are WAN_RENDER_* variables: see `wan-render doctor`.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="wan-render",
        description="A YAML storyboard becomes a finished film, overnight.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"wan-render {__version__}")
    commands: Commands[argparse.ArgumentParser] = top.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=Parser
    )
    for add in (_new, _check, _plan, _render, _takes, _prune, _open, _models, _doctor):
        add(commands)
    return top


class Parser(argparse.ArgumentParser):
    """Messages are not endless, whatever was typed, and have no colours: they pass through a PrintableStream."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.color = False  # of Python 3.14 and later

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser."""
        super().error(shortened(message, LONGEST_MESSAGE))


Commands = argparse._SubParsersAction  # argparse names the type of its own sub-commands only here


def _count(text: str) -> int:
    """A whole number in plain digits. Raises ArgumentTypeError."""
    if re.fullmatch(r"-?[0-9]{1,9}", text) is None:
        raise argparse.ArgumentTypeError(f"invalid number {shown(text)}; allowed: 0 to 999999999")
    return int(text)


def _command(commands: Commands[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=_lazily(name))
    return command


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        command: Callable[[argparse.Namespace], int] = import_module(f"wan_render.cli.{name}").run
        return command(arguments)

    return run


def _on_storyboard(commands: Commands[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    command = _command(commands, name, summary)
    command.add_argument("file", metavar="FILE", type=Path, help="the storyboard")
    command.add_argument(
        "--allow", metavar="DIR", type=Path, action="append", default=[], help="a folder that its paths may lead to"
    )
    return command


def _with_outputs(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument(
        "--outputs", metavar="DIR", type=Path, help="where takes and films are kept (default: outputs)"
    )
    command.add_argument("--backend", metavar="NAME", help="render with this instead of the models named: animatic")
    return command


def _with_draft(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--draft", action="store_true", help="the same film at the profile 'draft': <slug>-draft, without circles"
    )


def _with_json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    return command


def _new(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "new", "make a commented storyboard to start from")
    command.add_argument("name", metavar="NAME", type=Path, help="the folder to make")


def _check(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _on_storyboard(commands, "check", "say what is wrong with a storyboard, all of it at once")
    command.add_argument("--backend", metavar="NAME", help=argparse.SUPPRESS)
    _with_json(command)


def _plan(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(_with_outputs(_on_storyboard(commands, "plan", "say what would render, and why")))
    _with_draft(command)
    command.add_argument("--prompts", action="store_true", help="print the composed prompts")
    command.add_argument("--notes", action="store_true", help="print what was done to the inputs, besides the warnings")


def _render(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_outputs(_on_storyboard(commands, "render", "render what is missing and make the film"))
    command.add_argument("--only", metavar="SHOTS", help="only these shots and scenes: 1/020,2")
    _with_draft(command)
    command.add_argument("--retake", metavar="SHOT", help="refuse the shot's current take and render the next: 1/020")
    _with_json(command)


def _takes(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(_with_outputs(_on_storyboard(commands, "takes", "list takes, or circle or refuse one")))
    command.add_argument("shot", metavar="SHOT", nargs="?", help="1/020")
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--circle", metavar="N", help="the take that goes into the film: 2, or 2@7f3a91 to pin it")
    choice.add_argument("--ng", metavar="N", type=_count, help="refuse a take")


def _prune(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_outputs(_on_storyboard(commands, "prune", "list takes that no kept film, circle or pin uses"))
    command.add_argument(
        "--keep", metavar="N", type=_count, required=True, help="keep what the newest N versions of this film show"
    )
    command.add_argument("--yes", action="store_true", help="delete them")
    _with_draft(command)


def _open(commands: Commands[argparse.ArgumentParser]) -> None:
    _with_draft(_with_outputs(_on_storyboard(commands, "open", "open the newest film's review page")))


def _models(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(_command(commands, "models", "list the models and where their weights are, or pull one"))
    command.set_defaults(action="list")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    pull = actions.add_parser("pull", help="bring a model's weights to this machine", allow_abbrev=False)
    pull.set_defaults(action="pull")
    pull.add_argument("name", metavar="NAME", help="the model, as `wan-render models` lists it")
    pull.add_argument("--source", metavar="HUB", help="huggingface (default) or modelscope")
    pull.add_argument("--revision", metavar="R", help="a branch, tag or commit (default: the model's own, main)")
    pull.add_argument("--to", metavar="DIR", type=Path, help="the folder of weights (default: WAN_RENDER_WEIGHTS)")


def _doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    _with_json(_command(commands, "doctor", "say what is here: Python, ffmpeg, devices, memory, weights, fonts, disk"))
