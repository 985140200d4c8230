"""Label Studio's own brush codec, spoken to through a pipe.

Label Studio has a virtual environment of its own, which the project does not share. Run by that
interpreter, this file answers frames on its standard input; imported, it is the other end (`BrushOracle`).

    question  1 byte   b"e" encode, b"d" decode
              3 x u32  height, width, length of the payload (big-endian)
              payload  encode: the mask, 0 or 255 per pixel; decode: the RLE bytes
    answer    f64      seconds the codec took
              u32      length of the payload
              payload  encode: the RLE bytes; decode: the alpha channel, one byte per pixel
"""

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

QUESTION = struct.Struct(">cIII")
ANSWER = struct.Struct(">dI")


class BrushOracle:
    """A running codec of Label Studio; a context manager."""

    def __init__(self, python: Path) -> None:
        self.seconds = 0.0  # that Label Studio's codec took for the last question
        self._process = subprocess.Popen(
            [python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=-1
        )

    def encode(self, mask_HW: npt.NDArray[np.bool_]) -> bytes:
        return self._ask(b"e", mask_HW.shape, (mask_HW * np.uint8(255)).tobytes())

    def decode(self, rle: bytes, width: int, height: int) -> npt.NDArray[np.uint8]:
        alpha = self._ask(b"d", (height, width), rle)
        return np.frombuffer(alpha, np.uint8).reshape(height, width)

    def _ask(self, what: bytes, shape: tuple[int, ...], payload: bytes) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(QUESTION.pack(what, *shape, len(payload)))
        stdin.write(payload)
        stdin.flush()
        head = stdout.read(ANSWER.size)
        if len(head) < ANSWER.size:
            raise RuntimeError("Label Studio's codec failed; its reason is on standard error.")
        self.seconds, length = ANSWER.unpack(head)
        return stdout.read(length)

    def __enter__(self) -> "BrushOracle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)  # closes the pipes, which ends it, and waits


def interpreter() -> Path:
    """The Python that has Label Studio installed, whether it exists or not."""
    default = Path(__file__).parents[2] / ".venvs/label-studio/bin/python"
    return Path(os.environ.get("RITM_LABEL_STUDIO_PYTHON", default))


def answer_all() -> None:
    from label_studio_sdk.converter import brush

    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what the codec prints must not get between the frames
    while head := questions.read(QUESTION.size):
        what, height, width, length = QUESTION.unpack(head)
        payload = questions.read(length)
        if what == b"e":
            mask_HW = np.frombuffer(payload, np.uint8).reshape(height, width)
            start = time.perf_counter()
            result = brush.mask2rle(mask_HW)
            seconds = time.perf_counter() - start
        else:
            rle = list(payload)
            start = time.perf_counter()
            values = brush.decode_rle(rle)
            seconds = time.perf_counter() - start
            result = values.reshape(height, width, 4)[:, :, 3].tobytes()
        answers.write(ANSWER.pack(seconds, len(result)))
        answers.write(bytes(result))
        answers.flush()


if __name__ == "__main__":
    answer_all()
