"""The steps from a plan to a film: begin a run, render its takes, make the film."""

from wan_render.production.black import black_takes
from wan_render.production.failures import Outcome, failures, unmet_need
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import film_warnings, lettering_warnings, warnings_of
from wan_render.production.finish import finish
from wan_render.production.order import RenderOrder, orders
from wan_render.production.render_take import Unwritten, assist_take, begin_take, render_take
from wan_render.production.run import Run, begin
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.store import FilmVersion

__all__ = [
    "FilmVersion",
    "Outcome",
    "RenderOrder",
    "Run",
    "Unwritten",
    "WarmRenderer",
    "assist_take",
    "begin",
    "begin_take",
    "black_takes",
    "failures",
    "film_warnings",
    "finish",
    "lettering_warnings",
    "orders",
    "render_take",
    "unmet_need",
    "warnings_of",
    "with_film_change",
]
