"""What the progress of a film says, without a server."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from decimal import Decimal

import pytest

from flows.shown.night_log import NightLog
from flows.shown.progress import FilmProgress
from tests.farm.orders import order
from wan_render.errors import Problem, RenderError
from wan_render.estimates import Spread
from wan_render.farm.attempt_events import Ended
from wan_render.price import Price
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Phase, Progress
from wan_render.session.countdown import Expected

pytestmark = pytest.mark.prefect


def test_it_counts_takes_then_frames_and_says_when_the_film_will_be_there() -> None:
    first, second = order("nothing", "1"), order("nothing", "2")
    progress = FilmProgress((first, second), Expected(7200.0, {}, 600.0))
    share, words = progress.shown()
    assert share < 0.01
    assert re.fullmatch(r"0 of 2 takes; about 2 h 10 min left, until \w{3} \d\d:\d\d", words)
    cost = Expected(7200.0, {}, 600.0, Spread(doubt=0.1), 9.8, Price(Decimal("24.50"), "EUR"))
    words = FilmProgress((first, second), cost).shown()[1]
    assert re.fullmatch(
        r"0 of 2 takes; about 2 h 10 min \(1 h 50 to 2 h 30\) left, until \w{3} \d\d:\d\d; "
        "9.8 GPU-hours, about 24.50 EUR in all",
        words,
    )
    progress.hear(first, Progress(Phase.STEP, 5, 5))
    progress.hear(first, Ended(RenderError(Problem("1", "black frames"))))
    assert progress.shown()[1].startswith("1 of 2 takes; about ")
    progress.finishing(FilmStage("retime", 12, 24, 0.1))
    assert progress.shown()[1].startswith("the film: retime: frame 12 of 24; about ")
    progress.finishing(FilmStage("encode", 24, 48, 0.5))
    assert progress.shown()[1].startswith("the film: frame 24 of 48; about ")


def test_a_night_publishes_how_far_it_is_and_says_when_it_will_end(caplog: pytest.LogCaptureFixture) -> None:
    orders = [order("nothing", "1"), order("nothing", "2")]
    cost = Expected(7200.0, {}, 600.0, Spread(doubt=0.1), 9.8)
    published: list[FilmProgress] = []

    def publish(of: Sequence[RenderOrder], expected: Expected) -> FilmProgress:
        published.append(FilmProgress(of, expected))
        return published[-1]

    log = NightLog(logging.getLogger("night"), publish)
    with caplog.at_level(logging.INFO, "night"):
        log.rendering([], [], Expected())
        assert not published
        log.rendering(orders, [Device("cpu", "a processor", 1)], cost)
    assert "rendering 2 takes on 1 device: about 2 h 00 min (1 h 40 to 2 h 20); 9.8 GPU-hours" in caplog.text
    log.event(orders[0], Ended(RenderError(Problem("1", "black frames"))))
    assert published[0].shown()[1].startswith("1 of 2 takes; about ")
