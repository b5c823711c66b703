"""Texts, names and choices."""

import unicodedata
from functools import partial
from typing import Annotated, Any, Literal, get_args

from wan_render.authored.amounts import NUMBER
from wan_render.authored.spelling import Misspelt, ReferenceKind, Spelling, did_you_mean
from wan_render.printable import shown

SLUG_BYTES, ID_BYTES = 120, 48
"""With these limits, `<slug>_sc<scene>_sh<shot>_t02.mkv` stays within the 255 bytes of a file name, in UTF-8."""

PREVIOUS = "previous"
"""The word in `from: previous`. No keyframe can have this name."""

LONGEST_LINE, LONGEST_CARD = 200, 2000
"""In characters: of a title or slugline, and of a card."""

ANY_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_ONE_LINE = {**ANY_SCALAR, "maxLength": LONGEST_LINE, "pattern": r"^[^\n\r]*$"}
_ON_A_CARD = {**ANY_SCALAR, "maxLength": LONGEST_CARD}


def _text(noun: str = "a text", role: ReferenceKind | None = None) -> Spelling:
    return Spelling(noun, str, str, ANY_SCALAR, role, free=True)


def _name(noun: str, role: ReferenceKind) -> Spelling:
    """A keyframe's name, in one Unicode form, so that names that look equal are equal."""
    return Spelling(noun, partial(unicodedata.normalize, "NFC"), str, ANY_SCALAR, role, free=True)


def read_line(text: str) -> str:
    """A title: one line of at most LONGEST_LINE characters, since it names pages, folders and tags in the film."""
    if len(text) > LONGEST_LINE:
        raise Misspelt(f"allowed: at most {LONGEST_LINE} characters", found=f"{len(text):,} characters")
    if text.splitlines() not in ([], [text]):
        raise Misspelt("allowed: one line", "write it on one line", f"{shown(text)} has a line break")
    return text


def read_card(text: str) -> str:
    """A card's text: at most LONGEST_CARD characters, as much as a card can show."""
    if len(text) > LONGEST_CARD:
        raise Misspelt(f"allowed: at most {LONGEST_CARD:,} characters on a card", "", f"{len(text):,} characters")
    return text


Text = Annotated[str, _text()]
Title = Annotated[str, Spelling("one line", read_line, str, _ONE_LINE, free=True)]
CardText = Annotated[str, Spelling("a card's text", read_card, str, _ON_A_CARD, free=True)]
StartName = Annotated[str, _name("a keyframe's name or 'previous'", ReferenceKind.START)]
KeyframeName = Annotated[str, _name("a keyframe's name", ReferenceKind.KEYFRAME)]
ModelName = Annotated[str, _text("a model's name or folder", ReferenceKind.MODEL)]
PicturePath = Annotated[str, _text("the path of a picture", ReferenceKind.PICTURE)]
SoundPath = Annotated[str, _text("the path of a sound", ReferenceKind.SOUND)]
LoraPath = Annotated[str, _text("the path of a LoRA", ReferenceKind.LORA)]
ClipPath = Annotated[str, _text("the path of a clip", ReferenceKind.CLIP)]


def is_word(text: str) -> bool:
    """Whether a text has only letters, marks and digits of any script, `-`, `_` and `.`, and not only dots."""
    return text.strip(".") != "" and all(c in "-_." or unicodedata.category(c)[0] in "LMN" for c in text)


def _word_rule(most: int) -> str:
    return f"allowed: letters and digits of any script, '-', '_', '.', at most {most} bytes in UTF-8"


def read_id(text: str) -> str:
    """An identifier of a scene or a shot, in one Unicode form, so that ids that look equal are equal."""
    name = unicodedata.normalize("NFC", text)
    if is_word(name) and len(name.encode()) <= ID_BYTES:
        return name
    raise Misspelt(_word_rule(ID_BYTES))


def slug_of(title: str) -> str:
    """A file name made from a title: its words in lower case, joined with `-`; "" if it has no words."""
    folded = unicodedata.normalize("NFKC", title).lower()
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split()
    return "-".join(words).encode()[:SLUG_BYTES].decode(errors="ignore").strip("-")


def read_slug(text: str) -> str:
    """A slug as written: a word that does not begin with a dot or a dash."""
    name = unicodedata.normalize("NFC", text)
    if is_word(name) and name[0] not in ".-" and len(name.encode()) <= SLUG_BYTES:
        return name
    proposal = slug_of(text)
    raise Misspelt(_word_rule(SLUG_BYTES), f"write {shown(proposal)}" if proposal else "leave it out")


Id = Annotated[str, Spelling("an identifier", read_id, str, ANY_SCALAR)]
Slug = Annotated[str, Spelling("a slug", read_slug, str, ANY_SCALAR)]


def read_negative(text: str) -> str:
    """`official` or `none`, in any case; any other text is the negative prompt itself."""
    return text.lower() if text.lower() in ("official", "none") else text


Negative = Annotated[str, Spelling("official, none or a text", read_negative, str, ANY_SCALAR, free=True)]


def any_case(*words: str, then: str = "") -> dict[str, Any]:
    """The JSON Schema of a choice of words, in upper or lower case. JSON Schema's patterns have no flags."""
    spelt = ("".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in word) for word in words)
    return {"type": "string", "pattern": f"^({'|'.join(spelt)}){then}$"}


def choice(noun: str, *values: str | int) -> Spelling:
    """One of the given values, in upper or lower case."""
    by_text = {str(value): value for value in values}

    def parse(text: str) -> str | int:
        if text.lower() in by_text:
            return by_text[text.lower()]
        near = "" if NUMBER.fullmatch(text) else did_you_mean(text, by_text)  # numbers are not misspelt
        raise Misspelt("allowed: " + ", ".join(by_text), near)

    return Spelling(noun, parse, (str, int), {"anyOf": [{"enum": list(values)}, any_case(*by_text)]})


Version = Annotated[Literal[1], choice("a version of the format that this wan-render reads", 1)]
Fit = Annotated[Literal["cover", "contain"], choice("a fit", "cover", "contain")]
KeyframeFit = Annotated[Literal["cover", "contain", "blur"], choice("how a keyframe fits", "cover", "contain", "blur")]
Rate = Annotated[Literal["native", 16, 24, 25, 30, 48], choice("a rate", "native", 16, 24, 25, 30, 48)]
_ProfileName = Literal["exact", "fast", "balanced", "draft"]
PROFILES: tuple[str, ...] = get_args(_ProfileName)
Profile = Annotated[_ProfileName, choice("a profile", *PROFILES)]
Expert = Annotated[Literal["high", "low", "both"], choice("an expert", "high", "low", "both")]
Gpus = Annotated[Literal["auto", 1, 2, 4, 8], choice("a number of devices", "auto", 1, 2, 4, 8)]
Check = Annotated[Literal["on", "off"], choice("on or off", "on", "off")]
Status = Annotated[Literal["omit"], choice("a status", "omit")]
