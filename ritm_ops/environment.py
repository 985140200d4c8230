"""Settings of a process: read once from the environment, and what is wrong there told in one sentence."""

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ritm_model.errors import RitmError

SettingsT = TypeVar("SettingsT", bound="EnvironmentSettings")


class SettingsError(RitmError):
    """An environment variable has a value that cannot be used, or one is missing."""


class EnvironmentSettings(BaseSettings):
    """What the kinds of processes have in common; each adds its fields, with descriptions, and a prefix.

    Attributes:
        renamed: variables' old names, which are still read, with today's.
    """

    renamed: ClassVar[Mapping[str, str]] = {}

    model_config = SettingsConfigDict(
        env_ignore_empty=True,  # `VARIABLE=` in a compose file means "the default"
        frozen=True,
        extra="ignore",
        validate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @classmethod
    def from_environment(cls: type[SettingsT], **given: object) -> SettingsT:
        """Read all settings, but for those that are given by name, as on a command line.

        What is secret may stand in a file, which the variable with `_FILE` behind its name tells: Docker and
        Kubernetes mount them so. Of a variable that has an old name, too, today's counts; the old one is
        warned of (FutureWarning).

        Raises:
            SettingsError: one sentence that names each wrong variable.
        """
        try:
            return cls(**cls._from_old_names() | cls._from_files() | given)
        except ValidationError as error:
            # The cause is dropped on purpose: pydantic's own report is no sentence.
            raise SettingsError(cls._sentence(error)) from None

    @classmethod
    def _from_files(cls) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, info in cls.model_fields.items():
            if "SecretStr" not in str(info.annotation):
                continue
            for name in cls._names(field):
                if (secret := secret_in_file(name)) is not None:
                    found[field] = secret
        return found

    @classmethod
    def _from_old_names(cls) -> dict[str, Any]:
        fields = {cls._variable(field): field for field in cls.model_fields}
        found: dict[str, Any] = {}
        for old, new in cls.renamed.items():
            if value := os.environ.get(old):
                warnings.warn(f"{old} is now called {new}.", FutureWarning, stacklevel=3)
                if not os.environ.get(new):
                    found[fields[new]] = value
        return found

    @classmethod
    def variables(cls) -> Iterator[tuple[str, str]]:
        """Yield (environment variable, description) of each setting; of aliases, the preferred name."""
        for field, info in cls.model_fields.items():
            yield cls._variable(field), info.description or ""

    @classmethod
    def _variable(cls, field: str) -> str:
        return cls._names(field)[0]

    @classmethod
    def _names(cls, field: str) -> list[str]:
        """The environment variables of a setting, the preferred one first."""
        alias = cls.model_fields[field].validation_alias
        if isinstance(alias, AliasChoices):
            return [str(choice) for choice in alias.choices]
        return [str(alias) if alias else f"{cls.model_config['env_prefix']}{field.upper()}"]

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        complaints: dict[str, str] = {}
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            place = str(detail["loc"][0]) if detail["loc"] else ""
            name = cls._variable(place) if place in cls.model_fields else place
            message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should")
            complaints.setdefault(name, f"{name} {message}".strip())
        return "; ".join(complaints.values()) + "."


def secret_in_file(variable: str) -> str | None:
    """What the file holds that a variable with `_FILE` behind its name tells; None where it is not set.

    Raises:
        SettingsError: the variable itself is set as well, or the file cannot be read.
    """
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    if os.environ.get(variable):
        raise SettingsError(f"{variable} and {variable}_FILE are both set; one of them must go.")
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{variable}_FILE names a file that cannot be read.") from None
