"""How much of the disk a pulled model takes, known before any hub is asked.

Counted from the published configurations: two bytes a weight for the transformers and the text encoder (four for what
stays in float32), four for the VAE and CLIP. Tokenizers and the like add some megabytes.
"""

from __future__ import annotations

TEXT_ENCODER = 2 * 5_680_910_336
CLIP = 4 * 630_766_080
VAE = 4 * 126_892_531
VAE_OF_5B = 4 * 704_688_668

_14B_T2V, _14B_I2V, _14B_FLF2V, _A14B_I2V = 28_635_351_168, 32_848_151_168, 32_849_467_008, 28_636_170_368
_1_3B, _5B = 2_844_248_192, 10_021_521_792

_BYTES = {
    "wan2.1-flf2v-14b": _14B_FLF2V + TEXT_ENCODER + CLIP + VAE,
    "wan2.1-i2v-14b-480p": _14B_I2V + TEXT_ENCODER + CLIP + VAE,
    "wan2.1-i2v-14b-720p": _14B_I2V + TEXT_ENCODER + CLIP + VAE,
    "wan2.1-t2v-1.3b": _1_3B + TEXT_ENCODER + VAE,
    "wan2.1-t2v-14b": _14B_T2V + TEXT_ENCODER + VAE,
    "wan2.2-i2v-a14b": 2 * _A14B_I2V + TEXT_ENCODER + VAE,
    "wan2.2-t2v-a14b": 2 * _14B_T2V + TEXT_ENCODER + VAE,
    "wan2.2-ti2v-5b": _5B + TEXT_ENCODER + VAE_OF_5B,
}


def pulled_bytes(name: str) -> int:
    """Bytes of a published model on disk after `models pull`; KeyError for another name."""
    return _BYTES[name]
