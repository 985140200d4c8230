"""A folder that holds one evaluation and survives its interruption.

`run.json` says what is measured and how, `samples.jsonl` has one line per sample, written as soon as the
sample is done. Whoever evaluates the same into the same folder again goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ritm_model.errors import RitmError
from ritm_model.evaluation.results import SampleResult
from ritm_model.files import write_file, writing

SETTINGS = "run.json"
SAMPLES = "samples.jsonl"
FORMAT = 1


class RunFolderError(RitmError):
    """A folder that belongs to another evaluation, or that is damaged."""


class EvaluationFolder:
    """The results of one evaluation on disk."""

    def __init__(self, path: Path, settings: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Make the folder, or continue in it.

        Args:
            path: the folder.
            settings: what is evaluated and how, as JSON.
            fresh: discard what is there.

        Raises:
            RunFolderError: it holds an evaluation with other settings, is damaged, or cannot be written.
        """
        self.path = path
        wanted = json.loads(json.dumps({"format": FORMAT, **settings}))
        with writing(path, RunFolderError):
            path.mkdir(parents=True, exist_ok=True)
            if fresh:
                (path / SAMPLES).unlink(missing_ok=True)
                (path / SETTINGS).unlink(missing_ok=True)
            if (path / SETTINGS).exists():
                _check_same(path, _read_settings(path), wanted)
            else:
                write_file(path / SETTINGS, json.dumps(wanted, indent=1))
            self.done = _read_samples(path / SAMPLES, repair=True)

    def append(self, result: SampleResult) -> None:
        """Keep a result."""
        with (self.path / SAMPLES).open("a") as file:
            file.write(json.dumps(result.to_json()) + "\n")
        self.done[result.index] = result


def read_run(path: Path) -> tuple[dict[str, Any], tuple[SampleResult, ...]]:
    """What a folder holds: its settings, and the results so far in the order of the data set.

    Raises:
        RunFolderError: there is no evaluation, or it is damaged.
    """
    done = _read_samples(path / SAMPLES, repair=False)
    return _read_settings(path), tuple(done[index] for index in sorted(done))


def expected_samples(path: Path) -> int:
    """How many samples a folder holds when its evaluation is finished. Raises RunFolderError."""
    samples = _read_settings(path).get("samples")
    if not isinstance(samples, int):
        raise RunFolderError(f"{path / SETTINGS} is damaged.")
    return samples


def _check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    found, wanted = _flat(found), _flat(wanted)
    differing = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    if differing:
        differences = ", ".join(
            f"{name} {json.dumps(found.get(name))} instead of {json.dumps(wanted.get(name))}"
            for name in differing
        )
        raise RunFolderError(
            f"{path} holds an evaluation with {differences}; "
            "choose another folder (--output) or discard it (--fresh)."
        )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in settings.items():
        rows.update(_flat(value) if isinstance(value, dict) else {name: value})
    return rows


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads((path / SETTINGS).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(f"{path} holds no evaluation.") from None
    except ValueError:
        raise RunFolderError(f"{path / SETTINGS} is damaged.") from None
    if not isinstance(settings, dict):
        raise RunFolderError(f"{path / SETTINGS} is damaged.")
    return settings


def _read_samples(path: Path, *, repair: bool) -> dict[int, SampleResult]:
    if not path.exists():
        return {}
    whole = path.read_bytes()
    # A process that was killed may leave half a line at the end.
    complete = whole[: whole.rfind(b"\n") + 1]
    if repair and len(complete) < len(whole):
        with path.open("r+b") as file:
            file.truncate(len(complete))
    done = {}
    for number, line in enumerate(complete.splitlines(), start=1):
        try:
            result = SampleResult.from_json(json.loads(line))
        except (KeyError, TypeError, ValueError):
            raise RunFolderError(f"Line {number} of {path} is damaged.") from None
        done[result.index] = result
    return done
