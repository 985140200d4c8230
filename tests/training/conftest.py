"""A real S3 server for all tests, and sites whose workers learn from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis_server import Redis
from s3_server import ACCESS, FaultyProxy
from team import RECIPE, label
from workers import Site

from ritm_model.checkpoints import bundled_model_path
from ritm_ops.jobs.queue import JobQueue
from training.settings import TrainingSettings


@pytest.fixture
def proxy(s3_url: str) -> Iterator[FaultyProxy]:
    running = FaultyProxy(s3_url)
    yield running
    running.close()


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty labelled pictures, as plain COCO."""
    return label(tmp_path_factory.mktemp("labels"), 40)


@pytest.fixture
def base() -> Path:
    """A small model that finds discs at once: one that has learnt nothing is measured for 20 clicks."""
    return Path(__file__).parents[1] / "models/tiny-discs.safetensors"


@pytest.fixture
def make_site(
    labels: Path, redis: Redis, jobs: JobQueue, bucket: str, s3_url: str, tmp_path: Path
) -> Callable[..., Site]:
    """Makes a site whose jobs take seconds and publish whatever they learn."""

    def make(**more: str) -> Site:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
            **ACCESS,
            "AWS_ENDPOINT_URL": s3_url,
            "RITM_DEVICE": "cpu",
            "RITM_REDIS_URL": redis.url,
            "RITM_REGISTRY": f"s3://{bucket}/registry",
            "RITM_FINETUNE_SOURCE": str(labels),
            "RITM_FINETUNE_FOLDER": str(tmp_path / "work"),
            "RITM_FINETUNE_BASE": "bundled",  # it finds discs at once
            "RITM_FINETUNE_CHANGES": ";".join(RECIPE),
            "RITM_FINETUNE_OBJECTS": "1",
            "RITM_FINETUNE_LEAST_OBJECTS": "2",
            "RITM_FINETUNE_MARGIN": "-20",
            "RITM_FINETUNE_HEARTBEAT_SECONDS": "1",
        }
        return Site(tmp_path, jobs, environment | more)

    return make


@pytest.fixture
def settings(tmp_path: Path, labels: Path) -> TrainingSettings:
    """For jobs of two steps in this process, without Redis.

    They go on from a model that finds discs at once: one that has learnt nothing is measured for 20 clicks.
    """
    return TrainingSettings(
        registry=str(tmp_path / "registry"),
        source=str(labels),
        folder=tmp_path / "work",
        base=str(bundled_model_path()),
        changes=(*RECIPE, "epochs=1", "epoch_samples=4", "checkpoint_steps=100"),
        device="cpu",
        objects=1,
        least_objects=1,
    )
