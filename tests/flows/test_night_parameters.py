"""A night has the same parameters in a terminal and on the farm."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from flows.batch import batch
from flows.deployments.requested import batch_name, batch_paths, check_batch
from wan_render.cli.arguments import parser


def night_options() -> dict[str, object]:
    """The options of `wan-render night`, with their defaults."""
    commands = next(action for action in parser(["night"])._actions if isinstance(action, argparse._SubParsersAction))
    actions = commands.choices["night"]._actions
    return {action.dest: action.default for action in actions if action.dest != "help"}


def test_the_flow_has_the_options_of_the_command() -> None:
    flow = {name: each.default for name, each in inspect.signature(batch.fn).parameters.items()}
    options = night_options()
    assert flow.keys() == options.keys()
    assert {**flow, "folder": None} == {**options, "folder": None}


def test_a_batch_may_have_several_folders_and_files(tmp_path: Path) -> None:
    assert batch_paths("storyboards") == (Path("storyboards"),)
    assert batch_name(batch_paths(["/films/autumn", "/films/x.yaml"])) == "autumn and 1 more"
    (tmp_path / "a.yaml").touch()
    assert check_batch({"folder": [str(tmp_path), str(tmp_path / "a.yaml")]}).mistakes == ""
    wrong = check_batch({"folder": str(tmp_path), "until": "7 in the morning"}).mistakes
    assert "7 in the morning" in wrong
    assert "no such folder" in check_batch({"folder": [str(tmp_path), str(tmp_path / "gone")]}).mistakes
