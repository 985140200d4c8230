"""What Label Studio answers, as records, lists of them, and numbers."""

from __future__ import annotations

from ritm_ops.label_studio.client import JSON, LabelStudioError

Record = dict[str, JSON]


def listed(answer: JSON) -> list[Record]:
    """The records of an answer, which Label Studio gives as a list or as pages."""
    if isinstance(answer, dict):
        answer = answer.get("results", answer.get("tasks", []))
    return [each for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []


def record(answer: JSON) -> Record:
    """The one record of an answer. Raises LabelStudioError where it is none."""
    if not isinstance(answer, dict):
        raise LabelStudioError("The address does not answer like Label Studio.")
    return answer


def integer(value: JSON) -> int:
    """A whole number of a record. Raises LabelStudioError where it is none."""
    if not isinstance(value, int):
        raise LabelStudioError("The address does not answer like Label Studio.")
    return value
