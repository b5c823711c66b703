"""The types of the authored file for sound: single sounds, and the sound of the whole film."""

from typing import ClassVar

from pydantic import Field

from wan_render.authored.amounts import Duck, Gain, Loudness, Peak, Seed
from wan_render.authored.spelling import OneOrMany
from wan_render.authored.times import Length, Moment, Offset
from wan_render.authored.values import START, Authored
from wan_render.authored.words import SoundPath, Speech, Switch, Text, ToolName
from wan_render.printable import one_line, shortened

LONGEST_NAME = 40
"""In characters: of the words that name a sound."""


class Sound(Authored):
    """A sound: a file, or made from a prompt or from words that are said; one of the three.

    at: relative to its shot, its scene or the film; may be negative. gain, duck: in dB.
    duck, speech: None where the place of the sound decides.
    """

    shorthand: ClassVar[str] = "file"
    file: SoundPath | None = Field(None, description="A sound file, relative to the storyboard.")
    prompt: Text | None = Field(None, description="What a model or a tool makes the sound from, instead of a file.")
    say: Speech | None = Field(None, description="Words that a model or a tool says, instead of a file.")
    voice: Text | None = Field(None, description="Who says it, as the tool or the model names voices.")
    tool: ToolName | None = Field(None, description="A tool of this machine that makes it from prompt or say.")
    seed: Seed | None = Field(None, description="Another seed makes another sound. Default 1.")
    in_: Moment | None = Field(None, alias="in", description="Leaves out its beginning, up to this time of the file.")
    at: Offset = Field(START, description="When it starts. A negative time is before its shot.")
    gain: Gain = Field(0.0, description="In decibels: -18dB.")
    fade_in: Moment | None = Field(None, description="How long it fades in.")
    fade_out: Moment | None = Field(None, description="How long it fades out.")
    for_: Length | None = Field(None, alias="for", description="How long it is heard.")
    loop: Switch = Field(default=False, description="true: it begins again at its end.")
    duck: Duck | None = Field(
        None, description="How much quieter it is while somebody speaks: -9dB (music's default), or off."
    )
    speech: Switch | None = Field(
        None, description="true: somebody speaks, so music is ducked under it. Narration always is."
    )

    @property
    def name(self) -> str:
        """What it is called: its file, or the beginning of its words."""
        if self.file is not None:
            return self.file
        words = self.say if self.say is not None else self.prompt or ""
        return f"“{shortened(one_line(words), LONGEST_NAME)}”"


class Audio(Authored):
    """Sound under the whole film, and how loud the film is."""

    music: OneOrMany[Sound] = Field((), description="Music under the film.")
    narration: OneOrMany[Sound] = Field((), description="Voices under the film.")
    loudness: Loudness = Field(-16.0, description="Of the film, in LUFS (EBU R128); off leaves the mix as it is.")
    peak: Peak = Field(-1.5, description="The highest true peak, in dBTP.")
