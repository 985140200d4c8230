"""One line of JSON per event, on standard error.

Of a fault the log says its type and where it happened. Messages of faults and lines of source may quote what
was in memory, so neither is logged.
"""

from __future__ import annotations

import json
import logging
import sysconfig
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from traceback import walk_tb

_ROOTS = ("ritm_backend", "ritm_model")
_CODE = [Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1]]


def log(logger: logging.Logger, level: int, message: str, fields: Mapping[str, object]) -> None:
    """Log a message with named values beside it."""
    logger.log(level, message, extra={"fields": dict(fields)})


def whereabouts(error: BaseException) -> dict[str, object]:
    """Fields for the log: the type of a fault and its frames, "file:line function", the outermost first."""
    frames = [
        f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    return {"fault": type(error).__name__, "frames": frames}


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, tz=timezone.utc)
        entry: dict[str, object] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            entry |= whereabouts(record.exc_info[1])
        return json.dumps(entry, default=str)


def set_up_logging(level: str) -> None:
    """Send the log of our packages, and the warnings of libraries, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for root in _ROOTS:
        logging.getLogger(root).setLevel(level)


def _short(file: str) -> str:
    path = Path(file)
    root = next((root for root in _CODE if path.is_relative_to(root)), path.parent)
    return path.relative_to(root).as_posix()
