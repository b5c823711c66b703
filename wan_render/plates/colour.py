"""Any of Pillow's modes → RGB, 8 bits, sRGB, over black.

A picture with an ICC profile is converted by it; what other statements a file makes is in `stated_colours`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageCms

_USABLE_MODES = frozenset(
    {
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBX",
        "RGBa",
        "CMYK",
        "YCbCr",
        "LAB",
        "I",
        "I;16",
        "I;16L",
        "I;16B",
    }
)


def unusable_mode(image: Image.Image) -> str | None:
    """Why the picture's samples have no one meaning as a picture, or None.

    32-bit samples have no agreed range; Pillow opens 16-bit greyscale PNG as mode I in some versions, and
    anything else of that mode is 32-bit.
    """
    if image.mode in _USABLE_MODES and not (image.mode == "I" and image.format != "PNG"):
        return None
    kind = "floating-point" if image.mode == "F" else "32-bit" if image.mode == "I" else "unknown"
    return f"has {kind} samples, and does not say which of them is white (mode {image.mode})"


def transparency_note(image: Image.Image) -> str | None:
    """What becomes of transparency, where some of it shows."""
    alpha = opacity(image)
    if alpha is None:
        return None
    lowest, _ = alpha.getextrema()
    return "has transparency: composited over black" if isinstance(lowest, int) and lowest < 255 else None


def profile_warning(image: Image.Image) -> str | None:
    """What the user may not expect of its colours, where no statement but a profile counts."""
    if image.info.get("icc_profile"):
        if transform_of(image) is None:
            return "has a colour profile that cannot be read or is for other colours: taken for sRGB"
        return None
    return "is CMYK without a colour profile: converted by the plain formula" if image.mode == "CMYK" else None


def profile_note(image: Image.Image) -> str | None:
    """What is done to its colours, where no statement but a profile counts and they are not plainly sRGB."""
    if image.mode == "LAB":
        return "is in CIELAB: converted to sRGB"
    if not image.info.get("icc_profile") or transform_of(image) is None or _says_srgb(image):
        return None
    return "has a colour profile: converted to sRGB"


def flattened(image: Image.Image) -> Image.Image:
    """Mode RGB, sRGB, composited over black; the same size."""
    from PIL import Image as Pillow

    alpha = opacity(image)
    colours = _in_srgb(image)
    if alpha is None:
        return colours
    return Pillow.composite(colours, Pillow.new("RGB", image.size), alpha)


def opacity(image: Image.Image) -> Image.Image | None:
    """Its alpha channel, mode L; None where it has none."""
    if not image.has_transparency_data or image.mode.startswith("I"):  # 16-bit greyscale knows one transparent value
        return None
    return image.convert("RGBA").getchannel("A")


def _in_srgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    plain = without_alpha(image)
    transform = transform_of(image)
    if transform is None:
        return plain.convert("RGB")
    converted = ImageCms.applyTransform(plain, transform)
    return plain.convert("RGB") if converted is None else converted


def without_alpha(image: Image.Image) -> Image.Image:
    """The colours alone, in the mode that a profile of the file is for: L, RGB or CMYK."""
    if image.mode.startswith("I"):
        return _scaled_to_8_bits(image)
    mode = _profile_mode(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode == "RGBA" or image.mode == "LA":
        return image.convert(mode)
    if image.mode == "P" and image.has_transparency_data:
        return image.convert("RGBA").convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _profile_mode(image: Image.Image) -> str:
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"):
        return "L"
    return image.mode if image.mode in ("CMYK", "LAB") else "RGB"


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """0…65535 → 0…255 to the nearest: Pillow's own conversion clips in some versions."""
    import numpy as np
    from PIL import Image as Pillow

    samples = np.clip(np.asarray(image).astype(np.uint32), 0, 65535)
    return Pillow.fromarray(((samples + 128) // 257).astype(np.uint8))


def transform_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """From the picture's own profile to sRGB, perceptual intent; None without a profile that fits its colours."""
    from PIL import ImageCms

    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    if not profile:
        return None
    mode = _profile_mode(image)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != {"L": "GRAY"}.get(mode, mode):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _says_srgb(image: Image.Image) -> bool:
    """Whether a profile that can be read calls itself sRGB: most cameras' do, and nothing becomes of those colours."""
    from PIL import ImageCms

    return "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))
