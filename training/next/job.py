"""What a worker does when the places of tasks are to be written anew."""

from __future__ import annotations

from datetime import datetime, timezone

from rq import get_current_job
from rq.job import Job

from ritm_model.errors import RitmError
from training.ledger import work_folder
from training.next.finding import find_next, open_client, write
from training.pipelines.serving import served


def run(project: int) -> str:
    """What RQ calls, in a process of its own. It goes on with what was looked at before, if it was killed.

    Returns:
        A sentence for people, which is the job's `message`, too.

    Raises:
        RitmError: the reason why there is no order.
    """
    job = get_current_job()
    assert job is not None
    settings = served(job.origin).model_copy(update={"project": project})
    with work_folder(settings.folder, job.id):
        try:
            with open_client(settings) as client:
                found = find_next(settings, client, lambda _done, _total: None)
                written = write(settings, client, found, use=False)
        except RitmError as error:
            _say(job, str(error))
            raise
    sentence = (
        f"{len(found.order)} tasks of project {project} are in order by {found.by}; {written.scored} places "
        f"were written, {written.cleared} taken away, {len(found.problems)} tasks have none."
    )
    _say(job, sentence)
    return sentence


def _say(job: Job, sentence: str) -> None:
    job.meta["message"] = sentence
    job.meta["told_at"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    job.save_meta()  # type: ignore[no-untyped-call]
