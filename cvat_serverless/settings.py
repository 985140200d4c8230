"""What an administrator can set, read from the environment once, when the function starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from ritm_model.inference.specks import MIN_REGION_PIXELS
from ritm_ops.environment import EnvironmentSettings

AnswerForm = Literal["shapes", "mask"]


class CvatSettings(EnvironmentSettings):
    """The function's environment; `docs/cvat.md` has the table."""

    ritm_model: str = "bundled"
    """`bundled`, the path of a checkpoint that is mounted into the container, or `registry:NAME`."""

    ritm_registry: str | None = None
    """Where versions of models lie, for `registry:NAME`: `s3://bucket/prefix` or a folder."""

    ritm_registry_seconds: float = Field(default=15, gt=0)
    """Seconds between two checks for a newer live version."""

    ritm_device: str = "auto"
    """`auto`, `cpu` or `cuda`."""

    ritm_engine: Literal["auto", "torch", "compile", "openvino"] = "auto"
    """What runs the network, as for `ritm serve`: `auto` measures and takes the quickest."""

    ritm_light_after_seconds: float = Field(default=0.3, ge=0, le=3600)
    """Wait for a worker, in seconds, after which clicks are answered with less work; 0 for never."""

    session_store: SecretStr | None = None
    """Redis through which workers of the function share what was clicked; without it each replays."""

    ritm_memory_mb: int | None = Field(default=None, ge=64)
    """Memory of all workers together, where that is less than the container may use; a quarter decodes."""

    ritm_cvat_answer: AnswerForm = "shapes"
    """`shapes` for CVAT from 2.62 on, `mask` for older ones."""

    ritm_cvat_confidence: bool = False
    """Send the model's confidence, which makes CVAT show its threshold slider."""

    ritm_cvat_cache_mb: int = Field(default=1024, ge=1)
    """Memory for decoded images and the states of their clicks, of all workers together."""

    ritm_cvat_ttl_seconds: float = Field(default=1800, gt=0)
    """How long an image that nobody clicks on is kept."""

    ritm_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port on which Prometheus is answered at `/metrics`, without a password; 0 for none."""

    ritm_min_region_pixels: int = Field(default=MIN_REGION_PIXELS, ge=0)
    """Specks of a mask smaller than this are removed, as in Label Studio."""
