"""What is read from Label Studio, and what is changed there: or, in a dry run, would be."""

from __future__ import annotations

from dataclasses import dataclass

from ritm_backend.connect.answers import Record, listed, record
from ritm_ops.label_studio.client import LabelStudioClient


@dataclass(frozen=True)
class Editor:
    """Changes Label Studio; in a dry run everything is read and checked, and nothing changed."""

    client: LabelStudioClient
    dry_run: bool = False

    @property
    def url(self) -> str:
        return self.client.url

    def read(self, path: str) -> Record:
        return record(self.client.call("GET", path))

    def list(self, path: str, **params: str | int) -> list[Record]:
        return listed(self.client.call("GET", path, params=params))

    def change(self, method: str, path: str, body: Record | None = None) -> Record | None:
        """Ask for a change; what is there now, or None in a dry run and where nothing is left."""
        if self.dry_run:
            return None
        answer = self.client.call(method, path, body=body)
        return record(answer) if answer is not None else None

    def said(self, done: str, planned: str) -> str:
        """Which of two ends of a sentence is true: "is made", "would be made"."""
        return planned if self.dry_run else done
