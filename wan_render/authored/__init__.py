"""The authored file as frozen values: scalars and how they are spelt, the maps of the format, and a document
with the places of its keys."""

from wan_render.authored.document import Document, Marks, PathInFile, nearest, place, spelt
from wan_render.authored.storyboard_keys import (
    Audio,
    Authored,
    Defaults,
    Film,
    Keyframe,
    KindRender,
    Look,
    LoraFile,
    Qc,
    Render,
    Scene,
    Shot,
    Sound,
    Storyboard,
    Subtitle,
    TitleCard,
    Titles,
    Waypoint,
)
from wan_render.authored.values import Circle, Frozen, Time, Transition
from wan_render.authored.words import PREVIOUS, slug_of

__all__ = [
    "PREVIOUS",
    "Audio",
    "Authored",
    "Circle",
    "Defaults",
    "Document",
    "Film",
    "Frozen",
    "Keyframe",
    "KindRender",
    "Look",
    "LoraFile",
    "Marks",
    "PathInFile",
    "Qc",
    "Render",
    "Scene",
    "Shot",
    "Sound",
    "Storyboard",
    "Subtitle",
    "Time",
    "TitleCard",
    "Titles",
    "Transition",
    "Waypoint",
    "nearest",
    "place",
    "slug_of",
    "spelt",
]
