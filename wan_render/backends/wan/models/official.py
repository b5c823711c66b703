"""The official numbers of the Wan models: steps, guidance, shift, negative prompts, rate, length and sizes.

Sources: `wan/configs` and `generate.py` of Wan-Video/Wan2.1 and Wan2.2, and the README of each checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.backends.wan.models import distilled
from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.model_card import KindDefaults, Licence, ModelCard, PublishedLora
from wan_render.take import Sampling, ShotKind, Size

NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，"
    "杂乱的背景，三条腿，背景人很多，倒着走"
)
"""`sample_neg_prompt` in shared_config.py of both repositories. Wan 2.1 prepends words to it for shots with keyframes;
Wan 2.2 uses it unchanged."""

SHAKING, CUTTING = "镜头晃动，", "镜头切换，"
"""What Wan 2.1 prepends to it: the first in wan_i2v_14B.py, both in wan_flf2v_14B.py."""

NO_FLF2V_NEGATIVE = "Wan 2.2 publishes no negative prompt for shots between two keyframes: the shared one is used"

_TEXT_ENCODER, _CLIP, _VAE = 2 * 5_680_910_336, 4 * 630_766_080, 4 * 126_892_531
"""Bytes on disk after `models pull`, from the published configurations. A weight of a transformer or the text encoder
takes two bytes (four if it stays in float32), one of the VAE or CLIP four."""

SIZES_480P = frozenset({Size(832, 480), Size(480, 832), Size(624, 624), Size(704, 544), Size(544, 704)})
SIZES_720P = frozenset({Size(1280, 720), Size(720, 1280), Size(960, 960), Size(1088, 832), Size(832, 1088)})
SIZES_704P = frozenset({Size(1280, 704), Size(704, 1280)})


@dataclass(frozen=True)
class Official:
    """One published model.

    repository: on the hub. ModelScope has it under the same name.
    guidance:   one value for each expert, high noise first: two values mean two transformers.
    disk_bytes: of its weights, after `models pull`. The tokenizer adds some megabytes.
    sizes:      the sizes that Wan's code accepts. FLF2V-14B is documented only for 720p, but accepts 480p. Since 480p
                is this project's default, there is no warning about it.
    work:       linear and attention work of one forward relative to the 14B at the same number of tokens: layers·width²
                and layers·width.
    heads:      the number of its attention's heads; several devices share them.
    distilled:  LoRAs for drafts. None is known for the small models.
    before_negative: what its configuration prepends to the shared negative prompt.
    lacks_negative:  kinds of shots for which no negative prompt is published.
    boundary:   with two experts: the share of the training timesteps above which the high-noise one renders.
    step_schedule: how it is sampled, if it was distilled for few steps.
    attention:  how its self-attention is computed, as a sentence for the plan; "" for full attention.
    """

    name: str
    repository: str
    kinds: tuple[ShotKind, ...]
    steps: int
    guidance: tuple[float, ...]
    shift: float
    disk_bytes: int
    sizes: frozenset[Size]
    rate: Fraction = Fraction(16)
    trained_frames: int = 81
    size_multiple: int = 16
    work: tuple[float, float] = (1.0, 1.0)
    heads: int = 40
    distilled: tuple[PublishedLora, ...] = ()
    before_negative: str = ""
    lacks_negative: tuple[ShotKind, ...] = ()
    boundary: float | None = None
    step_schedule: StepSchedule | None = None
    attention: str = ""

    @property
    def identity(self) -> str:
        """`repo@revision` as declared. The commit that it resolves to is in a take's record."""
        return f"{self.repository}@main"

    def card(self) -> ModelCard:
        """The card of this model on the hub."""
        sampling = Sampling(steps=self.steps, guidance=self.guidance, shift=self.shift)
        return ModelCard(
            name=self.name,
            identity=self.identity,
            kinds={
                kind: KindDefaults(
                    sampling, self.before_negative + NEGATIVE, NO_FLF2V_NEGATIVE if kind in self.lacks_negative else ""
                )
                for kind in self.kinds
            },
            rate=self.rate,
            trained_frames=self.trained_frames,
            size_multiple=self.size_multiple,
            native_sizes=self.sizes,
            distilled=self.distilled,
            is_distilled=self.step_schedule is not None,
            attention=self.attention,
            licence=self.licence,
        )

    @property
    def licence(self) -> Licence:
        """The licence of its weights, from its page on the hub. The README of its code says the same."""
        generation = self.name.partition("-")[0].capitalize()
        said_in = (f"https://huggingface.co/{self.repository}", f"https://github.com/Wan-Video/{generation}")
        return Licence("Apache-2.0", said_in)


FLF2V_14B = Official(
    "wan2.1-flf2v-14b",
    "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers",
    (ShotKind.FLF2V,),
    steps=50,
    guidance=(5.0,),
    shift=16.0,
    disk_bytes=32_849_467_008 + _TEXT_ENCODER + _CLIP + _VAE,
    sizes=SIZES_480P | SIZES_720P,
    distilled=distilled.I2V_2_1,
    before_negative=CUTTING + SHAKING,
)
I2V_14B_480P = Official(
    "wan2.1-i2v-14b-480p",
    "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
    (ShotKind.I2V,),
    steps=40,
    guidance=(5.0,),
    shift=3.0,
    disk_bytes=32_848_151_168 + _TEXT_ENCODER + _CLIP + _VAE,
    sizes=SIZES_480P,
    distilled=distilled.I2V_2_1,
    before_negative=SHAKING,
)
I2V_14B_720P = Official(
    "wan2.1-i2v-14b-720p",
    "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers",
    (ShotKind.I2V,),
    steps=40,
    guidance=(5.0,),
    shift=5.0,
    disk_bytes=32_848_151_168 + _TEXT_ENCODER + _CLIP + _VAE,
    sizes=SIZES_720P,
    distilled=distilled.I2V_2_1,
    before_negative=SHAKING,
)
T2V_1_3B = Official(
    "wan2.1-t2v-1.3b",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    (ShotKind.T2V,),
    steps=50,
    guidance=(6.0,),
    shift=8.0,
    disk_bytes=2_844_248_192 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P,
    work=(0.068, 0.225),
    heads=12,
)
T2V_14B = Official(
    "wan2.1-t2v-14b",
    "Wan-AI/Wan2.1-T2V-14B-Diffusers",
    (ShotKind.T2V,),
    steps=50,
    guidance=(5.0,),
    shift=5.0,
    disk_bytes=28_635_351_168 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P | SIZES_720P,
    distilled=distilled.T2V_2_1,
)
VACE_1_3B = Official(
    "wan2.1-vace-1.3b",
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    (ShotKind.BRIDGE,),
    steps=50,
    guidance=(5.0,),
    shift=16.0,
    disk_bytes=4_314_567_296 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P,
    work=(0.068 * 1.5, 0.225 * 1.5),  # 15 of its 30 layers have a second block for the video
    heads=12,
)
VACE_14B = Official(
    "wan2.1-vace-14b",
    "Wan-AI/Wan2.1-VACE-14B-diffusers",
    (ShotKind.BRIDGE,),
    steps=50,
    guidance=(5.0,),
    shift=16.0,
    disk_bytes=34_734_209_152 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P | SIZES_720P,
    work=(1.2, 1.2),  # 8 of its 40 layers have one
)
I2V_A14B = Official(
    "wan2.2-i2v-a14b",
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    (ShotKind.I2V, ShotKind.FLF2V),
    steps=40,
    guidance=(3.5, 3.5),
    shift=5.0,
    disk_bytes=2 * 28_636_170_368 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P | SIZES_720P,
    distilled=distilled.I2V_2_2,
    boundary=0.9,  # model_index.json
    lacks_negative=(ShotKind.FLF2V,),
)
T2V_A14B = Official(
    "wan2.2-t2v-a14b",
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    (ShotKind.T2V,),
    steps=40,
    guidance=(4.0, 3.0),
    shift=12.0,
    disk_bytes=2 * 28_635_351_168 + _TEXT_ENCODER + _VAE,
    sizes=SIZES_480P | SIZES_720P,
    distilled=distilled.T2V_2_2,
    boundary=0.875,  # model_index.json
)
TI2V_5B = Official(  # no FLF2V: its pipeline accepts a last image but silently ignores it
    "wan2.2-ti2v-5b",
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    (ShotKind.T2V, ShotKind.I2V),
    steps=50,
    guidance=(5.0,),
    shift=5.0,
    disk_bytes=10_021_521_792 + _TEXT_ENCODER + 4 * 704_688_668,
    sizes=SIZES_704P,
    rate=Fraction(24),
    trained_frames=121,
    size_multiple=32,  # its VAE scales by 1/16, and the transformer patches 2x2 latent pixels
    work=(0.27, 0.45),
    heads=24,
)

ALL = (
    *(FLF2V_14B, I2V_14B_480P, I2V_14B_720P, T2V_1_3B, T2V_14B, VACE_1_3B, VACE_14B),
    *(I2V_A14B, T2V_A14B, TI2V_5B),
)
BY_NAME = {model.name: model for model in ALL}
BY_IDENTITY = {model.identity: model for model in ALL}
