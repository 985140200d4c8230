"""Projects of Label Studio and the rows of their tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ritm_ops.label_studio.client import JSON, LabelStudioClient, LabelStudioError

PAGE = 500


def project_record(client: LabelStudioClient, number: int) -> dict[str, JSON]:
    """A project as Label Studio describes it.

    Raises:
        LabelStudioError: there is no such project, or Label Studio cannot be reached, or refuses.
    """
    try:
        found = client.call("GET", f"/api/projects/{number}")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        raise LabelStudioError(
            f"There is no project {number} in {client.url}; its number is in the address of its page.", 404
        ) from None
    return found if isinstance(found, dict) else {}


def task_rows(
    client: LabelStudioClient, project: int, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, JSON]]]:
    """All tasks of a project by their numbers, page by page.

    Args:
        client: of Label Studio.
        project: its number.
        columns: of the Data Manager that are wanted, besides `id`.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    page = 1
    while True:
        asked: dict[str, str | int] = {
            "project": project,
            "page": page,
            "page_size": PAGE,
            "include": ",".join(("id", *columns)),
        }
        try:
            answer = client.call("GET", "/api/tasks", params=asked)
        except LabelStudioError as error:
            if error.status == 404 and page > 1:  # a page behind the last one
                return
            raise
        rows = answer.get("tasks") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise LabelStudioError(f"{client.url} does not list the tasks of project {project}.")
        for row in rows:
            if isinstance(row, dict) and isinstance(number := row.get("id"), int):
                yield number, row
        if len(rows) < PAGE:
            return
        page += 1
