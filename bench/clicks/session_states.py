"""How much of Redis do shared sessions take, and what does their rounding cost?

Each object of a pack is clicked until its IoU is 0.9 or ten clicks are made, with the settings that people
get, twice: with states as the network gives them, and rounded as servers with SESSION_STORE do. Bytes are
those of the values in Redis, the last two states of each object; keys take about 150 more.

    python bench/clicks/session_states.py --pack tests/samples
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from strokes import Mask, iou, objects

from ritm_model import Predictor, open_predictor
from ritm_model.images import Pixels
from ritm_model.inference.sessions.state_codec import encode_state, rounded
from ritm_model.inference.state import State
from ritm_model.simulation import next_click

CLICKS, ENOUGH, KEPT = 10, 0.9, 2


def unrounded_bytes(state: State) -> int:
    """What the state takes with its probabilities as 32-bit numbers."""
    assert state.prediction is not None
    mask = np.packbits(state.prediction.mask_inside).tobytes()
    return len(zlib.compress(state.prediction.soft.values_hw.tobytes() + mask, 1))


def clicked(
    predictor: Predictor, image_HW3: Pixels, object_HW: Mask, then: Callable[[State], State]
) -> list[State]:
    """The states of an object."""
    states = [predictor.start(image_HW3)]
    while len(states) <= CLICKS and (len(states) == 1 or iou(states[-1].mask, object_HW) < ENOUGH):
        click = next_click(states[-1].mask, object_HW.astype(np.int8))
        states.append(then(predictor.click(states[-1], click)))
    return states[1:]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="labels:tests/samples")
    parser.add_argument("--model", default="bundled")
    options = parser.parse_args(arguments)
    predictor = open_predictor(options.model, "cpu")
    before, after, held = [], [], []
    clicks: dict[str, list[int]] = {"as they are": [], "rounded": []}
    last: dict[str, list[float]] = {"as they are": [], "rounded": []}
    for _, image_HW3, object_HW in objects(options.data):
        for name, then in (("as they are", lambda state: state), ("rounded", rounded)):
            states = clicked(predictor, image_HW3, object_HW, then)
            clicks[name].append(len(states))
            last[name].append(iou(states[-1].mask, object_HW))
            if name == "rounded":
                sizes = [len(encode_state(state) or b"") for state in states]
                after += sizes
                held.append(sum(sizes[-KEPT:]))
            else:
                before += [unrounded_bytes(state) for state in states]
    for name in clicks:
        print(f"{name}: {np.mean(clicks[name]):.3f} clicks, IoU {np.mean(last[name]):.4f} at the end")
    print(f"objects: {len(held)}")
    for name, sizes in (("a click before", before), ("a click", after), ("an object", held)):
        print(f"{name}: mean {np.mean(sizes):,.0f} bytes, largest {max(sizes):,}")
    per_click = float(np.sum(held) / np.sum(clicks["rounded"]))
    print(f"kept for each click that is made: {per_click:,.0f} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
