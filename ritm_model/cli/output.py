"""What commands print: JSON for programs, aligned columns for people, and a progress bar meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

from ritm_model.tables import aligned


class OnProgress(Protocol):
    """Shows how much is done, of how much if that is known, and a note beside it."""

    def __call__(self, done: int, total: int | None, /, note: str = "", title: str | None = None) -> None: ...


def echo_json(value: object) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def echo_table(rows: Iterable[Sequence[object]]) -> None:
    click.echo(aligned([[str(cell) for cell in row] for row in rows]))


@contextmanager
def progress_bar(title: str, *, hidden: bool, **looks: Any) -> Iterator[OnProgress]:
    """A bar that lasts as long as the block, where somebody watches.

    Args:
        title: what stands before it.
        hidden: nobody wants it, since the answer is for a program.
        looks: what tqdm takes, such as `unit="image"`.
    """
    from tqdm import tqdm

    # disable=None: no bar where nobody watches, such as in a log file.
    with tqdm(desc=title, disable=hidden or None, **looks) as bar:

        def show(done: int, total: int | None, /, note: str = "", title: str | None = None) -> None:
            bar.total = total
            if note:
                bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)
            if title is not None:
                bar.set_description_str(title)

        yield show
