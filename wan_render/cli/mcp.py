"""`mcp`: let an agent check, plan and render, over the Model Context Protocol on standard input and output."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from wan_render.errors import MachineError, Problem, UsageError
from wan_render.printable import path_name
from wan_render.settings import install_command


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client closes standard input. Standard output belongs to the protocol."""
    if find_spec("mcp") is None:
        raise MachineError(Problem("mcp", "is not installed", "", install_command("mcp")))
    if not arguments.root.is_dir():
        raise UsageError(Problem("--root", f"{path_name(arguments.root)} is not a folder", "a folder"))
    from wan_render.cli.agent_tools import agent_server

    agent_server(arguments.root.absolute()).run("stdio")
    return 0
