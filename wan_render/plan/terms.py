"""Film terms and abbreviations of shot lists, as prompts spell them, in English and in Chinese.

Keys are lower case, with one space between words. An unknown term reaches the prompt as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One film term."""

    english: str
    chinese: str


def _table(*rows: tuple[str, str, str]) -> Mapping[str, Term]:
    """Rows of (names separated by `|`, English, Chinese) → terms by name."""
    return {name: Term(english, chinese) for names, english, chinese in rows for name in names.split("|")}


SIZES = _table(
    ("ecu|xcu|bcu|extreme close-up|extreme close up|big close-up", "extreme close-up", "大特写"),
    ("cu|close-up|close up|closeup", "close-up", "特写"),
    ("mcu|medium close-up|medium close up", "medium close-up", "近景"),
    ("ms|mid shot|medium shot", "medium shot", "中景"),
    ("cs|cowboy|cowboy shot|american shot", "cowboy shot", "七分身镜头"),
    ("mls|mws|mfs|medium long shot|medium wide shot|medium full shot", "medium long shot", "中全景"),
    ("fs|full shot", "full shot", "全景"),
    ("ls|long shot", "long shot", "远景"),
    ("ws|wide shot", "wide shot", "远景"),
    ("els|ews|xls|xws|vws|extreme long shot|extreme wide shot", "extreme wide shot", "大远景"),
    ("est|establishing shot", "establishing shot", "定场镜头"),
    ("2s|two shot|two-shot", "two-shot", "双人镜头"),
)

ANGLES = _table(
    ("ots|over the shoulder|over-the-shoulder", "over-the-shoulder shot", "过肩镜头"),
    ("pov|point of view", "point-of-view shot", "主观视角"),
    ("eye level|eye-level", "eye-level shot", "平视"),
    ("ha|high|high angle|high-angle", "high-angle shot", "俯拍"),
    ("la|low|low angle|low-angle", "low-angle shot", "仰拍"),
    ("dutch|dutch angle|canted|canted angle", "Dutch angle", "倾斜构图"),
    ("bird's eye|birds eye|bird's-eye|bird's eye view", "bird's-eye view", "鸟瞰"),
    ("worm's eye|worms eye|worm's-eye|worm's eye view", "worm's-eye view", "低角度仰视"),
    ("overhead|top|top shot|top-down", "overhead shot", "顶视俯拍"),
    ("aerial|aerial shot|drone", "aerial shot", "航拍"),
    ("profile|side", "profile shot", "侧面拍摄"),
)

LENSES = _table(
    ("wide|wide angle|wide-angle|wide lens", "wide-angle lens", "广角镜头"),
    ("ultra wide|ultra-wide", "ultra-wide-angle lens", "超广角镜头"),
    ("normal|standard", "standard lens", "标准镜头"),
    ("tele|telephoto|long|long lens", "telephoto lens", "长焦镜头"),
    ("macro", "macro lens", "微距镜头"),
    ("fisheye|fish-eye", "fisheye lens", "鱼眼镜头"),
    ("anamorphic", "anamorphic lens", "变形宽银幕镜头"),
    ("tilt-shift|tilt shift", "tilt-shift lens", "移轴镜头"),
    ("shallow|shallow focus|shallow depth of field", "shallow depth of field", "浅景深"),
    ("deep|deep focus", "deep focus", "深焦"),
)

MOVES = _table(
    ("static|locked|locked-off|locked off|fixed", "static camera", "固定镜头"),
    ("pan left", "camera pans left", "镜头向左摇"),
    ("pan right", "camera pans right", "镜头向右摇"),
    ("whip pan", "whip pan", "快速甩镜"),
    ("tilt up", "camera tilts up", "镜头上摇"),
    ("tilt down", "camera tilts down", "镜头下摇"),
    ("push in|dolly in|track in|push-in|dolly-in", "camera pushes in", "镜头推进"),
    ("pull out|pull back|dolly out|dolly back|track out|pull-out", "camera pulls back", "镜头拉远"),
    ("truck left|track left|dolly left", "camera trucks left", "镜头左移"),
    ("truck right|track right|dolly right", "camera trucks right", "镜头右移"),
    ("crane up|boom up|pedestal up|jib up", "camera cranes up", "镜头升起"),
    ("crane down|boom down|pedestal down|jib down", "camera cranes down", "镜头下降"),
    ("zoom in", "zoom in", "镜头变焦推近"),
    ("zoom out", "zoom out", "镜头变焦拉远"),
    ("crash zoom", "crash zoom", "急速变焦"),
    ("dolly zoom|vertigo", "dolly zoom", "滑动变焦"),
    ("orbit|arc|arc shot", "camera orbits the subject", "镜头环绕"),
    ("tracking|tracking shot|follow|following", "tracking shot", "跟拍镜头"),
    ("handheld|hand-held", "handheld camera", "手持镜头"),
    ("steadicam|gimbal", "smooth steadicam shot", "稳定器平滑跟拍"),
    ("fly through|fly-through|flythrough", "camera flies through", "镜头穿越飞行"),
    ("rack focus|pull focus", "rack focus", "焦点转移"),
    ("roll", "camera rolls", "镜头旋转"),
    ("underwater", "underwater", "水下拍摄"),
)
