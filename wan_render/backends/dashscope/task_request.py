"""What is sent to order a take."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from wan_render.hosted_model import HostedModel
from wan_render.render_values import Pixels, TakeInputs
from wan_render.take import Take

MEDIA_PATH = "/services/aigc/video-generation/video-synthesis"
FRAMES_PATH = "/services/aigc/image2video/video-synthesis"

LEAST_SIDE = 480
"""Pictures with a shorter side are enlarged before they are sent: the service refuses those below 240 or 360 pixels."""

MOST_SEED = 2**31


def task_request(take: Take, plates: TakeInputs, model: HostedModel, form: str) -> tuple[str, Mapping[str, Any]]:
    """The path and the body. form: `media` or `frames`; see hosted_cards.form_of."""
    pictures = {
        end: _data_url(picture)
        for end, picture in (("first", plates.first), ("last", plates.last))
        if picture is not None
    }
    texts = {"prompt": take.prompt} | ({"negative_prompt": take.negative} if take.negative else {})
    parameters = {
        "resolution": model.resolution(take.size).name,
        "duration": model.seconds_of(take),
        "prompt_extend": False,
        "watermark": False,
        "seed": take.seed % MOST_SEED,
    }
    if form == "frames":
        frames = {f"{end}_frame_url": url for end, url in pictures.items()}
        return FRAMES_PATH, {"model": model.name, "input": {**texts, **frames}, "parameters": parameters}
    media = [{"type": f"{end}_frame", "url": url} for end, url in pictures.items()]
    return MEDIA_PATH, {"model": model.name, "input": {**texts, "media": media}, "parameters": parameters}


def _data_url(picture: Pixels) -> str:
    from PIL import Image

    image = Image.fromarray(picture)
    short = min(image.size)
    if short < LEAST_SIDE:
        size = (round(image.width * LEAST_SIDE / short), round(image.height * LEAST_SIDE / short))
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
