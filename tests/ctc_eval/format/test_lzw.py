"""LZW whose codes would end the process is refused; what encoders write is not."""

import imagecodecs
import numpy as np
import pytest

from ctc_eval.format.lzw import check_lzw


def pack(*codes: tuple[int, int]) -> bytes:
    """Put codes of given widths one after the other, the highest bit first."""
    text = "".join(f"{code:0{width}b}" for code, width in codes)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


@pytest.mark.parametrize("length", [1, 2, 300, 511, 5000, 300_000])
@pytest.mark.parametrize("values", [1, 3, 256])
def test_what_an_encoder_writes_is_sound(length, values):
    for seed in range(4):
        chance = np.random.default_rng(seed)
        data = chance.integers(0, values, length).astype(np.uint8).tobytes()
        check_lzw(imagecodecs.lzw_encode(data))


def test_codes_by_hand():
    """7, 7, then the entry of both (258) while it is being made (259 is 258 and its first)."""
    data = pack((256, 9), (7, 9), (7, 9), (258, 9), (260, 9), (257, 9))
    check_lzw(data)
    assert imagecodecs.lzw_decode(data) == bytes([7] * 7)


@pytest.mark.parametrize(
    "codes",
    [
        [(256, 9), (368, 9), (257, 9)],  # the one that ends the process: no byte after a clear code
        [(256, 9), (7, 9), (259, 9), (257, 9)],
        [(256, 9), (7, 9), (256, 9), (258, 9)],
        [(7, 9), (7, 9), (257, 9)],
        [(256, 9)] * 1000,
        [(256, 9), *[(7, 9)] * 254, *[(7, 10)] * 512, *[(7, 11)] * 1024, *[(7, 12)] * 3000],
    ],
    ids=lambda codes: str(codes[:3]),
)
def test_codes_that_no_encoder_writes(codes):
    with pytest.raises(ValueError, match="LZW data with"):
        check_lzw(pack(*codes))
