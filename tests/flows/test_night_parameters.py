"""A night has the same parameters in a terminal and on the farm."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

import pytest

from flows.batch import batch
from flows.deployments.requested import batch_name, batch_paths, check_batch, check_film, cost_limit
from flows.film import film
from flows.runs.queued_films import _request, _WaitsError
from tests.flows.films import write_film
from wan_render.cli.arguments import parser
from wan_render.night.night_request import NightRequest, check_films
from wan_render.price import Price


def options_of(name: str) -> dict[str, object]:
    """The options of a command, with their defaults."""
    commands = next(action for action in parser([name])._actions if isinstance(action, argparse._SubParsersAction))
    actions = commands.choices[name]._actions
    return {action.dest: action.default for action in actions if action.dest != "help"}


def test_the_flow_has_the_options_of_the_command() -> None:
    flow = {name: each.default for name, each in inspect.signature(batch.fn).parameters.items()}
    options = options_of("night")
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


def test_the_flow_of_a_film_has_the_options_of_submit() -> None:
    flow = inspect.signature(film.fn).parameters.keys()
    assert flow - {"storyboard"} == options_of("submit").keys() - {"files", "at"}


def test_a_limit_of_money_holds_for_every_film_of_a_night(tmp_path: Path) -> None:
    write_film(tmp_path / "small", shots=1)
    request = NightRequest((tmp_path / "small" / "storyboard.yaml",), outputs=tmp_path, max_cost=Price.read("3 CNY"))
    (found,) = check_films(request)
    assert str(found.session.plan.allowance.limit) == "3 CNY"
    assert "--max-cost '3 CNY'" in request.command


def test_a_limit_of_money_needs_a_currency() -> None:
    assert cost_limit("3.50 CNY") == Price.read("3.50 CNY")
    assert "max_cost: invalid amount '3'" in check_batch({"folder": ".", "max_cost": "3"}).mistakes
    assert "max_cost: invalid amount '3'" in check_film({"storyboard": "x.yaml", "max_cost": "3"}).mistakes


def test_the_lower_of_two_limits_holds_for_a_film_that_joins_a_night() -> None:
    night = NightRequest((Path("films"),), max_cost=Price.read("3 CNY"))
    joined = [_request(night, {"max_cost": limit}).max_cost for limit in (None, "2 CNY", "4 CNY")]
    assert list(map(str, joined)) == ["3 CNY", "2 CNY", "3 CNY"]
    assert str(_request(NightRequest(()), {"max_cost": "2 CNY"}).max_cost) == "2 CNY"
    with pytest.raises(_WaitsError, match="its limit is 1 USD, and that of the night is in CNY"):
        _request(night, {"max_cost": "1 USD"})
