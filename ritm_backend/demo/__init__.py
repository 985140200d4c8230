"""The browser demo: a page served at `/`, and the few routes behind it."""

from ritm_backend.demo.routes import demo_routes

__all__ = ["demo_routes"]
