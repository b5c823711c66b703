"""What a picture's file states about its colours besides an ICC profile, and which statement is used.

For PNG: cICP, else iCCP, else sRGB, else gAMA and cHRM (PNG specification, third edition, 4.3). For AVIF: an ICC
profile, else nclx. For TIFF: a profile, else TransferFunction and PrimaryChromaticities. For all, Exif comes last.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from wan_render.plates.avif_boxes import read_avif
from wan_render.plates.colour_space import (
    D65,
    REC_709,
    ColourSpace,
    Curve,
    Primaries,
    of_primaries,
    power,
    srgb_light,
    table,
)
from wan_render.plates.hdr import hlg_scene_light, pq_light

if TYPE_CHECKING:
    from PIL import Image

_ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_ADOBE_GAMMA = 563 / 256
"""Adobe RGB (1998) Color Image Encoding, 4.3."""

_C = (0.310, 0.316)
_PRIMARIES = {
    1: ("Rec. 709", REC_709),
    4: ("470M", Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C)),
    5: ("PAL", Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))),
    6: ("SMPTE 170M", Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))),
    7: ("SMPTE 240M", Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))),
    8: ("film", Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C)),
    9: ("Rec. 2020", Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ("DCI-P3", Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
    22: ("EBU 3213", Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077))),
}
"""ITU-T H.273, table 2."""

_UNSPECIFIED = 2

_CURVES: dict[int, Curve] = {
    4: power(2.2),
    5: power(2.8),
    8: power(1),
    16: pq_light,
    18: hlg_scene_light,
} | dict.fromkeys((1, 6, 11, 13, 14, 15), srgb_light)
"""ITU-T H.273, table 3. The curves of video (1, 6, 11, 14, 15) are those of cameras. Displays show such samples with
their own curve, so they are treated as sRGB, as in browsers."""

_HDR: dict[int, Literal["", "PQ", "HLG"]] = {16: "PQ", 18: "HLG"}

_MOST_INSIGNIFICANT_GAMMA = 0.05
"""How far a product of two gammas may be from 1: libpng's PNG_GAMMA_THRESHOLD."""


_LEAST_GAMMA = 0.2
"""The least plausible gAMA; its inverse is the greatest. Displays have had 1/1.8 to 1/2.8, and light has 1."""


@dataclass(frozen=True)
class ColourStatement:
    """What a file states about its colours. Without `space` and `is_srgb`, its ICC profile is used, if it has one.

    space:    the space that the samples are converted from.
    is_srgb:  whether the file says that they are sRGB.
    notes:    what is done. warnings: what the user may not expect.
    """

    space: ColourSpace | None = None
    is_srgb: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether statements of lower priority are ignored."""
        return self.space is not None or self.is_srgb


NOTHING = ColourStatement()


def stated_colours(image: Image.Image, data: bytes, png: dict[bytes, bytes]) -> ColourStatement:
    """The statement that is used for a picture that Pillow opened from `data`. png: bodies of its colour chunks."""
    if image.mode in ("CMYK", "LAB"):
        return NOTHING
    has_profile = bool(image.info.get("icc_profile"))
    first = _of_cicp(png[b"cICP"], has_profile=has_profile) if b"cICP" in png else NOTHING
    if first.decides or has_profile:
        return first
    found = _without_profile(image, data, png)
    return replace(found, warnings=(*first.warnings, *found.warnings))


def _without_profile(image: Image.Image, data: bytes, png: dict[bytes, bytes]) -> ColourStatement:
    if b"sRGB" in png:
        return NOTHING
    readers: dict[str | None, Callable[[], ColourStatement]] = {
        "PNG": lambda: _of_gamma(png),
        "AVIF": lambda: _of_avif(data),
        "TIFF": lambda: _of_tiff(image),
        "BMP": lambda: _of_bmp(data),
    }
    found = readers.get(image.format, lambda: NOTHING)()
    return found if found.decides or found.warnings else _of_exif(image)


def _of_cicp(body: bytes, *, has_profile: bool) -> ColourStatement:
    if len(body) != 4:
        return ColourStatement(warnings=("has a damaged cICP chunk: ignored",))
    primaries, transfer, matrix, full = body
    if matrix != 0:
        return _unknown(f"cICP {primaries}/{transfer}/{matrix}")
    return _of_code_points("cICP", primaries, transfer, narrow=full == 0, overrides=has_profile)


def _of_avif(data: bytes) -> ColourStatement:
    stated = read_avif(data)
    if stated.primaries is None or stated.transfer is None:
        return NOTHING
    if _UNSPECIFIED in (stated.primaries, stated.transfer) and stated.transfer not in _HDR:
        return NOTHING
    return _of_code_points("nclx", stated.primaries, stated.transfer)


def _of_code_points(
    by: str, primaries: int, transfer: int, *, narrow: bool = False, overrides: bool = False
) -> ColourStatement:
    """The statement of code points of ITU-T H.273. narrow: whether 16/255 is black. overrides: whether the file has an
    ICC profile, which these override."""
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return _unknown(f"{by} {primaries}/{transfer}")
    name, points = _PRIMARIES[primaries]
    hdr = _HDR.get(transfer, "")
    if points.near(REC_709) and _CURVES[transfer] is srgb_light and not narrow and not overrides:
        return ColourStatement(is_srgb=True)
    space = of_primaries(name, points, _CURVES[transfer], hdr, narrow=narrow)
    if hdr:
        found = f"is HDR ({hdr}, {name}): highlights are compressed to sRGB; 1,000 cd/m² and more become white"
        return ColourStatement(space, warnings=(found,))
    return ColourStatement(space, notes=(f"has {name} colours ({by}): converted to sRGB",))


def hdr_space(primaries: int, transfer: int) -> ColourSpace | None:
    """The space of HDR with these code points of ITU-T H.273; None for SDR. Unknown primaries are Rec. 2020's, which
    HDR has."""
    if transfer not in _HDR:
        return None
    name, points = _PRIMARIES.get(primaries, _PRIMARIES[9])
    return of_primaries(name, points, _CURVES[transfer], _HDR[transfer])


def _unknown(what: str) -> ColourStatement:
    return ColourStatement(warnings=(f"states unsupported colours ({what}): treated as sRGB",))


def _of_gamma(png: dict[bytes, bytes]) -> ColourStatement:
    """The statement of gAMA and cHRM. Without an sRGB chunk, a gamma of 1/2.2 means sRGB."""
    gamma = struct.unpack(">I", png[b"gAMA"])[0] / 100_000 if len(png.get(b"gAMA", b"")) == 4 else None
    points = _chromaticities(png[b"cHRM"]) if b"cHRM" in png else REC_709
    if points is None or (gamma is not None and not _LEAST_GAMMA <= gamma <= 1 / _LEAST_GAMMA):
        return ColourStatement(warnings=("states an impossible gamma or primaries: treated as sRGB",))
    if gamma is None or abs(gamma * 2.2 - 1) < _MOST_INSIGNIFICANT_GAMMA:
        found = _converted("cHRM", "", points, srgb_light)
        return found if gamma is None or found.decides else ColourStatement(is_srgb=True)
    kind = "linear" if abs(gamma - 1) < 0.01 else f"gamma {1 / gamma:.2g}"
    return _converted("gAMA", kind, points, power(1 / gamma))


def _chromaticities(body: bytes) -> Primaries | None:
    if len(body) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", body)]
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    return Primaries(red, green, blue, white)


def _converted(by: str, kind: str, points: Primaries, curve: Curve) -> ColourStatement:
    """The statement of a space that a file describes by numbers. kind: of its curve, in words; "" for sRGB's."""
    if not kind and points.near(REC_709):
        return NOTHING
    try:
        space = of_primaries("stated", points, curve)
    except ValueError:
        return ColourStatement(warnings=(f"states impossible primaries ({by}): treated as sRGB",))
    own = "" if points.near(REC_709) else "its own primaries"
    words = " and ".join(filter(None, (kind and f"{kind} light", own)))
    return ColourStatement(space, notes=(f"states {words} ({by}): converted to sRGB",))


def _of_tiff(image: Image.Image) -> ColourStatement:
    """The statement of TIFF 6.0, section 20. A transfer table is for all colours. Files with one for each colour are
    supported only if the three are equal, as in all known spaces."""
    tags: Any = getattr(image, "tag_v2", {})
    points, kind = REC_709, ""
    curve: Curve = srgb_light
    if (numbers := _numbers(tags, 319, 6)) is not None:
        white = _numbers(tags, 318, 2)
        red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
        points = Primaries(red, green, blue, D65 if white is None else (white[0], white[1]))
    values = tags.get(301)
    if values is not None:
        values = tuple(values)
        size = 1 << (tags.get(258) or (8,))[0]
        if values not in (values[:size], 3 * values[:size]) or len(values) < size:
            return ColourStatement(warnings=("has an unsupported TransferFunction: treated as sRGB",))
        curve, kind = table([value / 65535 for value in values[:size]]), "tabulated"
    return _converted("TIFF's tags", kind, points, curve)


def _numbers(tags: Any, tag: int, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(map(float, tags[tag]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return values if len(values) == count and all(0 < value < 1 for value in values) else None


def _of_bmp(data: bytes) -> ColourStatement:
    """A warning about a profile in a version 5 header, which Pillow does not read."""
    if len(data) > 74 and struct.unpack_from("<I", data, 14)[0] >= 124 and data[70:74] in (b"DEBM", b"KNIL"):
        return ColourStatement(warnings=("has a colour profile, which is not read from BMP: treated as sRGB",))
    return NOTHING


def _of_exif(image: Image.Image) -> ColourStatement:
    """The statement of Exif 2.32, ColorSpace and InteroperabilityIndex. Cameras write "uncalibrated" and R03 for Adobe
    RGB (DCF 2.0)."""
    exif = image.getexif()
    space, index = exif.get_ifd(0x8769).get(0xA001), exif.get_ifd(0xA005).get(1)
    if space in (None, 1):
        return NOTHING
    if space == 2 or str(index).startswith("R03"):
        adobe = of_primaries("Adobe RGB", _ADOBE_RGB, power(_ADOBE_GAMMA))
        return ColourStatement(adobe, notes=("has Adobe RGB colours (EXIF): converted to sRGB",))
    if space == 65535:
        found = "has colours that are not sRGB, and does not say which (EXIF): treated as sRGB"
        return ColourStatement(warnings=(found,))
    return NOTHING
