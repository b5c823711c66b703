"""Completes in a shell what was typed: commands, options, files. docs/server.md says how to turn it on.

Nothing else of wan-render is imported, so that Tab answers at once. The shell's program asks `wan-render` itself.
"""

from __future__ import annotations

import argcomplete

from wan_render.cli.arguments import parser


def complete() -> None:
    """Tell the shell, and end this process."""
    argcomplete.autocomplete(parser(()))
