"""What images and models come from fails while annotators click."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from annotators import Log, annotators, click
from backend import ritm_serve, serving_pids
from boto3.session import Session
from fault_servers import BUCKET, Models, Storage
from image_source import ImageSource, Mood
from processes import Server, wait_until
from s3_server import ACCESS, Fault

OTHERS = 1000  # the first task of those whom the fault should not concern


@pytest.fixture(autouse=True)
def well_again(source: ImageSource, storage: Storage) -> Iterator[None]:
    yield
    source.mood = "well"
    for proxy in (storage.for_images, storage.for_models):
        proxy.faults.clear()


def assert_trouble_is_told(troubled: Log, sentence: str) -> None:
    """From now on, clicks on new images get an answer without a mask, and the sentence."""
    clicks = troubled.wait_for(lambda found: sum(not click.is_well for click in found) >= 2, "the fault")
    trouble = [click for click in clicks if not click.is_well]
    assert {(click.outcome, click.mask) for click in trouble} == {(200, "")}
    for one in trouble:
        assert re.search(sentence, one.message), one.message


def assert_undisturbed(others: Log, server: Server, since: float) -> None:
    others.wait_for_well()
    assert all(click.is_well for click in others.since(since))
    assert requests.get(f"{server.url}/health", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("mood", "sentence"),
    [
        ("gone", "cannot be reached"),
        ("silent", "did not answer in time"),
        ("401", "refused the legacy token in LABEL_STUDIO_API_KEY"),
        ("500", "answered 500 for the image"),
    ],
)
def test_label_studio_fails(
    server: Server, source: ImageSource, mood: Mood | Any, sentence: str, record_property: Any
) -> None:
    with (
        annotators(server.url, lambda task: f"/data/upload/{mood}/{task}.jpg") as troubled,
        annotators(
            server.url, lambda task: f"/data/upload/{mood}/{task}.jpg", first_task=OTHERS, people=1, stay=True
        ) as others,
    ):
        troubled.wait_for_well(1)
        others.wait_for_well(1)
        begun = time.monotonic()
        if mood == "gone":
            source.go()
        else:
            source.mood = mood
        assert_trouble_is_told(troubled, sentence)
        assert_undisturbed(others, server, begun)
        source.mood = "well"
        if mood == "gone":
            source.come()
        ended = time.monotonic()
        troubled.wait_for_well()
    record_property("seconds_until_normal", troubled.seconds_until_well(ended))


def test_label_studio_is_slow(server: Server, source: ImageSource) -> None:
    source.mood = "late"
    with annotators(server.url, lambda task: f"/data/upload/late/{task}.jpg") as log:
        log.wait_for_well(6)
    source.mood = "well"
    assert all(click.is_well for click in log.clicks)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("500", "answered 500 for the image s3://"),
        ("403", "answered 403 for the image s3://"),
        ("truncated", "broke off after"),
    ],
)
def test_the_store_of_images_fails(
    server: Server, source: ImageSource, storage: Storage, fault: Fault, sentence: str, record_property: Any
) -> None:
    s3 = Session(ACCESS["AWS_ACCESS_KEY_ID"], ACCESS["AWS_SECRET_ACCESS_KEY"]).client(
        "s3",
        endpoint_url=storage.for_images.url.replace("127.0.0.1", "localhost"),
        region_name=ACCESS["AWS_DEFAULT_REGION"],
    )
    s3.put_object(Bucket=BUCKET, Key="photograph.jpg", Body=source.picture)
    signed = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "photograph.jpg"})
    source.presigned = lambda: signed
    with (
        annotators(server.url, lambda task: f"s3://{BUCKET}/{fault}/{task}.jpg") as troubled,
        annotators(
            server.url, lambda task: f"/data/upload/s3/{fault}/{task}.jpg", first_task=OTHERS
        ) as others,
    ):
        troubled.wait_for_well(1)
        others.wait_for_well(1)
        begun = time.monotonic()
        storage.for_images.faults.extend([fault] * 10_000)
        assert_trouble_is_told(troubled, sentence)
        assert_undisturbed(others, server, begun)
        storage.for_images.faults.clear()
        ended = time.monotonic()
        troubled.wait_for_well()
    record_property("seconds_until_normal", troubled.seconds_until_well(ended))


def test_the_registry_fails(server: Server, models: Models, storage: Storage, record_property: Any) -> None:
    sentence = "fails (status 500)"

    def answering() -> str:
        versions: list[str] = requests.get(f"{server.url}/versions", timeout=30).json()["versions"]
        return versions[0]

    told = server.text().count(sentence)
    with annotators(server.url, lambda task: f"/data/upload/registry/{task}.jpg") as log:
        log.wait_for_well()
        storage.for_models.faults.extend(["500"] * 10_000)
        wait_until(lambda: server.text().count(sentence) > told, "trouble in the log", within_s=60)
        before, newer = models.promote_the_other()
        log.wait_for_well()
        assert answering() == before
        storage.for_models.faults.clear()
        ended = time.monotonic()
        wait_until(lambda: answering() == newer, "the newer version", within_s=60)
        record_property("seconds_until_normal", time.monotonic() - ended)
        log.wait_for_well()
    assert all(click.is_well for click in log.clicks)


def test_a_server_starts_while_the_registry_fails(
    live_settings: Mapping[str, str], storage: Storage, tmp_path: Path, record_property: Any
) -> None:
    storage.for_models.faults.extend(["500"] * 10_000)
    with ritm_serve(tmp_path, live_settings, health="/live") as server:
        wait_until(lambda: "could not be loaded" in server.text(), "trouble in the log", within_s=60)
        assert requests.get(f"{server.url}/health", timeout=30).status_code == 200
        assert requests.get(f"{server.url}/ready", timeout=30).status_code == 503
        storage.for_models.faults.clear()
        ended = time.monotonic()
        wait_until(lambda: requests.get(f"{server.url}/ready", timeout=30).ok, "the model", within_s=60)
        record_property("seconds_until_normal", time.monotonic() - ended)
        assert click(server.url, 1, 1, "/data/upload/started/1.jpg").is_well


def test_a_serving_process_is_killed_while_the_registry_fails(
    server: Server, storage: Storage, record_property: Any
) -> None:
    (victim,) = serving_pids(server)
    version = requests.get(f"{server.url}/ready", timeout=30).json()["model_version"]
    storage.for_models.faults.extend(["500"] * 10_000)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    with annotators(server.url, lambda task: f"/data/upload/killed/{task}.jpg") as log:
        log.wait_for_well()
        record_property("seconds_until_normal", log.seconds_until_well(killed))
    assert all(click.is_well for click in log.clicks)
    assert requests.get(f"{server.url}/ready", timeout=30).json()["model_version"] == version
