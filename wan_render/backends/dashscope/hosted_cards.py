"""The models of the service, from a dated data file: their names and prices change more often than this program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from wan_render.errors import Problem, UsageError
from wan_render.hosted_model import HostedModel, HostedResolution
from wan_render.model_card import KindDefaults, ModelCard
from wan_render.price import Price
from wan_render.take import Sampling, ShotKind

BACKEND_ID = "dashscope/1"

OURS = Path(__file__).with_name("hosted_models.json")
SETTING = "WAN_RENDER_CLOUD_MODELS"

TASK_SECONDS, TASK_SECONDS_PER_SECOND = 90.0, 18.0
"""The vendor's pages say that a task takes one to five minutes. How that depends on its length is a guess."""

_SAMPLING = Sampling(steps=1, guidance=(5.0,), shift=1.0)
"""Part of the keys of takes. The service samples as it likes; guidance above 1 says that it reads a negative prompt."""

_UNSUPPORTED = {
    "steps": "the service chooses its own steps",
    "guidance": "the service chooses its own guidance",
    "shift": "the service chooses its own schedule",
    "loras": "the service takes no LoRAs",
    "profile": "the service renders in one way",
    "variant": "the service renders in one way",
    "gpus": "the service has its own devices",
}


@lru_cache(maxsize=8)
def hosted_cards(file: Path, region: str) -> Mapping[str, ModelCard]:
    """The cards of the models in a data file, by name, with the prices of a region. Raises UsageError."""
    try:
        data = json.loads(file.read_bytes())
        cards = [_card(each, str(data["service"]), region) for each in data["models"]]
    except OSError as error:
        raise UsageError(
            Problem(SETTING, f"{file} cannot be read: {error.strerror}", "a file like ours", "unset it")
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        found = f"{file} is not understood: {type(error).__name__}: {error}"
        raise UsageError(Problem(SETTING, found, f"a file like {OURS}", "correct it, or unset it")) from None
    return {card.name: card for card in cards}


def task_seconds(length: Fraction) -> float:
    """About how long the service takes for so many seconds of video."""
    return TASK_SECONDS + TASK_SECONDS_PER_SECOND * float(length)


def form_of(file: Path, name: str) -> str:
    """How the service wants the pictures of a model: `media`, a list; `frames`, two addresses."""
    return next(str(each["form"]) for each in json.loads(file.read_bytes())["models"] if each["name"] == name)


def _card(fields: Mapping[str, Any], service: str, region: str) -> ModelCard:
    name, rate = str(fields["name"]), Fraction(fields["rate"])
    fewest, most = map(int, fields["seconds"])
    prices = fields["prices"].get(region, {})
    hosted = HostedModel(
        service,
        name,
        str(fields["listed"]),
        tuple(
            HostedResolution(int(lines), word, _price(prices, word))
            for word, lines in sorted(fields["resolutions"].items(), key=lambda pair: int(pair[1]))
        ),
        (fewest, most),
        int(fields["prompt_characters"]),
        int(fields["negative_characters"]),
    )
    if rate.denominator != 1 or not 0 < fewest <= most or not hosted.resolutions:
        raise ValueError(f"{name}: expected a whole rate, seconds in order, and a resolution")
    return ModelCard(
        name=f"dashscope:{name}",
        identity=f"dashscope:{name}",
        kinds={ShotKind(kind): KindDefaults(_SAMPLING, "") for kind in fields["kinds"]},
        rate=rate,
        frame_step=int(rate),
        fewest_frames=fewest * int(rate) + 1,
        trained_frames=most * int(rate) + 1,
        size_multiple=2,
        prompt_tokens=10**6,
        backend=BACKEND_ID,
        unsupported=_UNSUPPORTED,
        expected_seconds=task_seconds(Fraction(5)),
        hosted=hosted,
    )


def _price(prices: Mapping[str, Any], resolution: str) -> Price | None:
    amount = prices.get(resolution)
    return None if amount is None else Price(Decimal(str(amount)), str(prices["currency"]))
