"""Milliseconds from the button to the painted mask in the demo, and how smoothly a large photo pans.

Starts `ritm demo` and a headless Chromium that draws without a GPU, and clicks eight times on each picture.
The page itself measures: from the button to the frame after the one in which the mask was painted. Prints
one JSON line per size with the median and the largest time, the stages' medians, and frames per second while
panning.

    python bench/pictures/demo_click.py --image tests/samples/images/bus.jpg
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

sys.path.extend(str(Path(__file__).parents[2] / "tests" / folder) for folder in ("servers", "e2e"))
from backend import RITM
from demo_page import Demo, quiet_chromium
from playwright.sync_api import expect
from processes import free_port, serving

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080), "4000x3000": (4000, 3000)}
# In percent: where, and is it the object? The first one is not counted: it decodes the picture.
CLICKS = [(50, 50, True), (42, 55, True), (20, 20, False), (58, 47, True), (75, 80, False)]
CLICKS += [(35, 45, True), (62, 60, True), (50, 90, False), (45, 42, True)]

PAN = """(seconds) => new Promise((resolve) => {
    const send = (kind, x) => canvas.dispatchEvent(new PointerEvent(kind, {
        pointerId: 1, pointerType: "mouse", button: 1, clientX: 300 + x, clientY: 300 + x, bubbles: true,
    }));
    canvas.setPointerCapture = () => {}; // there is no such pointer to capture
    send("pointerdown", 0);
    const frames = [];
    const step = (now) => {
        frames.push(now);
        send("pointermove", 120 * Math.sin(frames.length / 15));
        if (now - frames[0] < seconds * 1000) return requestAnimationFrame(step);
        send("pointerup", 0);
        return resolve(frames.slice(1).map((at, index) => at - frames[index]));
    };
    requestAnimationFrame(step);
})"""


def measure(demo: Demo, size: tuple[int, int]) -> dict[str, Any]:
    totals = []
    stages = defaultdict(list)
    for number, (x, y, is_positive) in enumerate(CLICKS):
        demo.click(x * size[0] // 100, y * size[1] // 100, right=not is_positive)
        expect(demo.page.locator("#latency")).to_contain_text("ms")
        demo.page.wait_for_timeout(200)  # the read-out is written two frames after the mask
        if number:
            totals.append(float(re.findall(r"\d+", demo.page.locator("#latency").inner_text())[0]))
            names = demo.page.locator("#stages dt").all_text_contents()
            values = demo.page.locator("#stages dd").all_text_contents()
            for name, value in zip(names, values, strict=True):
                stages[name].append(float(value.split()[0]))
    frames = demo.page.evaluate(PAN, 3)
    return {
        "click_to_paint_ms": {"p50": median(totals), "max": max(totals)},
        "stages_ms": {name: round(median(values), 1) for name, values in stages.items()},
        "pan_frames_per_second": round(1000 * len(frames) / sum(frames), 1),
        "pan_frame_ms": {"p50": round(median(frames), 1), "max": round(max(frames), 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="auto")
    args = parser.parse_args()
    with TemporaryDirectory() as name, quiet_chromium() as browser:
        folder = Path(name)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "HOME": name, "RITM_ENGINE": args.engine}
        command = [RITM, "demo", "--cpu", "--no-browser", "--port", str(port), "--checkpoint", args.model]
        with serving(command, environment, folder / "log", url=url, health="/ready", within_s=200):
            for label, size in SIZES.items():
                picture = folder / f"{label}.jpg"
                Image.open(args.image).convert("RGB").resize(size).save(picture, quality=90)
                demo = Demo(browser.new_page(viewport={"width": 1280, "height": 800}))
                demo.go(url)
                demo.open(picture)
                print(json.dumps({"size": label, "model": args.model, **measure(demo, size)}), flush=True)
                demo.page.close()


if __name__ == "__main__":
    main()
