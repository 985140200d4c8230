"""A server whose images and model come from what the tests disturb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import torch
from backend import ritm_serve
from boto3.session import Session
from fault_servers import BUCKET, MODEL, Models, Storage
from image_source import TOKEN, ImageSource, image_source
from processes import Server
from s3_server import ACCESS, FaultyProxy, s3_server

from ritm_model.checkpoints import bundled_model_path, load_model, save_model
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry


@pytest.fixture(scope="session")
def source() -> Iterator[ImageSource]:
    with image_source() as running:
        yield running


@pytest.fixture(scope="session")
def image_settings(source: ImageSource) -> Mapping[str, str]:
    """Settings of a server that takes images from `source`."""
    return {
        "LABEL_STUDIO_URL": source.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "RITM_ALLOWED_HOSTS": "localhost",
        "RITM_RATE_PER_MINUTE": "0",
        "RITM_CACHE_MB": "256",
        "OMP_NUM_THREADS": "1",  # libgomp ends the process where it cannot make a thread
    }


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        proxies = FaultyProxy(running.url), FaultyProxy(running.url)
        yield Storage(running.url, *proxies)
        for proxy in proxies:
            proxy.close()


@pytest.fixture(scope="session")
def models(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Models:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ACCESS | {"AWS_ENDPOINT_URL": storage.url}).items():
            patch.setenv(name, value)
        Session().client("s3").create_bucket(Bucket=BUCKET)
        registry = Registry(open_store(f"s3://{BUCKET}/models"))
    changed = load_model(bundled_model_path())
    with torch.no_grad():
        next(changed.parameters()).mul_(1.001)
    path = tmp_path_factory.mktemp("changed") / "model.safetensors"
    save_model(path, changed)
    first = registry.publish(MODEL, bundled_model_path(), {})
    registry.promote(MODEL, first, None)
    return Models(registry, (first, registry.publish(MODEL, path, {})))


@pytest.fixture(scope="session")
def live_settings(image_settings: Mapping[str, str], storage: Storage, models: Models) -> Mapping[str, str]:
    """Settings of a server that serves the live one of `models`."""
    return {
        **image_settings,
        "RITM_FETCH_READ_SECONDS": "1",
        **ACCESS,
        "AWS_ENDPOINT_URL": storage.for_models.url,
        "RITM_MODEL": f"registry:{MODEL}",
        "RITM_REGISTRY": models.registry.uri,
        "RITM_REGISTRY_SECONDS": "0.2",
    }


@pytest.fixture(scope="session")
def server(live_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process with these settings."""
    with ritm_serve(tmp_path_factory.mktemp("server"), live_settings) as running:
        yield running
