"""What a language model is told: an instruction in the language of the answer, and the shot in labelled lines.

The wording is our own. What it asks for follows the extension of Wan 2.1 (`wan/utils/prompt_extend.py`): the answer is
one paragraph, says how the first picture becomes the last, and keeps what the author fixed.
"""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.extension.prompt_request import PromptRequest, SeenPicture

_CHINESE = """\
你为图生视频模型撰写提示词。{pictures}请用中文写出一段完整的提示词，描述镜头中发生的运动。
要求：
1. 只输出提示词本身，一段话，80 到 200 个汉字，不加标题、解释、引号或列表。
2. {task}
3. 保留作者写明的一切：引号里的文字一字不改、不翻译，连引号一起保留；人名、地名、品牌名照原样书写；所有数字都要出现。
4. 只描述画面里看得见的东西，具体说明主体、动作的先后与快慢、光线、镜头运动；不要编造作者没有写的人物和事件。
5. 风格、环境与镜头用语要写进提示词。相邻镜头的动作只供衔接参考，不要写进来。"""

_ENGLISH = """\
You write prompts for a model that makes videos. {pictures}Write one complete prompt in English that describes the \
motion of the shot.
Rules:
1. Answer with the prompt alone: one paragraph of 60 to 150 words, without a title, an explanation, a list, or quotes \
around it.
2. {task}
3. Keep what the author fixed: texts in quotes, word for word, untranslated and in their quotes; names as they are \
spelt; every number.
4. Describe what can be seen: the subject, what happens first and last and how fast, the light, the camera. Invent no \
persons or events that neither the author nor the pictures have.
5. Work the style, the setting and the camera into the prompt. The actions of the neighbouring shots are only context: \
leave them out."""

_PICTURES = {
    ("zh", 2): "给你两张图片：第一张是镜头的首帧，第二张是尾帧。",
    ("zh", 1): "给你一张图片：{which}。",
    ("zh", 0): "",
    ("en", 2): "You see two pictures: the first frame of the shot and its last frame. ",
    ("en", 1): "You see one picture: {which}. ",
    ("en", 0): "",
}
_WHICH = {
    ("zh", True): "镜头的首帧", ("zh", False): "镜头的尾帧",
    ("en", True): "the first frame of the shot", ("en", False): "the last frame of the shot",
}  # fmt: skip

_TASK = {
    ("zh", True): "扩写作者的描述，说明画面怎样从首帧连贯地变化到尾帧。",
    ("zh", False): "作者没有写动作：请根据图片描述应当运动的东西，以及怎样运动。",
    (
        "en",
        True,
    ): "Extend the author's words: say how the picture develops from beginning to end.",
    ("en", False): "The author wrote no action: describe what should move in the shot, and how.",
}

_LABELS = {
    "zh": (
        "作者的提示词", "动作", "风格", "环境", "镜头", "前一个镜头的动作", "后一个镜头的动作", "首帧将画成",
        "尾帧将画成", "必须保留的词",
    ),
    "en": (
        "the author's prompt", "action", "style", "setting", "camera", "action of the shot before",
        "action of the shot after", "the first frame will be painted from", "the last frame will be painted from",
        "words to keep",
    ),
}  # fmt: skip

_AGAIN = {
    "zh": "上一次的回答不能用：{reasons}。请重新写一遍，改正这些问题。",
    "en": "Your last answer cannot be used: {reasons}. Write it again without these faults.",
}


def instruction(request: PromptRequest) -> str:
    """The system prompt."""
    language = request.language
    shown = [picture is not None and not picture.words for picture in (request.first, request.last)]
    pictures = _PICTURES[language, sum(shown)].format(which=_WHICH[language, shown[0]])
    task = _TASK[language, bool(request.action or request.whole)]
    return (_CHINESE if language == "zh" else _ENGLISH).format(pictures=pictures, task=task)


def shot_text(request: PromptRequest, refused: Sequence[str] = ()) -> str:
    """The user's message, without the pictures. refused: why the last answer was not used."""
    values = (
        request.written if request.whole else "", request.action if not request.whole else "", request.style,
        request.setting, request.camera, request.before, request.after, _words(request.first), _words(request.last),
        ", ".join(request.names),
    )  # fmt: skip
    lines = [f"{label}: {text}" for label, text in zip(_LABELS[request.language], values, strict=True) if text]
    if refused:
        lines.append(_AGAIN[request.language].format(reasons="; ".join(refused)))
    return "\n".join(lines) or ("（作者没有写任何文字）" if request.language == "zh" else "(the author wrote nothing)")


def _words(picture: SeenPicture | None) -> str:
    return picture.words if picture is not None else ""
