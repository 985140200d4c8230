"""What `ritm connect` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from ritm_backend.connect.config import Style
from ritm_backend.connect.storages import Storage
from ritm_backend.label_studio.options import Kind

NONE = SecretStr("")


@dataclass(frozen=True)
class Wish:
    """What to connect: the project by number or title, or the title and labels of a new one.

    Attributes:
        project: number or title of a project that is there.
        create: title of a new one; one of exactly this title that is there already is taken.
        labels: of a new project.
        style: of a new project.
        kind: the kind of region of a new project, or the one that an existing project prefers.
        refine: whose regions a first click refines. Like `kind`, kept as an extra parameter of the backend.
        pipeline: whose live model answers the project; kept as an extra parameter, too.
        backend: the backend's address as Label Studio's server reaches it.
        pages: where people open Label Studio; without, at the client's address.
        basic_auth_user: Label Studio logs in there so; without, a login that was set up before is kept.
        basic_auth_pass: see `basic_auth_user`.
        webhook_secret: goes with the events that the backend is told; without, they stay as they are.
        storages: where the project's photographs come from, and its annotations go.
        makes_buckets: make the buckets of the storages where there are none.
        trial: send one click through the whole chain.
        dry_run: change nothing, say what would be changed.
    """

    project: str = ""
    create: str = ""
    labels: tuple[str, ...] = ()
    style: Style | None = None
    kind: Kind | None = None
    refine: Literal["own", "everyone"] | None = None
    pipeline: str = ""
    backend: str = "http://127.0.0.1:9090"
    pages: str = ""
    basic_auth_user: str = ""
    basic_auth_pass: SecretStr = NONE
    webhook_secret: SecretStr = NONE
    storages: tuple[Storage, ...] = ()
    makes_buckets: bool = False
    trial: bool = True
    dry_run: bool = False
