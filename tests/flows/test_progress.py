"""What the progress of a film says, without a server."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from flows.shown.progress import FilmProgress
from tests.farm.orders import order
from wan_render.errors import Problem, RenderError
from wan_render.estimates import Spread
from wan_render.farm.scheduler import Ended
from wan_render.price import Price
from wan_render.render_values import Phase, Progress
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
    progress.finishing(24, 48)
    assert progress.shown()[1].startswith("the film: frame 24 of 48; about ")
