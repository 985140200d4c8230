"""What a request leaves behind for the log and the counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ritm_backend.label_studio.errors import ConfigError, TaskError
from ritm_model.images import ImageError
from ritm_model.inference.timing import Timings
from ritm_ops.admission import BusyError
from ritm_ops.pictures import FetchError

_ONCE_MORE = "Click once more on the same object: all of its clicks are sent again."
_TELL = "Tell the administrator; clicking again does not help before this is mended."


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A click without a mask. `next_step` is what the annotator can do."""

    task: int | None
    why: str
    next_step: str


@dataclass(slots=True)
class Report:
    """What the log says about one request, and what its handling has to know of it.

    Attributes:
        client: whose request it is.
        deadline: until when it may wait, in seconds of the monotonic clock.
        is_gone: whether whoever asked waits no more.
        model_version: which weights answer it.
    """

    client: str = ""
    deadline: float = float("inf")
    is_gone: Callable[[], bool] = lambda: False

    timings: Timings = field(default_factory=Timings)
    model_version: str = ""
    tasks: list[int | None] = field(default_factory=list)
    clicks: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)

    def not_answered(self, task: int | None, why: str, next_step: str) -> None:
        self.unanswered.append(Unanswered(task, why, next_step))


def next_step(error: Exception) -> str:
    """What the annotator can do about a click that failed with this error."""
    match error:
        case BusyError():
            return _ONCE_MORE
        case FetchError():
            return f"{_ONCE_MORE} If the image stays out of reach, tell the administrator."
        case ImageError():
            return "Skip this task and tell whoever imported the image."
        case ConfigError() | TaskError():
            return "Tell whoever manages the project: its labeling configuration does not fit."
        case _:
            return _TELL


def next_step_of_status(status: int) -> str:
    """What the annotator can do about a request that was refused as a whole."""
    return _ONCE_MORE if status in (408, 429, 503) else _TELL
