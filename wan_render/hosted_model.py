"""What is known of a model that a service renders for money: its limits and prices. A plan needs no network for it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from wan_render.price import Price
from wan_render.take import Size, Take

HOSTED_FACT = "hosted model"
"""The name of the model in the record of a take that a service rendered."""

COST_FACT = "cost"
"""What it cost, in the same record: `1.2 CNY`."""


@dataclass(frozen=True)
class HostedResolution:
    """One of the sizes that a service offers. lines: the short side in pixels; name: as the service calls it, `720P`.
    second: the price of a second of video; None if it is not known."""

    lines: int
    name: str
    second: Price | None


@dataclass(frozen=True)
class HostedModel:
    """A model of a service.

    service:     the service, as users know it. listed: when the prices were read, `2026-08`.
    name:        the model's name there.
    resolutions: ascending, at least one.
    seconds:     the fewest and the most seconds of a video; whole numbers between them are allowed.
    prompt_characters, negative_characters: longer texts are cut by the service without a word, and billed.
    """

    service: str
    name: str
    listed: str
    resolutions: tuple[HostedResolution, ...]
    seconds: tuple[int, int]
    prompt_characters: int
    negative_characters: int

    def resolution(self, size: Size) -> HostedResolution:
        """The smallest one that is no smaller than a take, or else the largest."""
        lines = min(size.width, size.height)
        return next((each for each in self.resolutions if each.lines >= lines), self.resolutions[-1])

    def seconds_of(self, take: Take) -> int:
        """How many seconds of video are ordered for a take: enough for its frames."""
        fewest, most = self.seconds
        return min(max(ceil((take.frames - 1) / take.rate), fewest), most)

    def dearest(self, take: Take) -> Price | None:
        """The most that a take can cost: all seconds that are ordered. None if no price is known."""
        second = self.resolution(take.size).second
        return None if second is None else Price(second.amount * self.seconds_of(take), second.currency)
