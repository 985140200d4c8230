"""Label Studio's brush format: run lengths of an RGBA image, packed bit by bit.

The stream, most significant bit first:

    32 bits   number of values, height * width * 4 (row-major, the four channels interleaved)
     5 bits   bits per value - 1                         always 7
    4x4 bits  bits of the four length fields - 1         always 2, 3, 7, 15
    tokens    1 bit   1 = run, 0 = literals
              2 bits  which length field follows
              3, 4, 8 or 16 bits  count - 1
              8 bits  the value of the run, or count x 8 bits of literals
    zeros up to the end of the byte

All four channels of a pixel carry the same value, 0 or 255, and readers look at the fourth, alpha. The
writer here gives the same bytes as `label_studio_sdk.converter.brush.mask2rle`, down to the zero byte it
appends when the tokens end exactly at a byte. The reader also takes what others write: runs cut anywhere,
literals, colours beside the alpha, more padding.

Everything works on whole arrays of tokens. Only finding where each token begins is sequential, because
that depends on the token before.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ritm_model.errors import RitmError

_Ints: TypeAlias = npt.NDArray[np.int64]

_LENGTH_BITS = np.array([3, 4, 8, 16], dtype=np.int64)
_LONGEST_RUN = 1 << 16
_HEADER_BITS = 53
_FORMAT_BITS = 0b00111_0010_0011_0111_1111  # the 21 header bits after the number of values
_MAX_PIXELS = (1 << 30) - 1  # four values each must fit the 32-bit number of values
_LONGEST_RUN_BITS = 27
_CHUNK_BYTES = 1 << 16  # read at a time, which bounds the memory that a hostile stream can claim
_LONG_LITERAL = 0  # in the step table: the length needs more bits than the table looks at
_TOO_SHORT = "The brush mask ends before its last pixel."


class RleError(RitmError):
    """A brush mask that cannot be read, or that does not fit its region."""


def encode(mask_HW: npt.NDArray[np.bool_]) -> list[int]:
    """Write a mask as the list of byte values that goes into a region's `rle`.

    Args:
        mask_HW: True inside the object; at least one pixel, at most 2**30 - 1.

    Raises:
        RleError: The format cannot hold a mask of this size.
    """
    return list(encode_bytes(mask_HW))


def encode_bytes(mask_HW: npt.NDArray[np.bool_]) -> bytes:
    """Write a mask as in `encode`, as bytes: a sixth of the memory of the list.

    Args:
        mask_HW: True inside the object; at least one pixel, at most 2**30 - 1.

    Raises:
        RleError: The format cannot hold a mask of this size.
    """
    height, width = mask_HW.shape
    return encode_part(mask_HW, (0, 0), (height, width))


def encode_part(part_hw: npt.NDArray[np.bool_], corner: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """Write a mask of which only a part holds anything, as in `encode_bytes`; the rest is not looked at.

    Args:
        part_hw: True inside the object; at least one pixel.
        corner: row and column of the part's first pixel in the mask.
        frame: (height, width) of the mask, in which the part lies wholly; at most 2**30 - 1 pixels.

    Raises:
        RleError: The format cannot hold a mask of this size.
    """
    pixels = frame[0] * frame[1]
    if not part_hw.size or pixels > _MAX_PIXELS:
        raise RleError(f"A brush mask of {frame[1]} x {frame[0]} pixels cannot be written.")
    counts, kinds, values = _runs(_changes(part_hw, corner, frame[1]), pixels)
    length_bits = _LENGTH_BITS[kinds]
    tokens = (4 + kinds << length_bits | counts - 1) << 8 | values
    widths = 11 + length_bits
    ends = _HEADER_BITS + np.cumsum(widths)
    words = _pack(tokens, widths, ends - widths)
    words[0] = pixels * 4
    words[1] |= _FORMAT_BITS << 11
    return words.astype(">u4").tobytes()[: int(ends[-1]) // 8 + 1]


def decode(rle: Sequence[int], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Read a mask from a region's `rle`, the list of byte values or the bytes themselves.

    A pixel is inside where its alpha is at least half of the strongest alpha in the mask. Masks of
    programs hold two values only. Strokes drawn by hand have soft rims, which this cuts in their middle;
    and a mask written in weak values, such as 1 for inside, is not lost.

    Args:
        rle: Byte values, 0-255. May come from anybody.
        width: Of the image in pixels, as the region says. With height it bounds the memory used.
        height: Of the image in pixels.

    Returns:
        bool array of height x width.

    Raises:
        RleError: It is not such a stream, it ends too early, or it is for another size of image.
    """
    alpha_HW = decode_alpha(rle, width, height)
    strongest = int(alpha_HW.max())
    return alpha_HW >= max(1, (strongest + 1) // 2)


def decode_alpha(rle: Sequence[int], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Read the alpha channel, 0-255, of a region's `rle`; arguments and errors as for `decode`."""
    data = _as_bytes(rle)
    _check_header(data, width, height)
    number_of_values = width * height * 4
    if len(data) * 8 - _HEADER_BITS < number_of_values // _LONGEST_RUN * _LONGEST_RUN_BITS:
        raise RleError(_TOO_SHORT)  # before memory is taken for the mask

    stream = np.frombuffer(data + bytes(8), dtype=np.uint8)  # any token head can be read as 64 bits
    alpha = np.zeros(width * height, dtype=np.uint8)
    position = _HEADER_BITS
    done = 0
    while done < number_of_values:
        if position >= len(data) * 8:
            raise RleError(_TOO_SHORT)
        tokens = _read_tokens(data, stream, position, done)
        last = int(np.searchsorted(tokens.ends, number_of_values))
        tokens = _Tokens(*(column[: last + 1] for column in tokens))
        done, position = int(tokens.ends[-1]), int(tokens.next_bits[-1])
        if done > number_of_values:
            raise RleError(f"The brush mask holds more than the {width} x {height} pixels of its region.")
        if position > len(data) * 8:
            raise RleError(_TOO_SHORT)
        _paint_runs(alpha, tokens)
        _paint_literals(alpha, tokens, stream)
    return alpha.reshape(height, width)


def _changes(part_hw: npt.NDArray[np.bool_], corner: tuple[int, int], width: int) -> _Ints:
    """The pixels of the whole mask, counted row by row, that differ from the one before; outside is False."""
    rows, columns = part_hw.shape
    if columns < width:
        # A rim on the right stands for all that lies between the end of one row and the start of the next.
        rimmed = np.zeros((rows, columns + 1), np.bool_)
        rimmed[:, :columns] = part_hw
        part_hw = rimmed
    flat = np.ascontiguousarray(part_hw, dtype=np.bool_).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    begins, ends = np.zeros(int(flat[0]), np.int64), np.full(int(flat[-1]), flat.size)
    row, column = np.divmod(np.concatenate((begins, changes, ends)), part_hw.shape[1])
    return (row + corner[0]) * width + column + corner[1]


def _runs(changes: _Ints, pixels: int) -> tuple[_Ints, _Ints, _Ints]:
    """The runs of a mask, cut at the longest run: counts in values, length fields, and values."""
    begins_inside = 0 in changes[:1]
    changes = changes[(changes > 0) & (changes < pixels)]
    lengths = 4 * np.diff(changes, prepend=0, append=pixels)
    values = np.full(lengths.size, 255 if begins_inside else 0, dtype=np.int64)
    values[1::2] ^= 255
    kinds = (lengths > 8).astype(np.int64) + (lengths > 16) + (lengths > 256)
    # The rest of a cut run keeps the length field of the whole, as Label Studio's writer has it.
    pieces = (lengths - 1) // _LONGEST_RUN + 1
    counts = np.full(int(pieces.sum()), _LONGEST_RUN, dtype=np.int64)
    counts[np.cumsum(pieces) - 1] = lengths - _LONGEST_RUN * (pieces - 1)
    return counts, np.repeat(kinds, pieces), np.repeat(values, pieces)


def _pack(tokens: _Ints, widths: _Ints, starts: _Ints) -> npt.NDArray[np.uint32]:
    """Lay tokens of at most 32 bits at their bit positions into 32-bit words."""
    word_of = starts >> 5
    # Shifted as if its word were the upper half of 64 bits, a token that crosses into the next word does
    # so by itself. Every word has a token that begins in it, as no token is longer than a word.
    placed = tokens.astype(np.uint64) << (64 - (starts & 31) - widths).astype(np.uint64)
    merged = np.bitwise_or.reduceat(placed, np.flatnonzero(np.diff(word_of, prepend=-1)))
    halves = merged.astype(">u8").view(">u4")
    words = np.zeros(int(word_of[-1]) + 2, dtype=np.uint32)
    words[word_of[0] : -1] |= halves[0::2]
    words[word_of[0] + 1 :] |= halves[1::2]
    return words


class _Tokens(NamedTuple):
    """Consecutive tokens of a stream, one column per property."""

    heads: _Ints  # the first 32 bits of the token, which hold all but literal values
    length_bits: _Ints
    counts: _Ints  # values in the token
    ends: _Ints  # values in the stream up to and with the token
    starts: _Ints  # in bits of the stream
    next_bits: _Ints  # where the token after it starts


def _as_bytes(rle: Sequence[int]) -> bytes:
    if not isinstance(rle, Sequence):  # bytes(10**12) would be a terabyte of zeros
        raise RleError("The brush mask is not a list of byte values.")
    try:
        return bytes(rle)
    except (TypeError, ValueError):
        raise RleError("The brush mask is not a list of whole numbers from 0 to 255.") from None


def _check_header(data: bytes, width: int, height: int) -> None:
    if len(data) * 8 < _HEADER_BITS:
        raise RleError("The brush mask is too short to have a header.")
    if width < 1 or height < 1:
        raise RleError(f"A brush mask cannot have the size {width} x {height}.")
    number_of_values = int.from_bytes(data[:4], "big")
    if int.from_bytes(data[4:7], "big") >> 3 != _FORMAT_BITS:
        raise RleError("The brush mask is not in Label Studio's RLE format.")
    if number_of_values != width * height * 4:
        raise RleError(
            f"The brush mask has {number_of_values} values, but the {width} x {height} pixels of its region"
            f" need {width * height * 4}."
        )


def _read_tokens(data: bytes, stream: npt.NDArray[np.uint8], position: int, done: int) -> _Tokens:
    """Read the tokens that start within the next chunk; position is in bits, done counts values."""
    first_byte = position // 8
    length = min(_CHUNK_BYTES, len(data) - first_byte)
    pairs = stream[first_byte : first_byte + length].astype(np.uint16) << 8
    pairs |= stream[first_byte + 1 : first_byte + length + 1]
    chunk = data[first_byte : first_byte + length + 8]
    relative = _token_starts(chunk, _STEPS[pairs].tobytes(), position % 8)

    starts = np.array(relative, dtype=np.int64) + first_byte * 8
    at_any_byte: npt.NDArray[np.uint64] = np.ndarray((len(data) + 1,), ">u8", stream, strides=(1,))
    first_40_bits = (at_any_byte[starts >> 3] >> 24).astype(np.int64)
    heads = first_40_bits >> 8 - (starts & 7) & 0xFFFFFFFF
    length_bits = _LENGTH_BITS[heads >> 29 & 3]
    counts = (heads >> 29 - length_bits & (1 << length_bits) - 1) + 1
    values_held = np.where(_is_literal(heads), counts, 1)
    next_bits = starts + 3 + length_bits + 8 * values_held
    return _Tokens(heads, length_bits, counts, done + np.cumsum(counts), starts, next_bits)


def _token_starts(chunk: bytes, steps: bytes, position: int) -> list[int]:
    starts = []
    end = len(steps)
    while position < end:
        starts.append(position)
        position += steps[position] or _long_literal_bits(chunk, position)
    return starts


def _long_literal_bits(chunk: bytes, position: int) -> int:
    first_byte, phase = divmod(position, 8)
    head = int.from_bytes(chunk[first_byte : first_byte + 4].ljust(4, b"\0"), "big") << phase & 0xFFFFFFFF
    length_bits = 16 if head >> 29 & 1 else 8
    count = (head >> 29 - length_bits & (1 << length_bits) - 1) + 1
    return 3 + length_bits + 8 * count


def _paint_runs(alpha: npt.NDArray[np.uint8], tokens: _Tokens) -> None:
    # Pixel i has its alpha in value 4i + 3: values [begin, end) hold that of pixels [begin // 4, end // 4).
    first_pixel = int(tokens.ends[0] - tokens.counts[0]) >> 2
    last_pixels = tokens.ends >> 2
    values = (tokens.heads >> 21 - tokens.length_bits).astype(np.uint8)
    pixels = np.diff(last_pixels, prepend=first_pixel)
    alpha[first_pixel : int(last_pixels[-1])] = np.repeat(values, pixels)


def _paint_literals(alpha: npt.NDArray[np.uint8], tokens: _Tokens, stream: npt.NDArray[np.uint8]) -> None:
    literal = np.flatnonzero(_is_literal(tokens.heads))
    if not literal.size:
        return
    counts = tokens.counts[literal]
    first_values = tokens.ends[literal] - counts
    first_bits = tokens.starts[literal] + 3 + tokens.length_bits[literal]
    within_token = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    values = np.repeat(first_values, counts) + within_token
    bits = np.repeat(first_bits, counts) + 8 * within_token
    is_alpha = values & 3 == 3
    byte, phase = np.divmod(bits[is_alpha], 8)
    pairs = stream[byte].astype(np.int64) << 8 | stream[byte + 1]
    alpha[values[is_alpha] >> 2] = (pairs >> 8 - phase).astype(np.uint8)


def _is_literal(heads: _Ints) -> npt.NDArray[np.bool_]:
    return heads < 1 << 31


def _step_table() -> npt.NDArray[np.uint8]:
    """Bits of the token that starts at each of the first eight bits of a 16-bit pair of bytes."""
    head = np.arange(128)  # the first seven bits of a token
    kind = head >> 4 & 3
    run = 11 + _LENGTH_BITS[kind]
    short_literal = np.where(kind == 0, 6 + 8 * ((head >> 1 & 7) + 1), 7 + 8 * ((head & 15) + 1))
    step = np.where(head >> 6 == 1, run, np.where(kind < 2, short_literal, _LONG_LITERAL))
    pairs = np.arange(1 << 16)[:, np.newaxis]
    steps: npt.NDArray[np.uint8] = step.astype(np.uint8)[pairs >> (9 - np.arange(8)) & 127]
    return steps


_STEPS = _step_table()
