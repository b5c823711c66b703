"""How long takes will take: learnt from the finished ones in a store, with how far off it may be."""

from wan_render.estimates.learning import MeasuredTimes
from wan_render.estimates.take_time import EXACT, TENTH, Spread, TakeTime, spread

__all__ = ["EXACT", "TENTH", "MeasuredTimes", "Spread", "TakeTime", "spread"]
