"""`ritm predict`: clicks on the command line, masks in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ritm_model.errors import RitmError
from ritm_model.files import writing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ritm_model.clicks import Click
    from ritm_model.inference import Box, PredictorOptions, State

FORMATS = ("mask", "overlay", "rle", "json")
FORMAT_OF_SUFFIX = {
    ".png": "mask",
    ".bmp": "mask",
    ".tif": "mask",
    ".tiff": "mask",
    ".jpg": "overlay",
    ".jpeg": "overlay",
    ".webp": "overlay",
    ".rle": "rle",
    ".json": "json",
}


def parse_click(text: str) -> Click:
    """Read "x,y", or "-x,y" for a negative click."""
    from ritm_model.clicks import Click

    numbers = _numbers(text.removeprefix("-"))
    if len(numbers) != 2:
        raise click.BadParameter(f"'{text}' is not a click; write x,y, or -x,y for a negative one.")
    x, y = numbers
    return Click(x, y, is_positive=not text.startswith("-"))


def parse_box(text: str) -> Box:
    """Read "left,top,right,bottom"."""
    from ritm_model.inference import Box

    numbers = _numbers(text)
    if len(numbers) != 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise click.BadParameter(f"'{text}' is not a box; write left,top,right,bottom in pixels.")
    return Box(*numbers)


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(map(isfinite, numbers)) else []


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--click",
    "clicks",
    type=parse_click,
    metavar="X,Y",
    multiple=True,
    help="A click in pixels, x to the right and y downwards; repeat it for more, in order. A leading minus "
    "makes it negative (-120,80 means: not this), so coordinates themselves are never negative.",
)
@click.option(
    "--box",
    type=parse_box,
    metavar="L,T,R,B",
    help="Box around the object. Without a positive click its middle is the first one.",
)
@click.option("--mask", type=click.Path(path_type=Path), help="Start from this mask: whatever is not black.")
@click.option("--model", default="bundled", show_default=True, help="Name of a model, or a checkpoint file.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, …")
@click.option(
    "--engine",
    type=click.Choice(["auto", "torch", "compile", "openvino"]),
    default="torch",
    show_default=True,
    help="What runs the network; auto measures which is the quickest, which takes longer than one answer.",
)
@click.option(
    "--profile",
    type=click.Choice(["serving", "paper"]),
    default="serving",
    show_default=True,
    help="serving: fast, as annotators get it. paper: as the published numbers were measured.",
)
@click.option("--flip/--no-flip", default=None, help="Average with the mirror image; the profile's choice.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Probability above which a pixel is object.")
@click.option(
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File to write; repeat it for more. Its suffix says what: .png mask, .jpg overlay, .rle COCO RLE, "
    ".json everything in numbers.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    help="What to write instead of what the suffix says: one for every --output, in the same order.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def predict(
    image: Path,
    clicks: tuple[Click, ...],
    box: Box | None,
    mask: Path | None,
    model: str,
    device: str,
    engine: str,
    profile: str,
    flip: bool | None,
    threshold: float | None,
    outputs: tuple[Path, ...],
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Segment the object that the clicks on IMAGE mean.

    \b
    ritm predict cat.jpg --click 210,160 --click -40,30 --output mask.png --output seen.jpg
    """
    wanted = _outputs(outputs, formats)
    if not clicks and box is None:
        raise click.UsageError("Give at least one --click or a --box.")

    from ritm_model.images import read_image
    from ritm_model.inference import open_predictor

    pixels_HW3 = read_image(image)
    _check_inside(clicks, pixels_HW3.shape[:2])
    start_HW = read_image(mask).max(axis=2) > 0 if mask else None
    predictor = open_predictor(model, device, _options(model, profile, flip, threshold), engine=engine)
    points_N2 = [(made.x, made.y) for made in clicks]
    labels_N = [made.is_positive for made in clicks]
    state = predictor.predict(pixels_HW3, points_N2, labels_N, start_HW, box)
    answer = _answer(image, predictor.engine.name, state)
    for path, kind in wanted:
        _write(path, WRITERS[kind](path, state, answer))
    if as_json:
        click.echo(json.dumps(answer))
    else:
        click.echo(f"{answer['area']} pixels, score {state.score:.2f}, model {answer['model']}")
        for path, kind in wanted:
            click.echo(f"{kind:8}{path}")


def _outputs(outputs: Sequence[Path], formats: Sequence[str]) -> list[tuple[Path, str]]:
    if formats:
        if len(formats) != len(outputs):
            raise click.UsageError("Give one --format for every --output, or none at all.")
        return list(zip(outputs, formats, strict=True))
    for path in outputs:
        if path.suffix.lower() not in FORMAT_OF_SUFFIX:
            raise click.UsageError(
                f"What to write to {path} cannot be told from its suffix; add --format {'|'.join(FORMATS)}."
            )
    return [(path, FORMAT_OF_SUFFIX[path.suffix.lower()]) for path in outputs]


def _options(model: str, profile: str, flip: bool | None, threshold: float | None) -> PredictorOptions:
    from dataclasses import replace

    from ritm_model.inference import PredictorOptions
    from ritm_model.inference.opening import viewing_of

    is_paper = profile == "paper"
    options = PredictorOptions.paper() if is_paper else PredictorOptions.serving(viewing_of(model))
    return replace(
        options,
        with_flip=options.with_flip if flip is None else flip,
        threshold=options.threshold if threshold is None else threshold,
    )


def _check_inside(clicks: Sequence[Click], size: tuple[int, ...]) -> None:
    height, width = size
    for made in clicks:
        if not (0 <= made.x < width and 0 <= made.y < height):
            raise RitmError(f"The click {made.x:g},{made.y:g} lies outside the {width} x {height} image.")


def _answer(image: Path, model: str, state: State) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    mask_HW = state.mask
    rle = coco_mask.encode(mask_HW.astype("uint8", order="F"))
    counts = rle["counts"]
    height, width = mask_HW.shape
    return {
        "image": str(image),
        "width": width,
        "height": height,
        "model": model,
        "clicks": [{"x": made.x, "y": made.y, "is_positive": made.is_positive} for made in state.clicks],
        "score": state.score,
        "area": int(mask_HW.sum()),
        "bbox_xywh": [int(edge) for edge in coco_mask.toBbox(rle)],
        "rle": {"size": [height, width], "counts": counts if isinstance(counts, str) else counts.decode()},
    }


def _mask_file(path: Path, state: State, _answer: dict[str, Any]) -> bytes:
    return _encoded(path, state.mask.astype("uint8") * 255)


def _overlay_file(path: Path, state: State, _answer: dict[str, Any]) -> bytes:
    from ritm_model.images.overlay import draw_overlay

    return _encoded(path, draw_overlay(state.image, state.mask, state.clicks)[..., ::-1])


def _rle_file(_path: Path, _state: State, answer: dict[str, Any]) -> bytes:
    return (json.dumps(answer["rle"]) + "\n").encode()


def _json_file(_path: Path, _state: State, answer: dict[str, Any]) -> bytes:
    return (json.dumps(answer, indent=2) + "\n").encode()


WRITERS: dict[str, Callable[[Path, State, dict[str, Any]], bytes]] = {
    "mask": _mask_file,
    "overlay": _overlay_file,
    "rle": _rle_file,
    "json": _json_file,
}


def _encoded(path: Path, pixels: npt.NDArray[np.uint8]) -> bytes:
    import cv2

    try:
        done, data = cv2.imencode(path.suffix.lower() or ".png", pixels)
    except cv2.error:
        done = False
    if not done:
        raise RitmError(f"{path} cannot be written: pictures end in .png, .jpg, .webp, .bmp or .tif.")
    return data.tobytes()


def _write(path: Path, data: bytes) -> None:
    with writing(path):
        path.write_bytes(data)
