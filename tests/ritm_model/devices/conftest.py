"""The second device, for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from second_device import second_device


@pytest.fixture
def device() -> Iterator[torch.device]:
    with second_device() as found:
        yield found
