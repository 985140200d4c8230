"""Annotators in small: pictures of discs in Label Studio, clicked through its backend, stored in a bucket."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from backend import RITM
from boto3.session import Session
from label_studio_server import LabelStudio
from s3_server import ACCESS
from team import SIDE, paint
from workers import Site

from ritm_ops.registry.tallies import Counts


def clicked(
    studio: LabelStudio, backend_id: int, task: int, mask: np.ndarray, clicks: int = 1
) -> dict[str, Any]:
    """What the editor gets for clicks in the middle of a disc."""
    rows, columns = np.nonzero(mask)
    point = {
        "id": "in-the-middle",
        "type": "keypoint",
        "from_name": "click",
        "to_name": "image",
        "original_width": SIDE,
        "original_height": SIDE,
        "image_rotation": 0,
        "is_positive": True,
        "value": {
            "x": (columns.mean() + 0.5) / SIDE * 100,
            "y": (rows.mean() + 0.5) / SIDE * 100,
            "width": 0.5,
            "labels": [],
        },
    }
    points = [point, *({**point, "id": f"again-{number}"} for number in range(1, clicks))]
    body = {"task": task, "context": {"result": points}}
    answer = studio.call("POST", f"/api/ml/{backend_id}/interactive-annotating", json=body)
    found: dict[str, Any] = answer["data"]
    return found


def accepted(site: Site, model: str) -> dict[str, tuple[int, int]]:
    """Accepted objects and their clicks by version, as an administrator is told."""
    done = subprocess.run(
        [RITM, "models", "history", model, "--json"],
        env={**site.environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    counts = Counts(by_day=json.loads(done.stdout)["accepted"])
    versions = {version for day in counts.by_day.values() for version in day}
    tallies = {version: counts.of_version(version) for version in versions}
    return {version: (tally.objects, tally.clicks) for version, tally in tallies.items()}


def store_labels(studio: LabelStudio, project: int, s3: str, bucket: str, prefix: str) -> None:
    """Have Label Studio write each annotation to the bucket as soon as it is made."""
    storage = {
        "project": project,
        "title": "labels",
        "bucket": bucket,
        "prefix": prefix,
        "s3_endpoint": s3,
        "region_name": ACCESS["AWS_DEFAULT_REGION"],
        "aws_access_key_id": ACCESS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": ACCESS["AWS_SECRET_ACCESS_KEY"],
    }
    studio.call("POST", "/api/storages/export/s3", json=storage)


def upload(studio: LabelStudio, project: int, folder: Path, number: int) -> tuple[int, np.ndarray]:
    """A new task with a painted picture, and the mask of its disc."""
    picture, mask = paint(number)
    path = folder / f"{number}.png"
    assert cv2.imwrite(str(path), picture)
    return studio.upload(project, path)["id"], mask


def make_bucket(s3: str, bucket: str) -> None:
    """Make an empty bucket."""
    Session(ACCESS["AWS_ACCESS_KEY_ID"], ACCESS["AWS_SECRET_ACCESS_KEY"]).client(
        "s3", endpoint_url=s3, region_name=ACCESS["AWS_DEFAULT_REGION"]
    ).create_bucket(Bucket=bucket)
