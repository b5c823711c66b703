"""A night has the same parameters in a terminal and on the farm."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from flows.batch import batch
from flows.deployments.requested import batch_name, batch_paths, check_batch, cost_limit
from tests.flows.films import write_film
from wan_render.cli.arguments import parser
from wan_render.night.night_request import NightRequest, check_films
from wan_render.price import Price


def night_options() -> dict[str, object]:
    """The options of `wan-render night`, with their defaults."""
    commands = next(action for action in parser(["night"])._actions if isinstance(action, argparse._SubParsersAction))
    actions = commands.choices["night"]._actions
    return {action.dest: action.default for action in actions if action.dest != "help"}


def test_the_flow_has_the_options_of_the_command() -> None:
    flow = {name: each.default for name, each in inspect.signature(batch.fn).parameters.items()}
    options = night_options()
    assert flow.keys() == options.keys()
    differ: dict[str, object] = {"folder": None, "allow": None}  # a flow says "no list" in its own way
    assert {**flow, **differ} == {**options, **differ}


def test_a_batch_may_have_several_folders_and_files(tmp_path: Path) -> None:
    assert batch_paths("storyboards") == (Path("storyboards"),)
    assert batch_name(batch_paths(["/films/autumn", "/films/x.yaml"])) == "autumn and 1 more"
    (tmp_path / "a.yaml").touch()
    assert check_batch({"folder": [str(tmp_path), str(tmp_path / "a.yaml")]}).mistakes == ""
    wrong = check_batch({"folder": str(tmp_path), "until": "7 in the morning"}).mistakes
    assert "7 in the morning" in wrong
    assert "no such folder" in check_batch({"folder": [str(tmp_path), str(tmp_path / "gone")]}).mistakes


def test_a_limit_of_money_holds_for_every_film_of_a_night(tmp_path: Path) -> None:
    write_film(tmp_path / "small", shots=1)
    request = NightRequest((tmp_path / "small" / "storyboard.yaml",), outputs=tmp_path, max_cost=Price.read("3 CNY"))
    (film,) = check_films(request)
    assert film.session is not None
    assert str(film.session.plan.allowance.limit) == "3 CNY"
    assert "--max-cost '3 CNY'" in request.command


def test_a_limit_of_money_needs_a_currency() -> None:
    assert cost_limit("3.50 CNY") == Price.read("3.50 CNY")
    assert "max_cost: invalid amount '3'" in check_batch({"folder": ".", "max_cost": "3"}).mistakes
