"""A picture in any of Pillow's modes → RGB, 8 bits, sRGB, over black.

A picture with an ICC profile is converted by its profile. `stated_colours` handles all other statements of a file.
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
    """Why the meaning of the picture's samples is ambiguous, or None.

    32-bit samples have no agreed range. Some versions of Pillow open 16-bit greyscale PNGs as mode I; any other picture
    in that mode has 32 bits.
    """
    if image.mode in _USABLE_MODES and not (image.mode == "I" and image.format != "PNG"):
        return None
    kind = "floating-point" if image.mode == "F" else "32-bit" if image.mode == "I" else "unknown"
    return f"has {kind} samples and does not say which value is white (mode {image.mode})"


def transparency_note(image: Image.Image) -> str | None:
    """What is done with transparency, or None if every pixel is opaque."""
    alpha = opacity(image)
    if alpha is None:
        return None
    lowest, _ = alpha.getextrema()
    return "has transparency: composited over black" if isinstance(lowest, int) and lowest < 255 else None


def profile_warning(image: Image.Image) -> str | None:
    """A warning about the picture's colours if only a profile states them, or None."""
    if image.info.get("icc_profile"):
        if transform_of(image) is None:
            return "has a colour profile that cannot be read or is for other colours: treated as sRGB"
        return None
    return "is CMYK without a colour profile: converted by the simple formula" if image.mode == "CMYK" else None


def profile_note(image: Image.Image) -> str | None:
    """What is done with the picture's colours if only a profile states them, or None if they are sRGB."""
    if image.mode == "LAB":
        return "is in CIELAB: converted to sRGB"
    if not image.info.get("icc_profile") or transform_of(image) is None or _says_srgb(image):
        return None
    return "has a colour profile: converted to sRGB"


def flattened(image: Image.Image) -> Image.Image:
    """The picture in mode RGB and sRGB, composited over black, at the same size."""
    from PIL import Image as Pillow

    alpha = opacity(image)
    colours = _in_srgb(image)
    if alpha is None:
        return colours
    return Pillow.composite(colours, Pillow.new("RGB", image.size), alpha)


def opacity(image: Image.Image) -> Image.Image | None:
    """The alpha channel, mode L; None if there is none."""
    if not image.has_transparency_data or image.mode.startswith("I"):  # 16-bit greyscale has one transparent value
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
    """The colours without alpha, in the mode that the file's profile is for: L, RGB, CMYK or LAB."""
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
    """0…65535 → 0…255, rounded to the nearest. Pillow's own conversion clips in some versions."""
    import numpy as np
    from PIL import Image as Pillow

    samples = np.clip(np.asarray(image).astype(np.uint32), 0, 65535)
    return Pillow.fromarray(((samples + 128) // 257).astype(np.uint8))


def transform_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """The transform from the picture's own profile to sRGB, perceptual intent; None without a suitable profile."""
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
    """Whether the profile calls itself sRGB, as most cameras' profiles do. It hardly changes the colours."""
    from PIL import ImageCms

    return "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])))
