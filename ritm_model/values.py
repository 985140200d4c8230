"""Frozen objects that are read from JSON and YAML, and what is wrong with such a text in one line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from ritm_model.errors import shown


class Value(BaseModel):
    """What we write ourselves: every name must be known, and every number finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ForeignValue(BaseModel):
    """What other programs or other versions write: names that are not known are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def first_problem(error: ValidationError) -> str:
    """The first thing pydantic found, and how many more there are, on one line."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    where = ".".join(str(part) for part in problems[0]["loc"])
    text = f"{where}: {problems[0]['msg']}" if where else problems[0]["msg"]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return shown(text, 300) + more
