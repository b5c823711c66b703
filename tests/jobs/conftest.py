"""The command line, as a user runs it."""

from tests.cli.conftest import wan_render

__all__ = ["wan_render"]
