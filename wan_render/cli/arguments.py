"""The commands and their options. A command's module is imported only when it runs, so that `check` starts fast."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from wan_render import __version__
from wan_render.price import LIMIT_FORM, Price
from wan_render.printable import shortened, shown

REGISTERED = "wan_render.commands"
"""The entry points that add commands: functions of argparse's sub-commands. They are asked only if no command of this
package was typed, so that its own commands start as fast without them."""

LONGEST_MESSAGE = 600
"""Characters of an error message of argparse, which repeats what was typed."""

EPILOG = """\
exit codes: 0 done; 1 the film was made, with slates for missing shots or without a deliverable or a sound; 2 the input
is wrong; 3 no film, because of the machine; 130 interrupted; 143 terminated. WAN_RENDER_* variables are this machine's
settings; `wan-render doctor` lists them.
"""


def parser(typed: Sequence[str]) -> argparse.ArgumentParser:
    """The command line for what was typed: all commands, or the typed one alone if it is of this package."""
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
    if typed and typed[0] in OF_THIS_PACKAGE:
        OF_THIS_PACKAGE[typed[0]](commands)
        return top
    for add in OF_THIS_PACKAGE.values():
        add(commands)
    _add_registered(commands)
    return top


class Parser(argparse.ArgumentParser):
    """Shortens messages, and uses no colours, which a PrintableStream would escape."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.color = False  # for Python 3.14 and later

    def error(self, message: str) -> NoReturn:
        """Print a message of limited length and exit with code 2."""
        super().error(shortened(message, LONGEST_MESSAGE))


Commands = argparse._SubParsersAction  # argparse names the type of its own sub-commands only here


def _add_registered(commands: Commands[argparse.ArgumentParser]) -> None:
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=REGISTERED), key=lambda each: each.name):
        point.load()(commands)


def _count(text: str) -> int:
    """An integer in plain digits. Raises ArgumentTypeError."""
    if re.fullmatch(r"-?[0-9]{1,9}", text) is None:
        raise argparse.ArgumentTypeError(f"invalid number {shown(text)}; allowed: 0 to 999999999")
    return int(text)


def _command(commands: Commands[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=_lazily(name))
    return command


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        os.environ.setdefault(
            "PYDANTIC_DISABLE_PLUGINS", "__all__"
        )  # their search takes 14 ms in an environment of ours
        command: Callable[[argparse.Namespace], int] = import_module(f"wan_render.cli.{name}").run
        return command(arguments)

    return run


def _on_storyboard(commands: Commands[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    command = _command(commands, name, summary)
    command.add_argument("file", metavar="FILE", type=Path, help="the storyboard")
    add_allow(command)
    return command


def add_allow(command: argparse.ArgumentParser) -> None:
    """The option --allow, of every command that reads storyboards."""
    command.add_argument(
        "--allow", metavar="DIR", type=Path, action="append", default=[], help="another folder whose files it may use"
    )


def _with_outputs(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument(
        "--outputs", metavar="DIR", type=Path, help="the folder for takes and films (default: outputs)"
    )
    command.add_argument("--backend", metavar="NAME", help="render with this backend instead of the models: animatic")
    return command


def _with_farm(command: argparse.ArgumentParser) -> None:
    command.add_argument("--farm", choices=("local", "ray"), help="this machine's devices, or those of a Ray cluster")


def _with_draft(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--draft", action="store_true", help="the draft of the film: profile 'draft', <slug>-draft, without circles"
    )


def _with_limit(command: argparse.ArgumentParser) -> None:
    words = "the most that a film may cost at services, in its lifetime: '30 CNY'"
    command.add_argument("--max-cost", metavar="MONEY", type=_money, help=words)


def _money(text: str) -> Price:
    """An amount with its currency. Raises ArgumentTypeError."""
    try:
        return Price.read_limit(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid amount {shown(text)}; allowed: {LIMIT_FORM}") from None


def _with_json(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    return command


def _with_window(command: argparse.ArgumentParser, start: str) -> None:
    command.add_argument("--start", metavar="TIME", default="", help=start)
    command.add_argument("--until", metavar="TIME", default="", help="when the devices must be free: 07:00")
    command.add_argument("--timezone", metavar="ZONE", default="", help="of both times: Europe/Berlin")


def _new(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "new", "create a commented storyboard to start from")
    command.add_argument("name", metavar="NAME", type=Path, help="the folder to create")
    of_other_tools = "begin with the settings in a picture, a video or a workflow.json of ComfyUI or WanGP"
    command.add_argument("--from", dest="origin", metavar="FILE", type=Path, help=of_other_tools)


def _check(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _on_storyboard(commands, "check", "list all mistakes in a storyboard at once")
    command.add_argument("--backend", metavar="NAME", help=argparse.SUPPRESS)
    _with_json(command)


def _plan(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(
        _with_outputs(
            _on_storyboard(commands, "plan", "show what would be rendered, and why; of a folder, what a night will do")
        )
    )
    _with_draft(command)
    _with_farm(command)
    command.add_argument("--prompts", action="store_true", help="print the composed prompts")
    command.add_argument("--notes", action="store_true", help="print notes on how the inputs were used")
    _with_limit(command)
    _with_window(command, "what a night from this time on will do: 22:00 (default: now)")


def _render(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_outputs(_on_storyboard(commands, "render", "render the missing takes and make the film"))
    command.add_argument("--only", metavar="SHOTS", help="only these shots and scenes: 1/020,2")
    command.add_argument("--no-film", action="store_true", help="render the takes, but make no film of them")
    command.add_argument(
        "--keep-going", action="store_true", help="with --no-film: exit with 0 although takes could not be rendered"
    )
    _with_draft(command)
    _with_farm(command)
    _with_limit(command)
    command.add_argument("--retake", metavar="SHOT", help="refuse the shot's current take and render another: 1/020")
    _with_json(command)


def _night(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_outputs(_command(commands, "night", "render every storyboard of a folder until the morning"))
    command.add_argument(
        "folder", metavar="FOLDER|FILE", type=Path, nargs="+", help="folders of storyboards, storyboards"
    )
    _with_limit(command)
    _with_window(command, "wait until this time: 22:00 (default: now)")
    _with_draft(command)
    add_allow(command)


def _takes(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(_with_outputs(_on_storyboard(commands, "takes", "list takes; circle or refuse one")))
    command.add_argument("shot", metavar="SHOT", nargs="?", help="1/020")
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--circle", metavar="N", help="the take that goes into the film: 2, or 2@7f3a91 to pin it")
    choice.add_argument("--ng", metavar="N", type=_count, help="refuse a take")
    choice.add_argument("--local", action="store_true", help="render the shot here, not at a service")


def _cloud(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "list what was bought from services for a film, and settle what is unknown"
    command = _with_json(_with_outputs(_on_storyboard(commands, "cloud", summary)))
    command.add_argument("number", metavar="N", nargs="?", type=_count, help="the number of a purchase")
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--task", metavar="ID", help="the service has this task for it: take it up")
    choice.add_argument("--not-billed", action="store_true", help="the service has no such task: order it again")
    choice.add_argument("--paid-again", action="store_true", help="it is paid and lost: order it again, and pay again")


def _sounds(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "make the sounds from words that are not made yet; list all sounds"
    _with_outputs(_on_storyboard(commands, "sounds", summary))


def _extend(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "ask a language model for the extended prompts that are missing; list all of them"
    command = _with_json(_with_outputs(_on_storyboard(commands, "extend", summary)))
    command.add_argument("--stale", action="store_true", help="also for stale ones that nobody edited")
    again = "also for this one, whatever it is: 1/020 (may be repeated)"
    command.add_argument("--again", metavar="SHOT", action="append", default=[], help=again)
    keep = "a stale prompt is right as it is: 1/020 (may be repeated)"
    command.add_argument("--keep", metavar="SHOT", action="append", default=[], help=keep)


def _qc(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "judge a video file as takes are judged, or measure and list a storyboard's takes"
    command = _with_json(_with_outputs(_command(commands, "qc", summary)))
    _with_draft(command)
    words = "a video file of one shot, a storyboard (.yaml), or the word `calibrate`"
    command.add_argument("clip", metavar="CLIP", type=Path, help=words)
    command.add_argument(
        "storyboards",
        metavar="FILE",
        type=Path,
        nargs="*",
        default=[],
        help="with `calibrate`: storyboards whose choices count",
    )
    command.set_defaults(allow=[])
    command.add_argument("--first", metavar="PICTURE", type=Path, help="the keyframe that it should begin on")
    command.add_argument("--last", metavar="PICTURE", type=Path, help="the keyframe that it should end on")


def _prune(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_outputs(_on_storyboard(commands, "prune", "list takes that no kept film, circle or pin uses"))
    command.add_argument(
        "--keep", metavar="N", type=_count, required=True, help="keep the takes in the newest N versions of this film"
    )
    command.add_argument("--yes", action="store_true", help="delete them")
    _with_draft(command)


def _open(commands: Commands[argparse.ArgumentParser]) -> None:
    _with_draft(_with_outputs(_on_storyboard(commands, "open", "open the newest film's review page")))


def _export(commands: Commands[argparse.ArgumentParser]) -> None:
    summary = "write the newest film for editing software, or its takes as jobs for a render farm"
    command = _with_json(_with_outputs(_on_storyboard(commands, "export", summary)))
    formats = "for editors otio, otioz, edl, fcp7, fcpx, mlt, csv; for render farms openjd, slurm"
    command.add_argument("--to", metavar="FORMAT", required=True, help=formats)
    command.add_argument(
        "--rate", metavar="N", help="frames per second: 24, 25 or 30 (default: 24; for otio and csv the film's own)"
    )
    command.add_argument(
        "--media", metavar="KIND", help="prores: files in ProRes 422 HQ (default); links: the takes' own clips"
    )
    command.add_argument(
        "--out", metavar="DIR", type=Path, help="a new folder for it (default: a numbered one in the outputs folder)"
    )
    _with_draft(command)


def _models(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _with_json(_command(commands, "models", "list the models and their weights, pull one, or import one"))
    command.set_defaults(action="list")
    actions = command.add_subparsers(title="actions", metavar="ACTION")
    pull = actions.add_parser("pull", help="download a model's weights", allow_abbrev=False)
    pull.set_defaults(action="pull")
    pull.add_argument("name", metavar="NAME", help="the model, as `wan-render models` lists it")
    pull.add_argument("--source", metavar="HUB", help="huggingface (default) or modelscope")
    pull.add_argument("--revision", metavar="R", help="a branch, tag or commit (default: main)")
    pull.add_argument("--to", metavar="DIR", type=Path, help="the folder for weights (default: WAN_RENDER_WEIGHTS)")
    taken = actions.add_parser("import", help="use weights in Wan's own layout or ComfyUI's", allow_abbrev=False)
    taken.set_defaults(action="import")
    taken.add_argument("path", metavar="PATH", type=Path, nargs="+", help="files of weights, or folders with them")
    taken.add_argument("--name", metavar="NAME", help="the model's folder (default: as its transformer's file)")
    taken.add_argument("--high", metavar="FILE", type=Path, help="of Wan 2.2's two experts, that for high noise")
    taken.add_argument("--low", metavar="FILE", type=Path, help="of Wan 2.2's two experts, that for low noise")
    taken.add_argument("--tokenizer", metavar="DIR", type=Path, help="a folder with the tokenizer")
    taken.add_argument("--like", metavar="MODEL", help="the published model whose numbers are used")
    taken.add_argument("--to", metavar="DIR", type=Path, help="the folder for weights (default: WAN_RENDER_WEIGHTS)")


def _doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    _with_json(_command(commands, "doctor", "check this machine: Python, ffmpeg, fonts, devices, disk, weights"))


def _mcp(commands: Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "mcp", "let an agent check, plan and render (Model Context Protocol, stdio)")
    root = "the folder with the storyboards that it may use (default: the current one)"
    command.add_argument("--root", metavar="DIR", type=Path, default=Path(), help=root)


OF_THIS_PACKAGE = {
    "new": _new,
    "check": _check,
    "plan": _plan,
    "render": _render,
    "night": _night,
    "takes": _takes,
    "cloud": _cloud,
    "sounds": _sounds,
    "extend": _extend,
    "qc": _qc,
    "prune": _prune,
    "open": _open,
    "export": _export,
    "models": _models,
    "doctor": _doctor,
    "mcp": _mcp,
}
"""Each command → the function that adds it to the command line, in the order of `--help`."""
