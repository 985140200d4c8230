"""The brush codec against Label Studio's own, and against streams nobody should send."""

import importlib.util
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ritm_model.masks import brush_rle
from ritm_model.masks.brush_rle import RleError

Mask = npt.NDArray[np.bool_]

LENGTH_BITS = (3, 4, 8, 16)
# The lengths around which a run changes its length field or is cut: 8, 16, 256 and 65,536 values.
RUN_LENGTHS = st.one_of(
    st.integers(1, 5),
    st.integers(60, 70),
    st.sampled_from([1, 2, 3, 4, 5, 63, 64, 65, 16383, 16384, 16385, 32768, 32769, 50000]),
)

ORACLE = Path(__file__).parents[2] / "oracles/label_studio_brush.py"


@pytest.fixture(scope="session")
def brush_oracle() -> Iterator[Any]:
    """Label Studio's own brush codec, in a process of its own: `encode(mask)`, `decode(rle, w, h)`."""
    spec = importlib.util.spec_from_file_location("label_studio_brush", ORACLE)
    assert spec is not None
    assert spec.loader is not None
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    python = oracle.interpreter()
    if not python.exists():
        reason = f"Label Studio is not installed at {python}; RITM_LABEL_STUDIO_PYTHON may name another place"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with oracle.BrushOracle(python) as running:
        yield running


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Of 1x1 to 1x70000 pixels, out of runs of all lengths; or noise, stripes, blocks."""
    kind = draw(st.sampled_from(["runs", "noise", "stripes", "blocks", "plain"]))
    if kind == "runs":
        runs = draw(st.lists(RUN_LENGTHS, min_size=1, max_size=30))
        values = np.arange(len(runs)) % 2 == draw(st.integers(0, 1))
        flat = np.repeat(values, runs)[:70000]
        height = draw(st.sampled_from([n for n in range(1, 8) if flat.size % n == 0]))
        return flat.reshape(height, -1)
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    if kind == "plain":
        return np.full((height, width), draw(st.booleans()))
    if kind == "stripes":
        period, shift = draw(st.integers(1, 20)), draw(st.integers(0, 20))
        stripes: Mask = (np.add.outer(np.arange(height) * shift, np.arange(width)) // period) % 2 == 0
        return stripes
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "noise":
        return rng.random((height, width)) < draw(st.floats(0, 1))
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(draw(st.integers(1, 5))):
        y, x = rng.integers(height), rng.integers(width)
        mask[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] ^= True
    return mask


def disk(height: int, width: int) -> Mask:
    y, x = np.ogrid[:height, :width]
    inside: Mask = np.hypot(y - height / 2, x - width / 2) < min(height, width) / 3
    return inside


def pack(tokens: str, values: int, format_bits: str = "00111" + "0010001101111111") -> bytes:
    """A stream from bits written out; spaces are for the reader."""
    bits = f"{values:032b}" + format_bits + tokens.replace(" ", "")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def literals(values: list[int], field: int) -> str:
    bits = LENGTH_BITS[field]
    return f"0{field:02b}{len(values) - 1:0{bits}b}" + "".join(f"{value:08b}" for value in values)


def run(count: int, value: int, field: int) -> str:
    return f"1{field:02b}{count - 1:0{LENGTH_BITS[field]}b}{value:08b}"


class TestAgainstLabelStudio:
    @settings(max_examples=150, deadline=None)
    @given(mask_HW=masks())
    @example(mask_HW=np.ones((1, 1), dtype=bool))
    @example(mask_HW=np.zeros((1, 1), dtype=bool))
    @example(mask_HW=np.ones((1, 70000), dtype=bool))
    @example(mask_HW=disk(300, 400))
    @example(mask_HW=np.arange(20000).reshape(100, 200) % 2 == 0)  # more bytes than are read at a time
    def test_same_bytes_and_same_masks_both_ways(self, brush_oracle: Any, mask_HW: Mask) -> None:
        height, width = mask_HW.shape

        ours = brush_rle.encode_bytes(mask_HW)

        assert ours == brush_oracle.encode(mask_HW)
        np.testing.assert_array_equal(brush_oracle.decode(ours, width, height), mask_HW * np.uint8(255))
        np.testing.assert_array_equal(brush_rle.decode(ours, width, height), mask_HW)

    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_reads_what_other_programs_may_write(self, brush_oracle: Any, data: st.DataObject) -> None:
        """Runs cut anywhere, literals of all fields, any values, more padding: the same alpha as there."""
        tokens, total = "", 0
        while total == 0 or total % 4:
            for _ in range(data.draw(st.integers(1, 12))):
                field = data.draw(st.integers(0, 3))
                count = data.draw(st.integers(1, min(2 ** LENGTH_BITS[field], 600)))
                if data.draw(st.booleans()):
                    tokens += run(count, data.draw(st.integers(0, 255)), field)
                else:
                    tokens += literals(list(data.draw(st.binary(min_size=count, max_size=count))), field)
                total += count
            if total % 4:
                tokens += literals([7] * (4 - total % 4), 1)
                total += 4 - total % 4
        rle = pack(tokens, total) + bytes(data.draw(st.integers(0, 9)))

        alpha_HW = brush_rle.decode_alpha(rle, total // 4, 1)

        np.testing.assert_array_equal(alpha_HW, brush_oracle.decode(rle, total // 4, 1))


class TestRead:
    def test_colours_do_not_matter_only_alpha(self) -> None:
        rle = pack(literals([9, 200, 30, 0, 0, 0, 0, 255], 0), values=8)

        np.testing.assert_array_equal(brush_rle.decode(rle, 2, 1), [[False, True]])

    @pytest.mark.parametrize(
        ("alphas", "inside"),
        [
            ([0, 127, 128, 255], [False, False, True, True]),
            ([0, 49, 50, 100], [False, False, True, True]),
            ([0, 1, 0, 1], [False, True, False, True]),
            ([0, 0, 0, 0], [False] * 4),
        ],
    )
    def test_inside_is_half_of_the_strongest_alpha(self, alphas: list[int], inside: list[bool]) -> None:
        rle = pack("".join(run(4, alpha, 0) for alpha in alphas), values=16)

        np.testing.assert_array_equal(brush_rle.decode(rle, 4, 1), [inside])

    def test_a_literal_longer_than_a_chunk(self) -> None:
        alphas = np.arange(40_000, dtype=np.uint16).astype(np.uint8)
        values = np.repeat(alphas, 4).tolist()
        tokens = "".join(literals(values[i : i + 65536], 3) for i in range(0, len(values), 65536))

        alpha_HW = brush_rle.decode_alpha(pack(tokens, len(values)), 200, 200)

        np.testing.assert_array_equal(alpha_HW.reshape(-1), alphas)

    @pytest.mark.parametrize("kind", [list, tuple, bytes, bytearray])
    def test_list_or_bytes(self, kind: Callable[[bytes], Any]) -> None:
        mask_HW = disk(20, 30)

        np.testing.assert_array_equal(
            brush_rle.decode(kind(brush_rle.encode_bytes(mask_HW)), 30, 20), mask_HW
        )


class TestWrite:
    def test_list_of_plain_integers_for_json(self) -> None:
        mask_HW = disk(20, 30)

        rle = brush_rle.encode(mask_HW)

        assert json.loads(json.dumps(rle)) == list(brush_rle.encode_bytes(mask_HW))

    def test_any_memory_layout(self) -> None:
        mask_HW = disk(20, 30)

        assert brush_rle.encode(np.asfortranarray(mask_HW)) == brush_rle.encode(mask_HW)
        assert brush_rle.encode(mask_HW[::2, ::-1]) == brush_rle.encode(mask_HW[::2, ::-1].copy())

    @given(data=st.data())
    def test_a_part_is_written_as_the_whole_mask_that_it_stands_for(self, data: st.DataObject) -> None:
        part_hw = data.draw(masks().filter(lambda mask: mask.shape[1] < 1000))
        above, below, left, right = (data.draw(st.integers(0, 3)) for _ in range(4))
        mask_HW = np.pad(part_hw, ((above, below), (left, right)))

        written = brush_rle.encode_part(part_hw, (above, left), (mask_HW.shape[0], mask_HW.shape[1]))

        assert written == brush_rle.encode_bytes(mask_HW)

    @pytest.mark.parametrize("shape", [(0, 5), (2**15, 2**15)])
    def test_sizes_that_the_format_cannot_hold(self, shape: tuple[int, int]) -> None:
        with pytest.raises(RleError, match="cannot be written"):
            brush_rle.encode(np.broadcast_to(np.array(True), shape))


class TestHostileStreams:
    @pytest.mark.parametrize(
        ("rle", "sentence"),
        [
            (None, "not a list"),
            (10**12, "not a list"),
            ({"0": 1}, "not a list"),
            ("AAAA", "whole numbers from 0 to 255"),
            ([0, 0, 0, 8, 57, 27, 252, 256], "whole numbers from 0 to 255"),
            ([0, 0, 0, 8, 57, 27, -1], "whole numbers from 0 to 255"),
            ([0, 0, 0, 8.5, 57, 27, 252], "whole numbers from 0 to 255"),
            ([0, 0, 0, None, 57, 27, 252], "whole numbers from 0 to 255"),
            ([[0, 0, 0, 8, 57, 27, 252]], "whole numbers from 0 to 255"),
            ([], "too short to have a header"),
            ([0, 0, 0, 8, 57, 27], "too short to have a header"),
            ([0, 0, 0, 8, 57, 27, 252], "ends before"),
            (pack(run(7, 255, 0), 8), "ends before"),
            (pack(literals([1, 2, 3], 0), 8)[:-1], "ends before"),
            (pack(run(8, 255, 0), 8)[:-1], "ends before"),
            (pack(literals([1] * 8, 3), 8)[:10], "ends before"),
            (pack(run(9, 255, 1), 8), "holds more than the 2 x 1 pixels"),
            (pack(literals([1] * 9, 3), 8), "holds more than the 2 x 1 pixels"),
            (pack(run(8, 255, 0), 4), "4 values, but the 2 x 1 pixels of its region need 8"),
            (pack(run(8, 255, 0), 2**32 - 1), "4294967295 values"),
            (pack(run(8, 255, 0), 8, "01111" + "0010001101111111"), "not in Label Studio's RLE format"),
            (pack(run(8, 255, 0), 8, "00111" + "0010001101111110"), "not in Label Studio's RLE format"),
        ],
    )
    def test_one_sentence_says_what_is_wrong(self, rle: Any, sentence: str) -> None:
        with pytest.raises(RleError, match=sentence) as caught:
            brush_rle.decode(rle, 2, 1)
        assert str(caught.value).endswith(".")

    @pytest.mark.parametrize("size", [(0, 0), (-2, -1), (0, 5)])
    def test_impossible_sizes(self, size: tuple[int, int]) -> None:
        with pytest.raises(RleError, match="cannot have the size"):
            brush_rle.decode(pack("", 0), *size)

    def test_a_short_stream_cannot_claim_memory(self) -> None:
        rle = pack(run(65536, 255, 3) * 10, 32000 * 32000 * 4)

        tracemalloc.start()
        with pytest.raises(RleError, match="ends before"):
            brush_rle.decode(rle, 32000, 32000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert peak < 1_000_000

    def test_what_follows_the_last_pixel_is_not_read(self) -> None:
        mask_HW = disk(20, 30)
        rle = brush_rle.encode_bytes(mask_HW) + b"\xff" * 1_000_000

        np.testing.assert_array_equal(brush_rle.decode(rle, 30, 20), mask_HW)

    @settings(max_examples=300, deadline=None)
    @given(body=st.binary(max_size=200), pixels=st.integers(1, 3000))
    def test_any_bits_give_a_mask_or_a_sentence(self, body: bytes, pixels: int) -> None:
        rle = pack("".join(f"{byte:08b}" for byte in body), pixels * 4)
        try:
            mask_HW = brush_rle.decode(rle, pixels, 1)
        except RleError:
            return
        assert mask_HW.shape == (1, pixels)
