"""Clicks on photographs that stay on the device of the engine, against views that are made on the CPU.

    python bench/clicks/resident_images.py --device cuda

Prints the largest difference of probabilities, and milliseconds of a click by size of the photograph.
`bench/gpu.py` measures the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from ritm_model.checkpoints import load_model, resolve_model
from ritm_model.clicks import Click
from ritm_model.images import read_image
from ritm_model.inference import Predictor, PredictorOptions, TorchEngine
from ritm_model.inference.engines.resident import ResidentImages
from ritm_model.inference.opening import chosen_device
from ritm_model.inference.state import Image
from ritm_model.networks import InteractiveModel

BUS = Path(__file__).parents[2] / "tests" / "samples" / "images" / "bus.jpg"
WALK = ((50, 40, True), (30, 45, True), (15, 85, False), (70, 45, True), (55, 90, False))


def photograph(times: int = 1) -> Image:
    """A sample of 0.3 megapixels, so many times as large in each direction; read-only, as in sessions."""
    enlarged: Image = np.kron(read_image(BUS), np.ones((times, times, 1), np.uint8))
    enlarged.flags.writeable = False
    return enlarged


def walk(image_HW3: Image) -> list[Click]:
    height, width = image_HW3.shape[:2]
    return [Click(x / 100 * width, y / 100 * height, sign) for x, y, sign in WALK]


def viewing(network: InteractiveModel, device: str, *, on_device: bool) -> Predictor:
    """The serving profile, with views made on the device, even if that is the CPU, or as for CPUs."""
    engine = TorchEngine(network, device)
    engine.resident = ResidentImages(engine.device) if on_device else None
    return Predictor(engine, PredictorOptions.serving(network.viewing))


def largest_error(network: InteractiveModel, device: str, times: int) -> float:
    """Of the probabilities after each click, where both ways go on from the same state."""
    there, here = (viewing(network, device, on_device=on_device) for on_device in (True, False))
    state, errors = here.start(photograph(times)), []
    for click in walk(state.image):
        resident, state = there.click(state, click), here.click(state, click)
        errors.append(float(np.abs(resident.probability - state.probability).max()))
    return max(errors)


def timed(network: InteractiveModel, device: str, times: int, seconds: float) -> Iterator[dict[str, object]]:
    """Median milliseconds of all clicks but the first, by where the views are made."""
    image_HW3 = photograph(times)
    first, *later = walk(image_HW3)
    for on_device in (True, False):
        predictor = viewing(network, device, on_device=on_device)
        predictor.replay(predictor.start(image_HW3), walk(image_HW3))  # warm
        took: list[float] = []
        while not took or sum(took) < 1000 * seconds:
            state = predictor.click(predictor.start(image_HW3), first)
            for click in later:
                start = perf_counter()
                state = predictor.click(state, click)
                took.append(1000 * (perf_counter() - start))
        yield {
            "megapixels": round(image_HW3.size / 3e6, 1),
            "views": "device" if on_device else "cpu",
            "ms": round(median(took), 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--device", default="auto")
    words = parser.parse_args()
    network, device = load_model(resolve_model(words.model)), chosen_device(words.device)
    print(f"largest error: {largest_error(network, device, 4):.1e}")
    for times in (1, 2, 6):
        for row in timed(network, device, times, seconds=1):
            print(row)


if __name__ == "__main__":
    main()
