"""A take → the graph that renders it: the workflow with the take's values, and a node that keeps the frames as PNG."""

from __future__ import annotations

import io
import json
from typing import Any

from wan_render.errors import Problem, RenderError
from wan_render.render_values import Pixels
from wan_render.take import Take
from wan_render.workflows.workflow import Workflow

FRAMES_NODE = "wan-render-frames"
"""The id of the node that is added. It is ComfyUI's own PreviewImage: 8-bit PNG in its temporary folder."""


def take_graph(workflow: Workflow, take: Take, pictures: dict[str, str]) -> dict[str, Any]:
    """The graph to send. pictures: role (`first`, `last`) → the uploaded picture's name on the server."""
    graph: dict[str, Any] = json.loads(workflow.graph)
    for role, value in (*_values(take), *pictures.items()):
        for place in workflow.of_role(role):
            graph[place.node]["inputs"][place.name] = value
    source = [workflow.images.node, workflow.images.slot]
    graph[FRAMES_NODE] = {"class_type": "PreviewImage", "inputs": {"images": source}}
    return graph


def _values(take: Take) -> tuple[tuple[str, str | int | float], ...]:
    return (
        ("prompt", take.prompt),
        ("negative", take.negative),
        ("seed", take.seed),
        ("frames", take.frames),
        ("width", take.size.width),
        ("height", take.size.height),
        ("steps", take.sampling.steps),
        ("guidance", take.sampling.guidance[0]),
        ("shift", take.sampling.shift),
    )


def picture_bytes(picture: Pixels) -> bytes:
    """A picture as PNG; equal pixels give equal bytes."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=1)
    return out.getvalue()


def frame_pixels(content: bytes, take: Take, number: int) -> Pixels:
    """The pixels of one frame, (height, width, 3) uint8 RGB. number: of the frame, from 1.

    Raises RenderError for another size, and DamagedFrameError for bytes that are no whole PNG.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if image.size != (take.size.width, take.size.height):
                found = f"frame {number} is {image.width}x{image.height}, not {take.size}"
                raise RenderError(Problem("the workflow", found, "frames of the film's raster", SIZE_REMEDY))
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DamagedFrameError(f"frame {number}: {error}") from None


SIZE_REMEDY = "name the inputs that take the size: `width: NODE.INPUT`, `height: NODE.INPUT`"


class DamagedFrameError(Exception):
    """What the server sent is no whole picture."""
