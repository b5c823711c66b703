"""Texts, names and choices."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, get_args

from wan_render.authored.amounts import NUMBER
from wan_render.authored.spelling import Misspelt, ReferenceKind, Spelling, did_you_mean
from wan_render.printable import shown

SLUG_BYTES, ID_BYTES = 120, 48
"""With these limits, `<slug>_sc<scene>_sh<shot>_t02.mkv` stays within the 255 bytes of a file name, in UTF-8."""

PREVIOUS = "previous"
"""The word in `from: previous`. No keyframe can have this name."""

LONGEST_LINE, LONGEST_SUBTITLE, LONGEST_CARD, LONGEST_SPEECH = 200, 500, 2000, 5000
"""In characters: of a title or slugline, of a subtitle, of a card, and of words that are said."""

ANY_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_ONE_LINE = {**ANY_SCALAR, "maxLength": LONGEST_LINE, "pattern": r"^[^\n\r]*$"}
_IN_A_SUBTITLE = {**ANY_SCALAR, "maxLength": LONGEST_SUBTITLE}
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


def read_subtitle(text: str) -> str:
    """A subtitle's or a spoken text: at most LONGEST_SUBTITLE characters, half a minute of reading."""
    if len(text) > LONGEST_SUBTITLE:
        raise Misspelt(f"allowed: at most {LONGEST_SUBTITLE} characters in a subtitle", "", f"{len(text):,} characters")
    return text


def read_speech(text: str) -> str:
    """Words that are said: at most LONGEST_SPEECH characters, and not none."""
    if not text.strip():
        raise Misspelt("expected words", found="nothing to say")
    if len(text) > LONGEST_SPEECH:
        allowed = f"allowed: at most {LONGEST_SPEECH:,} characters"
        raise Misspelt(allowed, "divide it into several", f"{len(text):,} characters")
    return text


Text = Annotated[str, _text()]
Speech = Annotated[
    str, Spelling("words to say", read_speech, str, {**ANY_SCALAR, "maxLength": LONGEST_SPEECH}, free=True)
]
Title = Annotated[str, Spelling("one line", read_line, str, _ONE_LINE, free=True)]
SubtitleText = Annotated[str, Spelling("a subtitle's text", read_subtitle, str, _IN_A_SUBTITLE, free=True)]
CardText = Annotated[str, Spelling("a card's text", read_card, str, _ON_A_CARD, free=True)]
StartName = Annotated[str, _name("a keyframe's name or 'previous'", ReferenceKind.START)]
KeyframeName = Annotated[str, _name("a keyframe's name", ReferenceKind.KEYFRAME)]
ModelName = Annotated[str, _text("a model's name, folder or file", ReferenceKind.MODEL)]
WeightsPath = Annotated[str, _text("the path of weights", ReferenceKind.WEIGHTS)]
LikeModel = Annotated[str, _text("a model's name")]
WorkflowPath = Annotated[str, _text("the path of a workflow", ReferenceKind.WORKFLOW)]
NodeInputText = Annotated[str, _text("an input of a node")]
PicturePath = Annotated[str, _text("the path of a picture", ReferenceKind.PICTURE)]
SoundPath = Annotated[str, _text("the path of a sound", ReferenceKind.SOUND)]
LoraPath = Annotated[str, _text("the path of a LoRA", ReferenceKind.LORA)]
UpscalerPath = Annotated[str, _text("the path of a network that upscales", ReferenceKind.UPSCALER)]
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


ToolName = Annotated[str, Spelling("the name of a tool", read_id, str, ANY_SCALAR)]
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


def choice(noun: str, *values: str | int, meant: Callable[[str], str] = lambda _: "") -> Spelling:
    """One of the given values, in upper or lower case. meant: text → what to write instead of it, or ""."""
    by_text = {str(value): value for value in values}

    def parse(text: str) -> str | int:
        if text.lower() in by_text:
            return by_text[text.lower()]
        near = "" if NUMBER.fullmatch(text) else did_you_mean(text, by_text)  # numbers are not misspelt
        raise Misspelt("allowed: " + ", ".join(by_text), meant(text.lower()) or near)

    return Spelling(noun, parse, (str, int), {"anyOf": [{"enum": list(values)}, any_case(*by_text)]})


_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")
_NONE = (*_NO, "none", "0")


_FORMS = {
    **dict.fromkeys(("srt", "vtt", "file", "sidecar", "external"), "write files: film.srt and film.vtt"),
    **dict.fromkeys(("soft", "embedded", "mov_text", "stream"), "write track"),
    **dict.fromkeys(("hard", "hardsub", "baked", "open"), "write burned"),
    **dict.fromkeys(_YES, "write burned, or leave it out: the default is [burned, files]"),
}
"""Other names of forms of subtitles → what to write."""

_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{0,6})?)(?:/([0-9]{1,6}))?")
_RATES = (16, 24, 25, 30, 48)
_SAME_RATE = 0.07
"""Frames per second by which rates of video differ from whole ones: 59.94 by 0.06."""


def _on_or_off(text: str) -> str:
    """`write on` for `true` and the like."""
    return "write on" if text in (*_YES, "1") else "write off" if text in _NONE else ""


def _form_of_subtitles(text: str) -> str:
    """`write []` for `off`, and forms for their other names."""
    return "for no subtitles write []" if text in _NONE else _FORMS.get(text, "")


def _rate_near(text: str) -> str:
    """The rate for one of video and for a number: `write 24` for `23.976` and `24000/1001`."""
    match = _RATE.fullmatch(text)
    if match is None or not (below := float(match[2] or 1)):
        return ""
    number = float(match[1]) / below
    near = min(_RATES, key=lambda rate: abs(rate - number))
    if abs(near - number) < _SAME_RATE:
        return f"write {near}: films have whole rates, and clips of {text} play in them at their own speed"
    return f"the nearest: {near}"


def _prompt_language(text: str) -> str:
    """`write zh` for `Chinese`."""
    known = {"chinese": "zh", "中文": "zh", "cn": "zh", "zh-cn": "zh", "english": "en", "en-us": "en", "en-gb": "en"}
    return f"write {known[text.lower()]}" if text.lower() in known else ""


def read_switch(text: str) -> bool:
    """`true`, `yes` or `on`; `false`, `no` or `off`."""
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise Misspelt("allowed: true, false", did_you_mean(text, (*_YES, *_NO)))


Switch = Annotated[
    bool,
    Spelling("true or false", read_switch, bool, {"anyOf": [{"type": "boolean"}, any_case(*_YES, *_NO)]}),
]
Version = Annotated[Literal[1], choice("a version of the format that this wan-render reads", 1)]
Fit = Annotated[Literal["cover", "contain"], choice("a fit", "cover", "contain")]
KeyframeFit = Annotated[Literal["cover", "contain", "blur"], choice("how a keyframe fits", "cover", "contain", "blur")]
Rate = Annotated[Literal["native", 16, 24, 25, 30, 48], choice("a rate", "native", *_RATES, meant=_rate_near)]
Light = Annotated[Literal["linear", "video"], choice("a way to mix pictures", "linear", "video")]
RetimeMethod = Literal["flow", "rife", "duplicate"]
Retiming = Annotated[RetimeMethod, choice("a way to make frames in between", *get_args(RetimeMethod))]
_ProfileName = Literal["exact", "fast", "balanced", "draft"]
PROFILES: tuple[str, ...] = get_args(_ProfileName)
Profile = Annotated[_ProfileName, choice("a profile", *PROFILES)]
_VariantName = Literal["auto", "float8", "exact-attention", "8-bit-weights", "exact"]
AskedVariant = Annotated[_VariantName, choice("a way to compute a profile", *get_args(_VariantName))]
UpscaleMethod = Annotated[Literal["lanczos", "realesrgan"], choice("a way to upscale", "lanczos", "realesrgan")]
UpscaleWeights = Annotated[Literal["video", "photo", "anime"], choice("weights", "video", "photo", "anime")]
Expert = Annotated[Literal["high", "low", "both"], choice("an expert", "high", "low", "both")]
Gpus = Annotated[Literal["auto", 1, 2, 4, 8], choice("a number of devices", "auto", 1, 2, 4, 8)]
Continuation = Annotated[Literal["picture", "latents"], choice("a way to continue a shot", "picture", "latents")]
Check = Annotated[Literal["on", "off"], choice("on or off", "on", "off", meant=_on_or_off)]
SubtitleForm = Literal["burned", "track", "files"]
Subtitles = Annotated[SubtitleForm, choice("a form of subtitles", *get_args(SubtitleForm), meant=_form_of_subtitles)]
PromptLanguage = Annotated[
    Literal["zh", "en"], choice("a language of extended prompts", "zh", "en", meant=_prompt_language)
]
Unanswered = Annotated[Literal["stop", "written"], choice("what a shot without an answer gets", "stop", "written")]
Status = Annotated[Literal["omit"], choice("a status", "omit")]
DeliverableForm = Literal[
    "h264", "hevc10", "av1", "prores422hq", "prores4444", "png", "preview", "webp", "gif", "square", "vertical",
    "poster",
]  # fmt: skip
_OTHER_NAMES = {
    "h264": "avc x264 mp4 h.264 film",
    "hevc10": "hevc h265 x265 h.265 main10",
    "av1": "av01 svtav1 libaom",
    "prores422hq": "prores prores422 prores_hq proreshq 422hq mov master",
    "prores4444": "4444 prores444 prores_4444",
    "png": "pngs frames sequence png_sequence",
    "preview": "proxy small",
    "square": "1:1",
    "vertical": "9:16 portrait reel story shorts",
    "poster": "thumbnail cover",
}
"""What people call deliverables elsewhere. Only used for suggestions."""


def _deliverable() -> Spelling:
    """A choice that also knows the names that other tools use."""
    plain = choice("a deliverable", *get_args(DeliverableForm))
    meant = {other: name for name, others in _OTHER_NAMES.items() for other in others.split()}

    def parse(text: str) -> str:
        if (name := meant.get(text.lower())) is not None:
            raise Misspelt("allowed: " + ", ".join(get_args(DeliverableForm)), f"write {name}")
        return str(plain.parse(text))

    return replace(plain, parse=parse)


Deliverable = Annotated[DeliverableForm, _deliverable()]
