"""Nuclio's dashboard as CVAT's server sees it: which functions are there, and what do they answer?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import requests

from ritm_model.errors import RitmError

Definition = Mapping[str, Any]

PROJECT = "cvat"


class DashboardError(RitmError):
    """The dashboard cannot be reached, or the function is not there."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One answer of a function."""

    status: int
    text: str
    milliseconds: float


class Dashboard:
    """Calls a dashboard with the headers that CVAT sends."""

    def __init__(self, url: str, *, namespace: str = "nuclio", timeout_seconds: float = 120) -> None:
        """Raises `DashboardError` for an address that is none."""
        if not url.startswith(("http://", "https://")):
            raise DashboardError(f"The dashboard's address must begin with http:// or https://, not '{url}'.")
        self._url = url.rstrip("/")
        self._timeout = timeout_seconds
        self._headers = {
            "x-nuclio-project-name": PROJECT,
            "x-nuclio-function-namespace": namespace,
            "x-nuclio-invoke-via": "domain-name",
            "X-Nuclio-Invoke-Timeout": f"{timeout_seconds:.0f}s",
        }

    def functions(self) -> dict[str, Definition]:
        """All functions of the project by their name.

        Raises:
            DashboardError: no dashboard answers at the address.
        """
        response = self._request("GET", "/api/functions")
        try:
            functions = response.json()
        except requests.JSONDecodeError as error:
            raise DashboardError(f"What answers at {self._url} is no Nuclio dashboard.") from error
        if response.status_code != requests.codes.ok:
            raise DashboardError(
                f"The dashboard at {self._url} lists no functions, but answers {response.status_code}."
            )
        if not isinstance(functions, dict) or not all(isinstance(f, dict) for f in functions.values()):
            raise DashboardError(f"What answers at {self._url} is no Nuclio dashboard.")
        return functions

    def interactor(self, name: str | None = None) -> Definition:
        """The function of that name, or the only interactor there is.

        Raises:
            DashboardError: it is not there, or there are several.
        """
        functions = self.functions()
        if name is not None:
            if name not in functions:
                raise DashboardError(
                    f"The project '{PROJECT}' has no function '{name}'; it has {_names(functions)}."
                )
            return functions[name]
        interactors = {key: value for key, value in functions.items() if kind(value) == "interactor"}
        if not interactors:
            raise DashboardError(f"The project '{PROJECT}' has no interactor; it has {_names(functions)}.")
        if len(interactors) > 1:
            raise DashboardError(f"Say which with --function: the project has {_names(interactors)}.")
        return next(iter(interactors.values()))

    def invoke(self, function: str, body: object) -> Invocation:
        """Call a function with a JSON body.

        Raises:
            DashboardError: the dashboard cannot be reached, or keeps silent.
        """
        started = perf_counter()
        response = self._request(
            "POST",
            "/api/function_invocations",
            headers={
                "x-nuclio-function-name": function,
                "x-nuclio-path": "/",
                "Content-Type": "application/json",
            },
            data=json.dumps(body),
        )
        return Invocation(response.status_code, response.text, (perf_counter() - started) * 1000)

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: str | None = None
    ) -> requests.Response:
        try:
            return requests.request(
                method,
                self._url + path,
                headers={**self._headers, **(headers or {})},
                data=data,
                timeout=self._timeout,
            )
        except requests.ReadTimeout as error:
            raise DashboardError(f"No answer within {self._timeout:g} s: CVAT answers 504.") from error
        except requests.RequestException as error:
            raise DashboardError(
                f"The Nuclio dashboard at {self._url} does not answer ({type(error).__name__})."
            ) from error


def kind(function: Definition) -> str:
    """`interactor`, `detector` …, empty where the annotation is missing."""
    return str(notes_of(function).get("type", ""))


def notes_of(function: Definition) -> Mapping[str, object]:
    found = function.get("metadata", {}).get("annotations")
    return found if isinstance(found, Mapping) else {}


def _names(functions: Mapping[str, object]) -> str:
    return ", ".join(sorted(functions)) or "no functions"
