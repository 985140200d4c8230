"""People are told of what they should know, and a webhook that does badly costs a job nothing."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from processes import wait_until
from pydantic import SecretStr
from team import RECIPE
from webhook import PATH, Webhook, webhook_server
from workers import Site, worker

from ritm_ops.environment import SettingsError
from ritm_ops.jobs.protocol import Outcome
from ritm_ops.jobs.queue import JobQueue
from training.job import Order, finetune
from training.ledger import work_folder
from training.notify import tell_of_end, tell_of_failure
from training.notify.sentences import LONGEST
from training.notify.webhook import send
from training.progress import Progress
from training.settings import TrainingSettings


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with webhook_server() as server:
        yield server


def settings_for(url: str | None, **more: object) -> TrainingSettings:
    return TrainingSettings(notify_url=url, model="cells", pipeline="biology", **more)


@pytest.mark.parametrize(
    ("outcome", "message", "told"),
    [
        (
            "published",
            "cells-1a2b is live. NoC@90 changed by -2.00 clicks (49 objects).",
            "cells-1a2b is live; NoC@90 changed by -2.00 clicks (49 objects); "
            "`ritm models rollback cells` goes back.",
        ),
        (
            "candidate",
            "cells-1a2b waits for `ritm models approve cells cells-1a2b`. NoC@90 fell.",
            "cells-1a2b waits for `ritm models approve cells cells-1a2b`; NoC@90 fell; "
            "`ritm models candidates cells` shows what was measured.",
        ),
        (
            "not better",
            "Not published: it is not certain that it fell.",
            "Not published: it is not certain that it fell; "
            "the next job takes new labels along, so label more.",
        ),
    ],
)
def test_an_end_is_told_with_the_next_step(
    webhook: Webhook, outcome: Outcome, message: str, told: str
) -> None:
    tell_of_end(settings_for(webhook.url), "42", outcome, message)
    assert webhook.texts == [f"Fine-tuning job 42 of biology: {told}"]


def test_a_failure_is_told_with_the_next_step(webhook: Webhook) -> None:
    tell_of_failure(settings_for(webhook.url), "42", "S3 refuses s3://labels.")
    told = "S3 refuses s3://labels; `ritm finetune --pipeline biology logs 42` shows how it went."
    assert webhook.texts == [f"Fine-tuning job 42 of biology failed: {told}"]


def test_nobody_is_told_of_what_asks_nothing_of_them(webhook: Webhook) -> None:
    for outcome in set(get_args(Outcome)) - {"published", "candidate", "not better"}:
        tell_of_end(settings_for(webhook.url), "42", outcome, "Nothing.")
    tell_of_failure(settings_for(None), "42", "No webhook.")
    assert webhook.texts == []


def test_no_file_name_becomes_a_mention_or_a_flood(webhook: Webhook) -> None:
    tell_of_failure(settings_for(webhook.url), "42", f"<!channel>&{'x' * 10_000}.png is damaged.")
    (text,) = webhook.texts
    assert "failed: &lt;!channel&gt;&amp;xxx" in text
    assert LONGEST < len(text) < LONGEST + 200


@pytest.mark.parametrize(
    ("answers", "asked", "warning"),
    [
        ([], 1, None),
        ([204], 1, None),
        ([500, 429], 3, None),
        ([500, 502, 503], 3, "it answered 503"),
        ([404], 1, "it answered 404"),
        ([302], 1, "it answered 302"),
    ],
)
def test_what_may_pass_is_tried_again(
    webhook: Webhook, answers: list[int], asked: int, warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.answers.extend(answers)
    send(webhook.url, "Hello", pauses=(0, 0))
    assert webhook.texts == ["Hello"] * asked
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == ([f"The webhook of RITM_NOTIFY_URL could not be told: {warning}."] if warning else [])


def test_no_wait_goes_beyond_the_deadline(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    webhook.answers.append(0)
    send(webhook.url, "Hello", within_seconds=0.2)
    assert webhook.texts == ["Hello"]
    assert "it did not answer within 0.2 seconds" in caplog.text
    webhook.answers.append(500)
    send(webhook.url, "Hello", within_seconds=60, pauses=(61, 0))
    assert webhook.texts == ["Hello"] * 2
    assert "it answered 500" in caplog.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://no.such.host.invalid", f"http://{'a' * 70}.invalid"]
)
def test_a_webhook_that_cannot_be_reached_is_a_warning_without_its_address(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with caplog.at_level(logging.INFO):
        send(url.format(port=port) + PATH, "Hello", pauses=(0,))
    assert "The webhook of RITM_NOTIFY_URL could not be told: " in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize(
    "value", ["hooks.example.com/x", "ftp://hooks.example.com", "https://?hidden", "http://[x"]
)
def test_what_is_no_address_is_refused_without_being_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RITM_NOTIFY_URL", value)
    with pytest.raises(SettingsError, match="RITM_NOTIFY_URL must be the address of a webhook") as caught:
        TrainingSettings.from_environment()
    assert value not in str(caught.value)


def test_the_address_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("https://hooks.example.com/hidden\n")
    monkeypatch.setenv("RITM_NOTIFY_URL_FILE", str(tmp_path / "url"))
    found = TrainingSettings.from_environment()
    assert found.notify_url is not None
    assert found.notify_url.get_secret_value() == "https://hooks.example.com/hidden"
    assert "hidden" not in repr(found)


@pytest.mark.slow
def test_a_job_tells_once_how_it_ended(webhook: Webhook, settings: TrainingSettings, labels: Path) -> None:
    settings = settings.model_copy(update={"notify_url": SecretStr(webhook.url)})
    for _ in range(2):  # the second attempt, as after a kill, has nothing left to do
        with work_folder(settings.folder, "42") as folder:
            finetune(Order("42", str(labels)), settings, folder, Progress(folder / "log.txt"))
    (text,) = webhook.texts
    assert text.startswith("Fine-tuning job 42: Not published: ")


@pytest.mark.e2e
@pytest.mark.slow
def test_workers_tell_of_jobs_that_failed_and_were_killed_and_abandoned(
    make_site: Callable[..., Site], webhook: Webhook, tmp_path: Path
) -> None:
    site = make_site(
        RITM_NOTIFY_URL=webhook.url, RITM_FINETUNE_CHANGES=";".join((*RECIPE, "epoch_samples=40"))
    )
    jobs = JobQueue(site.jobs.redis, pauses=())  # whatever fails has failed for good
    webhook.answers.append(404)
    missing, _ = jobs.start(str(tmp_path / "nowhere"))
    with worker(site) as first:
        assert site.ended(missing, first).status == "failed"
        killed = jobs.start(site.environment["RITM_FINETUNE_SOURCE"])[0]
        site.wait_for_steps(killed, 1)
        os.kill(first.horse(site.work(killed)), signal.SIGKILL)
        assert site.ended(killed, first).status == "failed"
        abandoned = jobs.start(site.environment["RITM_FINETUNE_SOURCE"])[0]
        site.wait_for_steps(abandoned, 1)
    with worker(site) as second:
        assert site.ended(abandoned, second).status == "failed"
        wait_until(lambda: len(webhook.texts) == 3, "the third message", within_s=30)
    for text, job_id, reason in zip(
        webhook.texts,
        (missing, killed, abandoned),
        ("", "The process of the job was ended by SIGKILL; ", "The worker of the job has died; "),
        strict=True,
    ):
        assert text.startswith(f"Fine-tuning job {job_id} failed: {reason}")
    log = (site.folder / "worker.log").read_text()
    assert "The webhook of RITM_NOTIFY_URL could not be told: it answered 404." in log
    assert PATH not in log
