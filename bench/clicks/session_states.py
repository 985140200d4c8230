"""How much of Redis do shared sessions take, and what does their rounding cost?

Each object of a pack is clicked until its IoU is 0.9 or ten clicks are made, with the settings that people
get, twice: with states as the network gives them, and rounded as servers with SESSION_STORE do. Bytes are
those of the values in Redis, the last two states of each object; keys take about 150 more.

    python bench/clicks/session_states.py --redis redis://127.0.0.1:6399/0

With an empty Redis, it is filled as 200 annotators fill it in an hour who click every four seconds: with
these states again and again, and what is noted of each object until it is accepted.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from strokes import Mask, iou, objects

from ritm_backend.accepted.notes import Note
from ritm_backend.accepted.redis_notes import RedisNotes
from ritm_model import Predictor, open_predictor
from ritm_model.images import Pixels
from ritm_model.inference.sessions.state_codec import encode_state, rounded
from ritm_model.inference.state import State
from ritm_model.simulation import next_click
from ritm_ops.jobs.queue import connect
from ritm_ops.redis_link import RedisLink

CLICKS, ENOUGH, KEPT = 10, 0.9, 2
ANNOTATORS, SECONDS, PAUSE_SECONDS = 200, 3600, 4


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


def fill(url: str, of_objects: Sequence[Sequence[bytes]], clicks: int) -> tuple[int, int]:
    """Fill a Redis with the states of `ANNOTATORS` in `SECONDS`, and with notes of their objects.

    Args:
        url: of an empty Redis.
        of_objects: the states that are kept of each.
        clicks: made on these objects.

    Returns:
        The bytes that Redis takes for the states and for the notes, its own for keys and times included.
    """
    redis = connect(url)
    count = round(ANNOTATORS * SECONDS / PAUSE_SECONDS / clicks * len(of_objects))

    def used() -> int:
        return int(redis.info("memory")["used_memory"])

    empty = used()
    for number in range(count):
        for place, data in enumerate(of_objects[number % len(of_objects)]):
            redis.set(f"ritm:state:2:{number:038x}{place:02x}", data, px=SECONDS * 1000)
    states = used()
    notes = RedisNotes(RedisLink(url, "this ends.", time.monotonic))
    for number in range(count):
        each = tuple((at + 0.123456, at + 0.654321, True) for at in range(round(clicks / len(of_objects))))
        name = f"{number:040x}"
        reference = f"/data/upload/1/1a2b3c4d-{name}.jpg"
        note = Note(
            session=name, prompt=name, pipeline="cells", version="cells-1a2b3c4d", clicks=each, task=number
        )
        notes.keep(name, note.model_copy(update={"reference": reference}))
    return states - empty, used() - states


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="labels:tests/samples")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--redis", help="an empty one, to be filled")
    options = parser.parse_args(arguments)
    predictor = open_predictor(options.model, "cpu")
    before: list[int] = []
    after: list[int] = []
    kept: list[list[bytes]] = []
    clicks: dict[str, list[int]] = {"as they are": [], "rounded": []}
    last: dict[str, list[float]] = {"as they are": [], "rounded": []}
    for _, image_HW3, object_HW in objects(options.data):
        for name, then in (("as they are", lambda state: state), ("rounded", rounded)):
            states = clicked(predictor, image_HW3, object_HW, then)
            clicks[name].append(len(states))
            last[name].append(iou(states[-1].mask, object_HW))
            if name == "rounded":
                encoded = [encode_state(state) or b"" for state in states]
                after += map(len, encoded)
                kept.append(encoded[-KEPT:])
            else:
                before += [unrounded_bytes(state) for state in states]
    for name in clicks:
        print(f"{name}: {np.mean(clicks[name]):.3f} clicks, IoU {np.mean(last[name]):.4f} at the end")
    held = [sum(map(len, states)) for states in kept]
    print(f"objects: {len(held)}")
    for name, sizes in (("a click before", before), ("a click", after), ("an object", held)):
        print(f"{name}: mean {np.mean(sizes):,.0f} bytes, largest {max(sizes):,}")
    per_click = float(np.sum(held) / np.sum(clicks["rounded"]))
    print(f"kept for each click that is made: {per_click:,.0f} bytes")
    if options.redis:
        of_states, of_notes = (each / 2**20 for each in fill(options.redis, kept, sum(clicks["rounded"])))
        print(f"an hour of {ANNOTATORS}: {of_states:.0f} MiB of states, {of_notes:.0f} MiB of notes")


if __name__ == "__main__":
    main(sys.argv[1:])
