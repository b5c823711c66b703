"""The types of the authored file for takes that a service renders for money."""

import re
from typing import Annotated

from pydantic import Field

from wan_render.authored.spelling import Misspelt, Spelling
from wan_render.authored.values import Authored
from wan_render.authored.words import ANY_SCALAR, Switch
from wan_render.price import Price

HOSTED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
LIMIT_FORM = "allowed: an amount and its currency: 30 CNY, 2.50 CNY"


def read_budget(text: str) -> Price:
    """An amount of money with its currency."""
    try:
        found = Price.read(text)
    except ValueError:
        raise Misspelt(LIMIT_FORM) from None
    if not found.currency:
        raise Misspelt(LIMIT_FORM, "add the currency of the price list")
    return found


def read_hosted_name(text: str) -> str:
    """The name of a model of a service, with or without the service's name: `wan2.7-i2v`, `dashscope:wan2.7-i2v`."""
    if HOSTED_NAME.fullmatch(text):
        return text
    raise Misspelt("allowed: the name of a hosted model: wan2.7-i2v")


Budget = Annotated[Price, Spelling("an amount of money", read_budget, Price, ANY_SCALAR)]
HostedName = Annotated[str, Spelling("the name of a hosted model", read_hosted_name, str, ANY_SCALAR)]


class Cloud(Authored):
    """Whether takes may be bought from a service; partial, inherited film → scene → shot."""

    allow: Switch | None = Field(None, description="true: takes of these shots may cost money. Default false.")
    model: HostedName | None = Field(
        None, description="The hosted model that renders these shots if a service does: wan2.7-i2v."
    )
