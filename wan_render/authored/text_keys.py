"""The types of the authored file for texts in the picture: subtitles, dialogue, title cards."""

from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from wan_render.authored.spelling import OneOrMany
from wan_render.authored.times import Length, Moment
from wan_render.authored.values import START, Authored, Time
from wan_render.authored.words import CardText, SubtitleText, Title

TITLE_LENGTH = Time.model_construct(seconds=Fraction(2))


class Subtitle(Authored):
    """A text over its shot. Without `for`, it is shown until the shot ends."""

    shorthand: ClassVar[str] = "text"
    text: SubtitleText = Field(description="What it says.")
    at: Moment = Field(START, description="When it appears, from the beginning of the shot.")
    for_: Length | None = Field(None, alias="for", description="How long it is shown.")


class Dialogue(Authored):
    """What somebody says, as a subtitle. Without `for`, it is shown until the shot ends."""

    shorthand: ClassVar[str] = "text"
    who: Title | None = Field(None, description="Who speaks; in film.vtt, but not in the picture.")
    text: SubtitleText = Field(description="What is said.")
    at: Moment = Field(START, description="When it is said, from the beginning of the shot.")
    for_: Length | None = Field(None, alias="for", description="How long it is shown.")


class TitleCard(Authored):
    """A card before the first or after the last shot."""

    shorthand: ClassVar[str] = "text"
    text: CardText = Field(description="What it says.")
    for_: Length = Field(TITLE_LENGTH, alias="for", description="How long it is shown.")


class Titles(Authored):
    """Cards around the film. They make the film longer."""

    open: OneOrMany[TitleCard] = Field((), description="Before the first shot.")
    close: OneOrMany[TitleCard] = Field((), description="After the last shot.")
