"""One line of JSON per event, on standard error."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone

_ROOT = "ritm_backend"


def log(logger: logging.Logger, level: int, message: str, fields: Mapping[str, object]) -> None:
    """Log a message with named values beside it."""
    logger.log(level, message, extra={"fields": dict(fields)})


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON, traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, tz=timezone.utc)
        entry: dict[str, object] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up_logging(level: str) -> None:
    """Send this package's log, and the warnings of libraries, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_ROOT).setLevel(level)
