"""`ritm models export`: a model for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from ritm_model.cli.options import as_json
from ritm_model.cli.output import echo_json


@click.command()
@click.argument("model")
@click.argument("destination", type=click.Path(path_type=Path, dir_okay=False))
@as_json
def export(model: str, destination: Path, as_json: bool) -> None:
    """Write MODEL as DESTINATION, an .onnx file for any size of image and number of clicks.

    Its inputs are `image`, float32 of shape B x C x H x W: RGB in [0, 1] and, where C is 4, the previous
    mask as probabilities; and `points`, float32 of shape B x 2N x 3: (row, column, order) in pixels of N
    positive, then N negative clicks, unused rows -1. It answers `logits`, B x 1 x H x W; above 0 is object.
    """
    from ritm_model.checkpoints import load_model, model_version, resolve_model
    from ritm_model.inference.engines.onnx_export import OPSET, export_onnx

    if destination.suffix != ".onnx":
        raise click.BadParameter("must end in .onnx", param_hint="DESTINATION")
    path = resolve_model(model)
    version = model_version(path)
    export_onnx(load_model(path), destination, version)
    size = destination.stat().st_size
    if as_json:
        about = {"path": str(destination), "version": version, "opset": OPSET, "bytes": size}
        echo_json(about)
    else:
        click.echo(f"{version} is exported: {destination} ({size / 1e6:.1f} MB, ONNX opset {OPSET})")
