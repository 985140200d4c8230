"""What tasks can be ordered by; on its own, so that settings are read without loading a network."""

from __future__ import annotations

from typing import Literal, get_args

OrderName = Literal["random", "coverage", "distance", "mirror", "shift", "sizes"]
ORDERS: tuple[OrderName, ...] = get_args(OrderName)
