"""The authored file as frozen values: scalars and how they are spelt, the maps of the format, and a document
with the places of its keys."""

from wan_render.authored.cloud_keys import Cloud
from wan_render.authored.document import Document, Marks, PathInFile, nearest, place
from wan_render.authored.model_keys import ModelChoice
from wan_render.authored.render_keys import Extend, KindRender, Look, LoraFile, Qc, Render
from wan_render.authored.sound_keys import Sound
from wan_render.authored.storyboard_keys import Film, FrameRate, Keyframe, Scene, Shot, Storyboard, Upscale, Waypoint
from wan_render.authored.text_keys import Dialogue, Subtitle, TitleCard
from wan_render.authored.times import NARRATION
from wan_render.authored.values import Authored, Circle, Time, Transition
from wan_render.authored.words import PREVIOUS, DeliverableForm, RetimeMethod, SubtitleForm, slug_of

__all__ = [
    "NARRATION",
    "PREVIOUS",
    "Authored",
    "Circle",
    "Cloud",
    "DeliverableForm",
    "Dialogue",
    "Document",
    "Extend",
    "Film",
    "FrameRate",
    "Keyframe",
    "KindRender",
    "Look",
    "LoraFile",
    "Marks",
    "ModelChoice",
    "PathInFile",
    "Qc",
    "Render",
    "RetimeMethod",
    "Scene",
    "Shot",
    "Sound",
    "Storyboard",
    "Subtitle",
    "SubtitleForm",
    "Time",
    "TitleCard",
    "Transition",
    "Upscale",
    "Waypoint",
    "nearest",
    "place",
    "slug_of",
]
