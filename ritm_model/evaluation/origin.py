"""Where the numbers of an evaluation come from: which files, which machine, when.

`origin.json` stands beside the results for people and reports. Nothing is measured by it, and an evaluation
without it is as good.
"""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import ValidationError

from ritm_model.checkpoints import ModelCard, read_card
from ritm_model.datasets import DATASETS, Dataset, Roots, find_dataset
from ritm_model.evaluation.run_folder import RunFolderError
from ritm_model.files import write_file, writing
from ritm_model.values import Value

ORIGIN = "origin.json"


class LeftOut(Value):
    """A file that was not evaluated. `by_rule`: nothing is broken, the data set leaves such things out."""

    file: str
    reason: str
    by_rule: bool = False


class DataOrigin(Value):
    """A data set as it was evaluated; `place` is LAYOUT:PATH, as `--root` takes it."""

    place: str
    images: int
    samples: int
    left_out: tuple[LeftOut, ...] = ()


class Origin(Value):
    """What `origin.json` holds. `finished` is in UTC; `model` a path."""

    ritm: str
    torch: str
    finished: datetime
    machine: str
    device: str
    processes: int
    model: str
    card: ModelCard
    data: DataOrigin


def origin_of(model: Path, device: str, processes: int, dataset: Dataset, roots: Roots) -> Origin:
    """Say where an evaluation that has just been finished here comes from."""
    place = find_dataset(dataset.name, roots)
    layout = next(name for name, layout in DATASETS.items() if layout is place.layout)
    return Origin(
        ritm=version("ritm"),
        torch=version("torch"),
        finished=datetime.now(timezone.utc).replace(microsecond=0),
        machine=_machine(device),
        device=device,
        processes=processes,
        model=str(model.resolve()),
        card=read_card(model),
        data=DataOrigin(
            place=f"{layout}:{place.root.resolve()}",
            images=len(dataset.photographs),
            samples=len(dataset),
            left_out=tuple(
                LeftOut(file=problem.file, reason=problem.reason, by_rule=problem.by_rule)
                for problem in dataset.problems
            ),
        ),
    )


def write_origin(folder: Path, origin: Origin) -> None:
    """Keep it beside the results. Raises RunFolderError where the folder cannot be written."""
    with writing(folder, RunFolderError):
        write_file(folder / ORIGIN, origin.model_dump_json(indent=1))


def read_origin(folder: Path) -> Origin | None:
    """What is known of the origin of a folder's results; None where nobody has noted it.

    Raises:
        RunFolderError: the file is damaged or cannot be read.
    """
    path = folder / ORIGIN
    try:
        return Origin.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError:
        raise RunFolderError(f"{path} is damaged.") from None


def _machine(device: str) -> str:
    system = f"{platform.system()} {platform.machine()}"
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {system}"
    return f"{_processor()}, {os.cpu_count()} cores, {system}"


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
