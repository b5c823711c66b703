"""Several pictures are coded at the same time: in order, with the bytes of one encoder, and nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from tests.media.pictures import SMALL, noise
from wan_render.errors import Stopped
from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING, TAKE_CODING, ClipCoding
from wan_render.media.frame_encoders import FrameEncoders
from wan_render.media.stored_pictures import stored_frame
from wan_render.render_values import Pixels

RATE, FRAMES = Fraction(16), 13


@pytest.fixture(params=[1, 16], ids="{} cores".format)
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: request.param)


@pytest.fixture(params=[TAKE_CODING, INTERMEDIATE_CODING], ids=lambda coding: coding.codec)
def coding(request: pytest.FixtureRequest) -> ClipCoding:
    chosen: ClipCoding = request.param
    return chosen


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(
    ("coding", "options"),
    [(TAKE_CODING, {"level": "3", "slices": "4", "slicecrc": "1"}), (INTERMEDIATE_CODING, {"pred": "gradient"})],
    ids=["ffv1", "magicyuv"],
)
def test_packets_are_those_of_one_encoder(coding: ClipCoding, options: dict[str, str]) -> None:
    pictures = noise(FRAMES)
    one = cast("av.VideoCodecContext", av.CodecContext.create(coding.codec, "w"))
    one.width, one.height, one.pix_fmt, one.gop_size = SMALL.width, SMALL.height, coding.pixel_format, 1
    one.framerate, one.time_base, one.options = RATE, 1 / RATE, options
    one.thread_type, one.thread_count = "SLICE", coding.picture_threads
    frames = (stored_frame(picture, coding.pixel_format) for picture in pictures)
    expected = [bytes(packet) for frame in frames for packet in one.encode(frame)]
    packets = list(FrameEncoders(SMALL, RATE, coding).packets(pictures))
    assert [packet.pts for packet in packets] == list(range(FRAMES))
    assert [bytes(packet) for packet in packets] == expected


@pytest.mark.usefixtures("cores")
def test_frames_are_decoded_in_order_on_any_number_of_cores(tmp_path: Path, coding: ClipCoding) -> None:
    pictures, file = noise(FRAMES), tmp_path / f"clip{coding.suffix}"
    write_pictures(file, pictures, SMALL, RATE, coding)
    for first, count in ((0, FRAMES), (2, 3), (FRAMES - 1, 1)):
        read = list(read_frames(file, first, count))
        assert np.array_equal(np.stack(read), pictures[first : first + count])


@pytest.mark.usefixtures("cores")
def test_no_more_than_two_pictures_for_each_encoder_are_taken_ahead(coding: ClipCoding) -> None:
    taken: list[int] = []

    def pictures() -> Iterator[Pixels]:
        for number, picture in enumerate(noise(40)):
            taken.append(number)
            yield picture

    packets = FrameEncoders(SMALL, RATE, coding).packets(pictures())
    for got in range(1, 4):
        next(packets)
        assert len(taken) <= got + 2 * coding.at_once


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("error", [Stopped, LookupError, KeyboardInterrupt])
def test_an_error_comes_with_its_own_text_and_leaves_no_thread_and_no_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def pictures() -> Iterator[Pixels]:
        yield from noise(7)
        raise error("the weights were unplugged")

    threads = threading.active_count()
    with pytest.raises(error, match="the weights were unplugged"):
        write_pictures(tmp_path / "clip.mkv", pictures(), SMALL, RATE)
    assert threading.active_count() == threads
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("cores")
def test_an_error_of_an_encoder_reaches_the_caller_and_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    """A picture that is none fails in the thread that codes it."""
    pictures: list[Pixels] = [*noise(4), np.zeros((SMALL.height, SMALL.width, 2), np.uint8), *noise(4)]
    threads = threading.active_count()
    with pytest.raises(Exception, match="channels"):
        write_pictures(tmp_path / "clip.mkv", pictures, SMALL, RATE)
    assert threading.active_count() == threads
    assert not list(tmp_path.iterdir())


def test_leaving_early_leaves_no_thread(coding: ClipCoding) -> None:
    threads = threading.active_count()
    packets = FrameEncoders(SMALL, RATE, coding).packets(noise(30))
    next(packets)
    packets.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == threads
