"""What administrators see, behind the password: the server, its problems, and fine-tuning jobs."""

from __future__ import annotations

import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from backend import ritm_serve
from demo_page import COINS, ON_A_COIN, OTHER_MODEL, Demo
from playwright.sync_api import Browser, Error, HttpCredentials, Locator, Page, expect
from processes import ROOT, Server
from redis_server import redis_server
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from ritm_model.checkpoints import bundled_model_path
from ritm_model.evaluation.report.filmstrip import to_webp
from ritm_ops.jobs.protocol import JobReport
from ritm_ops.jobs.queue import JobQueue, connect
from ritm_ops.object_store import ObjectStore, open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.filmstrips import write_filmstrips
from ritm_ops.registry.tallies import Counts, Tally
from ritm_ops.registry.trials import Trials

SCREENSHOT = ROOT / "docs/images/pipeline.png"
CREDENTIALS: HttpCredentials = {"username": "admin", "password": "correct horse"}


@dataclass(frozen=True)
class Deployment:
    server: Server
    queue: JobQueue
    picture: Path
    store: ObjectStore


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """`ritm serve` with a password, a Redis for jobs, and a picture to open with."""
    folder = tmp_path_factory.mktemp("guarded")
    picture = folder / "coins.jpg"
    picture.write_bytes(COINS.read_bytes())
    (folder / "pipelines.yaml").write_text(
        f"pipelines: {{cells: {{source: labels, registry: {folder / 'registry'}}}}}"
    )
    store = open_store(str(folder / "registry"))
    with tempfile.TemporaryDirectory(prefix="ritm") as short, redis_server(Path(short)) as redis:
        environment = {
            "BASIC_AUTH_USER": CREDENTIALS["username"],
            "BASIC_AUTH_PASS": CREDENTIALS["password"],
            "RITM_DEMO_IMAGE": str(picture),
            "RITM_REDIS_URL": redis.url,
            "RITM_FINETUNE_SOURCE": str(folder / "labels"),
            "RITM_PIPELINES": str(folder / "pipelines.yaml"),
            "RITM_ENGINE": "torch",
            "OMP_NUM_THREADS": "1",
        }
        client = connect(redis.url)
        with ritm_serve(folder, environment, health="/health") as server:
            yield Deployment(server, JobQueue(client), picture, store)
        client.close()


@pytest.fixture
def page(deployment: Deployment, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(http_credentials=CREDENTIALS, viewport={"width": 1200, "height": 800})
    yield context.new_page()
    context.close()


def test_nothing_is_shown_without_the_password(deployment: Deployment, browser: Browser) -> None:
    page = browser.new_page()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        page.goto(deployment.server.url)
    page.close()


def test_the_server_and_its_problems(deployment: Deployment, page: Page) -> None:
    demo = Demo(page)
    demo.go(deployment.server.url)
    demo.wait_open("coins.jpg")
    demo.click(*ON_A_COIN)
    expect(page.locator("#model-version")).to_contain_text("starter-")
    lost = deployment.picture.rename(deployment.picture.with_suffix(".lost"))
    said = page.evaluate("async () => (await (await fetch('/demo/opening')).json()).error")
    lost.rename(deployment.picture)
    error_id = said.partition("(error ")[2].partition(" ")[0]
    assert error_id

    demo.unfold("Server")
    facts = page.locator(".server-facts")
    for fact in ("ready", "starter-", "cpu", "TorchEngine", "Session states", "Cache"):
        expect(facts).to_contain_text(fact)
    expect(page.locator(".histogram")).to_have_attribute("aria-label", re.compile(r"\b1 up to"))
    problem = page.locator(".problems li").first
    expect(problem).to_contain_text(f"/demo/opening 500 · error {error_id}")
    assert error_id in deployment.server.text(), "the log has it too"
    assert str(deployment.picture) not in problem.inner_text()


def test_fine_tuning_is_started_watched_and_stopped(deployment: Deployment, page: Page) -> None:
    demo = Demo(page)
    demo.go(deployment.server.url)
    own = pipeline(demo, "this server")
    expect(own.locator(".notice")).to_have_text("No jobs yet.")
    page.get_by_role("button", name="Start", exact=True).click()
    row = own.locator(".jobs > li")
    expect(row.locator(".state")).to_have_text("queued")
    page.get_by_role("button", name="Start", exact=True).click()
    (job,) = deployment.queue.jobs()  # the same labels are not learnt twice at the same time

    report = JobReport(
        stage="learning", progress=0.4, eta_seconds=720, message="", log=("step 20 of 50", "loss 0.113")
    )
    says(deployment.queue, job.id, JobStatus.STARTED, report)
    expect(row.locator(".state")).to_have_text("running")
    expect(row.locator(".message")).to_have_text("learning · 12 min left")
    assert row.locator("progress").evaluate("(bar) => bar.value") == pytest.approx(0.4)
    row.locator(".log summary").click()
    expect(row.locator("pre")).to_have_text("step 20 of 50\nloss 0.113")

    metrics = {"before": {"NoC@85": 6.25}, "after": {"NoC@85": 4.5}}
    report = JobReport(progress=1, message="Fewer clicks.", metrics=metrics, published_version="cells-2")
    says(deployment.queue, job.id, JobStatus.FINISHED, report)
    expect(row.locator(".state")).to_have_text("finished")
    assert row.locator("tbody tr").all_inner_texts() == ["NoC@85\t6.25\t4.5"]
    expect(row.locator(".message")).to_have_text("Fewer clicks. · serves as cells-2")
    expect(row.locator("pre")).to_be_visible()
    expect(row.locator(".stop")).to_be_hidden()

    page.get_by_role("button", name="Start", exact=True).click()
    expect(row).to_have_count(2)
    row.first.locator(".stop").click()
    expect(row.first.locator(".state")).to_have_text("stopped")
    assert [view.status for view in deployment.queue.jobs()] == ["stopped", "finished"]
    assert demo.troubles == []


def test_candidates_are_decided_on_and_versions_rolled_back(
    deployment: Deployment, page: Page, tmp_path: Path
) -> None:
    registry, trials = Registry(deployment.store), Trials(deployment.store)
    live = registry.publish("cells", OTHER_MODEL, {})
    registry.promote("cells", live, None)
    report = {"noc_before": 6.5, "noc_after": 4.25, "decision": "NoC@90 fell."}
    candidate = registry.publish("cells", bundled_model_path(), report)
    trials.begin("cells", candidate, "shadow", share=0.5, objects=40)
    picture = b64encode(to_webp(np.zeros((24, 34, 3), np.uint8))).decode()
    first, second = ({"click": at, "iou": iou, "picture": picture} for at, iou in ((1, 0.5), (2, 0.95)))
    strips = {
        "before": {"clicks": None, "frames": [first]},
        "after": {"clicks": 2, "frames": [first, second]},
    }
    drawn = {"target": 0.9, "objects": [{"name": "1.png#1", "category": "cell", **strips}]}
    write_filmstrips(deployment.store, "cells", candidate, drawn)
    days = {
        date(2026, 1, 2): {live: Tally(objects=4, clicks=10, squares=30)},
        date(2026, 1, 3): {live: Tally(objects=9, clicks=18, squares=44)},
    }
    trials.count("cells", Counts(by_day=days))

    demo = Demo(page)
    demo.go(deployment.server.url)
    row = pipeline(demo, "cells")
    expect(row.locator(".waiting")).to_have_text("1 to decide")
    expect(row.locator(".live")).to_have_text(f"{live} is live")
    expect(row.locator(".candidates li")).to_contain_text(
        f"{candidate}NoC 6.5 → 4.25 · NoC@90 fell. · shadow: IoU 0.000 with 0 of 40 accepted objects"
    )
    by_day = [f"2026-01-02\t{live}\t4\t2.5", f"2026-01-03\t{live}\t9\t2"]
    assert sorted(row.locator(".accepted tbody tr").all_inner_texts()) == by_day
    expect(row.locator(".roll-back")).to_be_hidden()
    update = os.environ.get("RITM_UPDATE_SCREENSHOTS") == "1"
    row.screenshot(path=SCREENSHOT if update else tmp_path / SCREENSHOT.name)

    page.get_by_role("button", name=f"Compare {candidate}").click()
    shown = page.get_by_role("dialog", name=candidate)
    expect(shown.locator(".strip.before p")).to_have_text(f"{live}never reached")
    expect(shown.locator(".strip.after p")).to_have_text(f"{candidate}2 clicks")
    picture = shown.get_by_alt_text(f"{candidate} after click 2: IoU 0.95")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 34
    shown.get_by_role("button", name="Close").click()

    page.get_by_role("button", name=f"Approve {candidate}").click()
    expect(row.locator(".live")).to_have_text(f"{candidate} is live")
    assert registry.history("cells")[-1].by == "admin on the page"
    page.get_by_role("button", name=f"Roll back {candidate}").click()
    expect(row.locator(".live")).to_have_text(f"{live} is live")
    expect(row.locator(".candidates li")).to_have_count(0)
    assert demo.troubles == []


def test_jobs_are_those_of_the_pipeline(deployment: Deployment, page: Page) -> None:
    demo = Demo(page)
    demo.go(deployment.server.url)
    cells = pipeline(demo, "cells")
    expect(cells.locator(".notice")).to_have_text("No jobs yet.")
    cells.get_by_role("button", name="Start", exact=True).click()
    expect(cells.locator(".jobs .state")).to_have_text("queued")
    of_cells = JobQueue(deployment.queue.redis, pipeline="cells")
    (job,) = of_cells.jobs()
    assert job.source == "labels"
    cells.get_by_role("button", name=f"Stop job {job.id}").click()
    expect(cells.locator(".jobs .state")).to_have_text("stopped")
    assert demo.troubles == []


def pipeline(demo: Demo, name: str) -> Locator:
    """The part of the page about a pipeline, unfolded."""
    demo.unfold("Fine-tuning")
    row = demo.page.locator("#pipelines > li").filter(has=demo.page.locator(".name", has_text=name))
    row.locator("summary").first.click()
    return row


def says(queue: JobQueue, job_id: str, status: JobStatus, report: JobReport) -> None:
    """Write into Redis what a worker writes about its job."""
    job = Job.fetch(job_id, connection=queue.redis, serializer=JSONSerializer)
    job.meta.update(report.model_dump(mode="json"))
    job.save_meta()
    job.set_status(status)


def test_a_server_without_jobs_says_so(demo: Demo) -> None:
    demo.unfold("Fine-tuning")
    row = demo.page.locator("#pipelines > li")
    expect(row.locator(".notice")).to_contain_text("RITM_REDIS_URL is not set")
    expect(row.locator(".start")).to_be_hidden()
